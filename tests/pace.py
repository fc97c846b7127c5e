"""How slow the machine is today.

Machines differ, and one machine differs from hour to hour.  A limit of time therefore means: on a machine that does the
fixed work below in the time given here.  Where the work takes longer, the limit is longer in the same proportion.
"""

import statistics
import time

TRAINING = 1.6  # seconds
PAGE = 5.0  # milliseconds

JAVASCRIPT = """() => {
    const values = Float32Array.from({ length: 4096 }, (_, k) => Math.sin(k)), times = [];
    const list = document.body.appendChild(document.createElement("ul"));
    list.append(...Array.from({ length: 200 }, () => document.createElement("li")));
    let sum = 0;
    for (let round = 0; round < 25; round++) {
        const start = performance.now();
        for (let k = 0; k < 2_000_000; k++) sum += values[k & 4095] * values[(k * 7) & 4095];
        for (const item of list.children) item.textContent = sum.toFixed(round % 5);
        sum += list.getBoundingClientRect().height;
        times.push(performance.now() - start);
    }
    list.remove();
    return times.sort((a, b) => a - b)[12];
}"""


def training(times=3):
    """Seconds that it takes to train a small network on noise, for each of so many runs."""
    import keras
    import numpy as np

    x, y = np.random.default_rng(0).random((20_000, 784), dtype=np.float32), np.arange(20_000) % 10
    layers = [keras.layers.Dense(100, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((784,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:640], y[:640], verbose=0)
    found = []
    for _ in range(times):
        start = time.perf_counter()
        model.fit(x, y, epochs=2, verbose=0)
        found.append(time.perf_counter() - start)
    return found


def slowness(seconds):
    """By what factor the limits for chapters are longer, given times of `training` around the measured work."""
    return max(1.0, statistics.median(seconds) / TRAINING)


def quickest(page, script):
    """The least of three times that a script returns: what the page can do when nothing else interrupts it."""
    return min(page.evaluate(script) for _ in range(3))


def slowness_of(page):
    """By what factor the limits for a page are longer, throttled as it is now."""
    return max(1.0, page.evaluate(JAVASCRIPT) / PAGE)
