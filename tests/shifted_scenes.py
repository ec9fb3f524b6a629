"""Synthetic pairs whose shift is known exactly, and the best any estimator could do with them.

A scene is drawn on a grid of half a sensor pixel, blurred as a lens and a pixel blur it, shifted by a phase ramp
(exact), and sampled by a Bayer sensor. What lies beyond the Nyquist frequency of the colour planes is kept: it aliases,
as it does in a camera. These are textures, not photographs, and the sensor is a model: Poisson shot noise, Gaussian
read noise, and where asked for a fixed pattern and clipped highlights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.noise import NoiseModel

Mosaic = NDArray[np.float32]
Shift = tuple[float, float]

MARGIN = 32
"""Sensor pixels drawn around the frame, so that a shift brings in new scene and not the other side of it."""
CFA_COLOURS = ((0, 1), (1, 2))
"""R G / G B."""
WHITE_DN = 13000.0


@dataclass(frozen=True)
class Pattern:
    """A sensor's fixed pattern, the same in every frame: electrons, whatever the exposure."""

    offset_e: Mosaic
    hot_e: Mosaic

    @classmethod
    def of_body(cls, serial: int, shape: tuple[int, int]) -> Pattern:
        """Rows and columns of 0.1 e-, photosites of 0.3 e-, and one photosite in 2000 hot by 2 to 200 e-."""
        rng = np.random.default_rng(serial)
        rows, columns = rng.normal(0, 0.1, (shape[0], 1)), rng.normal(0, 0.1, (1, shape[1]))
        offset = rows + columns + rng.normal(0, 0.3, shape)
        hot = (rng.random(shape) < 1 / 2000) * 2 * 100 ** rng.random(shape)
        return cls(offset.astype(np.float32), hot.astype(np.float32))


class Scene:
    """A textured scene of ``shape`` (H, W) sensor pixels; ``seed`` tells one from another.

    ``blur_px`` is the standard deviation of the lens's point spread: 0.5 is a sharp lens, with much of the texture
    beyond what a colour plane can resolve.
    """

    def __init__(self, shape: tuple[int, int], seed: int, *, blur_px: float = 0.6, highlights: bool = False) -> None:
        self.shape = shape
        rng = np.random.default_rng(seed)
        height, width = ((side + 2 * MARGIN) * 2 for side in shape)
        objects = _leaves(height, width, rng) * _cloud(height, width, rng)[..., None]
        if highlights:
            objects += _lamps(height, width, rng)[..., None]
        self._frequency_y = np.fft.fftfreq(height, 0.5)[:, None]
        self._frequency_x = np.fft.rfftfreq(width, 0.5)[None, :]
        seen = self._transfer(blur_px)
        spectrum = [np.fft.rfft2(objects[..., colour]) * seen for colour in range(3)]
        mean = float(self._sampled(spectrum).mean())
        self._spectrum = [colour / mean for colour in spectrum]
        self._displaced: dict[Shift, Mosaic] = {}

    def mosaic(self, shift_px: Shift = (0.0, 0.0)) -> Mosaic:
        """The noise-free mosaic, displaced right and down by ``shift_px``; its mean is about 1."""
        if shift_px not in self._displaced:
            ramp = np.exp(-2j * np.pi * (self._frequency_x * shift_px[0] + self._frequency_y * shift_px[1]))
            self._displaced[shift_px] = self._sampled([colour * ramp for colour in self._spectrum])
        return self._displaced[shift_px]

    @cached_property
    def gradients(self) -> tuple[Mosaic, Mosaic]:
        """Exact derivatives of the mosaic along x and y, per sensor pixel."""
        along_x, along_y = 2j * np.pi * self._frequency_x, 2j * np.pi * self._frequency_y
        return (
            self._sampled([colour * along_x for colour in self._spectrum]),
            self._sampled([colour * along_y for colour in self._spectrum]),
        )

    def bound_px(self, pair: Pair) -> float:
        """Cramer-Rao bound of the shift (Robinson and Milanfar 2004, with signal-dependent variance), px per axis.

        For a noise-free long, and from the pixels that are not clipped in the long of ``pair``.
        """
        seen = np.isfinite(pair.long)
        gx, gy = (gradient[seen] for gradient in self.gradients)
        variance = np.maximum(self.mosaic()[seen], 0) * pair.signal_e + pair.noise.read_noise_e**2
        xx, xy, yy = (float(np.sum(product / variance)) for product in (gx * gx, gx * gy, gy * gy))
        return float(np.sqrt((xx + yy) / 2 / (xx * yy - xy * xy))) / pair.signal_e

    def _transfer(self, blur_px: float) -> NDArray[np.float64]:
        """Lens, low-pass filter of the sensor (beams split by 0.7 px) and square photosites."""
        fx, fy = self._frequency_x, self._frequency_y
        lens = np.exp(-2 * (np.pi * blur_px) ** 2 * (fx**2 + fy**2))
        low_pass = np.cos(0.7 * np.pi * fx) * np.cos(0.7 * np.pi * fy)
        return np.asarray(lens * low_pass * np.sinc(fx) * np.sinc(fy))

    def _sampled(self, spectrum: list[NDArray[np.complex128]]) -> Mosaic:
        height, width = self.shape
        size = ((height + 2 * MARGIN) * 2, (width + 2 * MARGIN) * 2)
        mosaic = np.empty(self.shape, np.float32)
        colours = [np.fft.irfft2(colour, size) for colour in spectrum]
        inside = slice(2 * MARGIN, 2 * (MARGIN + height)), slice(2 * MARGIN, 2 * (MARGIN + width))
        for y in (0, 1):
            for x in (0, 1):
                sensor = colours[CFA_COLOURS[y][x]][inside][::2, ::2]
                mosaic[y::2, x::2] = sensor[y::2, x::2]
        return mosaic


