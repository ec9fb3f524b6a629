"""Synthetic pairs whose shift is known exactly, and the best any estimator could do with them.

A scene is drawn on a grid of half a sensor pixel, blurred as a lens and a pixel blur it, shifted and turned by phase
ramps (exact), and sampled by a Bayer sensor. What lies beyond the Nyquist frequency of the colour planes is kept: it
aliases, as it does in a camera. These are textures, not photographs, and the sensor is a model: Poisson shot noise,
Gaussian read noise, and where asked for a fixed pattern and clipped highlights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.noise import NoiseModel

Mosaic = NDArray[np.float32]
Shift = tuple[float, float]

_HOT_SIGMA = 6.0
_ROWS_AT_ONCE = 512
_SHIFTS_KEPT = 4
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

    def calibrated(self, noise: NoiseModel, *, darks: int = 8, seed: int = 0) -> tuple[Mosaic, NDArray[np.bool_]]:
        """What dark frames tell of it: their mean, DN above black, and the photosites that stand out of that."""
        rng = np.random.default_rng(seed)
        nothing = np.zeros_like(self.offset_e)
        mean_dn = sum((_exposed(nothing, noise, self, rng) for _ in range(darks)), nothing) / np.float32(darks)
        above = mean_dn - np.median(mean_dn)
        return mean_dn, above > _HOT_SIGMA * 1.4826 * np.median(np.abs(above))


class Scene:
    """A textured scene of ``shape`` (H, W) sensor pixels; ``seed`` tells one from another.

    ``blur_px`` is the standard deviation of the lens's point spread: 0.5 is a sharp lens, with much of the texture
    beyond what a colour plane can resolve. ``margin_px`` are drawn around the frame, so that a shift by less brings in
    new scene and not the other side of it. ``highlights`` puts in lamps that clip in the long.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        seed: int,
        *,
        blur_px: float = 0.6,
        highlights: bool = False,
        margin_px: int = 32,
    ) -> None:
        self.shape = shape
        rng = np.random.default_rng(seed)
        self._margin = 2 * margin_px
        height, width = (cv2.getOptimalDFTSize((side + 2 * margin_px) * 2) for side in shape)
        self._size = height, width
        objects = _leaves(height, width, rng)
        objects *= _cloud(height, width, rng)[..., None]
        objects /= objects[self._inside].mean((0, 1)) @ (0.25, 0.5, 0.25)
        if highlights:
            objects += _lamps(height, width, rng)[..., None]
        self._frequency_y = np.fft.fftfreq(height, 0.5)[:, None].astype(np.float32)
        self._frequency_x = np.fft.rfftfreq(width, 0.5)[None, :].astype(np.float32)
        seen = self._transfer(blur_px)
        self._spectrum = [np.fft.rfft2(objects[..., colour]) * seen for colour in range(3)]
        self._displaced: dict[tuple[Shift, float], Mosaic] = {}

    def mosaic(self, shift_px: Shift = (0.0, 0.0), *, turn_degrees: float = 0.0) -> Mosaic:
        """The noise-free mosaic; its mean, lamps aside, is about 1.

        Displaced right and down by ``shift_px``, and turned clockwise by ``turn_degrees`` about its centre.
        """
        key = shift_px, turn_degrees
        if key not in self._displaced:
            if len(self._displaced) >= _SHIFTS_KEPT:
                self._displaced.pop(next(iter(self._displaced)))
            across = np.exp(-2j * np.pi * self._frequency_x * shift_px[0]).astype(np.complex64)
            down = np.exp(-2j * np.pi * self._frequency_y * shift_px[1]).astype(np.complex64)
            centre = [self._margin + side - 1 + 2 * by for side, by in zip(self.shape, shift_px[::-1], strict=True)]
            self._displaced[key] = self._sampled((across, down), turn_degrees, centre)
        return self._displaced[key]

    @cached_property
    def gradients(self) -> tuple[Mosaic, Mosaic]:
        """Exact derivatives of the mosaic along x and y, per sensor pixel."""
        along_x, along_y = (np.complex64(2j * np.pi) * axis for axis in (self._frequency_x, self._frequency_y))
        return self._sampled((along_x,)), self._sampled((along_y,))

    def bound_px(self, pair: Pair) -> float:
        """Cramer-Rao bound of the shift (Robinson and Milanfar 2004, with signal-dependent variance), px per axis.

        For a noise-free long, and from the pixels where the long of ``pair`` shows a gradient.
        """
        seen = shows_gradient(pair.long)
        gx, gy = (gradient[seen] for gradient in self.gradients)
        variance = np.maximum(self.mosaic()[seen], 0) * pair.signal_e + pair.noise.read_noise_e**2
        xx, xy, yy = (float(np.sum(product / variance)) for product in (gx * gx, gx * gy, gy * gy))
        return float(np.sqrt((xx + yy) / 2 / (xx * yy - xy * xy))) / pair.signal_e

    def _transfer(self, blur_px: float) -> Mosaic:
        """Lens, low-pass filter of the sensor (beams split by 0.7 px) and square photosites."""
        fx, fy = self._frequency_x, self._frequency_y
        across, down = (
            np.exp(-2 * (np.pi * blur_px * f) ** 2) * np.cos(0.7 * np.pi * f) * np.sinc(f) for f in (fx, fy)
        )
        return np.asarray(down * across, np.float32)

    @property
    def _inside(self) -> tuple[slice, slice]:
        """The frame on the grid that the scene is drawn on."""
        height, width = (slice(self._margin, self._margin + 2 * side) for side in self.shape)
        return height, width

    def _sampled(
        self,
        factors: tuple[NDArray[np.complex64], ...],
        turn_degrees: float = 0.0,
        centre: Sequence[float] = (0.0, 0.0),
    ) -> Mosaic:
        """What the sensor sees of the spectrum times ``factors``: colour by colour, for full frames are large."""
        mosaic = np.empty(self.shape, np.float32)
        for colour, spectrum in enumerate(self._spectrum):
            image = np.asarray(np.fft.irfft2(math.prod(factors, start=spectrum), self._size), np.float32)
            if turn_degrees:
                image = _turned(image, math.radians(turn_degrees), centre)
            sensor = image[self._inside][::2, ::2]
            for y, x in np.argwhere(np.equal(CFA_COLOURS, colour)):
                mosaic[y::2, x::2] = sensor[y::2, x::2]
        return mosaic


