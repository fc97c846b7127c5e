from dataclasses import replace
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from lib import relevance
from lib.relevance import DECONVOLUTION, GRADIENT, LRP, SLOPE, Rules, explain, shifted_softplus

EXACT = replace(LRP, epsilon=0)
ALL_RULES = [
    Rules(matmul, nonlinearity, maximum, epsilon=0.01, alpha=alpha)
    for matmul, alpha in (("gradient", 1), ("normalized", 1), ("gamma", 1), ("alpha_beta", 1), ("alpha_beta", 2))
    for nonlinearity in relevance.NONLINEARITY
    for maximum in relevance.MAXIMUM
]
FUNCTIONS = {  # name: (f, f′), literally
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0) * 1.0),
    "tanh": (np.tanh, lambda a: 1 / np.cosh(a) ** 2),
    "shifted_softplus": (lambda a: np.log(1 + np.exp(a)) - np.log(2), lambda a: 1 / (1 + np.exp(-a))),
}


def convnet(*, bias=True, activation="relu", shape=(6, 7, 2), seed=0, dtype="float64", head=None, pool=2, strides=None):
    """Convolution, pooling, convolution, average pooling, dense: random weights and biases."""
    keras.utils.set_random_seed(seed)
    f = shifted_softplus if activation == "shifted_softplus" else activation
    start = {"use_bias": bias, "bias_initializer": keras.initializers.RandomNormal(stddev=0.3), "dtype": dtype}
    return keras.Sequential(
        [
            keras.Input(shape, dtype=dtype),
            layers.Rescaling(0.5, 0.125 if bias else 0, dtype=dtype),
            layers.Conv2D(3, 3, padding="same", **start),
            layers.Activation(f, dtype=dtype),
            layers.MaxPooling2D(pool, strides, dtype=dtype),
            layers.Conv2D(4, 2, **start),
            layers.Activation(f, dtype=dtype),
            layers.AveragePooling2D(2, 1, dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(5, head, **start),
        ]
    )


def inputs(shape=(6, 7, 2), n=3, seed=0):
    """Numbers that float32 holds exactly, since Keras passes inputs through float32."""
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32).astype(np.float64)


# a slow, literal version in NumPy: each product as a matrix, each maximum as a list of windows


def convolution_matrix(kernel, shape, strides, same):
    """(inputs, outputs) by loops over the definition."""
    (kh, kw, channels, filters), (h, w, _) = kernel.shape, shape
    oh, ow, top, left = window_grid((h, w), (kh, kw), strides, same)
    matrix = np.zeros((h, w, channels, oh, ow, filters))
    for y, x, i, j in np.ndindex(oh, ow, kh, kw):
        row, column = y * strides[0] + i - top, x * strides[1] + j - left
        if 0 <= row < h and 0 <= column < w:
            matrix[row, column, :, y, x, :] = kernel[i, j]
    return matrix.reshape(h * w * channels, -1), (oh, ow, filters)