@dataclass(frozen=True)
class Pair:
    """A simulated long and short, and the truth about them."""

    long: Mosaic
    short: Mosaic
    noise: NoiseModel
    signal_e: float
    """Mean of the short, electrons a pixel."""
    ratio: float
    shift_px: Shift


def make_pair(
    scene: Scene,
    *,
    signal_e: float,
    shift_px: Shift = (0.0, 0.0),
    ratio: float = 100.0,
    noise: NoiseModel | None = None,
    pattern: Pattern | None = None,
    seed: int = 0,
) -> Pair:
    """Expose ``scene`` twice: the short has ``signal_e`` electrons a pixel on average, the long ``ratio`` times that.

    Clipped pixels are NaN.
    """
    noise = noise or fitting_noise(signal_e, ratio)
    rng = np.random.default_rng(seed)
    long = _exposed(scene.mosaic() * signal_e * ratio, noise, pattern, rng)
    short = _exposed(scene.mosaic(shift_px) * signal_e, noise, pattern, rng)
    return Pair(long, short, noise, signal_e, ratio, shift_px)


def fitting_noise(signal_e: float, ratio: float) -> NoiseModel:
    """The most sensitive setting, up to that of ISO 12800, at which little of the long clips."""
    return NoiseModel(gain_e_per_dn=max(0.0482, 4 * signal_e * ratio / WHITE_DN), read_noise_e=1.9)


def _exposed(signal_e: Mosaic, noise: NoiseModel, pattern: Pattern | None, rng: np.random.Generator) -> Mosaic:
    electrons = rng.poisson(np.maximum(signal_e, 0)) + rng.normal(0, noise.read_noise_e, signal_e.shape)
    if pattern is not None:
        electrons += pattern.offset_e + pattern.hot_e
    dn = np.rint(electrons / noise.gain_e_per_dn)
    return np.where(dn < WHITE_DN, dn, np.nan).astype(np.float32)


def _leaves(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Dead leaves: opaque discs of all sizes and of correlated colours, sharp-edged (Lee, Mumford and Huang 2001)."""
    canvas = np.full((height, width, 3), 0.5)
    for _ in range(height * width // 150):
        radius = int(2 / np.sqrt(rng.uniform(2e-4, 1)))
        centre = int(rng.integers(width)), int(rng.integers(height))
        colour = rng.uniform(0.1, 1) * np.array([0.5, 1.0, 0.7]) * rng.uniform(0.7, 1.3, 3)
        cv2.circle(canvas, centre, radius, tuple(colour), -1)
    return canvas


def _cloud(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth uneven light, a factor of two or so across the frame."""
    coarse = rng.normal(0, 0.35, (5, 7))
    return np.asarray(np.exp(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)))


def _lamps(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A few lamps, a hundred times brighter than the scene."""
    canvas = np.zeros((height, width))
    for _ in range(6):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(canvas, centre, int(rng.integers(4, 20)), 60.0, -1)
    return canvas
