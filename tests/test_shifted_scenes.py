"""The truth that registration is tested against: that scenes lie where they are said to lie."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from shifted_scenes import Pattern, Scene, in_front_of, make_pair, shows_gradient

from sidcap.curate import NoiseModel

SHAPE = (160, 240)


@cache
def scene() -> Scene:
    return Scene(SHAPE, 1, highlights=True)


def test_a_shift_by_whole_cells_of_the_filter_array_moves_the_mosaic() -> None:
    assert scene().mosaic((4.0, 2.0))[2:, 4:] == pytest.approx(scene().mosaic()[:-2, :-4], rel=1e-4, abs=1e-3)


def test_a_small_shift_is_what_the_gradients_say() -> None:
    along_x, along_y = scene().gradients
    moved = scene().mosaic((0.02, -0.01)) - scene().mosaic((-0.02, 0.01))
    assert moved == pytest.approx(-0.04 * along_x + 0.02 * along_y, abs=0.002)


def test_a_turn_is_clockwise_about_the_centre() -> None:
    along_x, along_y = scene().gradients
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - (np.array(SHAPE)[:, None, None] - 1) / 2
    angle = np.radians(0.01)
    turned = scene().mosaic(turn_degrees=0.01) - scene().mosaic(turn_degrees=-0.01)
    assert turned == pytest.approx(2 * angle * (y * along_x - x * along_y), abs=0.002)


def test_a_thing_in_front_covers_its_share() -> None:
    covered = in_front_of(np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32), (120, 80), 0.05)
    assert covered.mean() == pytest.approx(0.05, rel=0.02)
    assert covered[80, 120] == pytest.approx(1)


def test_the_bound_is_taken_where_the_clipped_long_shows_a_gradient() -> None:
    pair = make_pair(scene(), signal_e=3)
    clipped, seen = np.isnan(pair.long), shows_gradient(pair.long)
    assert 0.001 < clipped.mean() < 0.05
    assert not seen[clipped].any()
    assert 0.9 < seen.mean() < 1 - clipped.mean()


def test_dark_frames_show_the_pattern_to_within_their_noise() -> None:
    noise = NoiseModel(gain_e_per_dn=0.05, read_noise_e=1.9)
    body = Pattern.of_body(1, SHAPE)
    dark_dn, hot = body.calibrated(noise, darks=8)
    error_e = dark_dn * noise.gain_e_per_dn - body.offset_e - body.hot_e
    assert error_e.std() == pytest.approx(1.9 / 8**0.5, rel=0.05)
    assert hot[body.hot_e > 10].all()
    assert not hot[body.hot_e == 0].any()
