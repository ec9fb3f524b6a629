"""The canvas scenes are painted on: reflectance in 8 bits, light in floating point.

Coordinates are in units of the visible frame's height: (0, 0) is the upper left corner of the frame, (width, 1)
the lower right one. The canvas is larger than the frame by a margin, so that the frame can be displaced over it.

Radiance at a pixel is reflectance x (light + emission). Reflectance and emission are painted anti-aliased at full
resolution into four 8-bit channels; the light, which varies smoothly, is kept at an eighth of it. That is what makes
20 million pixels of three colours affordable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Rgb = tuple[float, float, float]
Pixels = NDArray[np.uint8]

LIGHT_SCALE = 8  # pixels of the canvas per pixel of the light, along each axis
GAMMA = 2.2  # of the coded reflectance
_FRACTION_BITS = 4  # cv2 draws at sixteenths of a pixel
_ROWS_PER_STRIP = 32  # keeps what is painted at a time inside the second-level cache
_NEUTRAL = 128  # a texture's value that changes nothing

# Linear sRGB to white-balanced camera RGB: the EOS 6D's colour matrix in LibRaw (by Adobe), rows normalised to 1.
SRGB_TO_CAMERA = ((0.5674, 0.3808, 0.0518), (0.0838, 0.7215, 0.1947), (0.0247, 0.2426, 0.7327))


def reflectance(code: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reflectance 0..1 that an 8-bit code stands for."""
    return ((code / 255) ** GAMMA).astype(np.float32)


