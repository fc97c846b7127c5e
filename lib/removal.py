"""Node removal (chapter 4): the loss of a network under every way to switch its hidden nodes off, exactly.

A mask is a row of n bits, one a hidden node; its number is Σ 2ᵏ bₖ.  Behind one hidden layer with a softmax of two classes
the margin of a masked network is a sum over its nodes, m(x; b) = δ + Σ bₖ gₖ(x), so that e^m is a product over the nodes.
Split the nodes into two halves and it is an outer product: two times √2ⁿ exponentials a point instead of 2ⁿ.

Source of the questions: "Exploring toy neural nets under node removal" (Hobson); the exact evaluation is this book's own.
"""

from math import comb

import keras
import numpy as np
from keras import layers

MOST_NODES = 24
STEEP = 600.0  # e^600 is still a number; points that could exceed it are evaluated without a product
GROUP = 4  # points whose 2⁴ products are multiplied out as one matrix product


def mask_bits(n):
    """Return all masks of n nodes, uint8 of shape (2ⁿ, n): bit k of a row's number is node k, 1 for on.

    Raises ValueError unless n is from 1 to 24.
    """
    if not 1 <= n <= MOST_NODES:
        raise ValueError(f"n: expected 1 to {MOST_NODES} nodes, got {n}")
    return (np.arange(2**n, dtype=np.uint32)[:, None] >> np.arange(n, dtype=np.uint32) & 1).astype(np.uint8)


def mask_weights(n, p):
    """Return the probability of each mask when every node is on with probability p, independently: shape (2ⁿ,), sum 1.

    Raises ValueError unless p is in [0, 1] and n from 1 to 24.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p: expected a probability, got {p}")
    on = mask_bits(n).sum(axis=1, dtype=np.int64)
    return np.array([p**k * (1 - p) ** (n - k) for k in range(n + 1)])[on]


def margin_terms(model, x):
    """Return (δ, g): the margin's constant part, a float, and what each node adds to it, (points, nodes) float64.

    model  of the form that `exact_losses` describes, with one hidden layer;  x (points, inputs)

    The margin is the score of class 1 less that of class 0.
    """
    (hidden,), output = masked_layers(model)
    kernel, bias = _double(output)
    return bias[1] - bias[0], _outputs(hidden, _points(model, x)) * (kernel[:, 1] - kernel[:, 0])


def exact_losses(model, x, y):
    """Return the mean cross-entropy under each mask, float64 of shape (2ⁿ,), in nats, at least 0.

    model  a Keras model of points (inputs) and masks: Dense, times its mask, [Dense, times its mask,] Dense with a softmax
           of two classes; one mask input for each hidden layer; n nodes in all, those of the first layer come first
    x, y   points (points, inputs) and their classes (points,), 0 or 1

    Raises ValueError when the model has another form or loss, or the data do not fit it.
    """
    hidden, output = masked_layers(model)
    x, y = _points(model, x), _classes(x, y)
    sign = 1.0 - 2.0 * y  # the loss of a point is softplus(sign · margin)
    kernel, bias = _double(output)
    slope, start = kernel[:, 1] - kernel[:, 0], sign * (bias[1] - bias[0])
    first = _outputs(hidden[0], x)
    if len(hidden) == 1:
        return mean_softplus(start, sign[:, None] * first * slope)
    losses = [
        mean_softplus(start, sign[:, None] * _outputs(hidden[1], first * mask) * slope) for mask in mask_bits(first.shape[1])
    ]
    return np.stack(losses, axis=1).ravel()  # (second masks, first masks)


def exact_gradients(model, x, y):
    """Return the derivative of each mask's mean cross-entropy with respect to each bit, float64 of shape (2ⁿ, n).

    model, x, y as for `exact_losses`, with one hidden layer.  The bits are taken as real numbers for the derivative, as
    back-propagation does; entry [b, k] exists whether node k is on in mask b or not.
    """
    hidden, _ = masked_layers(model)
    if len(hidden) > 1:
        raise ValueError(f"model: expected one hidden layer, got {len(hidden)}")
    start, terms = margin_terms(model, x)
    sign = 1.0 - 2.0 * _classes(x, y)
    return _softplus_gradients(sign * start, sign[:, None] * terms)


def masked_layers(model):
    """Return ([hidden Dense layers], output Dense layer) of a model with masks; ValueError says what was expected."""
    if len(model.inputs) not in (2, 3):
        raise ValueError(f"model: expected inputs for points and one or two masks, got {len(model.inputs)} inputs")
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) or loss is None else getattr(loss, "name", getattr(loss, "__name__", "?"))
    if name not in (None, "sparse_categorical_crossentropy"):
        raise ValueError(f"model: expected the loss sparse_categorical_crossentropy, got {name}")
    *hidden, output = dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    products = [layer for layer in model.layers if isinstance(layer, layers.Multiply)]
    known = (layers.Dense, layers.Multiply, layers.InputLayer)
    strange = [layer.name for layer in model.layers if not isinstance(layer, known)]
    if strange or len(dense) != len(model.inputs) or len(products) != len(hidden):
        raise ValueError(
            f"model: expected Dense and Multiply in turn and a Dense output, got {[y.name for y in model.layers]}"
        )
    if output.units != 2 or output.activation is not keras.activations.softmax:
        raise ValueError(f"model: expected a softmax of 2 classes, got {output.units} × {output.activation.__name__}")
    _check_order(model, hidden, products, output)
    if sum(layer.units for layer in hidden) > MOST_NODES:
        raise ValueError(f"model: expected at most {MOST_NODES} nodes, got {sum(layer.units for layer in hidden)}")
    return hidden, output


def _check_order(model, hidden, products, output):
    """Check that values run from the points through each layer and its mask to the output."""
    values = model.inputs[0]
    for layer, product, mask in zip(hidden, products, model.inputs[1:], strict=True):
        if mask.shape[1:] != (layer.units,):
            raise ValueError(
                f"model: expected a mask of {layer.units} for {layer.name}, got an input of shape {mask.shape[1:]}"
            )
        if layer.input is not values or not {id(layer.output), id(mask)} == {id(one) for one in product.input}:
            raise ValueError(f"model: expected {layer.name} to be followed by the product with its mask")
        values = product.output
    if output.input is not values or model.outputs[0] is not output.output:
        raise ValueError(f"model: expected {output.name} to take the last masked layer and to be the output")


def _points(model, x):
    x, wanted = np.asarray(x, np.float64), model.inputs[0].shape[1]
    if x.ndim != 2 or x.shape[1] != wanted or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError(f"x: expected finite points of shape (points, {wanted}), got shape {x.shape}")
    return x


def _classes(x, y):
    y = np.asarray(y)
    if y.shape != (len(x),) or not np.isin(y, (0, 1)).all():
        raise ValueError(f"y: expected a class, 0 or 1, for each of {len(x)} points, got shape {y.shape}")
    return y


def _double(layer):
    """A Dense layer's kernel and biases in float64; zeros where it has no biases."""
    kernel = np.asarray(layer.kernel, np.float64)
    return kernel, np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(kernel.shape[1])


