from math import comb

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from lib.removal import (
    exact_gradients,
    exact_losses,
    flip_covariance,
    krawtchouk,
    margin_terms,
    mask_bits,
    mask_weights,
    mean_softplus,
    walsh_spectrum,
)


def network(*nodes, inputs=2, activation="relu", classes=2, out="softmax", mask=None, seed=0, scale=1.0, bias=True):
    """Points and masks in, probabilities out; random weights, all biases at work."""
    keras.utils.set_random_seed(seed)
    options = {"use_bias": bias, "bias_initializer": "random_normal"}
    points, masks = keras.Input((inputs,)), [keras.Input((mask or n,)) for n in nodes]
    values = points
    for one, n in zip(masks, nodes, strict=True):
        values = layers.Multiply()([layers.Dense(n, activation, **options)(values), one])
    output = layers.Dense(classes, out, **options)
    model = keras.Model([points, *masks], output(values))
    output.kernel.assign(output.kernel * scale)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def points(n, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (n, 2)), random.integers(0, 2, n)


def brute(model, x, y):
    """Each mask by itself in float64, as the network would compute it."""
    dense = [
        [w.astype(np.float64) for w in layer.get_weights()] for layer in model.layers if isinstance(layer, layers.Dense)
    ]
    sizes = [bias.size for _, bias in dense[:-1]]
    losses = []
    for bits in mask_bits(sum(sizes)):
        values = x
        for (kernel, bias), mask in zip(dense[:-1], np.split(bits, np.cumsum(sizes)[:-1]), strict=True):
            values = np.maximum(values @ kernel + bias, 0) * mask
        scores = values @ dense[-1][0] + dense[-1][1]
        losses.append((np.logaddexp(scores[:, 0], scores[:, 1]) - scores[np.arange(len(y)), y]).mean())
    return np.array(losses)


# masks


def test_bit_k_of_a_masks_number_is_node_k():
    bits = mask_bits(5)
    assert bits.shape == (32, 5)
    assert bits.dtype == np.uint8
    np.testing.assert_array_equal(bits @ (2 ** np.arange(5)), np.arange(32))
    assert bits[0b01010].tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("p", [0, 0.25, 0.5, 1])
def test_mask_weights_are_independent_bernoulli_bits(p):
    weights = mask_weights(6, p)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ mask_bits(6), np.full(6, p), atol=1e-12)
    assert weights[0b100101] == pytest.approx(p**3 * (1 - p) ** 3)


def test_bad_sizes_and_probabilities_are_named():
    for n in (0, 25):
        with pytest.raises(ValueError, match="n: expected 1 to 24"):
            mask_bits(n)
    for p in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="p: expected a probability"):
            mask_weights(3, p)


