"""Small pictures of each scene: the long, and its darkest short amplified to the same brightness, developed alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.curate.report.contents import Contents, PairOf
from sidcap.curate.report.words import seconds
from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.pages.document import Block, Gallery, Picture, Section, Words, evenly
from sidcap.data_manifest.raw import develop, develop_amplified
from sidcap.data_manifest.words import counted

MOST_SCENES: Final = 32
"""Of more, these are chosen, evenly spread: a contact sheet is looked at, and 20 megapixels take seconds to develop."""
_WIDTH_PX: Final = 320
_QUALITY: Final = 74
_WORKERS: Final = 2
"""Developing a full frame takes a few hundred megabytes."""

_Scene = tuple[Picture, Picture]
"""The long, and the amplified short."""


def contact_sheet(contents: Contents, most_bytes: int) -> Section:
    """The sheet, as many scenes of it as fit into ``most_bytes`` of the report, and how many that are."""
    candidates = [one for scene in contents.scenes if (one := _darkest(contents, scene.id)) is not None]
    with ThreadPoolExecutor(_WORKERS) as pool:  # LibRaw works outside the interpreter lock
        found = list(pool.map(lambda one: _pictures(contents, one), evenly(candidates, MOST_SCENES)))
    scenes = _fitting([pair for pair in found if not isinstance(pair, str)], most_bytes)
    problems = [problem for problem in found if isinstance(problem, str)]
    return Section("contact-sheet", "Contact sheet", tuple(_blocks(contents, scenes, problems)))


def _fitting(scenes: Sequence[_Scene], most_bytes: int) -> list[_Scene]:
    """As many as fit, evenly spread."""
    for count in range(len(scenes), 0, -1):
        chosen = evenly(scenes, count)
        if sum(picture.embedded_bytes for scene in chosen for picture in scene) <= most_bytes:
            return chosen
    return []


def _blocks(contents: Contents, pictured: Sequence[_Scene], problems: Sequence[str]) -> Iterator[Block]:
    shown, scenes = len(pictured), len(contents.scenes)
    if pictured:
        which = f"{counted(shown, 'scene')} of {scenes:,}" if shown < scenes else f"all {counted(scenes, 'scene')}"
        yield Gallery(
            f"Long, and its darkest short amplified: {which}",
            "Both are developed in the same way: the camera's white balance, no automatic brightening. The short's raw "
            "numbers are multiplied by the true ratio; pictures this small hide most of its noise.",
            tuple(picture for scene in pictured for picture in scene),
        )
    else:
        yield Words("There is no pair whose two files are there, so nothing can be shown.")
    if problems:
        yield Words("Not shown: " + "; ".join(problems), "bad")


def _darkest(contents: Contents, scene_id: int) -> PairOf | None:
    """The scene's pair with the shortest short, of those whose files are there."""
    pairs = [one for one in contents.by_scene[scene_id] if _is_there(contents, one)]
    return min(pairs, key=lambda one: one.short.exposure.true_s, default=None)


def _is_there(contents: Contents, one: PairOf) -> bool:
    frames = (one.short, one.scene.frame(one.pair.reference))
    return not any(frame.missing or not (contents.store.root / frame.path).is_file() for frame in frames)


def _pictures(contents: Contents, one: PairOf) -> _Scene | str:
    """The long and the amplified short; the problem where one of them cannot be developed."""
    long = one.scene.frame(one.pair.reference)
    try:
        of_long = develop(contents.store.path(long.path))
        of_short = develop_amplified(contents.store.path(one.short.path), one.pair.ratio.true, *one.short.levels)
    except SidcapError as error:
        return str(error).replace(f"{contents.store.root.resolve()}/", "")
    where = f"{one.scene.name} {one.scene.split.value}"
    return (
        _picture(of_long, f"{where}: long, {seconds(long.exposure.nominal_s)}", f"Scene {where}, the long exposure"),
        _picture(
            of_short,
            f"{where}: {seconds(one.short.exposure.nominal_s)} × {one.pair.ratio.true:.4g}, {one.pair.standing}",
            f"Scene {where}, its darkest short exposure, amplified",
        ),
    )


def _picture(developed: NDArray[np.uint16], caption: str, alt: str) -> Picture:
    height, width = developed.shape[:2]
    size = (_WIDTH_PX, max(1, round(height * _WIDTH_PX / width)))
    small: NDArray[Any] = cv2.resize(developed, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", (small[..., ::-1] / 257).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return Picture(encoded.tobytes(), alt, caption, size)
