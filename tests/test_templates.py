import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lib.data import load
from lib.models import softmax_regression
from lib.templates import (
    class_means,
    confusion,
    confusion_result,
    loop_area,
    products,
    shifted,
    slant_and_height,
    template_mean_correlation,
    templates,
    top_samples,
    variance_ratio,
)

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 3)])
def test_templates_times_image_plus_bias_are_the_logits(shape):
    model = softmax_regression(shape, 5)
    image = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    found = templates(model)
    assert found.shape == (5, *shape)
    axes = tuple(range(1, found.ndim))
    scores = products(found, image).sum(axis=axes) + np.asarray(model.layers[-1].bias)
    p = model.predict(image[None], verbose=0)[0]
    np.testing.assert_allclose(scores - scores.max(), np.log(p / p.max()), atol=1e-4)


def test_products_take_floats_as_they_are():
    np.testing.assert_array_equal(products(np.full((2, 2), 3.0), np.array([[0.5, 1], [0, 2]])), [[1.5, 3], [0, 6]])


def test_products_name_a_picture_that_does_not_fit():
    with pytest.raises(ValueError, match=r"image: expected the trailing shape of template \(10, 4, 4\), got \(4, 5\)"):
        products(np.zeros((10, 4, 4)), np.zeros((4, 5)))


def test_models_without_a_dense_layer_on_the_image_are_refused():
    with pytest.raises(ValueError, match="model: expected a Dense layer"):
        templates(keras.Sequential([keras.Input((4, 4)), keras.layers.Flatten()]))
    pooled = [keras.Input((4, 4, 1)), keras.layers.MaxPooling2D(2), keras.layers.Flatten(), keras.layers.Dense(3)]
    with pytest.raises(ValueError, match="has 4 inputs, its image 16"):
        templates(keras.Sequential(pooled))


def test_correlation_by_hand():
    x = np.array([[[2, 0]], [[2, 0]], [[0, 1]], [[0, 3]]])
    y = np.array([0, 0, 1, 1])
    found = template_mean_correlation(np.array([[[5.0, 1.0]], [[-1.0, 7.0]]]), x, y)
    np.testing.assert_allclose(found, [[1, -1], [-1, 1]])


@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_correlation_ignores_scale_and_shift_and_equals_numpy(scale, shift):
    random = np.random.default_rng(1)
    x, y, t = random.random((30, 4, 4)), np.arange(30) % 3, random.random((3, 4, 4))
    found = template_mean_correlation(scale * t + shift, x, y)
    deviations = [x[y == c].mean(axis=0) - x.mean(axis=0) for c in range(3)]
    wanted = [[np.corrcoef(a.ravel(), b.ravel())[0, 1] for b in deviations] for a in t]
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_correlation_follows_a_permutation_of_the_labels():
    x, y, t = RANDOM.random((30, 4, 4)), np.arange(30) % 3, RANDOM.random((3, 4, 4))
    order = np.array([2, 0, 1])
    moved = template_mean_correlation(t, x, order[y])
    np.testing.assert_allclose(moved[:, order], template_mean_correlation(t, x, y))


def test_correlation_names_what_is_undefined():
    x, y = RANDOM.random((4, 2, 2)), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match="templates: row 1 is constant"):
        template_mean_correlation(np.stack([x[0], np.ones((2, 2))]), x, y)
    with pytest.raises(ValueError, match="y: no example of class 2"):
        template_mean_correlation(x[:3], x, y)
    with pytest.raises(ValueError, match="x: expected images of shape"):
        template_mean_correlation(np.zeros((2, 3, 3)), x, y)


def test_class_means_by_hand():
    np.testing.assert_array_equal(class_means(np.array([[1], [3], [10]]), np.array([0, 0, 1]), 2), [[2], [10]])
    with pytest.raises(ValueError, match="y: expected 3 labels, got 2"):
        class_means(np.zeros((3, 1)), np.zeros(2, int), 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4))))
def test_confusion_counts_pairs(pairs):
    truth, guess = (np.array(values, int) for values in (zip(*pairs, strict=True) if pairs else ([], [])))
    found = confusion(truth, guess, 5)
    assert all(found[i, j] == pairs.count((i, j)) for i in range(5) for j in range(5))


def test_confusion_names_bad_input():
    with pytest.raises(ValueError, match="y_pred: expected a flat array of class numbers from 0 to 2"):
        confusion([0, 1], [0, 3], 3)
    with pytest.raises(ValueError, match="y_true: expected a flat array"):
        confusion([-1], [0], 3)
    with pytest.raises(ValueError, match="y_pred: expected 2 predictions, got 1"):
        confusion([0, 1], [0], 3)
    with pytest.raises(ValueError, match="y_true: expected a flat array"):
        confusion([0.5, 1.0], [0, 1], 3)


