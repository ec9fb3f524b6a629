"""Sheets of pictures that runs have on disk, made small enough for a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.pages.document import Block, Gallery, Picture, Words, evenly
from sidcap.data_manifest.words import counted
from sidcap.model.report.runs import Judgement, Run
from sidcap.model.scores import AMPLIFIED

_QUALITY = 76
_SHEET_PX = 760
_CROPS_PX = 1000
MOST_SHEETS = 8


def sample_sheets(runs: Sequence[Run], most_bytes: int) -> list[Block]:
    """The last sheet of sample crops of each run that has one."""
    pictures: list[Picture] = []
    left_out = 0
    for run in runs:
        if run.sample is None:
            continue
        what = f"Samples of {run.name}, {run.sample.stem.replace('-', ' ')}"
        picture = _picture(run.sample, _CROPS_PX, what)
        if picture is not None and _size([*pictures, picture]) <= most_bytes:
            pictures.append(picture)
        else:
            left_out += 1
    blocks: list[Block] = []
    if pictures:
        caption = "The same places of training scenes: the short amplified, the network's picture, the long."
        blocks.append(Gallery("Sample crops, after the last epochs", caption, tuple(pictures), columns=1))
    if left_out:
        blocks.append(
            Words(f"{counted(left_out, 'sheet')} of samples left out: unreadable, or too large for a report.")
        )
    return blocks


def evaluation_sheets(judgement: Judgement, most_bytes: int) -> list[Block]:
    """The sheet of crops, and as many sheets of whole pictures as fit, spread evenly over the pairs."""
    evaluation, blocks = judgement.evaluation, list[Block]()
    crops = _picture(judgement.file(evaluation.crops), _CROPS_PX, "Crops of the darkest shorts")
    if crops is not None and crops.embedded_bytes <= most_bytes:
        caption = "A detail of each scene's darkest short, enlarged: amplified, then each network, then the long."
        blocks.append(Gallery(f"Details, split {evaluation.split}", caption, (crops,), columns=1))
        most_bytes -= crops.embedded_bytes
    names = [run.name for run in evaluation.runs]
    pictures: list[Picture] = []
    for score in evenly(evaluation.scores, MOST_SHEETS):
        decibels = ", ".join(f"{name} {score.of(name).psnr_db:.2f} dB" for name in (AMPLIFIED, *names))
        what = f"{Path(score.short).stem}, ISO {score.iso}, ratio {score.ratio:.4g}: {decibels}"
        picture = _picture(judgement.file(score.sheet), _SHEET_PX, what)
        if picture is not None and _size([*pictures, picture]) <= most_bytes:
            pictures.append(picture)
    if pictures:
        title = f"Whole pictures: {len(pictures)} of {counted(len(evaluation.scores), 'pair')}"
        caption = f"In rows: the short as it is, the long, the short amplified, then {', '.join(names)}."
        blocks.append(Gallery(title, caption, tuple(pictures), columns=2))
    if not blocks:
        blocks.append(
            Words(f"The pictures of the evaluation in {judgement.path} are not there, or do not fit in here.")
        )
    return blocks


def _size(pictures: Sequence[Picture]) -> int:
    return sum(picture.embedded_bytes for picture in pictures)


def _picture(path: Path, width_px: int, what: str) -> Picture | None:
    """A PNG made smaller, as JPEG; None where it cannot be read."""
    if not path.is_file():
        return None
    sheet = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if sheet is None:
        return None
    height, width = sheet.shape[:2]
    size = (width_px, max(1, round(height * width_px / width))) if width > width_px else (width, height)
    small: NDArray[Any] = cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return Picture(encoded.tobytes(), what, what, size)
