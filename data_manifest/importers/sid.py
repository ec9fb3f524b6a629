"""Datasets in the layout of See-in-the-Dark (Chen et al., CVPR 2018), as their authors and others shoot them.

A folder holds ``Sony/long`` and ``Sony/short`` (or another camera's name, or ``long`` and ``short`` themselves), with
files under SID names, and mostly lists of pairs. The raw files stay where they are, and the manifest is written beside
them. Where there is a list, it says which pairs there are, whether their files are there or not; where there is none,
every short of a scene is paired with the scene's long.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from sidcap.data_manifest.apex import open_seconds, true_seconds
from sidcap.data_manifest.errors import ManifestError, RawError, SidcapError, UsageError
from sidcap.data_manifest.importers.sid_list import LIST_PATTERN, ListedPair, read_lists
from sidcap.data_manifest.naming import parse_frame_name, split_of
from sidcap.data_manifest.raw import RawFrame, read_raw
from sidcap.data_manifest.schema import CameraBody, Exposure, Frame, Iso, ListRow, Pair, Ratio, Record, Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.validate import Finding
from sidcap.data_manifest.words import Split

Role = Literal["long", "short"]
ROLES: tuple[Role, Role] = ("long", "short")
_THIRD_STOP = 1 / 3


class ImportReport(Record):
    """What an import found and did."""

    dataset: Path
    """The dataset's folder."""
    scenes: int
    """Scenes that the folder's lists and files make up, as all that follows: what was there before counts, too."""
    pairs: int
    frames: int
    read: int
    """Frames that were read now and not before."""
    missing: int
    """Frames without a file that can be used."""
    unlisted: int
    """Files with SID names that no list names; they are left alone."""
    findings: tuple[Finding, ...]
    """Files that cannot be used, and what is odd about others."""


@dataclass(frozen=True)
class _Member:
    """A frame that a scene is to have."""

    role: Role
    name: str
    path: str
    """In the dataset."""
    row: ListRow | None = None

    @property
    def key(self) -> str:
        return f"{self.role}/{self.name}"

    @property
    def nominal_s(self) -> float:
        return parse_frame_name(self.name).seconds


@dataclass
class _ScenePlan:
    """A scene as lists and folders have it, by ``long/NAME`` and ``short/NAME``."""

    id: int
    members: dict[str, _Member] = field(default_factory=dict)
    """In the order of the scene's frames."""
    pairs: dict[tuple[str, str], ListRow | None] = field(default_factory=dict)
    """Short and long."""

    def add(self, short: _Member, long: _Member, row: ListRow | None) -> None:
        self.members.setdefault(long.key, long)
        self.members.setdefault(short.key, short)
        self.pairs[short.key, long.key] = row


@dataclass(frozen=True)
class _Layout:
    """How a folder is laid out."""

    folder: Path
    camera: str
    """The sub-folder that holds ``long`` and ``short``; empty where the folder itself does."""
    listed: list[ListedPair]

    def path(self, role: Role, name: str = "") -> str:
        """A file's path, relative to the folder."""
        return "/".join(part for part in (self.camera, role, name) if part)


def import_sid(
    folder: Path, dataset: Path | None = None, on_frame: Callable[[int, int], None] = lambda _done, _total: None
) -> ImportReport:
    """Make a dataset of what ``folder`` holds, in place; or in ``dataset``, with hard links to the raw files.

    Importing again adds what came new and reads files that were missing; all else stays as it is, verdicts and notes
    too. Scenes are written one by one, so that an import that was interrupted goes on where it was.
    ``on_frame(done, total)`` is called after each frame that is read.

    Raises:
        UsageError: there is nothing to import, more than one camera, or a dataset that sidcap shot.
        ManifestError: a list has a wrong line, or the dataset cannot be read or written.
    """
    layout = _layout(folder)
    _must_not_be_shot(Store(dataset or folder))
    store = Store.beside(dataset or folder)
    for role in ROLES:
        store.path(layout.path(role))  # refuses a folder that is a link to elsewhere
    with store.claimed():
        return _Import(store, layout, on_frame).run()