def _outputs(layer, values):
    """What a Dense layer makes of values, in float64 where its activation is ReLU or linear."""
    kernel, bias = _double(layer)
    sums = values @ kernel + bias
    if layer.activation is keras.activations.relu:
        return np.maximum(sums, 0)
    return np.asarray(layer.activation(keras.ops.convert_to_tensor(sums, "float64")))


def mean_softplus(start, terms):
    """Return the mean over points of softplus(u), u = start + Σₖ bₖ terms[:, k], for each mask b: float64 of shape (2ⁿ,).

    start (points,), terms (points, n), finite.  With c the largest value of u at a point, or 0, the factor
    (1 + e^u) e^−c = e^−c + e^(u−c) lies in (0, 2]; factors are multiplied as long as no product can fall below e^−600, and
    one logarithm is taken of each product.
    """
    low, high = _halves(start, terms)  # (points, √2ⁿ) each, their outer sum is u
    ceiling = np.maximum(0, low.max(axis=1) + high.max(axis=1))
    total = np.zeros((high.shape[1], low.shape[1]))
    for point in np.flatnonzero(ceiling > STEEP):
        total += np.logaddexp(0, high[point][:, None] + low[point])
    fine = ceiling <= STEEP
    base, parts = np.exp(-ceiling[fine]), [half[fine] - half[fine].max(axis=1, keepdims=True) for half in (low, high)]
    lift = np.minimum(0, low[fine].max(axis=1) + high[fine].max(axis=1))  # below 0 where u is always negative
    low, high = np.exp(parts[0] + lift[:, None]), np.exp(parts[1])
    for run in _runs(ceiling[fine]):
        total += np.log(_product(base[run], low[run], high[run])) + ceiling[fine][run].sum()
    return total.ravel() / len(start)


