"""How long an explanation of chapter 7 takes, beside the plain compiled gradient of the same score.

    make bench

Both run on the same small convolutional network, in turn, in one run; the ratio is taken round by round.
"""

import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from lib.models import small_convnet  # noqa: E402
from lib.relevance import GRADIENT, LRP, Rules, explain  # noqa: E402

ROUNDS, SECONDS = 15, 0.4


def plain_gradient(model):
    """The derivative of the largest score by the input, compiled and nothing else."""
    logits = keras.Model(model.inputs, model.layers[-1].output)

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(tf.reduce_max(logits(x, training=False), axis=1))
        return tape.gradient(score, x)

    return gradient


def seconds(action):
    """Mean time of an action, over as many calls as fit into a fraction of a second."""
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS / 4 or calls == 0:
        action()
        calls += 1
    return (time.perf_counter() - start) / calls


def main():
    """Print, for each batch and set of rules, the time over the plain gradient's."""
    keras.utils.set_random_seed(0)
    model = small_convnet((28, 28), 10)
    model.layers[-1].activation = keras.activations.linear
    gradient = plain_gradient(model)
    for batch in (1, 32, 256):
        x = tf.constant(np.random.default_rng(0).uniform(0, 255, (batch, 28, 28)), tf.float32)
        ways = {
            "gradient rules": lambda x=x: explain(model, x, rules=GRADIENT),
            "LRP": lambda x=x: explain(model, x, rules=LRP),
            "alpha-beta, α = 1": lambda x=x: explain(model, x, rules=Rules("alpha_beta")),
            "LRP, shared baseline": lambda x=x: explain(model, x, baseline=x[:1]),
        }
        for action in (lambda x=x: gradient(x), *ways.values()):
            action()
        ratios, alone = {name: [] for name in ways}, []
        for _ in range(ROUNDS):
            alone.append(seconds(lambda x=x: gradient(x)))
            for name, action in ways.items():
                ratios[name].append(seconds(action) / alone[-1])
        print(f"batch {batch}: plain gradient {1000 * statistics.median(alone):.2f} ms")
        for name, found in ratios.items():
            print(f"    {name}: {statistics.median(found):.2f} times ({min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main()
