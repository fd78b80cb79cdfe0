"""The pixels of faces as text, b"238 236 237 ...", and what is wrong with those that are no such text.

Kaggle's text is parsed strictly and fast, with a few NumPy passes over a block of
rows.  What other programs make of it without loss is taken as well: 238.0 or
2.38e2 for 238, brackets and commas around and between.
"""
import math
import re

import numpy as np

from fkp.csvs.table import AGAIN, CUT, show
from fkp.keypoints import AREA, SIZE

EXCELS_LONGEST = 32767  # characters that a cell of Excel holds
_NUMBERS = re.compile(rb"(?:-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)? )+")
_SHORT = re.compile(rb"(?:\d{1,3}(?:\.\d*)?(?:[eE][-+]?\d{1,2})? )+")


def parse(texts):
    """The pixels uint8 (len(texts), AREA), or None where one text is not AREA whole numbers from 0 to 255."""
    values = parse_strictly(texts)
    if values is None:
        texts = [_resaved(text) for text in texts]
        values = parse_strictly(texts)
    return parse_strictly([_whole(text) for text in texts]) if values is None else values


def parse_strictly(texts):
    """The pixels uint8 (len(texts), AREA) of texts as Kaggle writes them, or None.

    None unless every text is exactly AREA integers of one to three digits, at most 255,
    with single spaces between them.
    """
    count = len(texts) * AREA
    text = np.frombuffer(b" ".join((b"", b"", *texts, b"")), np.uint8)  # two spaces before, one after
    spaces = np.flatnonzero(text == 32)
    if len(spaces) != count + 2:
        return None
    spaces = spaces[1:]  # number i lies between spaces[i] and spaces[i + 1]
    borders = np.cumsum([len(t) + 1 for t in texts]) + 1
    lengths = np.diff(spaces)
    if lengths.min() < 2 or lengths.max() > 4 or (spaces[AREA::AREA] != borders).any():
        return None
    digits = text - np.uint8(48)
    is_digit = digits < 10
    if np.count_nonzero(is_digit) != len(text) - count - 2:
        return None
    # The value of what ends at each byte: digits beyond its first one are masked.
    digits &= 15  # a space becomes 0
    ones = is_digit.view(np.uint8)
    hundreds = digits[:-2] * ones[1:-1]
    hundreds *= ones[2:]
    if hundreds.max() > 2:
        return None
    hundreds *= np.uint8(100)
    values = digits[1:-1] * np.uint8(10)
    values += digits[2:]
    values += hundreds
    if (values < hundreds).any():  # beyond 255: wrapped around
        return None
    return values[spaces[1:] - 3].reshape(len(texts), AREA)


def _resaved(text):
    """Without what Python and NumPy put around, between and behind whole numbers."""
    text = text.strip(b" \t[]").replace(b", ", b" ").replace(b",", b" ") + b" "
    return text.replace(b".0 ", b" ").replace(b". ", b" ")[:-1]


def _whole(text):
    """Numbers such as 2.38e2 as 238, where they are whole; else the text as it is."""
    if not _SHORT.fullmatch(text + b" "):
        return text
    values = np.array(text.split(), float)
    return b" ".join(b"%d" % v for v in values) if (values == np.rint(values)).all() else text


def complaint(text, cut):
    """What is wrong with the text of a face that `parse` refuses, and the cure.

    cut: whether the file ends in this text.
    """
    if b"..." in text:
        return f"shortened to '...' when it was saved, so the pixels are lost; {AGAIN}"
    if len(text) == EXCELS_LONGEST:
        return f"cut off after {EXCELS_LONGEST} characters, the most that Excel keeps in a cell; {AGAIN}"
    words = text.split(b" ")
    cut = cut and len(words) <= AREA
    if cut and not words[-1]:
        words.pop()
    return (_other_scale(text) or (None if cut else _other_size(text)) or _bad_word(words)
            or f"{len(words)} pixels where {SIZE} x {SIZE} = {AREA} are needed{CUT if cut else ''}; {AGAIN}")


def _other_scale(text):
    """Not one wrong number but all of another scale?"""
    text = _resaved(text)
    if not _NUMBERS.fullmatch(text + b" "):
        return None
    values = np.array(text.split(), float)
    low, high = values.min(), values.max()
    if low >= 0 and high <= 1 and (values != np.rint(values)).any():
        return "numbers from 0 to 1: these seem to be divided by 255; multiply them by 255 and round"
    if np.mean(values < 0) > 0.05:
        return f"numbers from {low:.3g} to {high:.3g}: these seem to be scaled; write whole numbers from 0 to 255"
    if np.mean(values > 255) > 0.05:
        return f"numbers up to {high:.5g}: these seem to have 16 bits; divide them by 257 and round"
    if np.mean(values != np.rint(values)) > 0.05:
        return "numbers with fractions; round them to whole numbers from 0 to 255"
    return None


def _other_size(text):
    """Whole numbers, but set otherwise, or of another picture?"""
    text = _resaved(text)
    words = text.split()
    if not all(word.isdigit() and len(word) < 4 for word in words):
        return None
    side = math.isqrt(len(words))
    if len(words) == AREA and text != b" ".join(words):
        return "more than one space between pixels; put a single one"
    if len(words) == 3 * AREA:
        return f"{len(words)} pixels: these seem to be three colours; make the pictures grey"
    if side ** 2 == len(words) and side > 8 and side != SIZE:
        return (f"{len(words)} pixels: this seems to be a picture of {side} x {side}; scale pictures and labels "
                f"to {SIZE} x {SIZE}")
    return None


def _bad_word(words):
    for i, word in enumerate(words, 1):
        if not word.isdigit() or len(word) > 3 or int(word) > 255:
            return f"pixel {i} is {show(word)}, not an integer from 0 to 255; {AGAIN}"
    return None