def in_front_of(background: Mosaic, thing: Mosaic, centre_px: Shift, share: float) -> Mosaic:
    """``background`` with an ellipse of ``thing`` in front that covers ``share`` of the frame; its edge is soft."""
    height, width = background.shape
    across, down = (side * math.sqrt(share / math.pi) for side in (width, height))
    y, x = np.ogrid[:height, :width]
    distance = np.hypot((x - centre_px[0]) / across, (y - centre_px[1]) / down)
    cover = 1 / (1 + np.exp(np.clip((distance - 1) * min(across, down), -50, 50)))
    return np.asarray(background + cover * (thing - background), np.float32)


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


def shows_gradient(long: Mosaic) -> NDArray[np.bool_]:
    """Where neither a pixel nor any of its eight neighbours in its plane is clipped (NaN).

    The edge of a lamp is steep, and counts for most of what the light could tell. How steep it is next to a clipped
    pixel, nobody can know.
    """
    return cv2.erode(np.isfinite(long).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_)


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
    light = scene.mosaic(), scene.mosaic(shift_px)
    return expose(*light, signal_e=signal_e, shift_px=shift_px, ratio=ratio, noise=noise, pattern=pattern, seed=seed)


def expose(
    long: Mosaic,
    short: Mosaic,
    *,
    signal_e: float,
    shift_px: Shift = (0.0, 0.0),
    ratio: float = 100.0,
    noise: NoiseModel | None = None,
    pattern: Pattern | None = None,
    seed: int = 0,
) -> Pair:
    """As `make_pair`, of two noise-free mosaics: what the long sees, and what the short sees."""
    noise = noise or fitting_noise(signal_e, ratio)
    rng = np.random.default_rng(seed)
    return Pair(
        long=_exposed(long * signal_e * ratio, noise, pattern, rng),
        short=_exposed(short * signal_e, noise, pattern, rng),
        noise=noise,
        signal_e=signal_e,
        ratio=ratio,
        shift_px=shift_px,
    )


