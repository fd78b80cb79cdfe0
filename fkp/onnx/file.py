"""From a net to the bytes of an ONNX file."""
import theano_onednn  # noqa: F401  comes before Theano

import numpy as np
from lasagne.layers import Layer
from nolearn.lasagne import NeuralNet
from onnx import checker, helper, shape_inference

from fkp import Problem
from fkp.onnx import metadata, pixels
from fkp.onnx.graph import IR, OPSET, Graph, element
from fkp.onnx.net import convert, follows_batch, own_input

MAX_BYTES = 2 ** 31 - 2 ** 20   # of parameters: a file holds 2 GB in all


def build(net, raw=False):
    """The onnx.ModelProto of a NeuralNet or of a Lasagne output layer."""
    graph, run, layer = Graph(), getattr(net, "run_", None), output_layer(net)
    if raw:
        check_raw(run)
    answer, dtype = convert(graph, layer, input_for(net, run, raw))
    if run and run.taught and not all(run.taught):
        answer = left_out(graph, answer, run.taught)
    if not graph.makes(answer):  # a net that does nothing, once it is trained
        answer = graph.add("Identity", answer)
    output = helper.make_tensor_value_info(answer, element(dtype), None)
    if graph.bytes() > MAX_BYTES:
        raise Problem(f"the net has {graph.bytes() / 1e9:.1f} GB of parameters, and an ONNX file holds 2; build it "
                      "with fewer")
    proto = graph.finish(run.script if run else "net", [output])
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR,
                              producer_name="fkp.onnx")
    if run:
        helper.set_model_props(model, metadata.of_model(run, layer.output_shape[-1], raw))
    model = shape_inference.infer_shapes(model, strict_mode=True)  # the output's shape too
    name_sizes(model.graph.output[0], follows_batch(layer))
    checker.check_model(model)
    return model


def name_sizes(output, is_batch):
    """Names for an output's sizes that shape inference does not know; `is_batch`: of the first one, what it is."""
    for axis, size in enumerate(output.type.tensor_type.shape.dim):
        if size.dim_param.startswith("unk__") or not size.WhichOneof("value"):
            size.dim_param = "batch" if is_batch and axis == 0 else f"{output.name}_{axis}"


def output_layer(net):
    """The one output layer of a NeuralNet, or the layer itself."""
    if isinstance(net, Layer):
        return net
    if not isinstance(net, NeuralNet):
        raise Problem(f"a {type(net).__name__} is no net; give a nolearn NeuralNet or a Lasagne layer")
    if not hasattr(net, "_output_layers"):
        raise Problem("the net has no layers yet; fit it, load its parameters, or call its initialize() first")
    if len(net._output_layers) != 1:
        raise Problem(f"the net has {len(net._output_layers)} outputs, and a file has one; give one of its layers")
    return net._output_layers[0]


def check_raw(run):
    """Raises Problem for a net whose pixels a file cannot prepare."""
    if run is None:
        raise Problem("raw pixels: only this collection's nets say how theirs are prepared; leave out raw")
    if "group" in run.build and run.preprocess != "plain":
        raise Problem(f"raw pixels: {run.script} sees a part of a face, and what prepared it ({run.preprocess}) saw "
                      "the whole; leave out raw, and give it prepared pixels")


def input_for(net, run, raw):
    """What `convert` takes to make the file's input: that of the net's `predict`, or of raw bytes."""
    grey = getattr(getattr(net, "batch_iterator_test", None), "grey", 0)

    def make(graph, layer):
        if raw:
            x = graph.input(layer.name, "uint8", ["batch", *layer.shape[1:]])
            x = pixels.prepared(graph, x, run.preprocess)
            x = graph.add("Reshape", x, graph.constant(np.array([-1, *layer.shape[1:]])))
        else:
            x = own_input(graph, layer)
        return graph.add("Sub", x, graph.constant(np.float32(grey))) if grey else x
    return make


def left_out(graph, answer, taught):
    """NaN where no label taught the net, as its `predict` answers; under the same name."""
    whole = graph.rename(answer, graph.unique(answer + "/all"))
    made = graph.add("Where", graph.constant(np.array(taught)), whole, graph.constant(np.float32(np.nan)))
    return graph.rename(made, answer)