class _Import:
    """One run of `import_sid`."""

    def __init__(self, store: Store, layout: _Layout, on_frame: Callable[[int, int], None]) -> None:
        self.store = store
        self.layout = layout
        self.before = {scene.id: scene for scene in store.scenes()}
        self.on_frame = on_frame
        self.findings: list[Finding] = []
        self.unlisted = 0

    def run(self) -> ImportReport:
        plans = self._planned()
        pool = ThreadPoolExecutor(os.cpu_count())  # LibRaw and hashlib both work outside the interpreter lock
        try:
            readings = {
                plan.id: {key: pool.submit(self._read, member) for key, member in self._to_read(plan).items()}
                for plan in plans
            }
            total, done = sum(len(reading) for reading in readings.values()), 0
            scenes, read = [], 0
            for plan in plans:
                frames: dict[str, Frame] = {}
                for key, future in readings[plan.id].items():
                    frames |= self._found(plan.members[key], future)
                    self.on_frame(done := done + 1, total)
                scenes.append(self._save(plan, frames))
                read += len(frames)
        finally:
            pool.shutdown(cancel_futures=True)
        frames_now = [frame for scene in scenes for frame in scene.frames]
        return ImportReport(
            dataset=self.store.root,
            scenes=sum(bool(scene.frames) for scene in scenes),
            pairs=sum(len(scene.pairs) for scene in scenes),
            frames=len(frames_now),
            read=read,
            missing=sum(frame.missing for frame in frames_now),
            unlisted=self.unlisted,
            findings=tuple(self.findings),
        )

    # What there should be.

    def _planned(self) -> list[_ScenePlan]:
        names = {role: self._sid_names(role) for role in ROLES}
        plans = self._from_lists(names) if self.layout.listed else self._from_names(names)
        return sorted(plans, key=lambda plan: plan.id)

    def _sid_names(self, role: Role) -> list[str]:
        """The files with SID names in a folder; all others are named."""
        names = []
        for path in sorted((self.layout.folder / self.layout.path(role)).glob("[!.]*")):
            try:
                split_of(parse_frame_name(path.name).scene)
                names.append(path.name)
            except ManifestError as error:
                self._find(self.layout.path(role, path.name), f"left alone: {error}")
        return names

    def _from_lists(self, names: dict[Role, list[str]]) -> Iterable[_ScenePlan]:
        plans: dict[int, _ScenePlan] = {}
        for pair in self.layout.listed:
            plan = plans.setdefault(pair.scene, _ScenePlan(pair.scene))
            plan.add(self._member("short", pair.short, pair.row), self._member("long", pair.long, pair.row), pair.row)
        listed = {key for plan in plans.values() for key in plan.members}
        self.unlisted = sum(f"{role}/{name}" not in listed for role in ROLES for name in names[role])
        return plans.values()

    def _from_names(self, names: dict[Role, list[str]]) -> Iterable[_ScenePlan]:
        of_scene: dict[int, dict[Role, list[_Member]]] = defaultdict(lambda: {"long": [], "short": []})
        for role in ROLES:
            for name in names[role]:
                of_scene[parse_frame_name(name).scene][role].append(self._member(role, name))
        for scene, members in of_scene.items():
            if not members["long"] or not members["short"]:
                lacking = "short" if members["long"] else "long"
                self._find(f"scene {scene:05d}", f"left out: it has no {lacking}")
                continue
            plan = _ScenePlan(scene)
            reference = min(members["long"], key=_as_reference)
            for short in members["short"]:
                plan.add(short, reference, None)
            plan.members |= {long.key: long for long in members["long"]}
            yield plan

    def _member(self, role: Role, name: str, row: ListRow | None = None) -> _Member:
        return _Member(role, name, self.layout.path(role, name), row)

    # What there is.

    def _to_read(self, plan: _ScenePlan) -> dict[str, _Member]:
        """The scene's files that are there and not in the manifest yet."""
        scene = self.before.get(plan.id)
        known = {_key(frame) for frame in scene.frames if not frame.missing} if scene else set()
        return {key: m for key, m in plan.members.items() if key not in known and self._source(m).is_file()}

    def _source(self, member: _Member) -> Path:
        """The file in the dataset, or the one that it is yet to be linked to."""
        path = self.store.path(member.path)
        return path if path.is_file() else self.layout.folder / member.path

    def _read(self, member: _Member) -> Frame:
        source, path = self._source(member), self.store.path(member.path)
        frame = _frame(member, read_raw(source), source)
        if not path.is_file():
            _link(source, path)
        return frame

    def _found(self, member: _Member, reading: Future[Frame]) -> dict[str, Frame]:
        """The frame by its key; nothing, and a finding, where it cannot be used."""
        try:
            frame = reading.result()
        except SidcapError as error:
            self._find(member.path, str(error).removeprefix(f"{self._source(member)}: "))
            return {}
        except OSError as error:
            self._find(member.path, f"cannot be read ({error.strerror}): check the disk")
            return {}
        except ValidationError as error:
            self._find(member.path, f"says impossible things of itself ({error.errors()[0]['msg']}): it cannot be used")
            return {}
        claimed_s, told_s = frame.exposure.nominal_s, frame.exposure.exif_s
        if told_s is not None and abs(math.log2(told_s / claimed_s)) > _THIRD_STOP:
            self._find(member.path, f"its EXIF says {told_s:g} s, its name {claimed_s:g} s: its EXIF is believed")
        return {member.key: frame}

    def _save(self, plan: _ScenePlan, read: dict[str, Frame]) -> Scene:
        """Write what changed; gives the scene as it is now, without frames where nothing of it can be used."""
        for camera in dict.fromkeys(frame.camera for frame in read.values()):
            if camera not in self.store.dataset().cameras:
                self.store.add_camera(camera)
        with self.store.locked():
            scene = _new_scene(plan.id)
            if self.store.scene_path(plan.id).exists():
                scene = self.store.scene(plan.id)
            merged = _merged(scene, plan, read)
            if merged != scene:
                self.store.save_scene(merged)
        return merged

    def _find(self, path: str, problem: str) -> None:
        self.findings.append(Finding(path=path, problem=problem))