def fitting_noise(signal_e: float, ratio: float) -> NoiseModel:
    """The most sensitive setting, up to that of ISO 12800, at which little of the long clips."""
    return NoiseModel(gain_e_per_dn=max(0.0482, 4 * signal_e * ratio / WHITE_DN), read_noise_e=1.9)


def _exposed(signal_e: Mosaic, noise: NoiseModel, pattern: Pattern | None, rng: np.random.Generator) -> Mosaic:
    electrons = rng.poisson(np.maximum(signal_e, 0)) + rng.normal(0, noise.read_noise_e, signal_e.shape)
    if pattern is not None:
        electrons += pattern.offset_e + pattern.hot_e
    dn = np.rint(electrons / noise.gain_e_per_dn)
    return np.where(dn < WHITE_DN, dn, np.nan).astype(np.float32)


def _leaves(height: int, width: int, rng: np.random.Generator) -> Mosaic:
    """Dead leaves: opaque discs of all sizes and of correlated colours, sharp-edged (Lee, Mumford and Huang 2001)."""
    canvas = np.full((height, width, 3), 0.5, np.float32)
    for _ in range(height * width // 150):
        radius = int(2 / np.sqrt(rng.uniform(2e-4, 1)))
        centre = int(rng.integers(width)), int(rng.integers(height))
        colour = rng.uniform(0.1, 1) * np.array([0.5, 1.0, 0.7]) * rng.uniform(0.7, 1.3, 3)
        cv2.circle(canvas, centre, radius, tuple(colour), -1)
    return canvas


def _cloud(height: int, width: int, rng: np.random.Generator) -> Mosaic:
    """Smooth uneven light, a factor of two or so across the frame."""
    coarse = rng.normal(0, 0.35, (5, 7)).astype(np.float32)
    return np.asarray(np.exp(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)), np.float32)


def _lamps(height: int, width: int, rng: np.random.Generator) -> Mosaic:
    """Lamps over about one in a hundred and fifty pixels, two hundred times brighter than the scene."""
    canvas = np.zeros((height, width), np.float32)
    for _ in range(max(height * width // 150_000, 1)):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(canvas, centre, int(rng.integers(4, 20)), 200.0, -1)
    return canvas


def _turned(image: Mosaic, angle: float, centre: Sequence[float]) -> Mosaic:
    """Turned clockwise about ``centre`` (y, x) by three shears (Unser, Thevenaz and Yaroslavsky, IEEE TIP 4, 1995)."""
    across, down = -math.tan(angle / 2), math.sin(angle)
    image = _sheared(image, across, centre[0])
    image = _sheared(image.T, down, centre[1]).T
    return _sheared(image, across, centre[0])


def _sheared(image: Mosaic, slope: float, centre: float) -> Mosaic:
    """Every row moved along itself, by ``slope`` times its distance from row ``centre``."""
    sheared = np.empty(image.shape, np.float32)
    frequency = np.fft.rfftfreq(image.shape[1])
    for top in range(0, image.shape[0], _ROWS_AT_ONCE):
        rows = slice(top, min(top + _ROWS_AT_ONCE, image.shape[0]))
        moved = slope * (np.arange(rows.start, rows.stop) - centre)
        ramp = np.exp(-2j * np.pi * np.outer(moved, frequency)).astype(np.complex64)
        sheared[rows] = np.fft.irfft(np.fft.rfft(image[rows]) * ramp, image.shape[1])
    return sheared
