"""In Pythons that a process with theano_onednn starts, `import theano`, lasagne or nolearn gets theano_onednn first.

Such are the workers of joblib, multiprocessing and Dask.
Installed beside the package, theano_onednn.pth runs this file, and not the package, when such a Python starts: one that
never asks for Theano loses nothing.
"""
import importlib.machinery
import os
import sys

PARENT = "THEANO_ONEDNN_PARENT"   # in the children's environment: `import`, or `script` where old names are put back
PACKAGES = ("theano", "lasagne", "nolearn")


class Finder:
    """Asked for one of the three, imports theano_onednn, which imports them all."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in PACKAGES or "theano_onednn" in sys.modules:
            return None
        sys.meta_path.remove(cls)
        import theano_onednn  # noqa: F401
        if os.environ[PARENT] == "script":
            from theano_onednn.compat import scripts
            scripts.restore()
        module = sys.modules[name]
        # Python asks a module that came up meanwhile for its spec, and would run it once more by its own.
        module.__spec__ = importlib.machinery.ModuleSpec(name, Imported(module))
        return module.__spec__


class Imported:
    """A loader for what has been imported meanwhile."""

    def __init__(self, module):
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        module.__spec__ = self.spec


if __name__ == "theano_onednn_child":
    sys.meta_path.insert(0, Finder)
