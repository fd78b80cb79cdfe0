"""Model files: a net's parameters, and a header that says how they came about."""
import inspect
import math
import re
from pathlib import Path

from fkp import Problem, files, nets
from fkp.pictures.preprocess import PREPROCESS
from fkp.training import compiling
from fkp.run import Run  # before Theano: brings the backend

import numpy as np
import theano
from lasagne.init import Initializer
from lasagne.layers import Conv2DLayer, DenseLayer
from nolearn.lasagne import base as nolearn_base


def save(path, net, run):
    """Write the parameters (in Lasagne's order), what they come from (a `Run`) and the net's history."""
    arrays = {"param_%d" % i: p.get_value() for i, p in enumerate(net.get_all_params())}
    header = dict(run.to_json(), history=history(net))
    files.write_npz(path, dict(arrays, header=files.text(header)))


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
    params = [arrays["param_%d" % i] for i in range(len(arrays)) if "param_%d" % i in arrays]
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
    script = path.stem.split("-")[0]
    if script in nets.names():
        return Problem("%s: not found; train it first: python %s.py" % (path, script))
    there = ", ".join(sorted(other.stem for other in path.parent.glob("*.npz") if ".checkpoint" not in other.name))
    return Problem("%s: not found; %s holds %s" % (path, path.parent, there or "no trained net"))


def read_header(arrays, path):
    """The header among `arrays`, its parts of the right type: `Run.from_json` takes it."""
    if "header" not in arrays:
        raise Problem("%s: has no header, so it is no model of this collection; move it away and train again" % path)
    header = files.untext(arrays["header"], path)
    for key, kind in (("script", str), ("settings", dict), ("data", dict), ("history", list), ("versions", dict)):
        if not isinstance(header.get(key), kind):
            raise Problem("%s: its header has no %r; delete it and train again" % (path, key))
    for row in header["history"]:
        if not isinstance(row, dict) or not all(is_number(row.get(k)) for k in ROW):
            raise Problem("%s: its history is damaged; delete it and train again" % path)
    settings = header["settings"]
    build, method = settings.get("build", {}), settings.get("preprocess", "equalise")
    outputs = [header.get(key) or [] for key in ("taught", "validated")]
    if (not isinstance(build, dict) or not isinstance(build.get("win", 0), int) or not isinstance(method, str)
            or method not in PREPROCESS or not all(isinstance(header.get(key, {}), dict) for key in ("net", "computed"))
            or not all(isinstance(each, list) and all(type(one) is bool for one in each) for each in outputs)):
        raise Problem("%s: its settings are damaged; delete it and train again" % path)
    return header


def is_number(value):
    """A finite number that a table can show, and not True or False."""
    return type(value) in (int, float) and abs(value) < 1e15


ROW = ("epoch", "train_loss", "valid_loss", "dur")


def open_net(path):
    """The net of a model file, with its parameters; it predicts at once, and compiles the rest if fitted."""
    params, header = read(path)
    net = rebuild(header, path, max((p.size for p in params), default=0))
    own = net.get_all_params()
    shapes = [p.get_value(borrow=True).shape for p in own]
    if [p.shape for p in params] != shapes or any(p.dtype.kind != "f" for p in params):
        raise Problem("%s: its parameters do not fit %s's layers; delete it and train again"
                      % (path, header["script"]))
    for variable, value in zip(own, params):
        variable.set_value(value.astype(theano.config.floatX))
    output = nolearn_base.get_output(net._output_layers, None, deterministic=True)
    net.batch_iterator_test.ndim = len(net.layers_[0].shape)
    with compiling.announced():
        net.predict_iter_ = theano.function([net.layers_[0].input_var], output, allow_input_downcast=True)
    if net.run_.taught is not None and net.layers_["output"].output_shape[-1] != len(net.run_.taught):
        raise Problem("%s: its settings are damaged (taught); delete it and train again" % path)
    leave_out(net, net.run_.taught)
    return net


def leave_out(net, taught):
    """From now on the net answers NaN where no label taught it: `taught` (k,) bool, or None for all."""
    if taught is None or all(taught):
        return
    answer = net.predict_iter_
    net.predict_iter_ = lambda *inputs, **named: np.where(taught, answer(*inputs, **named), np.float32(np.nan))


class Empty(Initializer):
    """Room for the weights of a file, whose largest array has `largest` numbers: a hostile header asks for more."""

    def __init__(self, largest):
        self.largest = largest

    def sample(self, shape):
        if math.prod(shape) > self.largest:
            raise ValueError("a layer with weights of shape %s" % (shape,))
        return np.zeros(shape, theano.config.floatX)


def rebuild(header, path, largest):
    """An untrained net by the script and the settings in `header`, no layer with more than `largest` weights."""
    if header["script"] not in nets.names():
        raise Problem("%s: was written by %.40r, which is no script here" % (path, header["script"]))
    module = nets.module(header["script"])
    build = header["settings"].get("build", {})
    try:
        check_arguments(module.build, build)
        net = module.build(**build)
        weighty = [name for name, kind in net.layers if kind in (Conv2DLayer, DenseLayer)]
        net.more_params = {name + "_W": Empty(largest) for name in weighty}
        net.initialize_layers()
        net.more_params = {}
    except TypeError:
        raise Problem("%s: has settings that %s.py does not know: %s; train again"
                      % (path, header["script"], ", ".join(build)[:80])) from None
    except (ValueError, OverflowError) as error:
        raise Problem("%s: its settings are damaged (%.80s); delete it and train again" % (path, error)) from None
    net.header_, net.run_ = header, Run.from_json(header)
    net.train_history_ = header["history"]
    return net


def check_arguments(function, arguments):
    """Raises TypeError for an unknown argument, ValueError for one of another type than its default."""
    inspect.signature(function).bind(**arguments)
    for name, value in arguments.items():
        default = inspect.signature(function).parameters[name].default
        kinds = {float: (int, float), tuple: (tuple, list)}.get(type(default), type(default))  # as JSON has them
        if default not in (None, inspect.Parameter.empty) and not isinstance(value, kinds):
            raise ValueError("%s is %r" % (name, value))
