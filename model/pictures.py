"""Sheets of labelled pictures, side by side, as PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.model.files import write_result
from sidcap.model.metrics import to_unit

PANEL_PX: Final = 960
_MIN_PANEL_PX = 380
_GAP_PX = 6
_LABEL_PX = 24
_PAPER = 24
_INK = (225, 225, 225)
_FONT, _FONT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.5


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet."""

    picture: NDArray[Any]
    """(H, W, 3) RGB: 16-bit, or floating point in 0..1."""
    label: str
    """Written above it; made narrower where it is wider than the picture."""


def reduced(picture: NDArray[Any], panel_px: int = PANEL_PX) -> NDArray[np.float32]:
    """``picture`` in 0..1, made smaller by averaging where it is wider than ``panel_px``."""
    height, width = picture.shape[:2]
    size = (panel_px, round(height * panel_px / width)) if width > panel_px else (width, height)
    # Reduced as it is, so that no floating-point copy of a full frame is needed.
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return to_unit(np.asarray(small))


def detailed_place(picture: NDArray[Any], size: int) -> tuple[slice, slice]:
    """Rows and columns of the square of ``size`` pixels, or less in a smaller picture, whose brightness varies most.

    Told from the reference alone: where a network does well or badly has no say in what is shown of it.
    """
    height, width = picture.shape[:2]
    size = min(size, height, width)
    places = [
        (slice(top, top + size), slice(left, left + size))
        for top in range(0, height - size + 1, size)
        for left in range(0, width - size + 1, size)
    ]
    return max(places, key=lambda place: float(picture[place].std()))


def sheet(rows: Sequence[Sequence[Panel]], panel_px: int = PANEL_PX) -> NDArray[np.uint8]:
    """(H, W, 3) 8-bit RGB: panels of one shape in rows, each under its label.

    Panels wider than ``panel_px`` are made smaller by averaging; small ones are enlarged by a whole factor, so that
    single pixels can be seen and labels have room.
    """
    height, width = rows[0][0].picture.shape[:2]
    scale = panel_px / width if width > panel_px else math.ceil(_MIN_PANEL_PX / width)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    cell_height, cell_width = round(height * scale), round(width * scale)
    pitch_y, pitch_x = cell_height + _LABEL_PX + _GAP_PX, cell_width + _GAP_PX
    columns = max(len(panels) for panels in rows)
    paper = np.full((len(rows) * pitch_y + _GAP_PX, columns * pitch_x + _GAP_PX, 3), _PAPER, np.uint8)
    for row, panels in enumerate(rows):
        for column, panel in enumerate(panels):
            top, left = row * pitch_y + _GAP_PX, column * pitch_x + _GAP_PX
            place = (left + 4, top + _LABEL_PX - 8)
            (label_width, _), _ = cv2.getTextSize(panel.label, _FONT, _FONT_SIZE, 1)
            size = _FONT_SIZE * min(1.0, (cell_width - 8) / max(label_width, 1))
            cv2.putText(paper, panel.label, place, _FONT, size, _INK, 1, cv2.LINE_AA)
            picture = cv2.resize(to_unit(panel.picture), (cell_width, cell_height), interpolation=interpolation)
            top += _LABEL_PX
            paper[top : top + cell_height, left : left + cell_width] = np.rint(picture * 255)
    return paper


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an (H, W, 3) 8-bit RGB picture and the folders above it. TrainingError where that fails."""
    _, encoded = cv2.imencode(".png", picture[..., ::-1])
    write_result(path, encoded.tobytes())