def window_grid(size, window, strides, same):
    if not same:
        return *((size[k] - window[k]) // strides[k] + 1 for k in (0, 1)), 0, 0
    out = [-(-size[k] // strides[k]) for k in (0, 1)]
    need = [max(0, (out[k] - 1) * strides[k] + window[k] - size[k]) for k in (0, 1)]
    return *out, need[0] // 2, need[1] // 2


def window_list(shape, window, strides, same):
    """For each output of a pooling, the flat numbers of the inputs in its window."""
    h, w, channels = shape
    oh, ow, top, left = window_grid((h, w), window, strides, same)
    found = []
    for y, x, c in np.ndindex(oh, ow, channels):
        rows = [y * strides[0] + i - top for i in range(window[0])]
        columns = [x * strides[1] + j - left for j in range(window[1])]
        found.append([(r * w + q) * channels + c for r in rows for q in columns if 0 <= r < h and 0 <= q < w])
    return found, (oh, ow, channels)


def literal_steps(model):
    """The steps of a network as ("product", W, bias), ("f", name) and ("max", windows)."""
    found, shape = [], model.input_shape[1:]
    for layer in model.layers:
        n = int(np.prod(shape))
        if isinstance(layer, layers.Rescaling):
            found.append(("product", np.eye(n) * layer.scale, np.full(n, layer.offset) if layer.offset else None))
        elif isinstance(layer, layers.Conv2D):
            kernel = np.asarray(layer.kernel)
            matrix, shape = convolution_matrix(kernel, shape, layer.strides, layer.padding == "same")
            bias = np.tile(np.asarray(layer.bias), shape[0] * shape[1]) if layer.use_bias else None
            found.append(("product", matrix, bias))
        elif isinstance(layer, layers.Dense):
            found.append(("product", np.asarray(layer.kernel), np.asarray(layer.bias) if layer.use_bias else None))
        elif isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
            windows, new = window_list(shape, layer.pool_size, layer.strides, layer.padding == "same")
            if isinstance(layer, layers.MaxPooling2D):
                found.append(("max", windows, None))
            else:
                matrix = np.zeros((n, len(windows)))
                for j, window in enumerate(windows):
                    matrix[window, j] = 1 / len(window)
                found.append(("product", matrix, None))
            shape = new
        elif isinstance(layer, layers.Activation):
            found.append(("f", layer.activation.__name__, None))
    return found


def literal_forward(steps, x):
    values = [x]
    for kind, what, bias in steps:
        a = values[-1]
        if kind == "product":
            values.append(a @ what + (0 if bias is None else bias))
        elif kind == "f":
            values.append(FUNCTIONS[what][0](a))
        else:
            values.append(np.array([a[window].max() for window in what]))
    return values


def share(numerator, denominator):
    return np.divide(numerator, denominator, out=np.zeros_like(numerator * denominator), where=denominator != 0)


def literal_product(a, b, w, bias, r, rules):
    """Relevance of the inputs and of the bias under each rule, formula by formula; z has the bias as its last row."""
    rows, a = np.vstack([w, np.zeros(len(b)) if bias is None else bias]), np.append(a, 1.0)
    if rules.matmul == "gradient":
        passed = rows * r
        return (passed.sum(axis=1)[:-1], passed[-1].sum())
    if rules.matmul == "gamma":
        rows = rows + rules.gamma * np.maximum(rows, 0)
    z = a[:, None] * rows
    if rules.matmul == "alpha_beta":
        up, down = np.maximum(z, 0), np.minimum(z, 0)
        passed = rules.alpha * up * share(r, up.sum(0)) - (rules.alpha - 1) * down * share(r, down.sum(0))
    else:
        total = z.sum(axis=0)
        passed = z * share(r, total + rules.epsilon * np.where(total >= 0, 1, -1))
    return passed.sum(axis=1)[:-1], passed[-1].sum()


def literal_maximum(a, b, windows, r, rule):
    result = np.zeros_like(a)
    for j, window in enumerate(windows):
        values = a[window]
        if rule == "gradient":
            result[window[int(values.argmax())]] += r[j]
        elif b[j] > 0:
            result[window] += r[j] * np.maximum(values, 0) / np.maximum(values, 0).sum()
        elif b[j] < 0:
            result[window] += r[j] * (1 / values) / (1 / values).sum()
        else:
            result[window] += r[j] * (values == 0) / (values == 0).sum()
    return result


def literal_nonlinearity(a, b, name, r, rule):
    f, slope = FUNCTIONS[name]
    if rule in ("ignore", "repeat"):
        return r if rule == "ignore" else f(r)
    return r * (slope(a) if rule == "gradient" else np.where(a == 0, slope(a), share(b, a)))


def literal(model, x, target, rules):
    """Relevance of one example, its biases' shares (from the first layer on), step by step."""
    steps = literal_steps(model)
    values = literal_forward(steps, x.ravel())
    r, shares = values[-1] * (np.arange(len(values[-1])) == target), []
    for (kind, what, bias), a, b in zip(steps[::-1], values[-2::-1], values[:0:-1], strict=True):
        if kind == "product":
            r, blamed = literal_product(a, b, what, bias, r, rules)
            shares += [] if bias is None else [blamed]
        elif kind == "f":
            r = literal_nonlinearity(a, b, what, r, rules.nonlinearity)
        else:
            r = literal_maximum(a, b, what, r, rules.maximum)
    return r.reshape(x.shape), shares[::-1]


# the rules


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(epsilon=0), [1, -2, 6]),
        (Rules(epsilon=0.5), [0.9167, -1.8333, 5.5]),
        (Rules("gamma", gamma=0.5, epsilon=0), [0.8919, -1.1892, 5.3514]),
        (Rules("alpha_beta", alpha=1), [0.7333, 0, 4.4]),
    ],
)
def test_the_case_by_hand(rules, expected):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.layers[0].set_weights([np.array([[1, -2], [-1, 1], [2, -1]]), np.array([0.5, -1])])
    found = explain(model, np.array([[1.0, 2, 3]]), 0, rules)
    np.testing.assert_allclose(found.layers[-1], [[5.5, 0]])
    np.testing.assert_allclose(found.input[0], expected, atol=5e-5)


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda r: f"{r.matmul}{r.alpha}-{r.nonlinearity}-{r.maximum}")
@pytest.mark.parametrize("activation", list(FUNCTIONS))
def test_each_combination_of_rules_equals_its_literal_version(rules, activation):
    model, x = convnet(activation=activation), inputs()
    found = explain(model, x, [0, 3, 4], rules, bias="blame")
    for k, target in enumerate((0, 3, 4)):
        expected, shares = literal(model, x[k], target, rules)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.input[k], expected, rtol=1e-9, atol=1e-11 * scale)
        np.testing.assert_allclose([one[k] for one in found.bias], shares, rtol=1e-9, atol=1e-11 * scale)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from(ALL_RULES), st.sampled_from(list(FUNCTIONS)), st.booleans(),
    st.sampled_from([(2, None), (3, 2), (3, 1), (2, 3)]), st.sampled_from(["same", "valid"]),
)  # fmt: skip
def test_random_networks_equal_the_literal_version(seed, rules, activation, bias, pool, padding):
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    shape = (int(random.integers(6, 9)), int(random.integers(6, 9)), int(random.integers(1, 3)))
    f = shifted_softplus if activation == "shifted_softplus" else activation
    options = {"use_bias": bias, "bias_initializer": "random_normal", "dtype": "float64"}
    model = keras.Sequential(
        [
            keras.Input(shape, dtype="float64"),
            layers.Conv2D(2, int(random.integers(1, 4)), int(random.integers(1, 3)), padding=padding, **options),
            layers.Activation(f, dtype="float64"),
            layers.MaxPooling2D(*pool, padding="same", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(4, **options),
            layers.Activation(f, dtype="float64"),
            layers.Dense(3, **options),
        ]
    )
    x = random.normal(size=(1, *shape))
    expected, _ = literal(model, x[0], 1, rules)
    found = explain(model, x, 1, rules).input[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10 * np.abs(expected).max() + 1e-300)


def score_gradient(model, x, target):
    """Score of the target, and its derivative by the input, from GradientTape."""
    values = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(values)
        score = model(values, training=False)[:, target]
    return score.numpy(), tape.gradient(score, values).numpy()


@pytest.mark.parametrize("activation", list(FUNCTIONS))
def test_the_gradient_rules_equal_gradient_tape(activation):
    model, x = convnet(activation=activation), inputs()
    score, gradient = score_gradient(model, x, 2)
    np.testing.assert_allclose(explain(model, x, 2, GRADIENT).input, score[:, None, None, None] * gradient, rtol=1e-9)


def test_lrp_on_relu_networks_without_biases_is_gradient_times_input_and_conserves_every_layer():
    model, x = convnet(bias=False, dtype="float32"), inputs().astype(np.float32)
    found = explain(model, x, 2, EXACT)
    score, gradient = score_gradient(model, x, 2)
    np.testing.assert_allclose(found.input, gradient * x, atol=1e-6)
    for values in (found.input, *found.layers):
        np.testing.assert_allclose(np.sum(values, axis=tuple(range(1, np.ndim(values)))), score, atol=1e-5)


@pytest.mark.parametrize("activation", list(FUNCTIONS))
@pytest.mark.parametrize("matmul", ["normalized", "gamma"])
def test_with_blame_input_and_biases_together_hold_the_score(activation, matmul):
    model, x = convnet(activation=activation), inputs()
    found = explain(model, x, 1, Rules(matmul, epsilon=0), bias="blame")
    assert len(found.bias) == 4
    together = np.sum(found.input, axis=(1, 2, 3)) + sum(np.asarray(one) for one in found.bias)
    np.testing.assert_allclose(together, np.asarray(found.layers[-1])[:, 1], rtol=1e-9)
    assert np.abs(np.sum(found.bias, axis=0)).min() > 1e-3


def test_absorbed_biases_report_nothing_and_leave_the_input_as_it_is():
    model, x = convnet(), inputs()
    absorbed, blamed = explain(model, x, 1, LRP), explain(model, x, 1, LRP, bias="blame")
    np.testing.assert_array_equal(absorbed.input, blamed.input)
    assert [one.numpy().tolist() for one in absorbed.bias] == [[0, 0, 0]] * 4


def test_relevance_over_activation_turns_lrp_into_gradient_slope_gradient():
    model, x = convnet(bias=False, activation="tanh", dtype="float32"), inputs().astype(np.float32)
    lrp, slope = explain(model, x, 2, EXACT), explain(model, x, 2, SLOPE)
    score = np.asarray(lrp.layers[-1])[:, 2]
    np.testing.assert_allclose(lrp.input / x, slope.input / score[:, None, None, None], rtol=2e-3, atol=1e-4)


# scaling by a constant, as a product and as a nonlinearity


AGREE = {  # alpha_beta drops what is negative here, so it agrees with none
    "gradient": {"gradient", "slope", "repeat"}, "normalized": {"ignore"}, "gamma": {"ignore"}, "alpha_beta": set(),
}  # fmt: skip


@pytest.mark.parametrize("matmul", relevance.MATMUL)
@pytest.mark.parametrize("nonlinearity", relevance.NONLINEARITY)
def test_scaling_agrees_for_the_pairs_named_and_for_no_other(matmul, nonlinearity):
    rules, factor = Rules(matmul, nonlinearity, epsilon=0), 3.0
    a, r = tf.constant([[0.5, -1.5]], tf.float64), tf.constant([[2.0, -0.7]], tf.float64)
    kernel = tf.constant(factor, tf.float64)
    (step,) = relevance._diagonal(lambda: kernel, None)
    as_product, _ = relevance.PRODUCTS[matmul](step, a, factor * a, r, rules, relevance.Signs(False, False))
    scaling = relevance.Nonlinearity("scaling", lambda v: factor * v, lambda v, b: factor * tf.ones_like(v), True)
    as_function = relevance._through(scaling, a, factor * a, r, nonlinearity)
    assert np.allclose(as_product, as_function, rtol=1e-12) == (nonlinearity in AGREE[matmul])


# baselines


@pytest.mark.parametrize("activation", [*FUNCTIONS, "sigmoid"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_baseline_explains_the_difference_and_its_sign_turns_with_the_roles(activation, shared):
    model, x = convnet(activation=activation), inputs()
    other = inputs(n=1 if shared else 3, seed=5)
    found = explain(model, x, 1, baseline=other)
    difference = (model(x) - model(other)).numpy()[:, 1]
    np.testing.assert_allclose(np.sum(found.input, axis=(1, 2, 3)), difference, rtol=1e-9)
    for values in found.layers:
        np.testing.assert_allclose(np.sum(values, axis=tuple(range(1, np.ndim(values)))), difference, rtol=1e-9)
    back = explain(model, np.broadcast_to(other, x.shape), 1, baseline=x)
    np.testing.assert_allclose(back.input, -found.input.numpy(), rtol=1e-9, atol=1e-12)


def test_relu_followed_by_max_pooling_sums_to_the_difference_too():
    for seed in range(20):
        shape = (9, 10, 2)
        model = convnet(seed=seed, pool=3, strides=2, shape=shape)
        x, other = inputs(shape, seed=seed), inputs(shape, seed=seed + 100)
        found = explain(model, x, 0, baseline=other)
        np.testing.assert_allclose(np.sum(found.input, axis=(1, 2, 3)), (model(x) - model(other))[:, 0], rtol=1e-8)


def test_the_image_as_its_own_baseline_has_no_relevance():
    model, x = convnet(), inputs()
    assert not np.any(explain(model, x, 0, baseline=x).input)


# traps


def pooled(values, rules, pool=2, strides=None):
    after = [layers.MaxPooling2D(pool, strides), layers.Flatten(), layers.Dense(1, use_bias=False)]
    model = keras.Sequential([keras.Input((*np.shape(values), 1)), *after])
    model.layers[-1].set_weights([np.ones((model.layers[-1].kernel.shape[0], 1))])
    x = np.asarray(values, np.float32)[None, :, :, None]
    return np.asarray(explain(model, x, 0, rules).input)[0, :, :, 0]


def test_of_tied_maxima_the_first_gets_everything():
    np.testing.assert_allclose(pooled([[2, 2], [2, 2]], EXACT), [[2, 0], [0, 0]])
    np.testing.assert_allclose(pooled([[1, 2], [2, 2]], EXACT), [[0, 2], [0, 0]])


def test_overlapping_windows_add_up():
    values = [[1, 2, 1], [0, 5, 0], [1, 2, 1]]
    np.testing.assert_allclose(pooled(values, EXACT, 2, 1), [[0, 0, 0], [0, 20, 0], [0, 0, 0]])


def test_radial_shares_of_a_maximum():
    radial = Rules("normalized", "ignore", "radial", epsilon=0)
    np.testing.assert_allclose(pooled([[3, 1], [-2, 0]], radial), [[2.25, 0.75], [0, 0]])
    np.testing.assert_allclose(pooled([[-1, -2], [-4, -4]], radial), [[-0.5, -0.25], [-0.125, -0.125]])
    np.testing.assert_allclose(pooled([[0, 0], [-1, -1]], radial), np.zeros((2, 2)))


@pytest.mark.parametrize("rules", [*ALL_RULES, EXACT], ids=str)
def test_dead_units_and_an_all_zero_image_give_finite_numbers(rules):
    model = convnet(dtype="float32", bias=False)
    kernel = model.layers[1].get_weights()[0]
    kernel[..., 0] = 0
    model.layers[1].set_weights([kernel])
    for x in (np.zeros((2, 6, 7, 2)), inputs(n=2)):
        found = explain(model, x, 0, rules, bias="blame")
        for values in (found.input, *found.layers, *found.bias):
            assert np.isfinite(values).all()


def test_a_negative_bias_under_z_plus_does_not_explode():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.layers[0].set_weights([np.array([[1.0], [-1.0]]), np.array([-1.0])])
    np.testing.assert_allclose(explain(model, [[1.0, 1.0]], 0, Rules("alpha_beta")).input, [[-1, 0]])


def test_one_image_a_batch_and_a_permuted_batch_agree():
    model, x = convnet(dtype="float32"), inputs(n=256).astype(np.float32)
    target = np.arange(256) % 5
    order = np.random.default_rng(1).permutation(256)
    whole = explain(model, x, target).input.numpy()
    np.testing.assert_allclose(explain(model, x[order], target[order]).input, whole[order], atol=1e-6)
    for k in (0, 100):
        np.testing.assert_allclose(explain(model, x[k : k + 1], target[k]).input[0], whole[k], atol=1e-6)


def test_a_softmax_head_is_explained_through_its_logits():
    plain, headed = convnet(head=None), convnet(head="softmax")
    x = inputs()
    np.testing.assert_array_equal(explain(plain, x, 2).input, explain(headed, x, 2).input)


def test_the_largest_score_is_the_target_where_none_is_given():
    model, x = convnet(), inputs()
    best = model(x).numpy().argmax(axis=1)
    np.testing.assert_array_equal(explain(model, x).input, explain(model, x, best).input)


def test_the_model_is_left_as_it_was():
    model, x = convnet(dtype="float32", head="softmax"), inputs().astype(np.float32)
    before, trainable, p = model.get_weights(), [w.trainable for w in model.weights], model.predict(x, verbose=0)
    explain(model, x, 0, Rules("alpha_beta", "slope", "radial"), baseline=None)
    explain(model, x, 0, baseline=x[:1])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert [w.trainable for w in model.weights] == trainable
    np.testing.assert_array_equal(model.predict(x, verbose=0), p)


def test_new_weights_are_seen():
    model, x = convnet(), inputs()
    explain(model, x, 0)
    model.set_weights([2 * weight for weight in model.get_weights()])
    np.testing.assert_allclose(
        explain(model, x, 0, EXACT).input[0], literal(model, x[0], 0, EXACT)[0], rtol=1e-9, atol=1e-12
    )


def test_batch_normalization_dropout_and_relu_layers_are_steps_at_inference():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization(
                beta_initializer="random_normal", gamma_initializer="random_uniform", moving_mean_initializer="random_normal"
            ),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Reshape((12,)),
            layers.Dense(3),
        ]
    )
    x = inputs((4, 4, 2)).astype(np.float32)
    score, gradient = score_gradient(model, x, 1)
    np.testing.assert_allclose(explain(model, x, 1, GRADIENT).input, score[:, None, None, None] * gradient, atol=1e-6)
    found = explain(model, x, 1, EXACT, bias="blame")
    together = np.sum(found.input, axis=(1, 2, 3)) + np.sum(found.bias, axis=0)
    np.testing.assert_allclose(together, score, atol=1e-5)
    assert len(found.bias) == 2
    assert len(found.layers) == 6


# TensorFlow


def test_relevance_can_be_differentiated_and_trained_on():
    model, x = convnet(bias=False), inputs()
    values = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        penalty = tf.reduce_sum(tf.abs(explain(model, values, 0, EXACT).input))
    gradients = tape.gradient(penalty, model.trainable_variables)
    kernel = model.layers[1].kernel
    step = np.zeros(kernel.shape)
    step[1, 1, 0, 0] = 1e-6
    start, sums = kernel.numpy().copy(), []
    for sign in (1, -1):
        kernel.assign(start + sign * step)
        sums.append(np.abs(explain(model, x, 0, EXACT).input).sum())
    kernel.assign(start)
    assert gradients[0].numpy()[1, 1, 0, 0] == pytest.approx((sums[0] - sums[1]) / 2e-6, rel=1e-4)
    assert all(np.isfinite(one).all() for one in gradients)


@pytest.mark.parametrize("rules", [LRP, Rules("alpha_beta", "slope", "gradient"), GRADIENT], ids=str)
@pytest.mark.parametrize("compiled", [False, True])
def test_it_runs_inside_a_tensorflow_function(rules, compiled):
    model, x = convnet(dtype="float32"), inputs().astype(np.float32)
    inside = tf.function(lambda values: explain(model, values, 1, rules).input, jit_compile=compiled)
    np.testing.assert_allclose(inside(tf.constant(x)), explain(model, x, 1, rules).input, atol=1e-5)


def test_a_repeated_shape_is_not_traced_again():
    model, x = convnet(), inputs()
    traced = []
    for k, (images, target) in enumerate([(x, 1), (2 * x, 0), (x, [1, 2, 3]), (x, np.int64(4)), (x[:1], 1), (-x[:1], 2)]):
        with mock.patch.object(relevance, "_forward", side_effect=relevance._forward) as forward:
            explain(model, images, target)
        traced += [k] * forward.call_count
    assert traced == [0, 4]


def test_signs_that_the_rules_rely_on_are_seen_again_in_each_batch():
    model, x = convnet(dtype="float32", bias=False), np.abs(inputs(n=2)).astype(np.float32)
    for images in (x, -x, x):
        expected, _ = literal(model, images[0].astype(np.float64), 1, Rules("alpha_beta"))
        found = explain(model, images, 1, Rules("alpha_beta")).input[0]
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


# what is refused


def chain(*more, shape=(6, 6, 1)):
    return keras.Sequential([keras.Input(shape), *more, layers.Flatten(), layers.Dense(2)])


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.DepthwiseConv2D(2), "DepthwiseConv2D, which has no rule"),
        (layers.LayerNormalization(), "LayerNormalization, which has no rule"),
        (layers.Conv2D(2, 2, activation="gelu"), "activation gelu"),
        (layers.ReLU(6), "slope, threshold or ceiling"),
        (layers.Activation("softmax"), "activation softmax"),
    ],
)
def test_a_layer_without_a_rule_is_named(layer, named):
    layer.name = "stranger"
    with pytest.raises(ValueError, match=f"model: layer stranger .*{named}"):
        explain(chain(layer), np.zeros((1, 6, 6, 1)))


