"""The four tables of chapter 8 on all 60,000 training images, computed once and stored beside this file.

    python -m lib.embedding_tables

computes what is missing and stores every embedding's row as soon as it is there: about an hour on two cores.  The
settings are those of "Analysis of activations in neural networks" (Ruman, 2021), as far as the article gives them.
"""

import itertools
import json
import sys
from functools import partial
from pathlib import Path

import keras

from lib.data import load
from lib.embeddings import METHODS, METRICS, activations, embed, quality
from lib.models import multilayer_perceptron
from lib.training import fit

FILE = Path(__file__).with_suffix(".json")
SETTINGS = {
    "images": 60_000,
    "units": [512, 256, 128],
    "activation": "relu",
    "initializer": "glorot_uniform",
    "optimizer": "SGD",
    "momentum": 0.9,
    "learning_rate": {"mnist": 0.1, "fashion_mnist": 0.05},
    "batch_size": 64,
    "epochs": 5,
    "perplexity": 30,
    "k": 10,
    "seed": 0,
}
STATES = ("trained", "untrained")
CHECK = {"images": 5_000, "data": "mnist", "method": "umap", "state": "trained", "layer": 3}


PRINTED = """
mnist tsne
0.3428 / 0.3428  1.0732 / 1.0732  0.2454 / 0.2454  1.0079 / 1.0079  0.9713 / 0.9713
0.3175 / 0.3551  1.0761 / 1.0719  0.2290 / 0.2531  1.0268 / 1.0000  0.9861 / 0.9661
0.3049 / 0.3833  1.0775 / 1.0687  0.2209 / 0.2731  1.0326 / 0.9817  0.9915 / 0.9529
0.3106 / 0.4444  1.0768 / 1.0619  0.2260 / 0.3159  1.0406 / 0.9355  0.9911 / 0.9155
mnist umap
0.2124 / 0.2135  1.0878 / 1.0877  0.1479 / 0.1486  1.0475 / 1.0452  0.9688 / 0.9684
0.1806 / 0.2271  1.0913 / 1.0861  0.1275 / 0.1577  1.0632 / 1.0401  0.9852 / 0.9641
0.1546 / 0.2600  1.0942 / 1.0825  0.1094 / 0.1801  1.0768 / 1.0245  0.9911 / 0.9486
0.1772 / 0.3649  1.0917 / 1.0708  0.1270 / 0.2568  1.0729 / 0.9713  0.9908 / 0.8849
fashion_mnist tsne
0.4659 / 0.4659  1.0593 / 1.0593  0.3439 / 0.3439  0.9407 / 0.9407  0.8644 / 0.8644
0.4028 / 0.4648  1.0663 / 1.0595  0.2950 / 0.3422  0.9830 / 0.9419  0.8988 / 0.8590
0.4110 / 0.4645  1.0654 / 1.0595  0.2980 / 0.3396  0.9725 / 0.9412  0.8976 / 0.8484
0.4432 / 0.4755  1.0619 / 1.0583  0.3245 / 0.3462  0.9568 / 0.9349  0.8955 / 0.8324
fashion_mnist umap
0.2994 / 0.3046  1.0778 / 1.0773  0.2208 / 0.2254  1.0197 / 1.0165  0.8122 / 0.8130
0.2602 / 0.3030  1.0822 / 1.0774  0.1895 / 0.2224  1.0433 / 1.0182  0.8836 / 0.8075
0.2693 / 0.3230  1.0812 / 1.0752  0.1942 / 0.2362  1.0421 / 1.0086  0.8912 / 0.7901
0.3328 / 0.3470  1.0741 / 1.0725  0.2444 / 0.2521  1.0084 / 0.9963  0.8924 / 0.7729
"""  # the article's figures 3, 6, 9 and 12: trained / untrained, one line a layer; ds, dd, cs, cd, acc_knn


def printed():
    """Return the article's four tables as rows like those of `stored`, without acc_knn_loo, which it does not have."""
    rows, place = [], ()
    for line in PRINTED.split("\n")[1:-1]:
        if "/" not in line:
            place, layer = line.split(), 0
            continue
        values = [float(value) for value in line.replace("/", " ").split()]
        for state, own in zip(STATES, (values[::2], values[1::2]), strict=True):
            names = dict(zip(METRICS, own, strict=False))
            rows.append({"data": place[0], "method": place[1], "state": state, "layer": layer} | names)
        layer += 1
    return rows


def stored():
    """Return the stored tables: {"settings": `SETTINGS`, "rows": [a dict a row], "check": one row of fewer images}.

    A row has the keys data, method, state, layer (0 is the input) and those of `lib.embeddings.quality`.
    """
    return json.loads(FILE.read_text(encoding="utf-8"))


def representations(name, state, images=SETTINGS["images"]):
    """Train the article's network, or leave it untrained, and return what it makes of its training images.

    name    ``"mnist"`` or ``"fashion_mnist"``
    state   ``"trained"`` or ``"untrained"``
    images  how many training images, from the first, to train on and to return

    Returns (layers, labels): arrays (images, values) of the input and the three hidden layers, and (images,).  Raises
    ValueError for another state.
    """
    if state not in STATES:
        raise ValueError(f"state: expected one of {', '.join(STATES)}, got {state!r}")
    data = load(name, train=images)
    build = partial(multilayer_perceptron, data.x_train.shape[1:], 10, SETTINGS["units"])
    model, _ = fit(
        build,
        data.x_train,
        data.y_train,
        seed=SETTINGS["seed"],
        epochs=SETTINGS["epochs"] if state == "trained" else 0,
        batch_size=SETTINGS["batch_size"],
        optimizer=keras.optimizers.SGD(SETTINGS["learning_rate"][name], momentum=SETTINGS["momentum"]),
    )
    hidden = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)][:-1]
    return activations(model, data.x_train, layers=hidden), data.y_train


def row(values, labels, data, method, state, layer):
    """Return one row: what it is of, and the quality of the embedding of `values` (n, dimensions)."""
    found = quality(embed(values, method, SETTINGS["seed"]), labels, SETTINGS["k"])
    return {"data": data, "method": method, "state": state, "layer": layer} | {k: round(v, 5) for k, v in found.items()}


def check_row():
    """Return the row that is stored for comparison, of fewer images."""
    values, labels = representations(CHECK["data"], CHECK["state"], CHECK["images"])
    return row(values[CHECK["layer"]], labels, CHECK["data"], CHECK["method"], CHECK["state"], CHECK["layer"])


def _store(tables):
    lines = ",\n".join(f"    {json.dumps(one)}" for one in tables["rows"])
    head = f'"settings": {json.dumps(tables["settings"])},\n  "check": {json.dumps(tables["check"])}'
    FILE.write_text(f'{{\n  {head},\n  "rows": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def main():
    """Compute the rows that are not stored yet; rows of other settings are thrown away."""
    tables = stored() if FILE.exists() else {}
    if tables.get("settings") != SETTINGS:
        tables = {"settings": SETTINGS, "check": check_row(), "rows": []}
    known = {(one["data"], one["method"], one["state"], one["layer"]): one for one in tables["rows"]}
    for data in SETTINGS["learning_rate"]:
        for state in STATES:
            layers, labels = representations(data, state)
            for method, (layer, values) in itertools.product(METHODS, enumerate(layers)):
                if (data, method, state, layer) in known:
                    continue
                same = known.get((data, method, "trained", 0)) if layer == 0 else None  # the input needs no network
                found = same | {"state": state} if same else row(values, labels, data, method, state, layer)
                known[data, method, state, layer] = found
                tables["rows"].append(found)
                _store(tables)
                print(found, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
