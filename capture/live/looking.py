"""What one picture of live view tells, decoded once: histogram, clipping, sharpness; and the edges drawn into it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.capture.live.sharpness import Box, Plane, edges_in_focus, fine_detail, sharpness
from sidcap.data_manifest.errors import CameraError

BINS = 64
_WHITE = 250
"""Of 255: where a JPEG counts as white. It is developed, so the raw file has headroom, or, in one colour, less."""
_BLACK = 4
_PEAKING_COLOUR = (60, 60, 255)
"""Red: it costs the eye least of its adaptation to the dark."""
_JPEG_QUALITY = 85

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What a picture tells. ``sharpness`` are None for the first picture, or where it is too dark to tell."""

    width: int
    height: int
    sharpness: float | None
    box_sharpness: float | None
    white_share: float
    """Of the pixels that are white in at least one colour."""
    black_share: float
    """Of the pixels that are black in all colours."""
    histogram: tuple[tuple[int, ...], ...]
    """Red, green and blue: how many pixels in each of 64 steps from black to white."""


@dataclass(frozen=True)
class Picture:
    """One picture, decoded, with what is needed of the one before it."""

    pixels: Pixels = field(repr=False)
    brightness: Plane = field(repr=False)
    detail: Plane = field(repr=False)
    detail_before: Plane | None = field(repr=False)
    """None where it is the first one, or the one before had another size."""

    @classmethod
    def of(cls, jpeg: bytes, before: Picture | None) -> Picture:
        """Decode a picture. CameraError where it is none."""
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
        if pixels is None:
            raise CameraError("live view sent a picture that cannot be decoded: check the cable")
        brightness = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.float32)
        detail = fine_detail(brightness)
        comparable = before is not None and before.detail.shape == detail.shape
        return cls(np.asarray(pixels, np.uint8), brightness, detail, before.detail if before and comparable else None)

    def look(self, box: Box) -> Look:
        """Measure it, and the part of it in the box."""
        height, width = self.brightness.shape
        blue, green, red = cv2.split(self.pixels)
        brightest = np.asarray(cv2.max(cv2.max(blue, green), red))  # ten times faster than numpy's along the last axis
        return Look(
            width=width,
            height=height,
            sharpness=self._sharpness(None),
            box_sharpness=self._sharpness(box),
            white_share=float((brightest >= _WHITE).mean()),
            black_share=float((brightest <= _BLACK).mean()),
            histogram=tuple(self._histogram(channel) for channel in (2, 1, 0)),
        )

    def with_edges(self) -> bytes:
        """A JPEG of it with what is in focus drawn in red (focus peaking)."""
        shown = self.pixels
        if self.detail_before is not None:
            shown = shown.copy()
            shown[edges_in_focus(self.detail_before, self.detail, self.brightness)] = _PEAKING_COLOUR
        _, jpeg = cv2.imencode(".jpg", shown, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
        return bytes(jpeg)

    def _sharpness(self, box: Box | None) -> float | None:
        if self.detail_before is None:
            return None
        planes = (self.detail_before, self.detail, self.brightness)
        return sharpness(*(planes if box is None else (box.cut(plane) for plane in planes)))

    def _histogram(self, channel: int) -> tuple[int, ...]:
        counts = cv2.calcHist([self.pixels], [channel], None, [BINS], [0, 256])
        return tuple(int(count) for count in counts.ravel())
