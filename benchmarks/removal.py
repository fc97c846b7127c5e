"""How fast all 2²⁰ losses of chapter 4 are: `lib.removal`, against one call a mask, and against plain NumPy.

    make bench

The network is the chapter's: 2 → 20 ReLU times a mask → 2, at 1,000 points.  One call a mask is `model.evaluate`, and plain
NumPy computes the margins of a block of masks with one matrix product and takes one `logaddexp` per mask and point; both are
measured on a sample of the masks and extrapolated.  Each rival is measured in turn with ours, in one run.  The limit is what
cannot be avoided in this method: every product of margins has to be written and read once.
"""

import resource
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from lib.removal import GROUP, exact_gradients, exact_losses, margin_terms, mask_bits  # noqa: E402

NODES, POINTS, ROUNDS = 20, 1000, 5
CALLS, BLOCK = 40, 2**12  # masks that the rivals are measured on


def trained():
    """The chapter's network and its points."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(-1, 1, (POINTS, 2))
    y = ((x**2).sum(axis=1) > 2 / np.pi).astype(int)
    points, mask = keras.Input((2,)), keras.Input((NODES,))
    hidden = layers.Multiply()([layers.Dense(NODES, "relu")(points), mask])
    model = keras.Model([points, mask], layers.Dense(2, "softmax")(hidden))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit([x, np.ones((POINTS, NODES))], y, epochs=20, verbose=0)
    return model, x, y


def seconds(action):
    """Wall-clock time of an action, and what it returns."""
    start = time.perf_counter()
    found = action()
    return time.perf_counter() - start, found


def one_call_a_mask(model, x, y, bits):
    """The loss of each mask as Keras computes it."""
    return np.array([model.evaluate([x, np.tile(row, (POINTS, 1))], y, batch_size=POINTS, verbose=0) for row in bits])


def plain(model, x, y, bits):
    """The loss of each mask in NumPy: margins by a matrix product, then one logaddexp per mask and point."""
    delta, terms = margin_terms(model, x)
    sign = 1 - 2 * y
    return np.logaddexp(0, sign * (delta + bits @ terms.T)).mean(axis=1)


def limit():
    """Seconds to write and read the products of all masks once for each group of points."""
    block = np.ones((2 ** (NODES // 2), 2 ** (NODES // 2)))

    def passes():
        for _ in range(POINTS // GROUP):
            np.multiply(block, block, out=block)

    return seconds(passes)[0]


def main():
    """Print each rival's time and the ratio round by round."""
    model, x, y = trained()
    bits, random = mask_bits(NODES), np.random.default_rng(1)
    ratios = {"one call a mask": [], "plain NumPy": [], "limit": []}
    exact_losses(model, x, y)  # the first call loads the libraries
    one_call_a_mask(model, x, y, bits[:2])
    for _ in range(ROUNDS):
        ours, losses = seconds(lambda: exact_losses(model, x, y))
        rows = random.integers(0, len(bits), CALLS)
        calls, found = seconds(lambda rows=rows: one_call_a_mask(model, x, y, bits[rows]))
        assert np.allclose(found, losses[rows], rtol=1e-5)
        start = int(random.integers(0, len(bits) - BLOCK))
        numpy, found = seconds(lambda start=start: plain(model, x, y, bits[start : start + BLOCK].astype(float)))
        assert np.allclose(found, losses[start : start + BLOCK], rtol=1e-10)
        times = {"one call a mask": calls * len(bits) / CALLS, "plain NumPy": numpy * len(bits) / BLOCK, "limit": limit()}
        print(f"ours {ours:.2f} s; " + "; ".join(f"{name} {value:,.2f} s" for name, value in times.items()))
        for name, value in times.items():
            ratios[name].append(value / ours)
    for name, found in ratios.items():
        print(f"{name}: {statistics.median(found):,.1f} times ours ({min(found):,.1f} to {max(found):,.1f})")
    print(f"measured on {CALLS} and {BLOCK} of {len(bits):,} masks")
    print(f"exponentials: ours {2 * 2 ** (NODES // 2) * POINTS:,}, plain NumPy {len(bits) * POINTS:,}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory so far {peak:.0f} MB, TensorFlow included")
    print(f"gradients of all masks: {seconds(lambda: exact_gradients(model, x, y))[0]:.1f} s")


if __name__ == "__main__":
    main()
