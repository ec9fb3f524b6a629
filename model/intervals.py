"""Means over the pairs of a split, and how far they would move with other scenes: the bootstrap over scenes.

The pairs of one scene show the same things, so they are drawn together (Davison and Hinkley, "Bootstrap Methods and
their Application", 1997, section 3.8). The intervals are percentiles of the resampled means. With few scenes they are
too narrow: docs/evaluation.md says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from sidcap.data_manifest.schema import Record

LEVEL: Final = 0.95
_RESAMPLES: Final = 10_000
_SEED: Final = 1


class Interval(Record):
    """A mean over pairs, and its 95% interval."""

    # Equal pictures have an infinite PSNR.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    mean: float
    low: float | None
    """None where there is no interval: of one scene nothing can be told of others, nor of values that are infinite."""
    high: float | None
    pairs: int
    scenes: int


def mean_by_scene(values: Sequence[float], scenes: Sequence[str]) -> Interval:
    """The mean of ``values``, one of each pair, whose scenes are ``scenes``. ValueError where there is none."""
    means = _resampled_means(values, scenes)
    return _interval(float(np.mean(values)), means, values, scenes)


def difference_by_scene(
    values: Sequence[float], scenes: Sequence[str], others: Sequence[float], other_scenes: Sequence[str]
) -> Interval:
    """The mean of ``values`` less that of ``others``, from other scenes: both are resampled on their own.

    For values of the same pairs, give their differences to `mean_by_scene`.
    """
    means, other_means = _resampled_means(values, scenes), _resampled_means(others, other_scenes, _SEED + 1)
    difference = None if means is None or other_means is None else means - other_means
    mean = float(np.mean(values)) - float(np.mean(others))
    return _interval(mean, difference, [*values, *others], [*scenes, *other_scenes])


def _resampled_means(values: Sequence[float], scenes: Sequence[str], seed: int = _SEED) -> NDArray[np.float64] | None:
    if not values:
        raise ValueError("there is no mean of no pairs")
    names, scene_of = np.unique(np.asarray(scenes), return_inverse=True)
    if len(names) < 2 or not np.isfinite(values).all():
        return None
    sums, counts = np.bincount(scene_of, weights=values), np.bincount(scene_of)
    drawn = np.random.default_rng(seed).integers(len(names), size=(_RESAMPLES, len(names)))
    means: NDArray[np.float64] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means


def _interval(
    mean: float, means: NDArray[np.float64] | None, values: Sequence[float], scenes: Sequence[str]
) -> Interval:
    low = high = None
    if means is not None:
        low, high = (float(edge) for edge in np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return Interval(mean=mean, low=low, high=high, pairs=len(values), scenes=len(set(scenes)))
