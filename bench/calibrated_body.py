"""A simulated body to be calibrated: its darks and flats as files, and what it was made with. For benchmarks and tests.

Frames are at f/5.6, where the body does not scale raw numbers, and begin with the sensor as warm as the air.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.frame import FrameMaker, SensorSize, Shot
from sidcap.capture.simulated.sensor import (
    FULL_SENSOR,
    SMALL_SENSOR,
    FixedPattern,
    Geometry,
    SensorParameters,
    fixed_pattern,
)
from sidcap.capture.simulated.thermal import mean_while_exposing_c

PARAMETERS = SensorParameters()
AIR_C = 20.0
BRIGHT_EV = 10.0
HOT_SIGMA = 6.0
_FIRST_FLAT = 1000
_WALL_E_PER_S = 18.5 / 4 * 2**BRIGHT_EV
"""Green light of the wall at f/5.6, electrons per second."""

SHOT = Shot(
    iso=12800,
    shutter_s=1.0,
    nominal_shutter=Fraction(1),
    aperture=5.6,
    scene="capped",
    start_s=0.0,
    taken=datetime(2024, 11, 5, 21, 30, tzinfo=UTC),
    frame_number=1,
)


@dataclass(frozen=True)
class Truth:
    """What a body was made with, on the (H, W) photosites that LibRaw shows."""

    hot: NDArray[np.bool_]
    """Whose dark current stands out by `HOT_SIGMA` times the read noise of one frame, in the longest dark."""
    rate_e_per_s: NDArray[np.float32]
    """Dark current, hot pixels and glow."""
    offset_dn: NDArray[np.float32]
    dark_current_e_per_s: float


@dataclass(frozen=True)
class CalibratedBody:
    """One body, and the files it makes."""

    size: SensorSize
    serial: str = "000000006001"

    @property
    def geometry(self) -> Geometry:
        return FULL_SENSOR if self.size == "full" else SMALL_SENSOR

    @cached_property
    def _capped(self) -> FrameMaker:
        return FrameMaker(serial=self.serial, size=self.size)

    @cached_property
    def _lit(self) -> FrameMaker:
        return FrameMaker(serial=self.serial, size=self.size, light_ev=BRIGHT_EV)

    def write(self, folder: Path, shot: Shot, maker: FrameMaker | None = None) -> Path:
        """The file of a shot."""
        folder.mkdir(exist_ok=True)
        nominal = Fraction(shot.shutter_s).limit_denominator(8000)
        path = folder / f"{shot.scene}_{shot.iso}_{shot.frame_number:04d}.CR2"
        path.write_bytes((maker or self._capped).make(replace(shot, nominal_shutter=nominal)))
        return path

    def darks(self, folder: Path, iso: int, exposures_s: Iterable[float], repeats: int) -> Iterator[Path]:
        """Darks of each exposure, one file at a time."""
        times = [seconds for seconds in exposures_s for _ in range(repeats)]
        for number, seconds in enumerate(times, start=1):
            yield self.write(folder, replace(SHOT, iso=iso, shutter_s=seconds, frame_number=number))

    def flats(self, folder: Path, iso: int, levels: Iterable[float], repeats: int = 2) -> Iterator[Path]:
        """Flats whose green comes to these shares of the way from black to white, one file at a time."""
        white_s = 13235 * PARAMETERS.gain_e_per_dn(iso) / _WALL_E_PER_S
        times = [white_s * level for level in levels for _ in range(repeats)]
        for number, seconds in enumerate(times, start=_FIRST_FLAT):
            shot = replace(SHOT, scene="flat", iso=iso, shutter_s=seconds, frame_number=number)
            yield self.write(folder, shot, self._lit)

    @cached_property
    def _pattern(self) -> FixedPattern:
        return fixed_pattern(self.serial, self.geometry, PARAMETERS)

    def truth(self, iso: int, longest_s: float, shape: tuple[int, int]) -> Truth:
        """For darks of which the longest lasts ``longest_s``."""
        geometry, pattern = self.geometry, self._pattern
        sensor_c = mean_while_exposing_c(AIR_C, AIR_C, longest_s)
        visible = np.s_[geometry.top : geometry.top + shape[0], geometry.left : geometry.left + shape[1]]
        rows = slice(0, geometry.rows)
        hot_e_per_s = np.zeros(geometry.shape, np.float32)
        np.add.at(hot_e_per_s.ravel(), pattern.hot_pixel, pattern.hot_e_per_s * PARAMETERS.thermal_factor(sensor_c))
        rate = np.zeros(geometry.shape, np.float32)
        pattern.add_dark(rows, rate, sensor_c)
        offset_e = pattern.pixel_offset_e(rows) + pattern.column_offset_e + pattern.row_offset_e[:, None]
        return Truth(
            hot=(hot_e_per_s * longest_s > HOT_SIGMA * PARAMETERS.read_noise_e(iso))[visible],
            rate_e_per_s=rate[visible],
            offset_dn=(offset_e / np.float32(PARAMETERS.gain_e_per_dn(iso)) + pattern.column_offset_dn)[visible],
            dark_current_e_per_s=PARAMETERS.dark_current_e_per_s * PARAMETERS.thermal_factor(sensor_c),
        )
