"""Model files: a net's parameters, and a header that says how they came about."""
import contextlib
import importlib
import inspect
import math
import re
from pathlib import Path

from fkp import ROOT, Problem, files
from fkp.pictures.preprocess import PREPROCESS
from fkp.run import Run  # before Theano: prepares it
from fkp.split import recorded

import numpy as np
import theano
from lasagne.init import Initializer
from lasagne.layers import Conv2DLayer, DenseLayer
from nolearn.lasagne import base as nolearn_base
from theano.gof.cmodule import GCC_compiler

ROW = ("epoch", "train_loss", "valid_loss", "dur")   # of a history, at least


def scripts():
    """["net5", "net4", ...], newest first: every netN.py beside load.py that has a `build` is found, not listed."""
    found = [path for path in ROOT.glob("net*.py") if re.fullmatch(r"net\d+", path.stem)]
    nets = [path.stem for path in found if re.search(r"^def build\(", path.read_text(encoding="utf-8"), re.M)]
    return sorted(nets, key=lambda name: int(name[3:]), reverse=True)


def module(script):
    """The script of that name: the one place where something in fkp/ reaches for a script, and only when it runs."""
    return importlib.import_module(script)


def save(path, net, run):
    """Write the parameters (in Lasagne's order), what they come from (a `Run`) and the net's history."""
    arrays = {f"param_{i}": p.get_value() for i, p in enumerate(net.get_all_params())}
    header = dict(run.to_json(), history=history(net))
    files.write_npz(path, dict(arrays, header=files.text(header)))


def fingerprint(net):
    """Of the net's parameters, as a file of it would hold them: 16 hexadecimal digits."""
    return files.weights_fingerprint(p.get_value() for p in net.get_all_params())


