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
    if classes < 2:
        raise ValueError(f"classes: expected at least 2, got {classes}")
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
