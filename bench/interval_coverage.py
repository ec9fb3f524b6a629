"""How often the 95% interval of `sidcap.model.intervals` holds the mean of all scenes there could be.

    python bench/interval_coverage.py

Scores of three pairs in each scene: scenes differ by 3 dB, pairs of one scene by 1 dB, both normal.
"""

from __future__ import annotations

import numpy as np

from sidcap.model.intervals import mean_by_scene

TRIALS = 500


def coverage(scenes: int) -> float:
    """The share of trials in which the true mean, zero, lies within."""
    random = np.random.default_rng(scenes)
    names = [str(scene) for scene in range(scenes) for _ in range(3)]
    held = 0
    for _ in range(TRIALS):
        values = np.repeat(random.normal(0, 3, scenes), 3) + random.normal(0, 1, 3 * scenes)
        interval = mean_by_scene(list(values), names)
        held += interval.low is not None and interval.high is not None and interval.low <= 0 <= interval.high
    return held / TRIALS


if __name__ == "__main__":
    for count in (2, 3, 4, 6, 8, 12, 21, 50):
        print(f"{count:3d} scenes: {coverage(count):.0%}")
