"""Theano finds its compiled modules again.  Without this every start compiles some anew, and leaves them behind."""
import hashlib

from . import numpy2


def steady_digest(op):
    """Theano takes `hash` of an Op's C code, which differs from run to run since Python 3.3."""
    op.COp.c_code_cache_version = _digest_of_code


def steady_key(cc):
    """Theano takes an Op without parameters (`__props__ = ()`) for one without a version, whose code is not kept."""
    cc.CLinker.cmodule_key = _versioned_key(cc.CLinker.cmodule_key)


def silent_takeover(compilelock):
    """Theano warns of a process that was killed while it compiled, though it has just freed the lock it left."""
    compilelock._logger.addFilter(lambda record: not record.msg.startswith("Overriding existing lock by dead"))


def _digest_of_code(op):
    params = getattr(op, "params_type", None)
    return (*[hashlib.sha256(code.encode()).hexdigest() for code in op.func_codes],
            *([] if params is None else [params.c_code_cache_version()]))


def _versioned_key(cmodule_key):
    def key_with_version(linker):
        key = cmodule_key(linker)
        if key is None:
            return key
        versions = key[0] or _versions(linker)
        return (versions and (*versions, numpy2.VERSION), key[1])

    return key_with_version


def _versions(linker):
    found = [version for node in linker.schedule(linker.fgraph) for version in
             (node.op.c_code_cache_version_apply(node),
              *[variable.type.c_code_cache_version() for variable in node.inputs + node.outputs])]
    return tuple(found) if all(found) else ()