def history(net):
    """The net's `train_history_` as JSON takes it."""
    return [{key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
            for row in net.train_history_]


def read(path):
    """(params, header) of a model file.  Raises Problem for a missing or a strange one."""
    try:
        arrays = files.read_npz(path)
    except FileNotFoundError:
        raise missing(path) from None
    header = read_header(arrays, path)
    params = [arrays[f"param_{i}"] for i in range(len(arrays)) if f"param_{i}" in arrays]
    return params, header


def open_header(path):
    """The header alone of a model file or a checkpoint; Problem as for `read`."""
    try:
        return read_header(files.read_npz(path, only="header"), path)
    except FileNotFoundError:
        raise missing(path) from None


def open_run(path):
    """(Run, history) of a model file or a checkpoint; Problem as for `read`."""
    header = open_header(path)
    return Run.from_json(header), header["history"]


def named(folder, name):
    """(label, path) of the net that a user calls `name`: net3, also net3.npz, net3.py or models/net3.npz."""
    label = re.sub(r"(\.checkpoint)?(\.npz|\.py)?$", "", name)
    path = Path(label + ".npz").expanduser()
    return label, path if len(path.parts) > 1 else folder / path


def missing(path):
    """The Problem that says how to get the model file `path`."""
    script = path.stem.split("-")[0]
    if script in scripts():
        return Problem(f"{path}: not found; train it first: python {script}.py")
    there = ", ".join(sorted(other.stem for other in path.parent.glob("*.npz") if ".checkpoint" not in other.name))
    return Problem(f"{path}: not found; {path.parent} holds {there or 'no trained net'}")


def read_header(arrays, path):
    """The header among `arrays`, its parts of the right type: `Run.from_json` takes it."""
    if "header" not in arrays:
        raise Problem(f"{path}: has no header, so it is no model of this collection; move it away and train again")
    header = files.untext(arrays["header"], path)
    for key, kind in (("script", str), ("settings", dict), ("data", dict), ("history", list), ("versions", dict)):
        if not isinstance(header.get(key), kind):
            raise Problem(f"{path}: its header has no {key!r}; delete it and train again")
    if not all(isinstance(row, dict) and all(is_number(row.get(key)) for key in ROW) for row in header["history"]):
        raise Problem(f"{path}: its history is damaged; delete it and train again")
    if not (settings_are_sound(header["settings"]) and entries_are_sound(header)):
        raise Problem(f"{path}: its settings are damaged; delete it and train again")
    return header


def is_number(value):
    """A finite number that a table can show, and not True or False."""
    return type(value) in (int, float) and abs(value) < 1e15


def settings_are_sound(settings):
    """Can a net be built and shown faces by these settings of a header?"""
    build, method = settings.get("build", {}), settings.get("preprocess", "equalise")
    return (isinstance(build, dict) and isinstance(build.get("win", 0), int)
            and isinstance(method, str) and method in PREPROCESS)


def entries_are_sound(header):
    """Is what an old header need not have of the right type, where it is there?"""
    tables = [header.get(key) or {} for key in ("net", "computed", "behind")]
    outputs = [header.get(key) or [] for key in ("taught", "validated")]
    switches = [header.get(key) for key in ("maps", "augmented")]
    return (all(isinstance(table, dict) for table in tables)
            and all(isinstance(each, list) and all(type(one) is bool for one in each) for each in outputs)
            and all(switch is None or type(switch) is bool for switch in switches)
            and record_is_sound(header.get("validation")))


def record_is_sound(record):
    """Is this a record of the rows that validated a net, or none at all?"""
    try:
        return record is None or len(recorded(record)) > 0
    except ValueError:
        return False


def open_net(path):
    """The net of a model file, with its parameters; it predicts at once, and compiles the rest if fitted."""
    net = restored(path)
    compile_prediction(net)
    mask_untaught(net, net.run_.taught)
    return net


def restored(path):
    """The net of a model file, with its parameters and nothing compiled.  Raises Problem for a damaged file."""
    params, header = read(path)
    net = rebuild(header, path, max((p.size for p in params), default=0))
    own = net.get_all_params()
    shapes = [p.get_value(borrow=True).shape for p in own]
    if [p.shape for p in params] != shapes or any(p.dtype.kind != "f" for p in params):
        raise Problem(f"{path}: its parameters do not fit {header['script']}'s layers; delete it and train again")
    for variable, value in zip(own, params):
        variable.set_value(value.astype(theano.config.floatX))
    taught = net.run_.taught
    if taught is not None and net.layers_["output"].output_shape[-1] != len(taught):
        raise Problem(f"{path}: its settings are damaged (taught); delete it and train again")
    return net


def compile_prediction(net):
    """Give an initialised net what `predict` needs; its `initialize` would compile the training as well."""
    output = nolearn_base.get_output(net._output_layers, None, deterministic=True)
    net.batch_iterator_test.ndim = len(net.layers_[0].shape)
    with compiling_announced():
        net.predict_iter_ = theano.function([net.layers_[0].input_var], output, allow_input_downcast=True)


def mask_untaught(net, taught):
    """From now on the net answers NaN where no label taught it: `taught` (k,) bool, or None for all."""
    if taught is None or all(taught):
        return
    answer = net.predict_iter_
    net.predict_iter_ = lambda *inputs, **named: np.where(taught, answer(*inputs, **named), np.float32(np.nan))


@contextlib.contextmanager
def compiling_announced():
    """Within this block the first call of the C++ compiler prints a line: where nothing is compiled, it takes time."""
    original = GCC_compiler.__dict__["compile_str"]

    def announce(*args, **kwargs):
        GCC_compiler.compile_str = original
        print("Compiling, once ...", flush=True)
        return GCC_compiler.compile_str(*args, **kwargs)
    GCC_compiler.compile_str = staticmethod(announce)
    try:
        yield
    finally:
        GCC_compiler.compile_str = original


class Empty(Initializer):
    """Space for the weights of a file, whose largest array has `largest` numbers: a hostile header asks for more."""

    def __init__(self, largest):
        self.largest = largest

    def sample(self, shape):
        if math.prod(shape) > self.largest:
            raise ValueError(f"a layer with weights of shape {shape}")
        return np.zeros(shape, theano.config.floatX)


def rebuild(header, path, largest):
    """An untrained net by the script and the settings in `header`, no layer with more than `largest` weights."""
    if header["script"] not in scripts():
        raise Problem(f"{path}: was written by {header['script']!r:.40}, which is no script here")
    build = header["settings"].get("build", {})
    try:
        net = built(module(header["script"]).build, build, largest)
    except TypeError:
        raise Problem(f"{path}: has settings that {header['script']}.py does not know: {', '.join(build):.80}; "
                      "train again") from None
    except (ValueError, OverflowError) as error:
        raise Problem(f"{path}: its settings are damaged ({str(error):.80}); delete it and train again") from None
    net.header_, net.run_ = header, Run.from_json(header)
    net.train_history_ = header["history"]
    return net


def built(function, arguments, largest):
    """The net that a script's `build` makes of these arguments, with its layers.  Raises TypeError and ValueError."""
    check_arguments(function, arguments)
    net = function(**arguments)
    weighty = [name for name, kind in net.layers if kind in (Conv2DLayer, DenseLayer)]
    net.more_params = {name + "_W": Empty(largest) for name in weighty}
    net.initialize_layers()
    net.more_params = {}
    return net


def check_arguments(function, arguments):
    """Raise TypeError for an unknown argument, ValueError for one of another type than its default."""
    inspect.signature(function).bind(**arguments)
    for name, value in arguments.items():
        default = inspect.signature(function).parameters[name].default
        kinds = {float: (int, float), tuple: (tuple, list)}.get(type(default), type(default))  # as JSON has them
        if default not in (None, inspect.Parameter.empty) and not isinstance(value, kinds):
            raise ValueError(f"{name} is {value!r}")