def _layout(folder: Path) -> _Layout:
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}: name the one that holds long and short, or SID's lists")
    listed = read_lists(_lists(folder))
    named = {pair.row.folder for pair in listed}
    inside = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and _has_frame_folders(path)]
    bare = _has_frame_folders(folder)
    if not named and not inside and not bare:
        raise UsageError(f"{folder} holds neither folders long and short nor SID's lists ({LIST_PATTERN})")
    cameras = sorted({*named, *inside})
    if len(cameras) > 1:
        raise UsageError(
            f"{folder} holds frames of {' and '.join(cameras)}, whose scenes have the same numbers: import "
            f"each by itself, `sidcap import sid {folder / cameras[0]}`; its lists may stay beside that folder"
        )
    if bare and inside:
        raise UsageError(f"{folder} holds long and short, and so does {inside[0]} in it: import one of them by itself")
    is_the_cameras_own = bare or (not inside and cameras == [folder.resolve().name])
    camera = "" if is_the_cameras_own else "".join(cameras)
    return _Layout(folder, camera, listed)


def _lists(folder: Path) -> list[Path]:
    """The lists in a folder; else those beside it that bear its name, as SID's lie beside ``Sony`` and ``Fuji``."""
    inside = sorted(folder.glob(LIST_PATTERN))
    beside = [folder.resolve().parent / f"{folder.resolve().name}_{split}_list.txt" for split in Split]
    return inside or [path for path in beside if path.is_file()]


def _has_frame_folders(folder: Path) -> bool:
    return any((folder / role).is_dir() for role in ROLES)


def _must_not_be_shot(store: Store) -> None:
    """Raise UsageError before anything is written, where sidcap shot a scene of the dataset or was about to."""
    if store.journal_path.exists() or any(
        not scene.complete or any(frame.release for frame in scene.all_frames) for scene in store.scenes()
    ):
        raise UsageError(
            f"{store.root} is a dataset that sidcap shot, nothing was imported: "
            "`sidcap recover` brings lost frames back, `sidcap validate` checks it"
        )


