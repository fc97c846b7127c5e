import json
import math
import os
from itertools import combinations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from lib import embedding_tables, embeddings
from lib.chains import chain
from lib.embeddings import activations, embed, quality
from lib.models import multilayer_perceptron, small_convnet

NAMES = ("ds", "dd", "cs", "cd", "acc_knn", "acc_knn_loo")


# a slow, literal version: a double loop over points


def distance(a, b):
    return math.sqrt(sum((float(u) - float(v)) ** 2 for u, v in zip(a, b, strict=True)))


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else math.nan


def vote(labels, neighbours):
    counts = {c: sum(labels[i] == c for i in neighbours) for c in sorted(set(labels))}
    return max(counts, key=lambda c: (counts[c], -c))


def literal_quality(points, labels, k):
    points, labels = [list(map(float, p)) for p in points], [int(c) for c in labels]
    n, classes = len(points), sorted(set(labels))
    pairs = list(combinations(range(n), 2))
    between = {pair: distance(points[pair[0]], points[pair[1]]) for pair in pairs}
    scale = mean(between.values())
    groups = [[p for p, c in zip(points, labels, strict=True) if c == one] for one in classes]
    centroids = [[mean(column) for column in zip(*group, strict=True)] for group in groups]
    hits = {"with": 0, "without": 0}
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j, i=i: between[min(i, j), max(i, j)])
        hits["with"] += vote(labels, [i, *others[: k - 1]]) == labels[i]
        hits["without"] += vote(labels, others[:k]) == labels[i]
    return {
        "ds": mean(d for (i, j), d in between.items() if labels[i] == labels[j]) / scale,
        "dd": mean(d for (i, j), d in between.items() if labels[i] != labels[j]) / scale,
        "cs": mean(mean(distance(p, c) for p in g) for g, c in zip(groups, centroids, strict=True)) / scale,
        "cd": mean(distance(a, b) for a, b in combinations(centroids, 2)) / scale,
        "acc_knn": hits["with"] / n,
        "acc_knn_loo": hits["without"] / n,
    }


def clusters(n, dimensions, classes, seed=0, away=0.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return rng.normal(size=(n, dimensions)) + 2 * rng.normal(size=(classes, dimensions))[labels] + away, labels


def assert_same(found, wanted, tolerance=1e-9):
    assert tuple(found) == NAMES
    np.testing.assert_allclose([found[k] for k in NAMES], [wanted[k] for k in NAMES], rtol=tolerance, atol=tolerance)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(4, 40), dimensions=st.sampled_from([1, 2, 3, 24, 25, 60]), classes=st.integers(1, 6), data=st.data())
def test_quality_is_the_literal_double_loop(n, dimensions, classes, data):
    k = data.draw(st.integers(1, n - 1))
    points, labels = clusters(n, dimensions, classes, seed=n)
    assert_same(quality(points, labels, k), literal_quality(points, labels, k))


@pytest.mark.parametrize("dimensions", [2, 40])
def test_blocks_do_not_change_the_sums(dimensions, monkeypatch):
    points, labels = clusters(130, dimensions, 4, away=1000.0)
    monkeypatch.setattr(embeddings, "TILE", 17)
    assert_same(quality(points, labels), literal_quality(points, labels, 10))


@pytest.mark.parametrize("dimensions", [2, 40])
def test_nearly_coinciding_points_keep_their_distances(dimensions):
    points, labels = clusters(20, dimensions, 3)
    points = np.concatenate([points, points[:10], points[:5] + 1e-7])
    labels = np.concatenate([labels, labels[:10], labels[:5]])
    found, wanted = quality(points, labels, 1), literal_quality(points, labels, 1)
    assert_same(
        {k: found[k] for k in NAMES[:4]} | {"acc_knn": 0, "acc_knn_loo": 0}, wanted | {"acc_knn": 0, "acc_knn_loo": 0}
    )


def test_quality_does_not_depend_on_scale_place_or_the_numbers_of_the_classes():
    points, labels = clusters(80, 2, 3)
    wanted = quality(points, labels)
    assert_same(quality(7 * points - 3, labels), wanted)
    assert_same(quality(points, 10 * labels - 4), wanted)  # classes 0 to 9 that nobody belongs to change nothing


