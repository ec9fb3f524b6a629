"""Is a dataset what it says it is? Structure, checksums, and whether every raw file decodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath

from sidcap.data_manifest.calibration_frames import FOLDERS
from sidcap.data_manifest.errors import ManifestError, RawError
from sidcap.data_manifest.naming import parse_frame_name
from sidcap.data_manifest.raw import read_raw
from sidcap.data_manifest.schema import Calibration, CalibrationFrame, Frame, Record, Scene
from sidcap.data_manifest.sensor import read_maps
from sidcap.data_manifest.store import MAPS_FOLDER, Store, sha256_of

_RESTORE = "restore it from a copy; `sidcap recover FOLDER` looks for one on a card or elsewhere"
_NEVER_THERE = "missing: it was not there, or broken, when it was imported; put it there and import again"
FRAME_FOLDERS = ("long", "short", "discarded", *FOLDERS.values())


class Finding(Record):
    """One thing that is wrong."""

    path: str
    """The file, relative to the dataset."""
    problem: str
    """What is wrong and what to do, in one line."""
    missing: bool = False
    """True where the file was not there when its frame was imported."""


class Report(Record):
    """What `validate` found."""

    scenes: int
    frames: int
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """True where nothing is wrong."""
        return not self.findings


def validate(store: Store, on_frame: Callable[[int, int], None] = lambda _done, _total: None) -> Report:
    """Check every scene file, and every frame's size, checksum and decodability.

    ``on_frame(done, total)`` is called after each frame. Nothing is changed, and nothing found stops the check.
    """
    scenes: list[Scene] = []
    findings: list[Finding] = []
    scene_ids = store.scene_ids()
    for scene_id in scene_ids:
        try:
            scenes.append(store.scene(scene_id))
        except ManifestError as error:
            path = f"scenes/{scene_id:05d}.json"
            findings.append(Finding(path=path, problem=str(error).removeprefix(f"{store.root / path}").lstrip(": ")))
    frames: list[Frame | CalibrationFrame] = [frame for scene in scenes for frame in scene.all_frames]
    try:
        calibration = store.calibration()
        frames += calibration.frames
        findings += _broken_maps(store, calibration)
    except ManifestError as error:
        findings.append(Finding(path="calibration/calibration.json", problem=str(error)))
    findings += [finding for scene in scenes for finding in _incomplete(scene)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # LibRaw and hashlib both work outside the interpreter lock
        for done, problem in enumerate(pool.map(lambda frame: frame_problem(store, frame), frames), start=1):
            if problem is not None:
                missing = problem == _NEVER_THERE
                findings.append(Finding(path=frames[done - 1].path, problem=problem, missing=missing))
            on_frame(done, len(frames))
    if len(scenes) == len(scene_ids):  # a scene file that cannot be read may name any of them
        interrupted = {scene.id for scene in scenes if not scene.complete}
        findings += _strangers(store, {frame.path for frame in frames}, interrupted)
    return Report(scenes=len(scenes), frames=len(frames), findings=tuple(findings))


def frame_problem(store: Store, frame: Frame | CalibrationFrame) -> str | None:
    """Why a frame cannot be used; None where it is as its record says."""
    problem = file_problem(store, frame)
    if problem is None:
        try:
            read_raw(store.path(frame.path))
        except RawError as error:
            return str(error).removeprefix(f"{store.root.resolve() / frame.path}: ")
    return problem


def file_problem(store: Store, frame: Frame | CalibrationFrame) -> str | None:
    """Why a frame's file is not the one of its record; None where it is, byte for byte."""
    if isinstance(frame, Frame) and frame.missing:
        return _NEVER_THERE
    try:
        path = store.path(frame.path)
        if not path.is_file():
            return f"is missing: {_RESTORE}"
        if (size := path.stat().st_size) != frame.size_bytes:
            return f"has {size} bytes instead of {frame.size_bytes}: {_RESTORE}"
        if sha256_of(path) != frame.sha256:
            return f"fails its checksum: {_RESTORE}"
    except ManifestError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror}): check the disk"
    return None


def _incomplete(scene: Scene) -> Iterator[Finding]:
    if not scene.complete:
        problem = "is incomplete: its bracket was interrupted; `sidcap shoot --resume` completes it"
        yield Finding(path=f"scenes/{scene.name}.json", problem=problem)


def _broken_maps(store: Store, calibration: Calibration) -> Iterator[Finding]:
    """Maps that cannot be used, and files among the maps that no record names."""
    maps = [record.maps for record in calibration.sensors if record.maps is not None]
    for map_file in maps:
        try:
            read_maps(store.path(map_file.path), map_file)
        except ManifestError as error:
            yield Finding(path=map_file.path, problem=str(error).removeprefix(f"{map_file.path} "))
    known = {map_file.path for map_file in maps}
    for path in sorted((store.root / MAPS_FOLDER).glob("[!.]*")):
        if (relative := path.relative_to(store.root).as_posix()) not in known:
            yield Finding(path=relative, problem="belongs to no calibration: delete it")


def _strangers(store: Store, known: set[str], interrupted: set[int]) -> Iterator[Finding]:
    """Files in the frame folders that no scene names. Those of an interrupted scene are still to be looked into."""
    for folder in sorted({*FRAME_FOLDERS, *(PurePosixPath(path).parent.as_posix() for path in known)}):
        for path in sorted(Path(store.root / folder).glob("[!.]*")):
            relative = path.relative_to(store.root).as_posix()
            if path.is_file() and relative not in known:
                problem = "belongs to no scene: move it away"
                if _scene_of(path) in interrupted:
                    problem = "was not looked into yet: leave it there, `sidcap shoot --resume` does"
                yield Finding(path=relative, problem=problem)


def _scene_of(path: Path) -> int | None:
    """The scene that a frame's name tells; None for names that SID would not give."""
    with suppress(ManifestError):
        return parse_frame_name(path.name).scene
    return None
