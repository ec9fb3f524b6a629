"""Pictures of a pair to look at: the long developed, the short amplified to its brightness and developed the same way.

What they are for is seeing what is there. They are 8-bit and smaller than the frames: nothing to train on.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.raw import develop, develop_amplified
from sidcap.data_manifest.schema import Frame


def preview_of_long(path: Path, width_px: int) -> bytes:
    """PNG of the developed long. RawError where it cannot be read."""
    return _png(develop(path), width_px)


def preview_of_short(path: Path, short: Frame, ratio: float, width_px: int) -> bytes:
    """PNG of the short, amplified by ``ratio``. RawError where it cannot be read."""
    black, white = short.levels
    return _png(develop_amplified(path, ratio, black, white), width_px)


def _png(rgb: NDArray[np.uint16], width_px: int) -> bytes:
    height, width = rgb.shape[:2]
    if width > width_px:
        rgb = np.asarray(cv2.resize(rgb, (width_px, round(height * width_px / width)), interpolation=cv2.INTER_AREA))
    pixels = np.rint(rgb / 257).astype(np.uint8)  # 65535 to 255
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
