"""A Lasagne net as an ONNX graph, layer by layer."""
from lasagne.layers import InputLayer, get_all_layers, get_output_shape

from fkp.onnx import arrays, elementwise, images, loops  # noqa: F401  each registers the Ops that it converts
from fkp.onnx.expressions import Expressions
from fkp.onnx.graph import NoMeaning
from fkp.onnx.layers import converter


def convert(graph, output_layer, prelude=None):
    """Put a net into `graph`, as it answers once trained (`deterministic`).  Returns its answer's tensor and dtype.

    prelude(graph, layer): makes the input of an InputLayer and what leads
    from it to the net; without one, the input is what the net takes.  Raises
    NoMeaning that names the layer which ONNX cannot say.
    """
    expressions, before = Expressions(graph), {}
    for layer in get_all_layers(output_layer):
        kind = type(layer).__name__.replace("Layer", "").lower() or "layer"
        label = layer.name or ("output" if layer is output_layer else kind)
        try:
            before[layer] = one_layer(graph, expressions, layer, label, before, prelude)
        except NoMeaning as problem:
            raise NoMeaning(f"layer {label} ({type(layer).__name__}): {problem}") from None
    return expressions.known[before[output_layer]], before[output_layer].dtype


def follows_batch(output_layer):
    """Does the answer have as many rows as the batch, by what the layers say of their shapes?"""
    odd = 1009  # a prime: no other size becomes it
    inputs = [layer for layer in get_all_layers(output_layer) if isinstance(layer, InputLayer)]
    try:
        return get_output_shape(output_layer, {each: (odd, *each.shape[1:]) for each in inputs})[:1] == (odd,)
    except (TypeError, ValueError):  # a layer that cannot tell while other sizes are free
        return False


def one_layer(graph, expressions, layer, label, before, prelude):
    """Convert a layer; its Theano expression, whose tensor `expressions` then knows.

    before: {layer: Theano expression} of the layers so far.
    """
    if isinstance(layer, InputLayer):
        expressions.know(layer.input_var, (prelude or own_input)(graph, layer), layer.shape)
        return layer.input_var
    many = hasattr(layer, "input_layers")
    sources = layer.input_layers if many else [layer.input_layer]
    if None in sources:
        raise NoMeaning("it has a shape for an input, and no layer; give it an InputLayer")
    inputs = [before[source] for source in sources]
    output = layer.get_output_for(inputs if many else inputs[0], deterministic=True)
    if output in expressions.known:  # dropout and the like: nothing happens here
        return output
    label = graph.unique(label)
    with graph.within(label):
        made = special(expressions, layer, inputs) or expressions.tensor(output)
    made = graph.rename(made if graph.makes(made) else graph.add("Identity", made), label)
    expressions.know(output, made, shape(layer, [expressions.shapes[each] for each in inputs]))
    return output


def special(expressions, layer, inputs):
    """The tensor of a layer that ONNX has as such, or None."""
    convert_layer = converter(layer)
    return convert_layer and convert_layer(expressions, layer, expressions.known[inputs[0]], inputs[0].ndim)


def shape(layer, inputs):
    """The layer's shape as a tuple; () where it is not sure: users' own layers need not tell theirs."""
    is_own = type(layer).__module__.split(".")[0] not in ("lasagne", "theano_onednn", "fkp")
    return () if is_own or () in inputs else tuple(layer.output_shape)


def own_input(graph, layer):
    """The graph's input for an InputLayer: of its type and shape, with a free batch size."""
    label = layer.name or "input"
    sizes = [f"{label}_{axis}" if size is None else size for axis, size in enumerate(layer.shape)]
    return graph.input(label, layer.input_var.dtype, ["batch", *sizes[1:]])