# losses


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("scale", [0.01, 1, 40])
def test_losses_equal_the_brute_force(n, size, scale):
    x, y = points(size, n)
    model = network(n, seed=n, scale=scale)
    np.testing.assert_allclose(exact_losses(model, x, y), brute(model, x, y), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("nodes", [(1, 1), (3, 4), (5, 2)])
def test_losses_of_two_hidden_layers_equal_the_brute_force(nodes):
    x, y = points(50)
    model = network(*nodes, scale=5)
    np.testing.assert_allclose(exact_losses(model, x, y), brute(model, x, y), rtol=1e-9)


def test_a_network_without_biases_is_one_whose_biases_are_zero():
    x, y = points(50)
    without, with_zeros = network(5, bias=False), network(5)
    zeros = [np.zeros(5), np.zeros(2)]
    kernels = without.get_weights()
    with_zeros.set_weights([kernels[0], zeros[0], kernels[1], zeros[1]])
    for exact in (exact_losses, exact_gradients):
        np.testing.assert_array_equal(exact(without, x, y), exact(with_zeros, x, y))


@pytest.mark.parametrize(("nodes", "size"), [((20,), 200), ((17,), 1000), ((10, 10), 50)])
def test_losses_equal_the_keras_model_mask_by_mask(nodes, size):
    x, y = points(size)
    model = network(*nodes, scale=3)
    losses, bits = exact_losses(model, x, y), mask_bits(sum(nodes))
    assert losses.shape == (2 ** sum(nodes),)
    for row in [0, -1, *np.random.default_rng(1).integers(0, len(bits), 20)]:
        masks = [np.tile(part, (size, 1)) for part in np.split(bits[row], np.cumsum(nodes)[:-1])]
        assert losses[row] == pytest.approx(model.evaluate([x, *masks], y, batch_size=size, verbose=0), rel=1e-6)


def test_a_constant_node_and_a_dead_one_are_no_trouble():
    model = network(6)
    kernel, bias = model.layers[1].get_weights()
    kernel[:, :2], bias[:2] = 0, [1, -1]  # node 0 is always 1, node 1 always 0
    model.layers[1].set_weights([kernel, bias])
    x, y = points(40)
    losses = exact_losses(model, x, y)
    np.testing.assert_allclose(losses, brute(model, x, y), rtol=1e-10)
    bits = mask_bits(6)
    np.testing.assert_array_equal(losses[bits[:, 1] == 0], losses[bits[:, 1] == 1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 30), st.sampled_from([1e-3, 1, 80, 700, 5000]), st.integers(0, 10**6))
def test_mean_softplus_is_right_to_rounding_for_margins_of_any_size(n, size, scale, seed):
    random = np.random.default_rng(seed)
    start, terms = scale * random.normal(size=size), scale * random.normal(size=(size, n)) / np.sqrt(n)
    u = start + mask_bits(n) @ terms.T
    np.testing.assert_allclose(mean_softplus(start, terms), np.logaddexp(0, u).mean(axis=1), rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("sign", [-1, 1])
def test_margins_of_80_on_all_points_neither_overflow_nor_vanish(sign):
    start, terms = np.full(1000, sign * 80.0), np.tile([-160.0 * sign, 1.0], (1000, 1))
    u = start[0] + mask_bits(2) @ terms[0]
    np.testing.assert_allclose(mean_softplus(start, terms), np.logaddexp(0, u), rtol=1e-9, atol=1e-12)


# gradients


def test_gradients_equal_finite_differences_and_keras():
    model = network(4, scale=3)
    x, y = points(60)
    gradients = exact_gradients(model, x, y)
    start, terms = margin_terms(model, x)
    sign, step = 1 - 2 * y, 1e-6
    for row, bits in enumerate(mask_bits(4).astype(float)):
        for k in range(4):
            ends = [np.logaddexp(0, sign * (start + terms @ (bits + d * np.eye(4)[k]))).mean() for d in (-step, step)]
            assert gradients[row, k] == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=1e-8)


def test_gradients_equal_back_propagation_through_the_mask():
    import tensorflow as tf

    model = network(12, scale=3)
    x, y = points(100)
    gradients, bits = exact_gradients(model, x, y), mask_bits(12)
    assert gradients.shape == (4096, 12)
    for row in (0, 4095, 1234):
        mask = tf.Variable(bits[row].astype(np.float32))
        with tf.GradientTape() as tape:
            p = model([tf.constant(x, tf.float32), tf.tile(mask[None], (100, 1))])
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, p))
        np.testing.assert_allclose(gradients[row], tape.gradient(loss, mask), atol=1e-6)


def test_gradients_of_steep_margins_are_finite():
    model = network(6, scale=1e5)
    x, y = points(30)
    assert np.isfinite(exact_gradients(model, x, y)).all()
    assert np.isfinite(exact_losses(model, x, y)).all()


# what is refused


def other(build):
    x, mask = keras.Input((2,)), keras.Input((4,))
    return keras.Model([x, mask], build(x, mask))


def out(values):
    return layers.Dense(2, "softmax")(values)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (lambda: network(4, classes=3), "softmax of 2 classes, got 3"),
        (lambda: network(4, out="sigmoid"), "softmax of 2 classes, got 2 × sigmoid"),
        (lambda: network(4, mask=1), r"mask of 4 .* shape \(1,\)"),
        (lambda: network(25), "at most 24 nodes, got 25"),
        (lambda: network(4, 4, 4), "one or two masks, got 4 inputs"),
        (lambda: keras.Sequential([keras.Input((2,)), layers.Dense(2, "softmax")]), "got 1 inputs"),
        (lambda: other(lambda x, m: out(layers.Add()([layers.Dense(4)(x), m]))), "Dense and Multiply in turn"),
        (lambda: other(lambda x, m: out(layers.Dense(4)(layers.Multiply()([layers.Dense(4)(x), m])))), "Dense and Mult"),
        (lambda: other(lambda x, m: layers.Multiply()([out(x), layers.Dense(2)(m)])), "expected"),
        (lambda: other(lambda x, m: out(layers.Multiply()([layers.Dense(4)(m), m]))), "product with its mask"),
    ],
)
def test_a_model_of_another_form_is_refused_with_what_was_expected(model, named):
    x, y = points(5)
    with pytest.raises(ValueError, match=f"^model: .*{named}"):
        exact_losses(model(), x, y)


