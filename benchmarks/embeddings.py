"""How long chapter 8's `quality` takes for 60,000 points in the plane, beside a plain blockwise loop in NumPy.

    make bench

Both count pairs exactly, in turn, in one run.  The plain loop would take minutes: a twelfth of its blocks is timed, and
the time multiplied.  That the two agree is checked on fewer points, all blocks.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from lib.embeddings import quality  # noqa: E402

POINTS, FEWER, ROUNDS, LIMIT, BLOCK, PART = 60_000, 6_000, 3, 20, 500, 12


def plain(points, labels, starts):
    """Sums of the distances of all pairs, and of pairs of one class, for the blocks that begin at `starts`."""
    same = everything = 0.0
    for start in starts:
        block = slice(start, start + BLOCK)
        distances = np.sqrt(((points[block, None] - points) ** 2).sum(axis=-1))
        everything += distances.sum()
        same += distances[labels[block, None] == labels].sum()
    return same, everything


def difference(points, labels):
    """By how much ds of the two differs, counted over all blocks."""
    same, everything = plain(points, labels, range(0, len(points), BLOCK))
    sizes, n = np.bincount(labels), len(points)
    theirs = same / (sizes * (sizes - 1)).sum() / (everything / (n * (n - 1)))
    return abs(quality(points, labels)["ds"] - theirs)


def seconds(action):
    """Time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main():
    """Print the times, their ratio, and the ratio to the limit."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, POINTS)
    points = random.normal(size=(POINTS, 2)) + 3 * random.normal(size=(10, 2))[labels]
    some = range(0, POINTS, PART * BLOCK)
    ours, loops = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: quality(points, labels)))
        loops.append(PART * seconds(lambda: plain(points, labels, some)))
    ratios = [theirs / mine for mine, theirs in zip(ours, loops, strict=True)]
    print(
        f"quality of {POINTS:,} points, six metrics: {statistics.median(ours):.1f} s, "
        f"{max(ours) / LIMIT:.2f} of the limit in the slowest round"
    )
    print(
        f"    the plain loop, for ds alone: {statistics.median(loops):.0f} s, "
        f"{statistics.median(ratios):.0f} times as long ({min(ratios):.0f} to {max(ratios):.0f})"
    )
    print(f"    the two differ by {difference(points[:FEWER], labels[:FEWER]):.0e} on {FEWER:,} points")


if __name__ == "__main__":
    main()
