"""How long chapter 8's `quality` takes for 60,000 points in the plane, beside a plain blockwise loop in NumPy.

    make bench

Both count all 1.8 billion pairs exactly, in turn, in one run.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from lib.embeddings import quality  # noqa: E402

POINTS, ROUNDS, LIMIT, BLOCK = 60_000, 3, 20, 500


def plain(points, labels):
    """Mean distance of pairs of one class over that of all pairs, block by block; no more than that."""
    same = everything = 0.0
    for start in range(0, len(points), BLOCK):
        block = slice(start, start + BLOCK)
        distances = np.sqrt(((points[block, None] - points) ** 2).sum(axis=-1))
        everything += distances.sum()
        same += distances[labels[block, None] == labels].sum()
    sizes = np.bincount(labels)
    return same / (sizes * (sizes - 1)).sum() / (everything / (len(points) * (len(points) - 1)))


def seconds(action):
    """Time of one call, and what it returned."""
    start = time.perf_counter()
    found = action()
    return time.perf_counter() - start, found


def main():
    """Print the times, their ratio, and the ratio to the limit."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, POINTS)
    points = random.normal(size=(POINTS, 2)) + 3 * random.normal(size=(10, 2))[labels]
    ours, loops = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: quality(points, labels)))
        loops.append(seconds(lambda: plain(points, labels)))
    ratios = [mine / theirs for (mine, _), (theirs, _) in zip(ours, loops, strict=True)]
    middle, slowest = statistics.median(t for t, _ in ours), max(t for t, _ in ours)
    print(
        f"quality of {POINTS:,} points, six metrics: {middle:.1f} s, {slowest / LIMIT:.2f} of the limit in the slowest round"
    )
    print(f"    {statistics.median(ratios):.2f} times the plain loop for ds alone ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"    the two differ by {abs(ours[0][1]['ds'] - loops[0][1]):.0e}")


if __name__ == "__main__":
    main()
