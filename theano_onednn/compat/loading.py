"""How the three packages get their old names: each of their modules is run with an `import` of its own."""
import builtins
import importlib.machinery
import sys
import types
import unittest
import warnings
from functools import partial

from . import names, patches

PACKAGES = ("theano", "lasagne", "nolearn")
_seen = {}   # name: the module that the three see under it


class Finder:
    """Finds the modules of the three as Python does, then has them loaded in our way."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in PACKAGES:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path
                  if finder is not cls and hasattr(finder, "find_spec"))
        spec = next(filter(None, others), None)
        if spec and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader.exec_module = partial(_load, spec.loader.exec_module)
            spec.loader.source_to_code = partial(_compile, spec.loader.source_to_code)
        return spec


def install():
    """Before any of the three is imported.  Safe to call twice."""
    if Finder in sys.meta_path:
        return
    sys.meta_path.insert(0, Finder)
    for owner, missing in names.missing().items():
        _seen[owner] = _copy_with(sys.modules[owner], missing)
    for module in names.MODULES:
        if module.is_gone:
            _seen[module.name] = module.stand_in()
            parent, _, child = module.name.rpartition(".")
            if parent in _seen:
                setattr(_seen[parent], child, _seen[module.name])
    old = r"(%s|theano_onednn\.compat)\b" % "|".join(PACKAGES)
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=old)
    # Lasagne 0.1 calls Theano's convolution by a keyword that Theano renamed.
    warnings.filterwarnings("ignore", message="The `image_shape` keyword argument", category=UserWarning)


def _load(exec_module, module):
    # Python looks `__import__` up among the builtins of the code that imports: these are for this module alone.
    vars(module)["__builtins__"] = _builtins
    try:
        exec_module(module)
    except unittest.SkipTest as gone:  # so theano.sandbox.cuda says that it is no more, where nose is installed
        raise ImportError(str(gone)) from None
    patches.apply(module)


def _compile(source_to_code, *args, **kwargs):
    """Invalid escapes in the three's own source are warnings since Python 3.12."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return source_to_code(*args, **kwargs)


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    """`__import__`, which knows what stands in."""
    here = level == 0 and name in _seen
    module = _seen[name] if here else builtins.__import__(name, globals, locals, fromlist, level)
    if fromlist or level:
        return module
    top = name.partition(".")[0]  # `import a.b` binds a
    return _seen.get(top) or (builtins.__import__(top) if here else module)


_builtins = {**vars(builtins), "__import__": _import}


def _copy_with(module, missing):
    """A module with all that `module` holds, and the `missing`."""
    copy = types.ModuleType(module.__name__, module.__doc__)
    vars(copy).update(vars(module), __getattr__=partial(getattr, module), **missing)
    return copy
