"""Intervals of means by the bootstrap over scenes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidcap.model.intervals import difference_by_scene, mean_by_scene


def test_the_interval_is_that_of_scenes_and_not_of_their_pairs() -> None:
    """Pairs of one scene are alike: a hundred of them tell no more of other scenes than one does."""
    of_scene = np.random.default_rng(0).normal(25, 3, 20)
    few = mean_by_scene(list(of_scene), [f"{scene:05d}" for scene in range(20)])
    many = mean_by_scene(list(np.repeat(of_scene, 100)), [f"{scene:05d}" for scene in range(20) for _ in range(100)])
    assert (many.pairs, many.scenes) == (2000, 20)
    assert (many.low, many.high) == pytest.approx((few.low, few.high))
    assert few.low is not None
    assert few.high is not None
    # Of a normal mean: 1.96 standard errors on either side.
    assert few.high - few.low == pytest.approx(2 * 1.96 * np.std(of_scene) / math.sqrt(20), rel=0.05)


def test_a_scene_with_more_pairs_weighs_more_as_in_the_mean() -> None:
    interval = mean_by_scene([0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"])
    assert interval.mean == 0.75
    assert (interval.low, interval.high) == (0, 1)


def test_one_scene_and_infinite_values_have_a_mean_but_no_interval() -> None:
    one = mean_by_scene([1.0, 2.0], ["a", "a"])
    assert (one.mean, one.low, one.high) == (1.5, None, None)
    equal = mean_by_scene([1.0, math.inf], ["a", "b"])
    assert (equal.mean, equal.low) == (math.inf, None)
    with pytest.raises(ValueError, match="no pairs"):
        mean_by_scene([], [])


@given(st.lists(st.tuples(st.floats(-50, 50), st.sampled_from("abcde")), min_size=1, max_size=12))
def test_an_interval_lies_within_the_values_and_is_the_same_again(pairs: list[tuple[float, str]]) -> None:
    values, scenes = [value for value, _ in pairs], [scene for _, scene in pairs]
    interval = mean_by_scene(values, scenes)
    assert interval == mean_by_scene(values, scenes)
    assert interval.scenes == len(set(scenes))
    if interval.scenes > 1:
        assert interval.low is not None
        assert interval.high is not None
        assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


def test_differences_of_other_scenes_are_as_uncertain_as_both_together() -> None:
    random = np.random.default_rng(1)
    high, low = random.normal(5, 1, 30), random.normal(2, 1, 30)
    names = [str(scene) for scene in range(30)]
    difference = difference_by_scene(list(high), names, list(low), [f"{name}'" for name in names])
    assert difference.mean == pytest.approx(high.mean() - low.mean())
    assert difference.scenes == 60
    assert difference.low is not None
    assert difference.high is not None
    expected = 2 * 1.96 * math.hypot(np.std(high), np.std(low)) / math.sqrt(30)
    assert difference.high - difference.low == pytest.approx(expected, rel=0.05)
