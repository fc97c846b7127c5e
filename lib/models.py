"""The networks of the book.  Each takes uint8 images and begins by scaling them to 0–1, so data stay small in memory."""

import keras
from keras import layers, regularizers


def softmax_regression(shape, classes, *, initializer="glorot_uniform", weight_decay=0.0):
    """Return the network without hidden layers: every pixel is connected to every class.

    shape         of one image, (height, width) or (height, width, channels), pixels in 0–255
    classes       how many outputs, at least 2
    initializer   of the weights, any that Keras knows; the biases start at zero
    weight_decay  λ in the penalty λ Σ w² that is added to the cross-entropy, at least 0

    Raises ValueError for fewer than two classes or a negative weight decay.  Source: "Looking inside neural nets"
    (Kogan, Machine Learning for Artists), the one-layer network.
    """
    _check_classes(classes)
    if weight_decay < 0:
        raise ValueError(f"weight_decay: expected at least 0, got {weight_decay}")
    penalty = regularizers.L2(weight_decay) if weight_decay else None
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(classes, "softmax", kernel_initializer=initializer, kernel_regularizer=penalty),
        ]
    )


def multilayer_perceptron(shape, classes, units, *, activation="relu", centred=False):
    """Return a network whose hidden layers are all dense.

    shape       of one image, pixels in 0–255
    classes     how many outputs, at least 2
    units       how many units each hidden layer has, from the first to the last: a sequence of positive numbers
    activation  of the hidden units, any that Keras knows
    centred     scale the pixels to −1…1 instead of 0…1, so that their mean is near zero

    Raises ValueError for fewer than two classes or a layer without units.  Source: "Looking inside neural nets" (Kogan,
    Machine Learning for Artists), the network with a hidden layer of ten.
    """
    _check_classes(classes)
    if not units or min(units) < 1:
        raise ValueError(f"units: expected at least one layer, each with at least 1 unit, got {tuple(units)}")
    scaling = layers.Rescaling(1 / 127.5, -1) if centred else layers.Rescaling(1 / 255)
    hidden = [layers.Dense(n, activation) for n in units]
    return keras.Sequential([keras.Input(shape), scaling, layers.Flatten(), *hidden, layers.Dense(classes, "softmax")])


def small_convnet(shape, classes):
    """Return a small convolutional network: two convolutions, each followed by pooling, then one dense layer.

    shape    of one image, (height, width) or (height, width, channels), at least 10 pixels wide, pixels in 0–255
    classes  how many outputs, at least 2; fewer are a ValueError
    """
    _check_classes(classes)
    grid = shape if len(shape) == 3 else (*shape, 1)
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(1 / 255),
            layers.Reshape(grid),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(classes, "softmax"),
        ]
    )


def _check_classes(classes):
    if classes < 2:
        raise ValueError(f"classes: expected at least 2, got {classes}")
