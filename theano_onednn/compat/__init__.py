"""Theano 1.0.5, Lasagne 0.1 and nolearn 0.6.1 as released, on Pythons and NumPys that came after them.

    names.py      what newer releases dropped: name, who dropped it, who asks for it, what stands in
    patches.py    what changes in a module of the three once Python has loaded it, and why
    loading.py    hands the one and the other to the three packages, and to nobody else

Nothing outside the three is changed: `numpy`, `collections` or `sklearn` stay as they are for everybody else.
"""
from .loading import install

__all__ = ["install"]
