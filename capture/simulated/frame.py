"""One simulated frame: scene, lens, sensor and container put together into the bytes of a CR2 file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import cr2, optics, scenes
from sidcap.capture.simulated.sensor import (
    FULL_SENSOR,
    SMALL_SENSOR,
    FixedPattern,
    SensorParameters,
    expose,
    fixed_pattern,
)

SensorSize = Literal["full", "small"]


@dataclass(frozen=True)
class Shot:
    """What the body knows about one exposure when it hands it to the sensor.

    ``shutter_s`` is the true open time in seconds (10.079), ``nominal_shutter`` what the EXIF block states
    (``Fraction(10)``). ``start_s`` counts simulated seconds since power-on. ``taken`` is an aware UTC time.
    ``shift_px`` displaces the image on the sensor, right and down positive, in sensor pixels.
    """

    iso: int
    shutter_s: float
    nominal_shutter: Fraction
    aperture: float
    scene: int
    start_s: float
    taken: datetime
    frame_number: int
    shift_px: tuple[float, float] = (0.0, 0.0)
    lens: str = "EF50mm f/1.8 II"


class FrameMaker:
    """Makes the CR2 files of one simulated body; safe to call from several threads.

    ``light_ev`` brightens (positive) or darkens every scene, in stops. The same seed, serial number and shot give
    the same bytes; two frames of different number differ in their noise.
    """

    def __init__(self, *, serial: str, size: SensorSize, light_ev: float = 0.0, seed: int = 0) -> None:
        self._serial = serial
        self._geometry = FULL_SENSOR if size == "full" else SMALL_SENSOR
        self._light = 2.0**light_ev
        self._seed = seed
        # Kept from frame to frame: the body's pattern, the last scene, and the last scene as it lay on the sensor.
        self._lock = Lock()
        self._pattern: FixedPattern | None = None
        self._scene: tuple[int, scenes.Scene] | None = None
        self._image: tuple[tuple[int, tuple[float, float]], NDArray[np.float32]] | None = None

    def make(self, shot: Shot) -> bytes:
        """The whole CR2 file of ``shot``."""
        with self._lock:
            pattern, scene, image = self._prepared(shot)
        raw = expose(
            image,
            pattern,
            light=self._light * optics.aperture_factor(shot.aperture),
            iso=shot.iso,
            shutter_s=shot.shutter_s,
            rng=np.random.Generator(np.random.SFC64([self._seed, shot.frame_number])),
        )
        shooting = cr2.ShootingData(
            iso=shot.iso,
            shutter_s=shot.shutter_s,
            nominal_shutter=shot.nominal_shutter,
            aperture=shot.aperture,
            taken=shot.taken,
            frame_number=shot.frame_number,
            serial=self._serial,
            lens=shot.lens,
            white_balance=scene.white_balance,
            white_dn=pattern.parameters.white_dn(shot.iso),
        )
        return cr2.pack(raw, self._geometry, shooting)

    def _prepared(self, shot: Shot) -> tuple[FixedPattern, scenes.Scene, NDArray[np.float32]]:
        if self._pattern is None:
            self._pattern = fixed_pattern(self._serial, self._geometry, SensorParameters())
        if self._scene is None or self._scene[0] != shot.scene:
            self._scene = shot.scene, scenes.render(shot.scene, self._geometry)
        scene = self._scene[1]
        key = shot.scene, shot.shift_px
        if self._image is None or self._image[0] != key:
            self._image = key, optics.mosaic(scene, self._geometry, shot.shift_px)
        return self._pattern, scene, self._image[1]