def test_same_and_different_pairs_share_out_the_mean_of_all():
    points, labels = clusters(300, 2, 4)
    found, sizes = quality(points, labels), np.bincount(labels)
    share = (sizes * (sizes - 1)).sum() / (300 * 299)
    assert share * found["ds"] + (1 - share) * found["dd"] == pytest.approx(1, abs=1e-12)


def test_a_class_of_one_point_has_no_pair_and_lies_on_its_centroid():
    points, labels = np.array([[0.0, 0], [0, 2], [0, 5]]), np.array([0, 0, 1])
    found = quality(points, labels, 1)
    assert found["ds"] == pytest.approx(2 / (10 / 3))
    assert found["cs"] == pytest.approx((1 + 0) / 2 / (10 / 3))


def test_where_there_is_no_pair_the_value_is_nan():
    points = np.array([[0.0, 0], [0, 2], [0, 5]])
    assert math.isnan(quality(points, np.arange(3), 1)["ds"])
    found = quality(points, np.zeros(3, int), 1)
    assert math.isnan(found["dd"])
    assert math.isnan(found["cd"])
    assert found["ds"] == pytest.approx(1)


def test_a_point_votes_for_itself_in_one_accuracy_and_not_in_the_other():
    points, labels = np.arange(6.0)[:, None], np.array([0, 1, 0, 1, 0, 1])
    found = quality(points, labels, 1)
    assert (found["acc_knn"], found["acc_knn_loo"]) == (1, 0)


def test_votes_that_tie_go_to_the_smaller_class_number():
    points, labels = np.array([[0.0], [1.0], [2.5], [50.0]]), np.array([1, 0, 1, 0])
    assert quality(points, labels, 2)["acc_knn"] == literal_quality(points, labels, 2)["acc_knn"] == 0.5


@pytest.mark.parametrize(
    ("points", "labels", "k", "name"),
    [
        (np.zeros(5), np.zeros(5, int), 1, "points"),
        (np.zeros((0, 2)), np.zeros(0, int), 1, "points"),
        (np.array([["a", "b"]]), np.zeros(1, int), 1, "points"),
        (np.array([[0, 1], [np.nan, 2]]), np.zeros(2, int), 1, "points"),
        (np.array([[0, 1], [np.inf, 2]]), np.zeros(2, int), 1, "points"),
        (np.ones((5, 2)), np.arange(5), 1, "points"),
        (np.eye(5), np.zeros(4, int), 1, "labels"),
        (np.eye(5), np.zeros((5, 1), int), 1, "labels"),
        (np.eye(5), np.zeros(5), 1, "labels"),
        (np.eye(5), np.zeros(5, int), 0, "k"),
        (np.eye(5), np.zeros(5, int), 5, "k"),
    ],
)
def test_quality_names_the_argument_that_is_wrong(points, labels, k, name):
    with pytest.raises(ValueError, match=f"^{name}:"):
        quality(points, labels, k)


def functional_net():
    source = keras.Input((6, 6))
    values = layers.Rescaling(0.5)(source)
    values = layers.Dropout(0.5)(layers.Flatten()(values))
    return keras.Model(source, layers.Dense(3)(layers.Dense(8, "relu")(values)))


@pytest.mark.parametrize(
    "build", [functional_net, lambda: small_convnet((12, 12), 3), lambda: multilayer_perceptron((6, 6), 4, [5])]
)
def test_activations_are_the_outputs_of_all_layers(build):
    model = build()
    x = np.random.default_rng(0).integers(0, 256, (23, *model.input_shape[1:])).astype(np.uint8)
    found = activations(model, x, batch_size=10)
    assert len(found) == 1 + len(chain(model))
    np.testing.assert_array_equal(found[0], x.reshape(23, -1))
    values = x.astype(np.float32)
    for array, layer in zip(found[1:], chain(model), strict=True):
        values = layer(values, training=False)
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, np.asarray(values).reshape(23, -1), rtol=1e-5, atol=1e-5)


def test_activations_of_some_layers_come_in_the_order_of_the_network():
    model = multilayer_perceptron((6, 6), 4, [5, 7])
    names = [layer.name for layer in model.layers if isinstance(layer, layers.Dense)]
    found = activations(model, np.zeros((3, 6, 6)), layers=[names[1], names[0]])
    assert [array.shape for array in found] == [(3, 36), (3, 5), (3, 7)]


