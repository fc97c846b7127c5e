"""Training that gives the same network every time, and checkpoints for what takes longer than a minute."""

import json
from pathlib import Path

import keras


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
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model, history.history


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