def _as_reference(long: _Member) -> tuple[int, float]:
    """The first long of a scene, the longest of these, is what its shorts are compared with."""
    return parse_frame_name(long.name).sequence, -long.nominal_s


def _key(frame: Frame) -> str:
    return f"{frame.role}/{frame.name}"


def _link(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.hardlink_to(source)
    except OSError as error:
        raise RawError(
            f"{source}: cannot be linked into the dataset ({error.strerror}): import in place, without --dataset"
        ) from error


def _frame(member: _Member, raw: RawFrame, source: Path) -> Frame:
    exif = raw.exif
    iso = exif.iso or (member.row.iso if member.row else None)
    if not iso:
        raise RawError(f"{source}: neither its EXIF nor a list tells its ISO: it cannot be used")
    return Frame(
        path=member.path,
        role=member.role,
        size_bytes=source.stat().st_size,
        sha256=sha256_of(source),
        camera=CameraBody(model=exif.model, serial=exif.serial, firmware=exif.firmware, simulated=exif.simulated),
        lens=exif.lens,
        iso=Iso(requested=None, set=iso, exif=exif.iso),
        exposure=Exposure(
            requested_s=None,
            nominal_s=member.nominal_s,
            true_s=open_seconds(exif.exposure_s or member.nominal_s, exif.shutter_speed_s),
            exif_s=exif.exposure_s or None,
        ),
        aperture=exif.aperture or (float(member.row.f_number) if member.row else None),
        start_utc=exif.taken,
        end_utc=None,
        release=None,
        settle_s=None,
        black=raw.black,
        white=raw.white,
        clipped=float(np.mean(raw.mosaic >= raw.white.dn)),
    )


def _missing_frame(member: _Member, row: ListRow) -> Frame:
    """What the list tells of a frame without a file."""
    return Frame(
        path=member.path,
        role=member.role,
        size_bytes=None,
        sha256=None,
        camera=CameraBody(model="", serial=""),
        iso=Iso(requested=None, set=row.iso),
        exposure=Exposure(requested_s=None, nominal_s=member.nominal_s, true_s=true_seconds(member.nominal_s)),
        aperture=float(row.f_number),
        start_utc=None,
        end_utc=None,
        release=None,
        settle_s=None,
        black=None,
        white=None,
    )


def _new_scene(scene: int) -> Scene:
    return Scene(id=scene, split=split_of(scene), complete=True)


def _merged(scene: Scene, plan: _ScenePlan, read: dict[str, Frame]) -> Scene:
    """The scene with what came new; what it had stays, but for frames that were missing."""
    frames = {_key(frame): frame for frame in scene.frames}
    for key, member in plan.members.items():
        if key in read:
            frames[key] = read[key]
        elif member.row and (key not in frames or frames[key].missing):
            frames[key] = _missing_frame(member, member.row)
    before = {(_key(scene.frame(pair.frame)), _key(scene.frame(pair.reference))): pair for pair in scene.pairs}
    pairs = []
    for short, long in dict.fromkeys((*before, *plan.pairs)):
        if short in frames and long in frames:
            pair = _pair(
                frames[short], frames[long], before.get((short, long)), was_read=bool(read.keys() & {short, long})
            )
            row = plan.pairs.get((short, long))
            pairs.append(pair.replace(listed=row) if row else pair)
    return scene.replace(frames=tuple(frames.values()), pairs=tuple(pairs))


def _pair(short: Frame, long: Frame, before: Pair | None, *, was_read: bool) -> Pair:
    """The pair as it was; where a frame was read only now, what was measured before is void."""
    nominal = float(f"{long.exposure.nominal_s / short.exposure.nominal_s:.3g}")  # names have two digits
    true = long.exposure.true_s * long.iso.set / (short.exposure.true_s * short.iso.set)
    ratio = Ratio(nominal=nominal, true=true)
    if before is None:
        return Pair(frame=short.path, reference=long.path, ratio=ratio)
    changes = {"ratio": ratio, "alignment": None} if was_read else {}
    return before.replace(frame=short.path, reference=long.path, **changes)