def emission(code: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Light that a surface adds by itself, in units of a well lit scene's light (0..40)."""
    return (40 * (code / 255) ** 3).astype(np.float32)


def coarse(part: slice) -> slice:
    """The samples of the light that :func:`enlarged` needs for this part of the rows or columns."""
    return slice((part.start - LIGHT_SCALE // 2) // LIGHT_SCALE, (part.stop - 1 + LIGHT_SCALE // 2) // LIGHT_SCALE + 1)


def coarse_positions_px(part: slice) -> NDArray[np.float64]:
    """Where the centres of these samples are, in pixels."""
    samples = coarse(part)
    return (np.arange(samples.start, samples.stop) + 0.5) * LIGHT_SCALE - 0.5


def enlarged(samples: NDArray[np.float32], rows: slice, columns: slice) -> NDArray[np.float32]:
    """Interpolate the :func:`coarse` samples of some rows and columns linearly to full resolution."""
    # Across on the few coarse rows, where it costs little; then down by eighths of the step to the next row.
    wide = cv2.resize(samples, None, fx=LIGHT_SCALE, fy=1, interpolation=cv2.INTER_LINEAR)
    left = columns.start - coarse(columns).start * LIGHT_SCALE
    wide = np.asarray(wide, np.float32)[:, left : left + columns.stop - columns.start]
    part = ((np.arange(LIGHT_SCALE) + 0.5) / LIGHT_SCALE).astype(np.float32)
    large = (wide[1:] - wide[:-1])[:, None] * part[:, None]
    large += wide[:-1, None]
    top = rows.start - coarse(rows).start * LIGHT_SCALE - LIGHT_SCALE // 2
    return large.reshape(-1, wide.shape[1])[top : top + rows.stop - rows.start]


@lru_cache(maxsize=4096)
def _code(colour: Rgb, light: float) -> tuple[int, int, int, int]:
    """The four bytes of a surface of this sRGB colour that shines by itself with ``light``."""
    r, g, b = (min(max(c, 0.0), 1.0) ** GAMMA for c in colour)
    camera = (row[0] * r + row[1] * g + row[2] * b for row in SRGB_TO_CAMERA)
    red, green, blue = (round(255 * c ** (1 / GAMMA)) for c in camera)
    return red, green, blue, emission_code(light)


def emission_code(light: float) -> int:
    """Inverse of :func:`emission`, clipped to what 8 bits hold."""
    return int(255 * min(max(light / 40, 0.0), 1.0) ** (1 / 3) + 0.5)


class Canvas:
    """A picture in the making: ``pixels`` (rows, columns, RGB and emission), ``light`` (rows/8, columns/8, RGB)."""

    def __init__(
        self,
        *,
        visible_height_px: int,
        visible_width_px: int,
        left_px: int,
        top_px: int,
        shape_px: tuple[int, int],
        rng: np.random.Generator,
    ) -> None:
        self.rng = rng
        self.width = visible_width_px / visible_height_px
        self.unit_px = visible_height_px
        self._origin_px = (left_px, top_px)
        rows, columns = (-(-n // LIGHT_SCALE) for n in shape_px)
        self.pixels: Pixels = np.zeros((rows * LIGHT_SCALE, columns * LIGHT_SCALE, 4), np.uint8)
        self.light: NDArray[np.float32] = np.zeros((rows, columns, 3), np.float32)
        self._u = ((np.arange(columns, dtype=np.float32) + 0.5) * LIGHT_SCALE - left_px) / self.unit_px
        self._v = ((np.arange(rows, dtype=np.float32)[:, None] + 0.5) * LIGHT_SCALE - top_px) / self.unit_px
        self.bleed = max(left_px, top_px) / self.unit_px + 0.05  # how far a background must reach past the frame

    # Paint

    def polygon(self, points: Iterable[Point], colour: Rgb, light: float = 0.0) -> None:
        """Fill a polygon with an sRGB ``colour`` (0..1); ``light`` makes it shine by itself."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], _code(colour, light), cv2.LINE_AA, _FRACTION_BITS)

    def rectangle(self, u0: float, v0: float, u1: float, v1: float, colour: Rgb, light: float = 0.0) -> None:
        self.polygon(((u0, v0), (u1, v0), (u1, v1), (u0, v1)), colour, light)

    def ellipse(self, centre: Point, axes: Point, colour: Rgb, light: float = 0.0, angle_deg: float = 0.0) -> None:
        ((u, v),) = self._fixed([centre])
        a, b = (max(round(r * self.unit_px * (1 << _FRACTION_BITS)), 8) for r in axes)
        code = _code(colour, light)
        cv2.ellipse(self.pixels, (int(u), int(v)), (a, b), angle_deg, 0, 360, code, -1, cv2.LINE_AA, _FRACTION_BITS)

    def stroke(self, points: Iterable[Point], colour: Rgb, thickness: float, light: float = 0.0) -> None:
        """A line through ``points``, at least a pixel thick."""
        self.strokes([points], colour, thickness, light)

    def strokes(self, lines: Iterable[Iterable[Point]], colour: Rgb, thickness: float, light: float = 0.0) -> None:
        """Several lines of the same kind."""
        pixels = max(round(thickness * self.unit_px), 1)
        fixed = [self._fixed(line) for line in lines]
        cv2.polylines(self.pixels, fixed, False, _code(colour, light), pixels, cv2.LINE_AA, _FRACTION_BITS)

    def texture(self, points: Sequence[Point], tile: Pixels) -> None:
        """Multiply the reflectance inside a polygon by a repeated single-channel ``tile`` (128 is unchanged)."""
        x, y, w, h = self._bounds(points)
        if w <= 0 or h <= 0:
            return
        repeats = -(-h // tile.shape[0]), -(-w // tile.shape[1])
        self._multiply(points, (x, y), np.tile(tile, repeats)[:h, :w])

    def texture_in_perspective(self, quad: Sequence[Point], tile: Pixels, repeats: tuple[int, int]) -> None:
        """Lay ``tile`` into ``quad`` (corners clockwise from the upper left), repeated (across, down) times."""
        x, y, w, h = self._bounds(quad)
        if w <= 0 or h <= 0:
            return
        tiles = np.tile(tile, repeats[::-1])
        down, across = tiles.shape
        source = np.array([(0, 0), (across, 0), (across, down), (0, down)], np.float32)
        target = self._fixed(quad).astype(np.float32) / (1 << _FRACTION_BITS) - np.array([x, y], np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        warped = cv2.warpPerspective(tiles, matrix, (w, h), borderMode=cv2.BORDER_REPLICATE)
        self._multiply(quad, (x, y), np.asarray(warped, np.uint8))

    # Light

    def ambient(self, colour: Rgb, top: float = 1.0, bottom: float = 1.0) -> None:
        """Light everywhere, fading linearly from ``top`` to ``bottom``."""
        level = top + (bottom - top) * np.clip(self._v, 0, 1)
        self.light += level[..., None] * np.array(colour, np.float32)

    def lamp(self, centre: Point, colour: Rgb, power: float, reach: float) -> None:
        """A light source near the picture plane: ``power`` at ``centre``, a half of it at ``reach``."""
        distance2 = (self._u - centre[0]) ** 2 + (self._v - centre[1]) ** 2
        self.light += (power / (1 + distance2 / reach**2))[..., None] * np.array(colour, np.float32)

    def pool(self, points: Iterable[Point], colour: Rgb, power: float, softness: float) -> None:
        """Light that falls into a polygon with soft edges."""
        where, mask = self._soft(points, softness)
        self.light[where] += power * mask * np.array(colour, np.float32)

    def shadow(self, points: Iterable[Point], strength: float, softness: float) -> None:
        """Take away a part ``strength`` of the light inside a polygon with soft edges."""
        where, mask = self._soft(points, softness)
        self.light[where] *= 1 - strength * mask

    # Helpers of the above

    def _soft(self, points: Iterable[Point], softness: float) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
        """A part of the light, and how far (0..1) each of its samples lies in the polygon with soft edges."""
        sigma = max(softness * self.unit_px / LIGHT_SCALE, 0.7)
        fixed = np.round(self._fixed(points) / LIGHT_SCALE).astype(np.int32)
        around = int(3 * sigma) + 2
        low = np.maximum((fixed.min(axis=0) >> _FRACTION_BITS) - around, 0)
        high = np.minimum((fixed.max(axis=0) >> _FRACTION_BITS) + around, self.light.shape[1::-1])
        width, height = np.maximum(high - low, 0)
        where = slice(low[1], low[1] + height), slice(low[0], low[0] + width)
        mask = np.zeros((height, width), np.float32)
        if mask.size:
            inside = (fixed - (low << _FRACTION_BITS)).astype(np.int32)
            filled = cv2.fillPoly(mask.astype(np.uint8), [inside], 255, cv2.LINE_AA, _FRACTION_BITS)
            mask = np.asarray(cv2.GaussianBlur(filled.astype(np.float32) / 255, (0, 0), sigma), np.float32)
        return where, mask[..., None]

    def _fixed(self, points: Iterable[Point]) -> NDArray[np.int32]:
        """Points in cv2's fixed-point pixels; a pixel's centre is at its integer coordinate."""
        scale = self.unit_px * (1 << _FRACTION_BITS)
        left, top = ((px - 0.5) * (1 << _FRACTION_BITS) for px in self._origin_px)
        return np.array([(round(u * scale + left), round(v * scale + top)) for u, v in points], np.int32)

    def _bounds(self, points: Iterable[Point]) -> tuple[int, int, int, int]:
        """x, y, width and height in pixels of what of the polygon lies on the canvas."""
        fixed = self._fixed(points) / (1 << _FRACTION_BITS)
        low = np.maximum(np.floor(fixed.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(fixed.max(axis=0)).astype(int) + 1, self.pixels.shape[1::-1])
        return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])

    def _multiply(self, points: Iterable[Point], origin: tuple[int, int], factor: Pixels) -> None:
        x, y = origin
        h, w = factor.shape
        mask = np.zeros((h, w), np.uint8)
        inside = self._fixed(points) - (np.array(origin) << _FRACTION_BITS)
        cv2.fillPoly(mask, [inside.astype(np.int32)], 255, cv2.LINE_8, _FRACTION_BITS)
        view = self.pixels[y : y + h, x : x + w]
        for top in range(0, h, _ROWS_PER_STRIP):
            strip = slice(top, top + _ROWS_PER_STRIP)
            colour = np.where(mask[strip], factor[strip], np.uint8(_NEUTRAL))
            unchanged = np.full_like(colour, _NEUTRAL)
            cv2.multiply(view[strip], cv2.merge((colour, colour, colour, unchanged)), view[strip], scale=1 / _NEUTRAL)
