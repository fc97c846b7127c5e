"""Networks that are one chain of layers."""

from keras import layers


def chain(model):
    """Return the layers of a Keras model that is one chain, from the first to the last, without the input.

    Raises ValueError when the model is not built yet, has several inputs or outputs, or is not a chain.
    """
    if not model.built:
        raise ValueError("model: expected a built model, whose input shape is known")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(f"model: expected one input and one output, got {len(model.inputs)} and {len(model.outputs)}")
    steps = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    values = model.inputs[0]
    for layer in steps:
        if len(layer._inbound_nodes) < 1 or layer.input is not values:
            raise ValueError(f"model: expected a chain, but {layer.name} does not follow the layer before it")
        values = layer.output
    if values is not model.outputs[0]:
        raise ValueError("model: expected a chain, but its output is not that of its last layer")
    return steps
