"""A package that is missing, or of a release that does not go with the others: which one, and what installs it well.

Runs on any Python 3, without any package.
"""
import sys

from . import ROOT

# What requirements.txt names, but for what theano_onednn looks after: name of the import, name of the package.
PACKAGES = {"numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "matplotlib": "matplotlib",
            "sklearn": "scikit-learn", "joblib": "joblib", "PIL": "pillow"}


def line(error):
    """One line if `error` ended the import of one of PACKAGES, else None."""
    package = PACKAGES.get(_imported(error))
    if package is None:
        return None
    from importlib import metadata
    try:
        found = f"{package} {metadata.version(package)} does not work here"
    except metadata.PackageNotFoundError:
        found = f"{package} is not installed"
    reason = " ".join(str(error).strip().splitlines()[:1]) or type(error).__name__
    return f"{found} ({reason}); {_how_to_install()}"


def _imported(error):
    """Name of the first package whose import was not done when `error` was raised."""
    trace = error.__traceback__
    while trace:
        frame, trace = trace.tb_frame, trace.tb_next
        name = frame.f_globals.get("__name__", "").partition(".")[0]
        if frame.f_code.co_name == "<module>" and name in PACKAGES:
            return name
    return (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else None


def _how_to_install():
    accelerator = sys.modules.get("theano_onednn.checks")  # importing it here would prepare Theano
    if accelerator:
        return accelerator.how_to_install()
    return f"install it with {sys.executable} -m pip install -r {ROOT / 'requirements.txt'}"