def _halves(start, terms):
    """Return u of each half of the nodes alone, the start in the low one: (points, its masks), (points, its masks)."""
    n = terms.shape[1]
    low, high = terms[:, : n // 2], terms[:, n // 2 :]
    return tuple(half @ _bits(half.shape[1]).T + first for half, first in ((low, start[:, None]), (high, 0.0)))


def _bits(n):
    return mask_bits(n).astype(np.float64) if n else np.zeros((1, 0))


def _runs(ceiling):
    """Cut points into runs whose ceilings add up to at most 600."""
    run, height = [], 0.0
    for point, c in enumerate(ceiling):
        if height + c + 1 > STEEP and run:
            yield run
            run, height = [], 0.0
        run.append(point)
        height += c + 1  # a factor of 2 is less than e
    if run:
        yield run


def _product(base, low, high):
    """Π over points of (base + high ⊗ low): (masks of the high half, masks of the low half)."""
    product = 1.0
    for start in range(0, len(base), GROUP):
        left, right = np.ones((1, low.shape[1])), np.ones((1, high.shape[1]))
        for b, p, q in zip(base[start:][:GROUP], low[start:], high[start:], strict=False):
            left, right = np.concatenate([b * left, p * left]), np.concatenate([right, q * right])
        product = product * (right.T @ left)  # Π of a few points: 2ᴳᴿᴼᵁᴾ terms, one matrix product
    return product


def _softplus_gradients(start, terms):
    """Derivative of the mean softplus with respect to each bit: mean over points of σ(u) terms[:, k]."""
    low, high = _halves(start, terms)
    result = np.empty((high.shape[1], low.shape[1], terms.shape[1]))
    for k, row in enumerate(high.T):  # one mask of the high half, all masks of the low half
        u = low + row[:, None]  # (points, masks)
        result[k] = (_sigmoid(u).T @ terms) / len(start)
    return result.reshape(-1, terms.shape[1])


def _sigmoid(u):
    return 0.5 + 0.5 * np.tanh(0.5 * u)


def walsh_spectrum(values):
    """Return how much of a function of masks lies in each degree: Σ f̂(S)² over the sets S of d nodes, shape (n+1,).

    values (2ⁿ,), one a mask;  f̂(S) = mean over b of f(b) Π_{k∈S} (−1)^bₖ

    Entry 0 is the squared mean, and the others add up to the variance over uniformly random masks: entry 1 is what nodes
    do one by one, entry 2 what pairs add to that.  Raises ValueError unless the length is a power of two, at least 2.
    Source: O'Donnell, "Analysis of Boolean Functions", chapter 1.
    """
    values = np.array(values, np.float64)
    n = values.size.bit_length() - 1
    if values.ndim != 1 or n < 1 or values.size != 2**n or not np.isfinite(values).all():
        raise ValueError(f"values: expected a finite value for each of 2, 4, 8 … masks, got shape {values.shape}")
    for k in range(n):
        pairs = values.reshape(-1, 2, 2**k)  # (…, bit k, …)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
    degree = mask_bits(n).sum(axis=1)
    return np.bincount(degree, weights=(values.ravel() / 2**n) ** 2, minlength=n + 1)


def flip_covariance(values):
    """Return the covariance of f(b) and f(b′) for uniform b and b′ with t bits flipped at random, for t = 0 … n.

    values (2ⁿ,), one a mask.  Shape (n+1,): Σ_{d≥1} W_d K_t(d) / C(n, t), with W the `walsh_spectrum` and K the Krawtchouk
    polynomials.  Entry 0 is the variance, entry n the spectral weight of even degrees less that of odd ones.
    """
    spectrum = walsh_spectrum(values)
    n = len(spectrum) - 1
    return np.array([[krawtchouk(n, t, d) / comb(n, t) for d in range(n + 1)] for t in range(n + 1)])[:, 1:] @ spectrum[1:]


def krawtchouk(n, t, d):
    """Return K_t(d) = Σⱼ (−1)ʲ C(d, j) C(n−d, t−j), the sum of (−1)^(flips among d given nodes) over all sets of t flips."""
    return sum((-1) ** j * comb(d, j) * comb(n - d, t - j) for j in range(t + 1))