def test_activations_leave_the_model_as_it_was_and_trace_it_once():
    traces = []

    class Counting(layers.Layer):
        def call(self, values):
            traces.append(values.shape)
            return values

    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Counting(), layers.Dense(2)])
    traces.clear()
    activations(model, np.zeros((25, 4)), batch_size=10)
    assert len(traces) == 1
    assert model.layers[1].output is model.layers[2].input  # calling a layer once more in a graph would break this


def test_activations_refuse_what_is_no_chain():
    source = keras.Input((4,))
    left, right = layers.Dense(3)(source), layers.Dense(3)(source)
    for model in (keras.Model(source, layers.Add()([left, right])), keras.Model(source, [left, right])):
        with pytest.raises(ValueError, match=r"^model:"):
            activations(model, np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"^model:"):
        activations(keras.Sequential([layers.Dense(3)]), np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("x", "options", "name"),
    [
        (np.zeros((0, 6, 6)), {}, "x"),
        (np.zeros((2, 6, 5)), {}, "x"),
        (np.zeros((2, 36)), {}, "x"),
        (np.zeros((2, 6, 6)), {"layers": ["nobody"]}, "layers"),
        (np.zeros((2, 6, 6)), {"batch_size": 0}, "batch_size"),
    ],
)
def test_activations_name_the_argument_that_is_wrong(x, options, name):
    with pytest.raises(ValueError, match=f"^{name}:"):
        activations(multilayer_perceptron((6, 6), 4, [5]), x, **options)


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_embeddings_repeat_themselves_and_keep_clusters_together(method):
    points, labels = clusters(200, 10, 3)
    found = embed(points, method, 1)
    assert (found.shape, found.dtype) == ((200, 2), np.float32)
    np.testing.assert_array_equal(found, embed(points, method, 1))
    assert quality(found, labels)["acc_knn_loo"] > 0.9


def test_embed_hands_options_to_the_library():
    points, _ = clusters(200, 10, 3)
    assert not np.array_equal(embed(points, "tsne", 0), embed(points, "tsne", 0, n_iter=100))


@pytest.mark.parametrize(
    ("points", "method", "name"),
    [(np.eye(99), "tsne", "points"), (np.full((200, 2), np.nan), "umap", "points"), (np.eye(200), "pca", "method")],
)
def test_embed_names_the_argument_that_is_wrong(points, method, name):
    with pytest.raises(ValueError, match=f"^{name}:"):
        embed(points, method, 0)


# the stored tables


def test_stored_tables_are_complete_and_of_these_settings():
    tables = embedding_tables.stored()
    assert tables["settings"] == json.loads(json.dumps(embedding_tables.SETTINGS))
    places = [(row["data"], row["method"], row["state"], row["layer"]) for row in tables["rows"]]
    wanted = [
        (data, method, state, layer)
        for data in ("mnist", "fashion_mnist")
        for state in ("trained", "untrained")
        for method in ("tsne", "umap")
        for layer in range(4)
    ]
    assert sorted(places) == sorted(wanted)
    sizes = np.full(10, 6000)  # of the classes, nearly: the two distances share out the mean of all pairs
    share = (sizes * (sizes - 1)).sum() / (60_000 * 59_999)
    for row in tables["rows"]:
        assert share * row["ds"] + (1 - share) * row["dd"] == pytest.approx(1, abs=1e-3)
        assert row["acc_knn"] > row["acc_knn_loo"]


def test_one_row_of_the_tables_can_be_computed_again(monkeypatch):
    """On the real data it is the stored row of fewer images; on stand-in data the way is the same, the numbers are not."""
    real = os.environ.get("BOOK_REAL_DATA")
    if real:
        monkeypatch.setenv("BOOK_DATA", real)
        found, wanted = embedding_tables.check_row(), embedding_tables.stored()["check"]
        assert {k: v for k, v in found.items() if k not in NAMES} == {k: v for k, v in wanted.items() if k not in NAMES}
        np.testing.assert_allclose([found[k] for k in NAMES], [wanted[k] for k in NAMES], atol=0.03)
    else:
        monkeypatch.setitem(embedding_tables.CHECK, "images", 300)
        found = embedding_tables.check_row()
        assert found["acc_knn"] > 0.5
        assert 0 < found["ds"] < 1 < found["dd"]


def test_representations_refuse_another_state():
    with pytest.raises(ValueError, match=r"^state:"):
        embedding_tables.representations("mnist", "half-trained")
