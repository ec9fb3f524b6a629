"""What tests of the simulated camera's frames have in common."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from fractions import Fraction

import exifread
import numpy as np
import rawpy
from numpy.typing import NDArray

from sidcap.capture.simulated import sensor
from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.capture.simulated.surroundings import Surroundings

LONG_S, SHORT_S = 2 ** (10 / 3), 2 ** (-10 / 3)
DARK_EV = -60.0
SMALL = sensor.SMALL_SENSOR
TAKEN = datetime(2024, 11, 5, 21, 30, 7, 450000, tzinfo=UTC)
SHOT = Shot(
    iso=12800,
    shutter_s=LONG_S,
    nominal_shutter=Fraction(10),
    aperture=2.8,
    scene=1,
    start_s=12.0,
    taken=TAKEN,
    frame_number=1,
    lens="EF50mm f/1.8 II",
)


def small_maker(
    serial: str = "012345678901", light_ev: float = 0.0, surroundings: Surroundings | None = None
) -> FrameMaker:
    return FrameMaker(serial=serial, size="small", light_ev=light_ev, surroundings=surroundings)


def mosaic_of(file: bytes) -> NDArray[np.uint16]:
    with rawpy.imread(io.BytesIO(file)) as raw:
        return np.array(raw.raw_image, np.uint16)


def lit(mosaic: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The part that sees light, black subtracted."""
    masked = mosaic[SMALL.top :, : SMALL.left]
    return np.asarray(mosaic[SMALL.top :, SMALL.left :] - masked.mean(dtype=np.float64))


def exif_of(file: bytes) -> dict[str, str]:
    return {key: str(value) for key, value in exifread.process_file(io.BytesIO(file), details=False).items()}