def test_a_model_that_does_not_know_its_input_yet_is_refused():
    with pytest.raises(ValueError, match="model: expected a built model"):
        explain(keras.Sequential([layers.Dense(2)]), np.zeros((1, 4)))


def test_a_branching_model_is_refused():
    source = keras.Input((4,))
    left, right = layers.Dense(3)(source), layers.Dense(3)(source)
    with pytest.raises(ValueError, match="model: "):
        explain(keras.Model(source, layers.Add()([left, right])), np.zeros((1, 4)))


@pytest.mark.parametrize("rule", ["ignore", "slope", "repeat"])
def test_a_nonlinearity_that_is_not_zero_at_zero_is_refused_where_that_matters(rule):
    model, x = convnet(activation="sigmoid"), inputs()
    with pytest.raises(ValueError, match=rf"rules: '{rule}' needs a nonlinearity with f\(0\) = 0, which sigmoid is not"):
        explain(model, x, 0, Rules("gradient", rule))
    score, gradient = score_gradient(model, x, 2)
    np.testing.assert_allclose(explain(model, x, 2, GRADIENT).input, score[:, None, None, None] * gradient, rtol=1e-9)


@pytest.mark.parametrize("target", [5, -1, [0, 1], [0, 1, 5], 0.5, [[0, 1, 2]]])
def test_a_target_out_of_range_is_refused(target):
    with pytest.raises(ValueError, match="target: expected"):
        explain(convnet(), inputs(), target)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"x": inputs()[..., :1]}, "x: expected shape"),
        ({"x": inputs()[:0]}, "x: expected shape"),
        ({"x": np.full((1, 6, 7, 2), np.nan)}, "x: expected finite"),
        ({"baseline": np.full((1, 6, 7, 2), np.inf)}, "baseline: expected finite"),
        ({"baseline": inputs(n=2)}, "baseline: expected 1 or 3 examples, got 2"),
        ({"baseline": inputs(), "rules": GRADIENT}, "rules: a baseline"),
        ({"bias": "ignore"}, "bias: expected"),
        ({"rules": "LRP"}, "rules: expected Rules"),
    ],
)
def test_arguments_that_do_not_fit_are_named(changes, named):
    with pytest.raises(ValueError, match=named):
        explain(**({"model": convnet(), "x": inputs(), "target": 0} | changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"matmul": "x"}, "matmul"), ({"nonlinearity": "radial"}, "nonlinearity"), ({"maximum": "slope"}, "maximum"),
     ({"epsilon": -1}, "epsilon"), ({"gamma": np.nan}, "gamma"), ({"alpha": 0.5}, "alpha")],
)  # fmt: skip
def test_rules_that_do_not_exist_are_refused(changes, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        Rules(**changes)


def test_the_named_sets_are_those_of_the_literature():
    assert (GRADIENT.matmul, GRADIENT.nonlinearity, GRADIENT.maximum) == ("gradient", "gradient", "gradient")
    assert (DECONVOLUTION.matmul, DECONVOLUTION.nonlinearity) == ("gradient", "repeat")
    assert (LRP.matmul, LRP.nonlinearity, LRP.maximum) == ("normalized", "ignore", "gradient")