def test_top_samples_by_hand():
    p = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.9, 0.1]])
    found = top_samples(p, np.array([0, 0, 0, 1, 0]), per_cell=2)
    assert found.tolist() == [[[1, 4], [2, -1]], [[3, -1], [-1, -1]]]


@given(arrays(np.float64, (12, 3), elements=st.floats(0, 1)), st.integers(1, 13))
def test_top_samples_hold_each_example_in_its_cell_by_falling_confidence(p, per_cell):
    y = np.arange(12) % 3
    found = top_samples(p, y, per_cell)
    for i in range(3):
        for j in range(3):
            rows = found[i, j][found[i, j] >= 0]
            assert (y[rows] == i).all()
            assert (p[rows].argmax(axis=1) == j).all()
            assert (np.diff(p[rows, j]) <= 0).all()
            assert len(rows) == min(per_cell, np.sum((y == i) & (p.argmax(axis=1) == j)))


def test_top_samples_name_bad_input():
    p = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="probabilities: expected"):
        top_samples(p * np.nan, [0, 1], 1)
    with pytest.raises(ValueError, match="per_cell: expected at least 1"):
        top_samples(p, [0, 1], 0)
    with pytest.raises(ValueError, match="y_true: expected 2 labels, got 1"):
        top_samples(p, [0], 1)


def test_loop_area_counts_the_largest_enclosed_patch():
    image = np.zeros((9, 9))
    assert loop_area(image) == 0
    image[1:5, 1:5] = 255
    assert loop_area(image) == 0
    image[2:4, 2:4] = 0
    assert loop_area(image) == 4
    image[5:9, 5:9] = 255
    image[7, 7] = 0
    assert loop_area(image) == 4
    image[1, 2:4] = 0  # open the larger loop
    assert loop_area(image) == 1
    assert loop_area(np.full((3, 3), 255)) == 0


def test_a_loop_at_the_edge_of_the_picture_is_open():
    image = np.full((5, 5), 255)
    image[2, 0] = 0
    assert loop_area(image) == 0


def test_slant_of_a_diagonal_is_one_and_a_shift_changes_nothing():
    upright, leaning = np.zeros((2, 11, 11))
    upright[2:9, 5] = 1
    leaning[np.arange(8, 1, -1), np.arange(2, 9)] = 1  # from bottom left to top right
    slants, heights = slant_and_height(np.stack([upright, leaning, np.roll(leaning, 2, axis=0)]))
    np.testing.assert_allclose(slants, [0, 1, 1], atol=1e-12)
    np.testing.assert_allclose(heights, [2, 2, 2])


def test_variance_ratio_by_hand():
    x = np.array([[0.0, 0], [2, 0], [10, 1], [12, 1]])  # between: 25 and 1/4, within: 1 and 0
    assert variance_ratio(x, np.array([0, 0, 1, 1]), 2) == pytest.approx(25.25)


@given(arrays(np.float64, (20, 3), elements=st.floats(-5, 5)))
def test_between_and_within_add_up_to_the_total_variance(x):
    x[0] += 0.5
    y = np.arange(20) % 4
    ratio, total = variance_ratio(x, y, 4), x.var(axis=0).sum()
    within = np.mean([x[y == k].var(axis=0).sum() for k in range(4)])
    assert ratio * within + within == pytest.approx(total)


def test_variance_ratio_is_near_zero_for_random_labels_and_undefined_without_variance():
    x = RANDOM.normal(size=(5000, 2))
    assert variance_ratio(x, RANDOM.integers(2, size=5000), 2) < 0.002
    with pytest.raises(ValueError, match="x: no class varies"):
        variance_ratio(np.array([[1], [2]]), np.array([0, 1]), 2)


def test_shifted_moves_and_fills_with_black():
    image = np.arange(1, 10).reshape(1, 3, 3)
    assert shifted(image, 1).tolist() == [[[0, 1, 2], [0, 4, 5], [0, 7, 8]]]
    assert shifted(image, -1, 2).tolist() == [[[0, 0, 0], [0, 0, 0], [2, 3, 0]]]
    np.testing.assert_array_equal(shifted(image, 0), image)
    colour = RANDOM.integers(0, 9, (2, 4, 5, 3))
    np.testing.assert_array_equal(shifted(colour, 2)[:, :, 2:], colour[:, :, :3])
    with pytest.raises(ValueError, match="right, down: expected less than 3 and 3"):
        shifted(image, 3)


def test_confusion_result_holds_what_the_widget_asks_for():
    dataset = load("mnist")
    p = RANDOM.dirichlet(np.ones(10), len(dataset.y_test))
    result = confusion_result(dataset, p, per_cell=3)
    assert result["samples"].shape == (10, 10, 3)
    assert result["counts"].sum() == len(dataset.y_test)
    assert result["images"] is dataset.x_test
