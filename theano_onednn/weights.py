"""Takes the arrays out of a pickle without running it: python -m theano_onednn.weights OLD.pkl [NEW.npz]

For weights of 2014 to 2017, also from a stranger: what Python 2 or 3 pickled of
NumPy arrays, lists and dictionaries of them, Lasagne's layers, whole nets of
nolearn; and what `np.save` made of objects.  It lists them, and writes NEW.npz,
which `np.load(NEW, allow_pickle=False)` opens.  A list's arrays are arr_0,
arr_1, ...; a dictionary's carry its keys: conv1.0, conv1.1; a net's or a
layer's the names of layer and parameter: conv1.W, conv1.b.
"""
import io
import os
import sys
import zipfile

import numpy as np
from numpy.lib import format as npy

from . import inert
from .errors import Problem
from .inert import Array, Inert


def arrays(path):
    """{name: array} of all arrays in the file, in its order.  Raises Problem for what is none, or more than that."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Problem("%s cannot be read: %s" % (path, error.strerror)) from None
    except MemoryError:
        raise Problem("%s is larger than the memory" % path) from None
    try:
        found = named(members(data))
    except Problem as problem:
        raise Problem("%s: %s" % (path, problem)) from None
    if not found:
        raise Problem("%s: there is no array in it" % path)
    return found


def members(data):
    """What the file holds: its arrays, or the object that was pickled."""
    if data.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return {name[:-4]: saved(archive.read(name)) for name in archive.namelist() if name.endswith(".npy")}
        except Problem:
            raise
        except Exception as error:  # zipfile, zlib and struct have errors of their own
            raise Problem("it is a damaged archive (%s)" % (error or type(error).__name__)) from None
    if data.startswith(b"\x1f\x8b"):
        raise Problem("it is compressed: unpack it with gunzip")
    return saved(data) if data.startswith(npy.MAGIC_PREFIX) else opened(data)


def saved(data):
    """What np.save wrote; an array of objects is a pickle."""
    file = io.BytesIO(data)
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        if read(file)[2].hasobject:
            return opened(data[file.tell():])
        return np.load(io.BytesIO(data), allow_pickle=False)
    except Problem:
        raise
    except Exception as error:  # NumPy reads the header as Python
        raise Problem("it is no array of NumPy's, or a damaged one (%s)" % (error or type(error).__name__)) from None


def opened(data):
    found, foreign = inert.load(data)
    if foreign and not is_net(found):
        raise Problem("it asks for %.99s, which no array needs: it is not opened" % foreign[0])
    return found


def is_net(value):
    return isinstance(value, Inert) and value.module.startswith("nolearn.") and value.name == "NeuralNet"


def is_shared(value):
    return isinstance(value, Inert) and value.module.startswith("theano.") and value.name.endswith("SharedVariable")


def is_layer(value):
    return isinstance(value, Inert) and value.module.startswith("lasagne.layers.")


def named(value):
    """{name: array} of whatever was pickled."""
    found, seen = {}, set()
    value = value.value if isinstance(value, Array) else value
    if isinstance(value, (list, tuple)) or isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim:
        value = {"arr_%d" % i: one for i, one in enumerate(value)}
    waiting = [((), value)]
    while waiting:  # not by recursion: a list may lie in a list however often
        path, value = waiting.pop()
        value = shared_array(value) if is_shared(value) else value
        value = value.value if isinstance(value, Array) else value
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            found[unused(".".join(path) or "arr_0", found)] = value
        elif id(value) not in seen:
            seen.add(id(value))
            if len(path) > inert.DEEPEST:
                raise Problem("its parts lie in each other deeper than %d" % inert.DEEPEST)
            waiting.extend((path + (written(part),), one) for part, one in reversed(parts(value)))
    return found


def parts(value):
    """[(name, part)] of what holds others; [] of what holds none."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, np.ndarray) and not value.ndim:
        return parts(value.item())  # np.save of a dictionary
    if isinstance(value, (list, tuple, np.ndarray)):
        return list(enumerate(value))
    if is_net(value) and isinstance(value.get("layers_"), dict):
        return [(name, parameters(layer)) for name, layer in value.get("layers_").items() if is_layer(layer)]
    if is_net(value):
        value = value.get("_output_layer")
    return [(layer.get("name") or i, parameters(layer)) for i, layer in enumerate(up_to(value))]


def up_to(layer):
    """The layers that lead to this one, and itself, the first first: Lasagne's `get_all_layers`."""
    found, waiting = {}, [layer]
    while waiting:
        layer = waiting[-1]
        before = [layer.get("input_layer"), *(layer.get("input_layers") or [])] if is_layer(layer) else []
        new = [] if id(layer) in found else [one for one in before if is_layer(one) and id(one) not in found]
        if new and len(waiting) < 10000:  # longer: layers that wait for themselves
            waiting.extend(reversed(new))
        else:
            found.setdefault(id(waiting.pop()), layer)
    return [layer for layer in found.values() if is_layer(layer)]


def parameters(layer):
    """{name: shared variable} of a layer; those of before Lasagne 0.1 stand among its attributes alone."""
    listed = layer.get("params")
    listed = list(listed) if isinstance(listed, dict) else [
        one for _, one in sorted(layer.state.items()) if is_shared(one)] if isinstance(layer.state, dict) else []
    return {str(one.get("name") or i).rpartition(".")[2]: one for i, one in enumerate(listed) if is_shared(one)}


def shared_array(variable):
    """What a shared variable holds."""
    container = variable.get("container")
    storage = container.get("storage") if isinstance(container, Inert) else None
    return storage[0] if isinstance(storage, list) and storage else None


def written(part):
    """A key as part of a name, which is to be a file's in an archive."""
    text = part.decode("latin1") if isinstance(part, bytes) else str(part) if isinstance(part, (str, int)) else "key"
    return "".join(c if c.isprintable() and c not in "/\\:" else "_" for c in text)[:99]


def unused(name, found):
    return name if name not in found else next(
        longer for longer in ("%s (%d)" % (name, i) for i in range(2, len(found) + 3)) if longer not in found)


def write(path, found):
    """Write {name: array} as an archive of NumPy's, whole or not at all.  Raises Problem."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        with open(temporary, "xb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in found.items():
                with archive.open(name + ".npy", "w", force_zip64=True) as entry:
                    npy.write_array(entry, array, allow_pickle=False)
        os.replace(temporary, path)
    except OSError as error:
        raise Problem("%s cannot be written: %s" % (path, error.strerror)) from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def main(arguments):
    if arguments[:1] in ([], ["-h"], ["--help"]) or len(arguments) > 2:
        print(__doc__.strip())
        return 0 if arguments and len(arguments) < 3 else 2
    found = arrays(arguments[0])
    if arguments[1:] and os.path.realpath(arguments[1]) == os.path.realpath(arguments[0]):
        raise Problem("%s is the file to be read: choose another name" % arguments[1])
    if arguments[1:]:
        write(arguments[1], found)
    for name, array in found.items():
        print("%s  %s  %s" % (name, "x".join(map(str, array.shape)) or "a number", array.dtype))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Problem as error:
        print("theano_onednn.weights: %s" % error, file=sys.stderr)
        sys.exit(2)
