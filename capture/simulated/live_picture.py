"""What the simulated camera shows in live view: the scene at the present focus, aperture and exposure, small and noisy.

The picture is as bright as the frame that would be taken now. Its noise is that of a tenth of a second at most, in
which each of its pixels adds up all of the sensor's that it covers. Magnified, it shows a part of the sensor at half
its resolution: the whole of it would take too long to draw. Guesses, all three.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import optics
from sidcap.capture.simulated.scenes import MARGIN_PX, Scene
from sidcap.capture.simulated.sensor import FULL_SENSOR, Geometry, SensorParameters

LIVE_VIEW = Geometry(columns=960, rows=640, crop=(0, 0, 959, 639), label="live view", left=0, top=0)
MAGNIFIED = Geometry(columns=2736, rows=1824, crop=(0, 0, 2735, 1823), label="magnified live view", left=0, top=0)
"""What the part that is magnified is cut from."""
PICTURE_PX_PER_PX = 2
"""A 6D's pictures have 5472 x 3648 pixels, in which hosts say where that part is."""
MAGNIFICATIONS = (5, 10)
FRAME_S = 0.1
_SENSOR_PX_PER_PX = (FULL_SENSOR.columns - FULL_SENSOR.left) / LIVE_VIEW.columns
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Magnifier:
    """Which part of ``MAGNIFIED`` is shown."""

    left: int
    top: int
    columns: int
    rows: int

    @classmethod
    def at(cls, left: int, top: int, times: int) -> Self:
        """One ``times``-th of the picture each way, its corner at that pixel of it, or as near as it can be."""
        columns, rows = MAGNIFIED.columns // times, MAGNIFIED.rows // times
        left, top = left // PICTURE_PX_PER_PX, top // PICTURE_PX_PER_PX
        return cls(min(left, MAGNIFIED.columns - columns), min(top, MAGNIFIED.rows - rows), columns, rows)


_EVERYTHING = Magnifier(0, 0, LIVE_VIEW.columns, LIVE_VIEW.rows)


def render(
    scene: Scene,
    parameters: SensorParameters,
    *,
    light: float,
    iso: int,
    shutter_s: float,
    aperture: float,
    focus_steps: int,
    rng: np.random.Generator,
    magnifier: Magnifier | None = None,
) -> bytes:
    """A JPEG, 960 x 640, of a scene rendered for ``LIVE_VIEW``, or for ``MAGNIFIED`` where there is a magnifier.

    ``light`` is relative to the scene's usual light.
    """
    geometry, part, scale = (
        (LIVE_VIEW, _EVERYTHING, _SENSOR_PX_PER_PX)
        if magnifier is None
        else (MAGNIFIED, magnifier, float(PICTURE_PX_PER_PX))
    )
    disc = optics.disc(optics.defocus_radius_px(focus_steps, aperture) / scale)
    lit = optics.light_factor(geometry, slice(part.top, part.top + part.rows), aperture)
    factor = lit[:, part.left : part.left + part.columns] * np.float32(light)
    saturation_e = (parameters.white_dn(iso) - parameters.black_dn) * parameters.gain_e_per_dn(iso)
    reach = disc.shape[0] // 2
    rows, columns = (
        slice(MARGIN_PX + first - reach, MARGIN_PX + first + side + reach)
        for first, side in ((part.top, part.rows), (part.left, part.columns))
    )
    planes = []
    for gain, plane in zip(scene.white_balance, scene.radiance(rows, columns), strict=True):
        blurred = np.asarray(cv2.filter2D(plane, -1, disc), np.float32)
        e_per_s = blurred[reach : reach + part.rows, reach : reach + part.columns] * factor
        noisy = _with_noise(e_per_s, min(shutter_s, FRAME_S), scale, parameters.read_noise_e(iso), rng)
        planes.append(np.clip(noisy * (shutter_s / saturation_e), 0, 1) * gain)
    linear = np.clip(np.stack(planes[::-1], axis=-1), 0, 1)
    if magnifier is not None:
        linear = np.asarray(cv2.resize(linear, (LIVE_VIEW.columns, LIVE_VIEW.rows), interpolation=cv2.INTER_LINEAR))
    shown = (linear ** (1 / 2.2) * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", shown, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return bytes(data)


def _with_noise(
    e_per_s: NDArray[np.float32], integration_s: float, scale: float, read_noise_e: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Electrons per second as one picture measures them, photon and read noise taken as normal.

    ``scale``: how many of the sensor's pixels one of the picture's is wide.
    """
    added_s = np.float32(integration_s * scale**2)
    electrons = e_per_s * added_s
    sd = np.sqrt(electrons + np.float32((read_noise_e * scale) ** 2))
    return np.asarray((electrons + sd * rng.standard_normal(e_per_s.shape, np.float32)) / added_s, np.float32)
