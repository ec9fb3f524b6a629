"""What the simulated camera shows in live view: the scene at the present focus, aperture and exposure, small and noisy.

The picture is as bright as the frame that would be taken now. Its noise is that of a tenth of a second at most, in
which each of its pixels adds up all of the sensor's that it covers. Guesses, both.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import optics
from sidcap.capture.simulated.scenes import MARGIN_PX, Scene
from sidcap.capture.simulated.sensor import FULL_SENSOR, Geometry, SensorParameters

LIVE_VIEW = Geometry(columns=960, rows=640, crop=(0, 0, 959, 639), label="live view", left=0, top=0)
FRAME_S = 0.1
_SENSOR_PX_PER_PX = (FULL_SENSOR.columns - FULL_SENSOR.left) / LIVE_VIEW.columns
_JPEG_QUALITY = 80


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
) -> bytes:
    """A JPEG, 960 x 640, of a scene rendered for ``LIVE_VIEW``. ``light`` is relative to the scene's usual light."""
    disc = optics.disc(optics.defocus_radius_px(focus_steps, aperture) / _SENSOR_PX_PER_PX)
    factor = optics.light_factor(LIVE_VIEW, slice(0, LIVE_VIEW.rows), aperture) * np.float32(light)
    saturation_e = (parameters.white_dn(iso) - parameters.black_dn) * parameters.gain_e_per_dn(iso)
    reach = disc.shape[0] // 2
    rows, columns = (slice(MARGIN_PX - reach, MARGIN_PX + side + reach) for side in LIVE_VIEW.shape)
    planes = []
    for gain, plane in zip(scene.white_balance, scene.radiance(rows, columns), strict=True):
        blurred = np.asarray(cv2.filter2D(plane, -1, disc), np.float32)
        e_per_s = blurred[reach : reach + LIVE_VIEW.rows, reach : reach + LIVE_VIEW.columns] * factor
        noisy = _with_noise(e_per_s, min(shutter_s, FRAME_S), parameters.read_noise_e(iso), rng)
        planes.append(np.clip(noisy * (shutter_s / saturation_e), 0, 1) * gain)
    linear = np.clip(np.stack(planes[::-1], axis=-1), 0, 1)
    shown = (linear ** (1 / 2.2) * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", shown, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return bytes(data)


def _with_noise(
    e_per_s: NDArray[np.float32], integration_s: float, read_noise_e: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Electrons per second as one picture of live view measures them, photon and read noise taken as normal."""
    added_s = np.float32(integration_s * _SENSOR_PX_PER_PX**2)
    electrons = e_per_s * added_s
    sd = np.sqrt(electrons + np.float32((read_noise_e * _SENSOR_PX_PER_PX) ** 2))
    return np.asarray((electrons + sd * rng.standard_normal(e_per_s.shape, np.float32)) / added_s, np.float32)