def test_another_loss_is_refused():
    x, y = points(5)
    for loss in ("mse", keras.losses.CategoricalCrossentropy()):
        model = network(4)
        model.compile("adam", loss)
        with pytest.raises(ValueError, match="model: expected the loss sparse_categorical_crossentropy"):
            exact_losses(model, x, y)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
    assert exact_losses(model, x, y).shape == (16,)


def test_data_that_do_not_fit_are_named():
    model, (x, y) = network(4), points(5)
    for wrong in (x[:, :1], x[:0], np.full((5, 2), np.nan)):
        with pytest.raises(ValueError, match=r"^x: expected finite points"):
            exact_losses(model, wrong, y)
    for wrong in (y[:4], np.full(5, 2), np.full(5, 0.5)):
        with pytest.raises(ValueError, match=r"^y: expected a class"):
            exact_gradients(model, x, wrong)
    with pytest.raises(ValueError, match="expected one hidden layer, got 2"):
        exact_gradients(network(2, 2), x, y)


# spectrum and covariance


def slow_spectrum(values):
    n = int(np.log2(len(values)))
    bits = mask_bits(n).astype(int)
    signs = (-1.0) ** (bits @ bits.T)
    return np.bincount(bits.sum(axis=1), weights=(signs @ values / 2**n) ** 2, minlength=n + 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(0, 10**6))
def test_the_spectrum_is_that_of_the_definition_and_adds_up_to_the_mean_square(n, seed):
    values = np.random.default_rng(seed).normal(size=2**n)
    spectrum = walsh_spectrum(values)
    np.testing.assert_allclose(spectrum, slow_spectrum(values), atol=1e-12)
    assert spectrum.sum() == pytest.approx((values**2).mean())
    assert spectrum[1:].sum() == pytest.approx(values.var())


def test_a_product_of_three_bits_has_all_its_weight_in_degree_three():
    signs = 1.0 - 2.0 * mask_bits(5)
    np.testing.assert_allclose(walsh_spectrum(signs[:, 0] * signs[:, 2] * signs[:, 3]), [0, 0, 0, 1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("n", [1, 4, 6])
def test_flip_covariance_is_that_of_all_pairs_at_each_distance(n):
    values = np.random.default_rng(n).normal(size=2**n)
    rows = np.arange(2**n)
    apart = mask_bits(n).sum(axis=1)[rows[:, None] ^ rows]
    deviations = values - values.mean()
    slow = [np.outer(deviations, deviations)[apart == t].mean() for t in range(n + 1)]
    np.testing.assert_allclose(flip_covariance(values), slow, atol=1e-12)


def test_covariance_at_the_reversal_is_even_less_odd_weight():
    values = np.random.default_rng(0).normal(size=2**9)
    spectrum = walsh_spectrum(values)
    assert flip_covariance(values)[-1] == pytest.approx(spectrum[2::2].sum() - spectrum[1::2].sum())


def test_krawtchouk_sums_signs_over_all_sets_of_flips():
    bits = mask_bits(6).astype(int)
    for d in range(7):
        signs = (-1) ** bits[:, :d].sum(axis=1)
        assert [krawtchouk(6, t, d) for t in range(7)] == [signs[bits.sum(axis=1) == t].sum() for t in range(7)]
        assert krawtchouk(6, 0, d) == 1
    assert krawtchouk(20, 10, 0) == comb(20, 10)


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros(1), np.zeros((2, 2)), np.array([1, np.nan])])
def test_values_that_are_no_function_of_masks_are_refused(values):
    with pytest.raises(ValueError, match="values: expected a finite value for each of"):
        walsh_spectrum(values)
