"""Training that gives the same network every time, many networks at once, and checkpoints for what takes longer."""

import gc
import json
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops


def fit(build, x, y, *, seed, epochs, batch_size=128, optimizer="adam", callbacks=()):
    """Build a classifier and train it on cross-entropy; the same seed gives the same weights, to the bit.

    build       function without arguments that returns an uncompiled Keras model with a softmax output
    x, y        examples (n, …) and their class numbers (n,)
    seed        of the initial weights and the order of the examples, a whole number ≥ 0
    optimizer   any that Keras knows, by name or as an object

    Returns (model, history): the trained model, and {"loss": [per epoch], "accuracy": [per epoch]}.  Raises ValueError
    when x and y differ in length or are empty.
    """
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x, y: expected as many labels as examples and at least one, got {len(x)} and {len(y)}")
    keras.utils.set_random_seed(seed)
    model = build()
    model.compile(_alone(optimizer), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model, history.history


def fit_together(builds, x, y, *, seeds, epochs, batch_size=256, optimizer="adam"):
    """Train many perceptrons at once, as one model with an axis of networks; much faster when they are small.

    builds  functions without arguments, one a network, that return uncompiled networks as `lib.models` makes them from
            dense layers: alike but for their widths
    x, y    examples (n, …) and their class numbers (n,)
    seeds   of the initial weights, one a network; all networks see the examples in the same order, which follows from
            the first seed

    Returns the trained networks; `side_by_side` evaluates them together.  Each takes the steps that it would take alone:
    the loss is the sum of theirs.  Raises ValueError when lengths differ or are zero, and when the networks are not alike.
    """
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x, y: expected as many labels as examples and at least one, got {len(x)} and {len(y)}")
    if len(builds) != len(seeds) or len(builds) == 0:
        raise ValueError(f"seeds: expected one for each of {len(builds)} networks and at least one, got {len(seeds)}")
    models = [_seeded(build, seed) for build, seed in zip(builds, seeds, strict=True)]
    crowd = side_by_side(models)
    keras.utils.set_random_seed(seeds[0])
    crowd.compile(_alone(optimizer), _sum_of_losses)
    crowd.fit(x, np.asarray(y)[:, None], batch_size=batch_size, epochs=epochs, verbose=0)
    _hand_back(crowd, models)
    del crowd
    gc.collect()  # it is large, and part of a circle
    return models


def seconds_per_epoch(build, x, y, *, batch_size=256, batches=10):
    """Measure how long one pass over x takes to train a network alone, without the time to set it up.

    build    function without arguments that returns an uncompiled Keras model with a softmax output
    batches  how many batches to time, at least 1; the time for all of x is in proportion

    Raises ValueError when x and y differ in length or hold fewer examples than one batch.
    """
    if len(x) != len(y) or len(x) < batch_size or batches < 1:
        raise ValueError(f"x, y: expected as many labels as examples and a batch at least, got {len(x)} and {len(y)}")
    n = batch_size * min(batches, len(x) // batch_size)
    model = build()
    model.compile(_alone("adam"), "sparse_categorical_crossentropy")
    model.fit(x[:n], y[:n], batch_size=batch_size, verbose=0)  # the first pass sets up the step
    start = time.perf_counter()
    model.fit(x[:n], y[:n], batch_size=batch_size, verbose=0)
    return (time.perf_counter() - start) * len(x) / n


def _seeded(build, seed):
    keras.utils.set_random_seed(seed)
    return build()


def _sum_of_losses(y_true, y_pred):
    """Cross-entropy of each example, summed over the networks; y_pred (batch, networks, classes)."""
    y_true = ops.broadcast_to(y_true, ops.shape(y_pred)[:2])
    return ops.sum(keras.losses.sparse_categorical_crossentropy(y_true, y_pred), axis=-1)


def side_by_side(models):
    """Return one Keras model that computes all of the perceptrons `models`: output (examples, networks, classes).

    Narrow layers are padded with units whose weights, in and out, are zero.  Under an activation with f(0) = 0 such a
    unit has no gradient, so training leaves it at zero.  Raises ValueError when depth, input, scaling or activations
    differ, or when widths differ under another activation.
    """
    dense = [_dense_layers(model) for model in models]
    if len({_form(model) for model in models}) > 1:
        raise ValueError("models: expected networks of one depth, input, scaling and activation")
    widths = [max(layer.units for layer in column) for column in zip(*dense, strict=True)]
    for k, layer in enumerate(dense[0]):
        uneven = len({stack[k].units for stack in dense}) > 1
        if uneven and (layer is dense[0][-1] or np.any(layer.activation(ops.zeros(1)))):
            raise ValueError("models: widths may only differ in hidden layers whose activation is 0 at 0")
    source = keras.Input(models[0].input_shape[1:])
    values = layers.Flatten()(layers.Rescaling.from_config(models[0].layers[0].get_config())(source))
    values = layers.Dense(len(models) * widths[0])(values)
    values = layers.Activation(dense[0][0].activation)(layers.Reshape((len(models), widths[0]))(values))
    for layer, width in zip(dense[0][1:], widths[1:], strict=True):
        shape = (len(models), width)
        values = layers.EinsumDense("bmi,mio->bmo", shape, activation=layer.activation, bias_axes="mo")(values)
    crowd = keras.Model(source, values)
    crowd.set_weights(_padded(dense, widths))
    return crowd


def _dense_layers(model):
    wanted = (layers.Rescaling, layers.Flatten)
    if len(model.layers) < 4 or not all(isinstance(one, kind) for one, kind in zip(model.layers, wanted, strict=False)):
        raise ValueError("models: expected Rescaling, Flatten, then Dense layers, at least one of them hidden")
    if not all(isinstance(layer, layers.Dense) for layer in model.layers[2:]):
        raise ValueError("models: expected only Dense layers after Flatten")
    return model.layers[2:]


def _form(model):
    scaling = model.layers[0]
    activations = tuple(layer.activation.__name__ for layer in model.layers[2:])
    return model.input_shape, str(scaling.scale), str(scaling.offset), activations


def _padded(dense, widths):
    """Weights of all networks, padded to the widths: first (inputs, networks × units), then (networks, units, units)."""
    arrays, inputs = [], dense[0][0].kernel.shape[0]
    for k, width in enumerate(widths):
        kernel, bias = np.zeros((len(dense), inputs, width), np.float32), np.zeros((len(dense), width), np.float32)
        for m, stack in enumerate(dense):
            own = np.asarray(stack[k].kernel)
            kernel[m, : own.shape[0], : own.shape[1]] = own
            bias[m, : own.shape[1]] = stack[k].bias
        arrays += [kernel, bias]
        inputs = width
    arrays[0], arrays[1] = arrays[0].swapaxes(0, 1).reshape(-1, arrays[1].size), arrays[1].ravel()
    return arrays


def _hand_back(crowd, models):
    """Copy the weights of a model made by `side_by_side` into the networks that it was made from."""
    arrays = crowd.get_weights()
    arrays[0] = arrays[0].reshape(len(arrays[0]), len(models), -1).swapaxes(0, 1)  # (networks, inputs, units)
    arrays[1] = arrays[1].reshape(len(models), -1)
    for m, model in enumerate(models):
        own = [array[m] for array in arrays]
        cut = [array[tuple(slice(n) for n in weight.shape)] for array, weight in zip(own, model.weights, strict=True)]
        model.set_weights(cut)


def _alone(optimizer):
    """Return an optimizer by its name, or as it is, that does not sum its gradients over machines.

    There is one machine.  But the sum registers every training step with TensorFlow for good, and with it all of the
    network's and the optimizer's arrays, so that each training would keep its memory.
    """
    optimizer = keras.optimizers.get(optimizer)
    optimizer._all_reduce_sum_gradients = lambda gradients: gradients
    return optimizer


def load_or_train(path, settings, train):
    """Return the model stored at `path`, or train it and store it there.

    path      of a ``.keras`` file; its settings lie beside it in a ``.json`` file of the same name
    settings  dict of plain values that decide the result; a stored model with other settings is trained anew
    train     function without arguments that returns a Keras model

    Raises ValueError when `path` does not end in ``.keras``.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"path: expected a name that ends in .keras, got {str(path)!r}")
    wanted = json.dumps(settings, sort_keys=True)
    beside = path.with_suffix(".json")
    if path.exists() and beside.exists() and beside.read_text(encoding="utf-8") == wanted:
        return keras.models.load_model(path)
    model = train()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    beside.unlink(missing_ok=True)
    model.save(partial)
    partial.replace(path)
    beside.write_text(wanted, encoding="utf-8")
    return model
