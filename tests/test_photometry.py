"""How much light a frame got: against known light, whatever clips or lies under the picture."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import shifted_scenes
from numpy.typing import NDArray

from sidcap.curate.photometry import Light, Photometer
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import Exif, RawFrame
from sidcap.data_manifest.schema import BlackLevel, WhiteLevel

SHAPE = (384, 512)
NOISE = NoiseModel(gain_e_per_dn=0.0473, read_noise_e=1.7)
LONG_E, RATIO = 150.0, 100.0
WHITE_DN = 15283.0


@cache
def texture() -> NDArray[np.float32]:
    return shifted_scenes.Scene(SHAPE, 3).mosaic()


def frame(electrons: NDArray[np.float32], seed: int, offset_dn: float | NDArray[np.float64] = 0.0) -> RawFrame:
    """As a sensor with `NOISE` makes it of so many electrons; ``offset_dn`` lies under it unnoticed."""
    rng = np.random.default_rng(seed)
    exposed = rng.poisson(np.maximum(electrons, 0)) + rng.normal(0, NOISE.read_noise_e, SHAPE)
    mosaic = np.rint(exposed / NOISE.gain_e_per_dn + 2048 + offset_dn)
    return RawFrame(
        mosaic=np.clip(mosaic, 0, WHITE_DN).astype(np.uint16),
        cfa=np.array(((0, 1), (3, 2)), np.uint8),
        black=BlackLevel(per_plane_dn=(2048.0,) * 4, source="masked pixels"),
        white=WhiteLevel(dn=WHITE_DN, source="test"),
        white_balance=(2.0, 1.0, 1.5),
        exif=Exif(),
    )


@cache
def photometer() -> Photometer:
    return Photometer(frame(texture() * LONG_E, 1), NOISE)


def short(light: float, seed: int, offset_dn: float | NDArray[np.float64] = 0.0) -> RawFrame:
    return frame(texture() * np.float32(light * LONG_E / RATIO), seed, offset_dn)


def light_on(short: RawFrame) -> Light:
    found = photometer().light_on(short, RATIO)
    assert found is not None
    return found


def test_light_is_told_and_its_uncertainty_is_honest() -> None:
    found = [light_on(short(1.03, seed)) for seed in range(10, 50)]
    z = [(light.relative - 1.03) / light.sigma for light in found]
    assert np.mean(z) == pytest.approx(0, abs=0.7)
    assert np.std(z) == pytest.approx(1, abs=0.35)
    assert found[0].sigma < 0.02


def test_black_level_and_row_noise_say_nothing() -> None:
    plain = light_on(short(1.0, 5))
    rows = np.random.default_rng(2).normal(0, 30, (SHAPE[0], 1))
    for offset_dn in (25.0, -25.0, rows):
        assert light_on(short(1.0, 5, offset_dn)).relative == pytest.approx(plain.relative, abs=0.2 * plain.sigma)


def test_what_is_clipped_in_the_long_is_left_out() -> None:
    bright = texture() * LONG_E
    bright[:, :100] *= 20
    with_lamps = Photometer(frame(bright, 1), NOISE)
    found = with_lamps.light_on(frame(bright / np.float32(RATIO), 5), RATIO)
    assert found is not None
    assert found.relative == pytest.approx(1, abs=4 * found.sigma)


def test_clipped_is_98_percent_of_white_above_black() -> None:
    """A plateau that the short has not is left out where it is clipped, and told as a difference where it is not."""
    clipped_dn = 2048 + 0.98 * (WHITE_DN - 2048)
    for plateau_dn, is_told in ((clipped_dn - 10, True), (clipped_dn + 10, False)):
        mosaic = frame(texture() * LONG_E, 1).mosaic
        mosaic[:, :256] = round(plateau_dn)
        with_plateau = Photometer(replace(frame(texture() * LONG_E, 1), mosaic=mosaic), NOISE)
        assert (with_plateau.light_on(short(1.0, 5), RATIO) is None) == is_told


def test_where_nothing_tells_nothing_is_said() -> None:
    white = Photometer(frame(np.full(SHAPE, 1e5, np.float32), 1), NOISE)
    assert white.light_on(short(1.0, 5), RATIO) is None
    assert photometer().light_on(frame(-texture() * 10 + 100, 5), RATIO) is None, "a negative"


def test_a_long_against_a_long_is_told_best() -> None:
    found = photometer().light_on(frame(texture() * np.float32(1.02 * LONG_E), 7), 1.0)
    assert found is not None
    assert found.relative == pytest.approx(1.02, abs=4 * found.sigma)
    assert found.sigma < 1e-3
