"""Relevance rules (chapter 7): which parts of an image a network's answer rests on.

Relevance starts as the score of one class and is passed backwards, step by step, to the pixels.  Each kind of step has
several rules.  Source of the rules and their names: "How to blame the bias" (Hobson); Bach et al. 2015 (LRP); Samek et al.
2015; Shrikumar et al. 2017 (DeepLIFT); Montavon et al. 2019 (gamma, alpha-beta).
"""

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from keras import layers

MATMUL = ("gradient", "normalized", "gamma", "alpha_beta")
NONLINEARITY = ("ignore", "gradient", "slope", "repeat")
MAXIMUM = ("gradient", "radial")


@dataclass(frozen=True)
class Rules:
    """One rule for each kind of step.  With a the step's input, b its output and R(b) the relevance of the output:

    matmul        b_j = Σ_i a_i w_ij + bias_j
        "gradient"    R(a_i) = Σ_j w_ij R(b_j)
        "normalized"  R(a_i) = Σ_j a_i w_ij R(b_j) / blip(b_j),  blip(x) = x + ε sign(x), sign(0) = 1
        "gamma"       as normalized, with w + γ w⁺ in place of w everywhere, the bias included
        "alpha_beta"  R(a_i) = Σ_j (α z⁺_ij / Σ z⁺ − β z⁻_ij / Σ z⁻) R(b_j), z = a w split by its sign, the bias among the
                      sums, β = α − 1; α = 1 is the z⁺ rule; an empty sum passes nothing on
    nonlinearity  b = f(a), f(0) = 0
        "ignore" R(b);  "gradient" f′(a) R(b);  "slope" (b / a) R(b), f′(0) where a = 0;  "repeat" f(R(b))
    maximum       b = max a_i
        "gradient"    all to the first of the largest
        "radial"      in shares: a_i⁺ / Σ a⁺ where b > 0, (1/a_i) / Σ (1/a) where b < 0, equally among the zeros where b = 0
    epsilon ≥ 0, gamma ≥ 0, alpha ≥ 1

    Raises ValueError for a rule or number that is not among these.
    """

    matmul: str = "normalized"
    nonlinearity: str = "ignore"
    maximum: str = "gradient"
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 1.0

    def __post_init__(self):
        """Check every field."""
        for name, known in (("matmul", MATMUL), ("nonlinearity", NONLINEARITY), ("maximum", MAXIMUM)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        for name, least in (("epsilon", 0), ("gamma", 0), ("alpha", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")


GRADIENT = Rules("gradient", "gradient", "gradient")
DECONVOLUTION = Rules("gradient", "repeat", "gradient")
LRP = Rules("normalized", "ignore", "gradient")
SLOPE = Rules("gradient", "slope", "gradient")


class Relevance(NamedTuple):
    """Relevance of one batch: of the input, of each layer's output, and of each layer's biases.

    input   of the input's shape
    layers  one tensor a layer, of its output's shape; the last one holds the start value, a class's score
    bias    one tensor (examples,) for each layer that has biases; zeros unless biases are blamed
    """

    input: tf.Tensor
    layers: tuple
    bias: tuple


def explain(model, x, target=None, rules=LRP, bias="absorb", baseline=None):
    """Return the `Relevance` of a batch for one class each.

    model     a chain of Conv2D, Dense, MaxPooling2D, AveragePooling2D, Flatten, Reshape, Rescaling, ReLU, Activation,
              Dropout and BatchNormalization (both at inference); activations relu, tanh, `shifted_softplus`, linear, and a
              softmax at the end, which is left out: its logits are explained
    x         (examples, …), finite
    target    class number, or one for each example; None for the class with the largest score
    rules     a `Rules`
    bias      "absorb": the biases' share is dropped; "blame": each bias is a weight on an input of one, and what arrives
              there is reported
    baseline  another input, (1, …) or (examples, …): the difference of the two scores is explained, by the differences of
              all values (DeepLIFT's rescale rule).  It is the LRP set with ε = 0 on differences, so `rules` must be LRP

    Differentiable in TensorFlow and usable inside `tf.function`.  Raises ValueError for another layer, a model with
    branches, a nonlinearity with f(0) ≠ 0 under a rule that needs f(0) = 0, a target out of range, and inputs that are not
    finite or do not fit.
    """
    steps = [step for group in _chain(model) for step in group]
    if bias not in ("absorb", "blame"):
        raise ValueError(f"bias: expected 'absorb' or 'blame', got {bias!r}")
    _check_rules(steps, rules, baseline)
    x = _batch(model, x, "x")
    target = _targets(model, target, x)
    if baseline is None:
        nonnegative = rules.matmul == "alpha_beta" and tf.executing_eagerly() and x.numpy().min() >= 0
        return _run(model, _explain, (rules, bias, bool(nonnegative)), x=x, target=target)
    baseline = _batch(model, baseline, "baseline")
    if baseline.shape[0] not in (1, None) and x.shape[0] is not None and baseline.shape[0] != x.shape[0]:
        raise ValueError(f"baseline: expected 1 or {x.shape[0]} examples, got {baseline.shape[0]}")
    return _run(model, _explain_difference, (), x=x, baseline=baseline, target=target)


def shifted_softplus(a):
    """Return log(1 + eᵃ) − log 2: a smooth ReLU with f(0) = 0."""
    return tf.math.softplus(a) - tf.cast(np.log(2.0), a.dtype)


# the steps of a network


@dataclass(frozen=True)
class Product:
    """A step b = L(a) + bias: `apply(a, kernel)`, its transpose `back(r, kernel, a)`, and how to get kernel and bias."""

    apply: object
    back: object
    kernel: object  # function without arguments, so that later weights are seen
    bias: object  # the same, or None
    keeps_sign: bool = False  # whether no output can be negative when no input is


@dataclass(frozen=True)
class Nonlinearity:
    """A step b = f(a) with its derivative as a function of (a, b), and R f′(a) as a function of (R, a, b)."""

    name: str
    f: object
    slope: object
    zero_at_zero: bool
    by_gradient: object = None

    def to_input(self, r, a, b):
        """R times the derivative, in one step where TensorFlow has one."""
        return r * self.slope(a, b) if self.by_gradient is None else self.by_gradient(r, a, b)


@dataclass(frozen=True)
class Maximum:
    """A step of max pooling."""

    size: tuple
    strides: tuple
    padding: str

    def apply(self, a):
        """Largest value of each window."""
        return tf.nn.max_pool2d(a, self.size, self.strides, self.padding)

    def to_winner(self, a, b, r):
        """Each window's r to the first of its largest values."""
        windows = {"ksize": (1, *self.size, 1), "strides": (1, *self.strides, 1), "padding": self.padding}
        return tf.raw_ops.MaxPoolGrad(orig_input=a, orig_output=b, grad=r, **windows)


@dataclass(frozen=True)
class Reshaping:
    """A step that only moves values, or does nothing at inference."""

    apply: object


def _relu_slope(a, b):
    return tf.cast(a > 0, a.dtype)


def _relu_gradient(r, a, b):
    return tf.raw_ops.ReluGrad(gradients=r, features=b)


ACTIVATIONS = {
    keras.activations.relu: Nonlinearity("relu", tf.nn.relu, _relu_slope, True, _relu_gradient),
    keras.activations.tanh: Nonlinearity("tanh", tf.math.tanh, lambda a, b: 1 - b * b, True),
    shifted_softplus: Nonlinearity("shifted_softplus", shifted_softplus, lambda a, b: tf.math.sigmoid(a), True),
    keras.activations.sigmoid: Nonlinearity("sigmoid", tf.math.sigmoid, lambda a, b: b * (1 - b), False),
    keras.activations.softplus: Nonlinearity("softplus", tf.math.softplus, lambda a, b: tf.math.sigmoid(a), False),
}

_CHAINS, _FUNCTIONS = WeakKeyDictionary(), WeakKeyDictionary()


def _chain(model):
    """Return the steps of each layer, found once for each model."""
    if model not in _CHAINS:
        if not model.built:
            raise ValueError("model: expected a built model, whose input shape is known")
        found, values = [], model.inputs[0]
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(f"model: expected one input and one output, got {len(model.inputs)} and {len(model.outputs)}")
        chain = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
        for k, layer in enumerate(chain):
            if len(layer._inbound_nodes) < 1 or layer.input is not values:
                raise ValueError(f"model: expected a chain, but {layer.name} does not follow the layer before it")
            found.append(_steps(layer, last=k == len(chain) - 1))
            values = layer.output
        if values is not model.outputs[0] or len(model.output_shape) != 2:
            raise ValueError(f"model: expected scores of shape (examples, classes) at its end, got {model.output_shape}")
        _CHAINS[model] = found
    return _CHAINS[model]


def _steps(layer, last):
    """Return the steps that a layer makes; ValueError names a layer that is not known."""
    makers = {
        layers.Dense: _dense, layers.Conv2D: _convolution, layers.AveragePooling2D: _average, layers.Rescaling: _rescaling,
        layers.BatchNormalization: _normalization, layers.MaxPooling2D: _maximum, layers.ReLU: _relu,
    }  # fmt: skip
    kind = type(layer)
    if kind in (layers.Flatten, layers.Reshape):
        shape = [-1, *layer.output.shape[1:]]
        return [Reshaping(lambda a: tf.reshape(a, shape))]
    if kind is layers.Dropout:
        return [Reshaping(tf.identity)]
    if kind is layers.Activation:
        return _activation(layer, layer.activation, last)
    if kind not in makers:
        raise ValueError(f"model: layer {layer.name} is a {kind.__name__}, which has no rule")
    return makers[kind](layer) + _activation(layer, getattr(layer, "activation", keras.activations.linear), last)


def _activation(layer, f, last):
    if f is keras.activations.linear or (last and f is keras.activations.softmax):
        return []
    if f not in ACTIVATIONS:
        raise ValueError(f"model: layer {layer.name} has the activation {getattr(f, '__name__', f)}, which has no rule")
    return [ACTIVATIONS[f]]


def _variable(layer, name):
    return lambda: tf.convert_to_tensor(getattr(layer, name))


def _bias(layer):
    return _variable(layer, "bias") if layer.use_bias else None


def _dense(layer):
    if len(layer.input.shape) != 2:
        raise ValueError(f"model: layer {layer.name} expected flat inputs, got shape {layer.input.shape}")
    return [Product(tf.matmul, lambda r, w, a: tf.matmul(r, w, transpose_b=True), _variable(layer, "kernel"), _bias(layer))]


def _convolution(layer):
    if layer.groups != 1 or layer.data_format != "channels_last" or layer.padding not in ("same", "valid"):
        raise ValueError(f"model: layer {layer.name} expected one group, channels last, padding same or valid")
    strides, padding, dilations = [1, *layer.strides, 1], layer.padding.upper(), [1, *layer.dilation_rate, 1]

    def apply(a, w):
        return tf.nn.conv2d(a, w, strides, padding, dilations=dilations)

    def back(r, w, a):
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(a), filter=w, out_backprop=r, strides=strides, padding=padding, dilations=dilations
        )

    return [Product(apply, back, _variable(layer, "kernel"), _bias(layer))]


def _average(layer):
    size, strides, padding = [1, *layer.pool_size, 1], [1, *layer.strides, 1], layer.padding.upper()

    def apply(a, w):
        return w * tf.nn.avg_pool2d(a, size, strides, padding)

    def back(r, w, a):
        return tf.raw_ops.AvgPoolGrad(orig_input_shape=tf.shape(a), grad=w * r, ksize=size, strides=strides, padding=padding)

    return [Product(apply, back, lambda: tf.ones((), layer.compute_dtype), None, keeps_sign=True)]


def _diagonal(kernel, bias, keeps_sign=False):
    return [Product(lambda a, w: a * w, lambda r, w, a: r * w, kernel, bias, keeps_sign)]


def _rescaling(layer):
    def constant(value):
        return lambda: tf.convert_to_tensor(value, layer.compute_dtype)

    keeps_sign = bool(np.all(np.asarray(layer.scale) >= 0) and np.all(np.asarray(layer.offset) >= 0))
    return _diagonal(constant(layer.scale), constant(layer.offset) if np.any(layer.offset) else None, keeps_sign)


def _normalization(layer):
    if layer.axis not in (-1, len(layer.input.shape) - 1):
        raise ValueError(f"model: layer {layer.name} expected to normalize the last axis, got axis {layer.axis}")

    def kernel():
        scale = tf.math.rsqrt(tf.convert_to_tensor(layer.moving_variance) + layer.epsilon)
        return scale * tf.convert_to_tensor(layer.gamma) if layer.scale else scale

    def bias():
        shift = -tf.convert_to_tensor(layer.moving_mean) * kernel()
        return shift + tf.convert_to_tensor(layer.beta) if layer.center else shift

    return _diagonal(kernel, bias)


def _maximum(layer):
    if layer.data_format != "channels_last":
        raise ValueError(f"model: layer {layer.name} expected channels last")
    return [Maximum(tuple(layer.pool_size), tuple(layer.strides), layer.padding.upper())]


def _relu(layer):
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise ValueError(f"model: layer {layer.name} is a ReLU with a slope, threshold or ceiling, which has no rule")
    return [ACTIVATIONS[keras.activations.relu]]


# arguments


def _check_rules(steps, rules, baseline):
    if not isinstance(rules, Rules):
        raise ValueError(f"rules: expected Rules, got {type(rules).__name__}")
    if baseline is not None and (rules.matmul, rules.nonlinearity, rules.maximum) != ("normalized", "ignore", "gradient"):
        raise ValueError("rules: a baseline is explained by the LRP set on differences, expected rules=LRP")
    if rules.nonlinearity == "gradient" or baseline is not None:
        return
    for step in steps:
        if isinstance(step, Nonlinearity) and not step.zero_at_zero:
            raise ValueError(f"rules: {rules.nonlinearity!r} needs a nonlinearity with f(0) = 0, which {step.name} is not")


def _batch(model, values, name):
    values = tf.convert_to_tensor(values)
    values = tf.cast(values, model.layers[-1].compute_dtype)
    wanted = model.input_shape[1:]
    if values.shape[1:] != wanted or values.shape[0] == 0:
        raise ValueError(f"{name}: expected shape (examples, {', '.join(map(str, wanted))}), got {values.shape}")
    if tf.executing_eagerly() and not np.isfinite(values.numpy()).all():
        raise ValueError(f"{name}: expected finite numbers")
    return values


def _targets(model, target, x):
    if target is None or isinstance(target, tf.Tensor):
        return None if target is None else tf.broadcast_to(tf.cast(target, tf.int32), [tf.shape(x)[0]])
    classes, target = model.output_shape[-1], np.asarray(target)
    if target.dtype.kind not in "iu" or target.ndim > 1 or not ((target >= 0) & (target < classes)).all():
        raise ValueError(f"target: expected class numbers from 0 to {classes - 1}, got {target}")
    if target.ndim == 1 and x.shape[0] is not None and len(target) != x.shape[0]:
        raise ValueError(f"target: expected one class or {x.shape[0]}, got {len(target)}")
    return tf.broadcast_to(tf.constant(target, tf.int32), [tf.shape(x)[0]])


# the two passes


def _run(model, passes, options, **arguments):
    """Explain by a function that is traced once for a model, its options, and each shape of the arguments given."""
    arguments = {name: value for name, value in arguments.items() if value is not None}
    kept = _FUNCTIONS.setdefault(model, {})
    key = (*options, *((name, *value.shape) for name, value in arguments.items()))
    if key not in kept:
        groups = _CHAINS[model]
        steps, ends = [step for group in groups for step in group], np.cumsum([len(group) for group in groups])
        traced = tf.function(lambda *given: passes(steps, ends, *options, **dict(zip(arguments, given, strict=True))))
        kept[key] = traced.get_concrete_function(*(tf.TensorSpec(value.shape, value.dtype) for value in arguments.values()))
    return kept[key](*arguments.values())


def _forward(steps, x):
    """Return the values before each step and after the last one."""
    values = [x]
    for step in steps:
        if isinstance(step, Product):
            b = step.apply(values[-1], step.kernel())
            values.append(b if step.bias is None else _biased(b, step.bias()))
        else:
            values.append((step.f if isinstance(step, Nonlinearity) else step.apply)(values[-1]))
    return values


def _biased(sums, bias):
    """Sums plus a bias for each of the last axis: TensorFlow's own step for it is quicker, but wants a vector."""
    return tf.nn.bias_add(sums, bias) if bias.shape.rank == 1 else sums + bias


def _one_hot(scores, target):
    target = tf.argmax(scores, axis=1, output_type=tf.int32) if target is None else target
    return tf.one_hot(target, scores.shape[1], dtype=scores.dtype)


def _explain(steps, ends, rules, bias, nonnegative, x, target=None):
    values = _forward(steps, x)
    r = values[-1] * _one_hot(values[-1], target)
    relevances, shares = [r], []
    for k in reversed(range(len(steps))):
        step, a, b = steps[k], values[k], values[k + 1]
        if isinstance(step, Product):
            b, passed = _sums(steps, values, k)
            signs = Signs(_never_negative(steps[:k], nonnegative), passed)
            r, share = PRODUCTS[rules.matmul](step, a, b, r, rules, signs)
            shares += [] if step.bias is None else [share if bias == "blame" else tf.zeros(tf.shape(r)[:1], r.dtype)]
        elif isinstance(step, Nonlinearity):
            r = _through(step, a, b, r, rules.nonlinearity)
        elif isinstance(step, Maximum):
            r = step.to_winner(a, b, r) if rules.maximum == "gradient" else _radial(step, a, b, r)
        else:
            r = tf.reshape(r, tf.shape(a))
        relevances.append(r)
    return _collect(relevances, shares, ends)


class Signs(NamedTuple):
    """Whether a product's inputs, and the sums to divide by, are known not to be negative."""

    inputs: bool
    sums: bool


def _sums(steps, values, k):
    """A product's outputs and whether none is negative: where a ReLU follows, what it passes on will do.

    All rules but "gradient" hand a value of zero no relevance, so below a ReLU there is none to divide by a negative sum.
    """
    followed = k + 1 < len(steps) and getattr(steps[k + 1], "name", "") == "relu"
    return (values[k + 2], True) if followed else (values[k + 1], False)


def _collect(relevances, shares, ends):
    relevances = relevances[::-1]
    return Relevance(relevances[0], tuple(relevances[end] for end in ends), tuple(shares[::-1]))


def _never_negative(steps, nonnegative):
    """Whether the values after these steps cannot be negative; `nonnegative` says it of the input."""
    for step in reversed(steps):
        if isinstance(step, Nonlinearity):
            return step.name in ("relu", "sigmoid", "softplus")
        if isinstance(step, Product) and not step.keeps_sign:
            return False
    return nonnegative


def _ratio(r, b, epsilon, positive=False):
    """R / blip(b); where blip is zero, which needs ε = 0, nothing is passed on.  `positive`: no b is negative."""
    if epsilon == 0:
        return tf.math.divide_no_nan(r, b)
    return r / (b + epsilon if positive else tf.where(b >= 0, b + epsilon, b - epsilon))


def _total(values):
    return tf.reduce_sum(values, axis=list(range(1, len(values.shape))))


def _by_gradient(step, a, b, r, rules, signs):
    share = None if step.bias is None else _total(step.bias() * r)
    return step.back(r, step.kernel(), a), share


def _normalized(step, a, b, r, rules, signs):
    s = _ratio(r, b, rules.epsilon, signs.sums)
    return a * step.back(s, step.kernel(), a), None if step.bias is None else _total(step.bias() * s)


def _gamma(step, a, b, r, rules, signs):
    def lifted(w):
        return w + rules.gamma * tf.nn.relu(w)

    kernel, start = lifted(step.kernel()), None if step.bias is None else lifted(step.bias())
    sums = step.apply(a, kernel)
    s = _ratio(r, sums if start is None else _biased(sums, start), rules.epsilon)
    return a * step.back(s, kernel, a), None if start is None else _total(start * s)


def _alpha_beta(step, a, b, r, rules, signs):
    above, below = _split(step.kernel())
    ups, downs = (a, None) if signs.inputs else _split(a)
    starts = (None, None) if step.bias is None else _split(step.bias())
    result, share = 0.0, None if step.bias is None else 0.0
    sides = ((rules.alpha, above, below, starts[0]), (1.0 - rules.alpha, below, above, starts[1]))
    for factor, with_up, with_down, start in sides:
        if factor == 0:
            continue
        sums = step.apply(ups, with_up)
        sums = sums if downs is None else sums + step.apply(downs, with_down)
        s = factor * tf.math.divide_no_nan(r, sums if start is None else _biased(sums, start))
        result += ups * step.back(s, with_up, a)
        result += 0.0 if downs is None else downs * step.back(s, with_down, a)
        share = share if start is None else share + _total(start * s)
    return result, share


def _split(values):
    return tf.nn.relu(values), -tf.nn.relu(-values)


PRODUCTS = {"gradient": _by_gradient, "normalized": _normalized, "gamma": _gamma, "alpha_beta": _alpha_beta}


def _through(step, a, b, r, rule):
    if rule == "ignore":
        return r
    if rule == "repeat":
        return step.f(r)
    if rule == "gradient" or step.name == "relu":  # whose slope is its derivative
        return step.to_input(r, a, b)
    return r * tf.where(a == 0, step.slope(a, b), tf.math.divide_no_nan(b, a))


def _radial(step, a, b, r):
    """Pass a maximum's relevance to all of its window, in shares."""
    low = tf.constant(-np.inf, a.dtype)
    padded, before = _padded(step, a, b, low)
    windows = _windows(step, padded, b)
    inverse = tf.reduce_sum([tf.math.divide_no_nan(tf.ones_like(w), w) for w in windows], axis=0)
    ups, zeros = tf.add_n([tf.nn.relu(w) for w in windows]), tf.add_n([tf.cast(w == 0, a.dtype) for w in windows])
    result = tf.zeros_like(padded)
    for place, w in zip(_places(step), windows, strict=True):
        negative = tf.math.divide_no_nan(tf.math.divide_no_nan(tf.ones_like(w), w), inverse)
        none = tf.math.divide_no_nan(tf.cast(w == 0, a.dtype), zeros)
        share = tf.where(b > 0, tf.math.divide_no_nan(tf.nn.relu(w), ups), tf.where(b < 0, negative, none))
        begin, end = _slice(step, place, b)
        result += tf.raw_ops.StridedSliceGrad(
            shape=tf.shape(padded), begin=begin, end=end, strides=[1, *step.strides, 1], dy=share * r
        )
    return tf.slice(result, [0, *before, 0], tf.shape(a))


def _places(step):
    return [(i, j) for i in range(step.size[0]) for j in range(step.size[1])]


def _padded(step, a, b, low):
    """The input with −∞ around it where windows reach out, and how much was added above and left."""
    if step.padding == "VALID":
        return a, [0, 0]
    need = [max(0, (b.shape[k] - 1) * step.strides[k - 1] + step.size[k - 1] - a.shape[k]) for k in (1, 2)]
    before = [n // 2 for n in need]
    rows, columns = ([front, n - front] for front, n in zip(before, need, strict=True))
    return tf.pad(a, [[0, 0], rows, columns, [0, 0]], constant_values=low), before


def _slice(step, place, b):
    ends = [place[k] + (b.shape[k + 1] - 1) * step.strides[k] + 1 for k in (0, 1)]
    return [0, *place, 0], tf.stack([tf.shape(b)[0], *ends, b.shape[3]])


def _windows(step, padded, b):
    """The values at each place of all windows: a list of tensors of b's shape."""
    found = []
    for place in _places(step):
        begin, end = _slice(step, place, b)
        found.append(tf.strided_slice(padded, begin, end, [1, *step.strides, 1]))
    return found


def _explain_difference(steps, ends, x, baseline, target=None):
    """The LRP set with ε = 0 on differences, in terms of q, relevance over difference, where that saves divisions.

    Maxima need the relevance r itself, and nonlinearities hand it on unchanged; so either q or r is at hand.
    """
    values, others = _forward(steps, x), _forward(steps, baseline)
    differences = [a - o for a, o in zip(values, others, strict=True)]
    q, r = tf.broadcast_to(_one_hot(values[-1], target), tf.shape(differences[-1])), None
    relevances, shares = [q * differences[-1]], []
    for k in reversed(range(len(steps))):
        step, a, difference, after = steps[k], values[k], differences[k], differences[k + 1]
        if isinstance(step, Product):
            shares += [] if step.bias is None else [tf.zeros(tf.shape(a)[:1], a.dtype)]  # a bias is the same in both
            q, r = step.back(q if r is None else tf.math.divide_no_nan(r, after), step.kernel(), a), None
        elif isinstance(step, Maximum):
            q, r = None, _maximum_difference(step, values, others, k, q * after if r is None else r)
        elif isinstance(step, Reshaping):
            q, r = (None if one is None else tf.reshape(one, tf.shape(a)) for one in (q, r))
        elif r is None:
            q = tf.where(difference == 0, step.to_input(q, a, values[k + 1]), q * tf.math.divide_no_nan(after, difference))
        relevances.append(q * difference if r is None else r)
    return _collect(relevances, shares, ends)


def _maximum_difference(step, values, others, k, r):
    """A maximum that rose goes to the winner in x, one that fell to the winner in the baseline; there the input differs."""
    a, b = values[k], values[k + 1]
    other, top = tf.broadcast_to(others[k], tf.shape(a)), tf.broadcast_to(others[k + 1], tf.shape(b))
    rose = tf.where(b >= top, r, tf.zeros_like(r))
    return step.to_winner(a, b, rose) + step.to_winner(other, top, r - rose)
