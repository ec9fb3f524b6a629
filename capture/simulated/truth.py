"""What was really before the lens of a simulated camera: for tests and benchmarks of what guesses it.

Nothing that captures or judges may import this (a contract in pyproject.toml), and nothing on the wire carries it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated.mechanics import ShiftPath


@dataclass(frozen=True)
class Truth:
    """How one simulated frame came about.

    ``path``: where the image lay on the sensor during the exposure. ``light``: mean brightness over the exposure,
    1 for the scene's usual light (``light_ev``, drift and flicker; not the aperture). ``exposure_s``: true open time.
    ``gain_e_per_dn``: electrons per raw number, the scaling at wide apertures included. ``read_noise_e``: of a pixel.
    ``sensor_c``: mean temperature during the exposure; ``dark_current_e_per_s``: of an ordinary pixel at it.
    """

    iso: int
    exposure_s: float
    aperture: float
    path: ShiftPath
    light: float
    gain_e_per_dn: float
    read_noise_e: float
    black_dn: float
    white_dn: int
    sensor_c: float
    dark_current_e_per_s: float
    _radiance: Callable[[], NDArray[np.float32]] = field(repr=False, compare=False)

    @property
    def shift_px(self) -> tuple[float, float]:
        """Mean displacement of the image during the exposure, right and down, in sensor pixels."""
        return self.path.mean_px

    def radiance_e_per_s(self) -> NDArray[np.float32]:
        """The mosaic of light that the pixels were offered, float32 (rows, columns), RGGB, zero where masked.

        Electrons per second with aperture, vignetting, blur and the mean light of the exposure, before
        what differs from pixel to pixel and before noise. Computed at each call.
        """
        return self._radiance()
