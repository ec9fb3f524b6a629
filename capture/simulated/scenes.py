"""Scenes: what stands before the simulated camera, by number; dim, textured, in linear light.

Scene n is the same picture on every machine and in every session. Each shows one of six kinds of places
(:mod:`sidcap.capture.simulated.compositions`) with its own things, colours, lamps and arrangement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.simulated import canvas as painting
from sidcap.capture.simulated.canvas import LIGHT_SCALE, Canvas, Pixels, coarse, enlarged
from sidcap.capture.simulated.compositions import KINDS
from sidcap.capture.simulated.sensor import Geometry
from sidcap.data_manifest.errors import UsageError

SceneChoice = int | Literal["flat", "capped"]
"""A scene's number, an evenly lit wall, or the cap on the lens."""

MARGIN_PX = 144  # the scene beyond each side of the sensor, for displacements
# Electrons that red, green and blue pixels collect from a neutral surface in daylight, relative to green.
# The reciprocals are the white balance gains of daylight (about 2 and 1.5 on Canon bodies).
CHANNEL_RESPONSE = (0.5, 1.0, 1 / 1.5)
# A well exposed long frame, 10.08 s at f/2.8 and ISO 12800: green at 30 % of the 622 e- it holds.
MEAN_GREEN_E_PER_S = 18.5
SATURATED_E_PER_S = 61.7
SATURATED_FRACTION = 0.008


@dataclass(frozen=True)
class Scene:
    """A scene ready to be photographed. Radiance is in electrons per second and pixel at f/2.8.

    ``surface``: reflectance (coded, RGB) and emission (coded), uint8 (rows, columns, 4), the sensor's area with a
    margin of ``MARGIN_PX`` on each side. ``light``: illumination, float32 (rows/8, columns/8, 3), electrons per
    second from a white surface. ``white_balance``: gains of red, green and blue that make grey grey in its light.
    """

    surface: Pixels
    light: NDArray[np.float32]
    white_balance: tuple[float, float, float]
    e_per_s_per_light: float

    def radiance(self, rows: slice, columns: slice) -> Iterator[NDArray[np.float32]]:
        """Red, green and blue radiance, float32, of a part of the canvas."""
        codes = np.arange(256, dtype=np.uint8)
        light = self.light[coarse(rows), coarse(columns)]
        *colours, emitting = cv2.split(self.surface[rows, columns])
        emission = None
        if emitting.any():  # most of a scene does not shine by itself
            emission = _look_up(painting.emission(codes) * np.float32(self.e_per_s_per_light), emitting)
        for channel, coded in enumerate(colours):
            radiance = enlarged(light[..., channel], rows, columns)
            if emission is not None:
                radiance += emission * np.float32(CHANNEL_RESPONSE[channel])
            radiance *= _look_up(painting.reflectance(codes), coded)
            yield radiance


def render(choice: SceneChoice, geometry: Geometry) -> Scene:
    """A scene as it falls on a sensor of this geometry. Raises UsageError for one that does not exist."""
    if choice == "flat":
        return _plain(geometry, e_per_s=MEAN_GREEN_E_PER_S)
    if choice == "capped":
        return _plain(geometry, e_per_s=0.0)
    if not isinstance(choice, int) or choice < 0:
        raise UsageError(f"there is no scene {choice!r}: choose a number from 0 on, flat or capped")
    canvas = _empty_canvas(geometry, choice)
    KINDS[choice % len(KINDS)](canvas)
    return _exposed_for(canvas)


def _plain(geometry: Geometry, e_per_s: float) -> Scene:
    """The same light everywhere, from a white surface that reflects all of it: ``e_per_s`` from green."""
    canvas = _empty_canvas(geometry, seed=0)
    canvas.pixels[..., :3] = 255
    light = np.full_like(canvas.light, e_per_s) * np.array(CHANNEL_RESPONSE, np.float32)
    red, _, blue = CHANNEL_RESPONSE
    return Scene(canvas.pixels, light, white_balance=(1 / red, 1.0, 1 / blue), e_per_s_per_light=e_per_s)


def _empty_canvas(geometry: Geometry, seed: int) -> Canvas:
    return Canvas(
        visible_height_px=geometry.rows - geometry.top,
        visible_width_px=geometry.columns - geometry.left,
        left_px=geometry.left + MARGIN_PX,
        top_px=geometry.top + MARGIN_PX,
        shape_px=(geometry.rows + 2 * MARGIN_PX, geometry.columns + 2 * MARGIN_PX),
        rng=np.random.default_rng(seed),
    )


def _exposed_for(canvas: Canvas) -> Scene:
    """Choose the level of light so that a long exposure is well exposed, and the white balance for its colour."""
    response = np.array(CHANNEL_RESPONSE, np.float32)
    half = LIGHT_SCALE // 2
    codes = np.arange(256, dtype=np.uint8)
    sample = np.ascontiguousarray(canvas.pixels[half::LIGHT_SCALE, half::LIGHT_SCALE])
    seen = canvas.light + _look_up(painting.emission(codes), sample[..., 3])[..., None]
    seen = seen * _look_up(painting.reflectance(codes), sample[..., :3]) * response
    green = np.sort(seen[..., 1], axis=None)
    brightest = np.quantile(seen.max(axis=-1), 1 - SATURATED_FRACTION)
    scale = SATURATED_E_PER_S / brightest
    for _ in range(20):  # the mean counts clipped highlights as they are recorded
        scale = min(scale, MEAN_GREEN_E_PER_S / np.minimum(green, SATURATED_E_PER_S / scale).mean())
    colour = canvas.light.mean(axis=(0, 1))
    balance = colour[1] / (colour * response)
    return Scene(
        surface=canvas.pixels,
        light=canvas.light * response * np.float32(scale),
        white_balance=(float(balance[0]), 1.0, float(balance[2])),
        e_per_s_per_light=float(scale),
    )


def _look_up(table: NDArray[np.float32], codes: cv2.typing.MatLike) -> NDArray[np.float32]:
    return np.asarray(cv2.LUT(codes, table), np.float32)
