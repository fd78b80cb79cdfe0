"""What theano_onednn depends on: pyproject.toml cannot say where this folder is, nor which C library a machine has."""
import os
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

ANY = ["Lasagne==0.1", "nolearn==0.6.1", "numpy>=1.23", "scipy>=1.10", "scikit-learn>=1.3"]
ONEDNN = ["%s==2023.2.0 ; sys_platform == 'linux' and platform_machine == 'x86_64'" % name
          for name in ("onednn-cpu-gomp", "onednn-devel-cpu-gomp")]


class Dependencies(MetadataHookInterface):
    def update(self, metadata):
        metadata["dependencies"] = [*_theano(Path(self.root)), *ANY, *([] if _has_musl() else ONEDNN)]


def _theano(root):
    """From Python 3.12 on pip can build Theano with the file beside this one alone."""
    source, = (root / "theano-1.0.5").glob("Theano-*.tar.gz")
    return ["Theano==1.0.5 ; python_version < '3.12'", "Theano @ %s ; python_version >= '3.12'" % source.as_uri()]


def _has_musl():
    """Alpine and its like: there is no wheel of oneDNN for them."""
    try:
        return not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # macOS, Windows
        return True
