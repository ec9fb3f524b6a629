"""Bring frames home that a session lost: from a card in a reader, or from the camera.

The journal knows which shots were about to be made and never came home. A file is such a shot's frame if it was not on
the card before, says the same body, ISO and exposure, and was taken between the frames that came home before and after
it. Order and distance in time are compared on the camera's own clock, which may be off by hours and harms nothing so.
What is in the dataset already is known by its checksum, and what belongs nowhere is left alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from sidcap.capture.bracket import Arrival, Bracket, unfinished
from sidcap.capture.camera import Camera
from sidcap.capture.fetching import card_file, fetch, is_whole, move, numbered, part_of
from sidcap.capture.inspection import contradiction, inspect
from sidcap.capture.journal import accounted_for
from sidcap.capture.ledger import Ledger, expectation
from sidcap.data_manifest.errors import RawError, UsageError
from sidcap.data_manifest.raw import Exif, read_exif, read_raw
from sidcap.data_manifest.schema import CameraBody, Record
from sidcap.data_manifest.store import Store, sha256_of

CLOCKS_APART = timedelta(minutes=5)
"""How far the time between two frames may differ by the camera's clock and by the journal's."""

_REASONS_TOLD = 3
_DAMAGED = "discarded/damaged"
_RAW_SUFFIXES = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dng .fff .iiq .nef .nrw .orf .pef .raf .raw .rw2 .rwl .srw".split()
)


class Outcome(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    """It is the frame of an interrupted bracket's shot."""
    RESTORED = "restored"
    """The dataset knew it, but its file was gone or damaged."""
    THERE = "already there"
    LEFT = "left alone"
    """It belongs to nothing that is missing."""


class Recovery(Record):
    """What became of one file."""

    file: str
    """On the card."""
    outcome: Outcome
    path: str | None = None
    """Where the dataset has it, or would have it, relative to its folder."""
    scene: int | None = None
    note: str = ""
    """Why, in words a photographer understands."""
    taken: datetime | None = None
    """By the camera's clock, which tells no time zone."""
    iso: int | None = None
    exposure_s: float | None = None


class Report(Record):
    """What a recovery did, or would do."""

    files: tuple[Recovery, ...]
    completed: tuple[int, ...]
    """Scenes whose brackets are complete now."""
    missing: dict[int, int]
    """Scenes whose brackets still lack frames, and how many."""


class Source(Protocol):
    """Where files come from."""

    def files(self) -> list[CandidateFile]:
        """All raw files."""

    def local(self, file: CandidateFile) -> Path:
        """The file on this computer, to be read. CameraError where it does not come."""


@dataclass(frozen=True)
class CandidateFile:
    """A raw file on a card."""

    place: str
    """Its path in the camera's words, or below the folder that was given."""
    size_bytes: int

    @property
    def tail(self) -> str:
        """What a path on the card ends with, however the card is mounted: ``100CANON/IMG_0001.CR2``."""
        return _tail(self.place)


class CardFolder:
    """A card in a reader, or a copy of one."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder: give the card's, for example /media/EOS_DIGITAL/DCIM")
        self._folder = folder.absolute()

    def files(self) -> list[CandidateFile]:
        """All raw files in the folder and below it."""
        paths = (path for path in self._folder.rglob("[!.]*") if _is_raw(path.name) and path.is_file())
        return [CandidateFile(str(path), path.stat().st_size) for path in sorted(paths)]

    def local(self, file: CandidateFile) -> Path:
        """The file itself."""
        return Path(file.place)


class CameraCard:
    """The card of a camera that is connected. Files are fetched into ``scratch`` when they are needed."""

    def __init__(self, camera: Camera, scratch: Path) -> None:
        self._camera = camera
        self._scratch = scratch

    def files(self) -> list[CandidateFile]:
        """All raw files on the card."""
        raws = (file for file in self._camera.files() if _is_raw(file.name))
        return [CandidateFile(str(file), self._camera.size(file)) for file in raws]

    def local(self, file: CandidateFile) -> Path:
        """A copy, fetched once."""
        path = self._scratch / file.tail.replace("/", "_")
        if not path.exists():
            fetch(self._camera, card_file(file.place), path)
        return path


def recover(store: Store, source: Source, *, dry_run: bool = False) -> Report:
    """Import from ``source`` what the dataset lacks. Nothing is overwritten or deleted, neither here nor there.

    With ``dry_run`` nothing is written, and the report says what would be. Raises CameraError where a camera fails on
    the way: what came until then stays, and the same call goes on.
    """
    return _Recovery(store, source, dry_run).run()


def scratch(store: Store) -> TemporaryDirectory[str]:
    """A folder for files on their way from a camera, on the dataset's disk."""
    return TemporaryDirectory(dir=store.root, prefix=".recover-")


@dataclass(frozen=True)
class _Known:
    """A file that the dataset has a record of."""

    path: str
    size_bytes: int
    sha256: str
    card: str
    scene: int | None


@dataclass(frozen=True)
class _Lost:
    """A shot that was about to be made, and whose frame never came home."""

    bracket: Bracket
    index: int
    serial: str
    on_card_before: frozenset[str]
    """Tails of the files that were on the card when the bracket was begun."""
    earliest: datetime | None
    """By the camera's clock: when the frame before it was taken."""
    latest: datetime | None
    expected: datetime | None
    """By the camera's clock, as far as the journal tells."""

    def why_not(self, file: CandidateFile, exif: Exif) -> str | None:
        """Why a file is not this shot's frame; None where it may be."""
        if file.tail in self.on_card_before:
            return "it was on the card before the bracket was begun"
        if exif.serial.lstrip("0") != self.serial.lstrip("0") and exif.serial and self.serial:
            return f"another body took it, {exif.serial}"
        if exif.iso is None or exif.exposure_s is None:
            return "its EXIF does not say how it was exposed"
        if (stranger := contradiction(exif, expectation(self.bracket, self.index))) is not None:
            return stranger
        if exif.taken is None:
            return None
        if (self.earliest and exif.taken < self.earliest) or (self.latest and exif.taken > self.latest):
            return "it was not taken between the frames before and after"
        if self.expected and abs(exif.taken - self.expected) > CLOCKS_APART:
            return f"it was taken {_apart(exif.taken - self.expected)} the shot that is missing"
        return None


@dataclass
class _Recovery:
    store: Store
    source: Source
    dry_run: bool
    _exif: dict[str, Exif] = field(default_factory=dict)

    def run(self) -> Report:
        files = self.source.files()
        done = {file.place: recovery for file in files if (recovery := self._known_file(file)) is not None}
        matches = self._matches([file for file in files if file.place not in done])
        touched = {recovery.scene for recovery in done.values() if recovery.outcome is Outcome.RESTORED}
        touched |= {lost.bracket.scene_id for lost, _ in matches}
        brackets = [bracket for scene, bracket in self._unfinished.items() if scene in touched]
        if not self.dry_run:
            for bracket in brackets:
                self._ledger.reopen(bracket)
        for lost, file in matches:
            done[file.place] = self._import(lost, file)
        if not self.dry_run:
            for bracket in brackets:
                self._settle(bracket)
        for file in files:
            if file.place not in done:
                done[file.place] = self._described(file, Outcome.LEFT, note=self._why_left(file))
        there = {recovery.path for recovery in done.values()}
        missing = {scene: self._count_missing(bracket, there) for scene, bracket in self._unfinished.items()}
        return Report(
            files=tuple(done[file.place] for file in files),
            completed=tuple(bracket.scene_id for bracket in brackets if missing[bracket.scene_id] == 0),
            missing={scene: count for scene, count in missing.items() if count > 0},
        )

    def _count_missing(self, bracket: Bracket, there: Collection[str | None]) -> int:
        """Shots whose frames are neither in the dataset nor on the card."""
        arrivals = bracket.arrivals.values()
        gone = [a for a in arrivals if a.path not in there and not self.store.path(a.path).is_file()]
        return len(bracket.missing) + len(gone)

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.store)

    @cached_property
    def _events(self) -> list[dict[str, Any]]:
        return self._ledger.journal.events()

    @cached_property
    def _unfinished(self) -> dict[int, Bracket]:
        """The brackets that were interrupted."""
        return {scene: b for scene, b in unfinished(self._events).items() if self.store.scene_path(scene).exists()}

    # What the dataset knows already.

    @cached_property
    def _known(self) -> list[_Known]:
        scenes = list(self.store.scenes())
        known = [
            _Known(frame.path, frame.size_bytes, frame.sha256, frame.card, scene.id)
            for scene in scenes
            for frame in scene.all_frames
            if frame.size_bytes is not None and frame.sha256 is not None  # a file that was never there
        ]
        known += [_Known(d.path, d.size_bytes, d.sha256, d.card, None) for d in self.store.calibration().frames]
        recorded = {one.path for one in known}
        known += [
            _Known(a.path, a.size_bytes, a.sha256, a.card, scene)
            for scene, bracket in self._unfinished.items()
            for a in bracket.arrivals.values()
            if a.path not in recorded
        ]
        return known

    def _known_file(self, file: CandidateFile) -> Recovery | None:
        """What is to be said of a file that the dataset has a record of; what is gone or damaged there is put back."""
        alike = [one for one in self._known if one.size_bytes == file.size_bytes]
        for one in alike:
            is_from_there = isinstance(self.source, CameraCard) and one.card == file.place
            if is_from_there and is_whole(self.store.path(one.path), one.sha256):
                return Recovery(file=file.place, outcome=Outcome.THERE, path=one.path, scene=one.scene)
        if not alike:
            return None
        digest = sha256_of(self.source.local(file))
        for one in alike:
            if one.sha256 != digest:
                continue
            target = self.store.path(one.path)
            if is_whole(target, digest):
                return self._described(file, Outcome.THERE, one.path, one.scene)
            note = f"its file was damaged: that one moves to {_DAMAGED}" if target.exists() else "its file was gone"
            if not self.dry_run:
                self._restore(file, target, digest)
            return self._described(file, Outcome.RESTORED, one.path, one.scene, note)
        return None

    def _restore(self, file: CandidateFile, target: Path, digest: str) -> None:
        """Put a copy where the dataset has a record of it; what is damaged there moves aside."""
        self._copy(file, target, digest)
        if target.exists():
            move(target, numbered(self.store.root / _DAMAGED / target.name))
        move(part_of(target), target)
        path = target.relative_to(self.store.root).as_posix()
        self._ledger.journal.record("file restored", path=path, sha256=digest)

    # What is missing.

    def _matches(self, files: Sequence[CandidateFile]) -> list[tuple[_Lost, CandidateFile]]:
        """Shots and the files that are their frames: both in the order of time, each file once."""
        may_be = (file for file in files if file.tail not in self._told_of and self._is_new(file))
        in_order = sorted(
            (file for file in may_be if self._exif_of(file) is not None),
            key=lambda file: ((self._exif[file.place].taken or datetime.min.replace(tzinfo=UTC)), file.place),
        )
        matches = []
        for one in self._lost:
            for position, file in enumerate(in_order):
                if one.why_not(file, self._exif[file.place]) is None and self._decodes(file):
                    matches.append((one, file))
                    in_order = in_order[position + 1 :]
                    break
        return matches

    def _is_new(self, file: CandidateFile) -> bool:
        """Whether a file came onto the card after some bracket was begun that lacks a frame."""
        return any(file.tail not in one.on_card_before for one in self._lost)

    @cached_property
    def _lost(self) -> tuple[_Lost, ...]:
        """The shots without frames, in the order in which they were to be made."""
        return tuple(self._lost_in_order())

    def _lost_in_order(self) -> Iterator[_Lost]:
        before = _Past()
        for position, event in enumerate(self._events):
            before.see(event)
            bracket = self._unfinished.get(event.get("scene", 0))
            if event["event"] != "shot" or bracket is None:
                continue
            index = event["index"]
            is_last = bracket.intended.get(index) == datetime.fromisoformat(event["utc"])
            if not is_last or index not in bracket.open_intents:
                continue
            yield self._lost_shot(bracket, index, position, before)

    def _lost_shot(self, bracket: Bracket, index: int, position: int, past: _Past) -> _Lost:
        earlier = self._taken_nearest(past.arrivals(past.serial))
        later_events = _Past()
        later_events.serial = past.serial
        for event in self._events[position:]:
            later_events.see(event)
        later = self._taken_nearest(reversed(later_events.arrivals(past.serial)))
        expected = None
        if earlier is not None:
            taken, shot_utc = earlier
            expected = taken + (bracket.intended[index] - shot_utc)
        return _Lost(
            bracket=bracket,
            index=index,
            serial=past.serial,
            on_card_before=past.on_card_before(bracket.scene_id),
            earliest=None if earlier is None else earlier[0],
            latest=None if later is None else later[0],
            expected=expected,
        )

    def _taken_nearest(self, arrivals: Iterable[tuple[str, datetime]]) -> tuple[datetime, datetime] | None:
        """When the last of some frames that are here was taken: by the camera's clock, and by the journal's."""
        path_of = {one.sha256: one.path for one in self._known}
        for sha256, shot_utc in reversed(list(arrivals)):
            path = self.store.root / path_of.get(sha256, "")
            if path.is_file() and (taken := read_exif(path).taken) is not None:
                return taken, shot_utc
        return None

    def _exif_of(self, file: CandidateFile) -> Exif | None:
        if file.place not in self._exif:
            try:
                self._exif[file.place] = read_exif(self.source.local(file))
            except RawError:
                return None
        return self._exif[file.place]

    def _decodes(self, file: CandidateFile) -> bool:
        try:
            read_raw(self.source.local(file))
        except RawError:
            return False
        return True

    # Import.

    def _import(self, lost: _Lost, file: CandidateFile) -> Recovery:
        bracket, index = lost.bracket, lost.index
        shot = bracket.shot(index)
        target = self._ledger.free_path(bracket, shot, Path(file.tail).suffix.lstrip("."))
        path = target.relative_to(self.store.root).as_posix()
        arrival = Arrival(
            index=index,
            card=_card_path(file.place),
            path=path,
            size_bytes=file.size_bytes,
            sha256=sha256_of(self.source.local(file)),
            start_utc=bracket.intended[index],
            end_utc=datetime.now(UTC),
            battery="",
        )
        if self.dry_run:
            bracket.arrivals[index] = arrival
        else:
            self._copy(file, target, arrival.sha256)
            self._ledger.accept(bracket, arrival)
        note = f"shot {index + 1} of {len(bracket.plan.shots)}, a {shot.role}"
        return self._described(file, Outcome.IMPORTED, path, bracket.scene_id, note)

    def _copy(self, file: CandidateFile, target: Path, sha256: str) -> None:
        part = part_of(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.source.local(file), part)
        if sha256_of(part) != sha256:
            part.unlink()
            raise RawError(f"{file.place} was not copied whole: check card and reader, and try again")

    def _settle(self, bracket: Bracket) -> None:
        """Look into what came, and let it count; where nothing is missing any more, the scene is complete."""
        for index in sorted(bracket.arrivals.keys() - bracket.frames.keys()):
            try:
                self._look_into(bracket, index)
            except RawError:  # one that came before, spoilt on the way: a session fetches it again, or shoots it again
                bracket.forget(index)
        if not bracket.missing:
            self._ledger.complete(bracket)

    def _look_into(self, bracket: Bracket, index: int) -> None:
        path = self.store.root / bracket.arrivals[index].path
        found = inspect(path, expectation(bracket, index), self._ledger.first_long(bracket, index), None)
        frame = self._ledger.frame_of(bracket, index, found, CameraBody(model="", serial=""))
        self._ledger.count(bracket, index, frame)

    # Words.

    @cached_property
    def _told_of(self) -> dict[str, str]:
        """Files on the card that the journal has a word for, by their tails."""
        words = {
            "test frame": "a test frame of exposure finding",
            "dark refused": "a dark frame that was refused",
            "flat refused": "a flat that was refused",
        }
        return {
            _tail(card): words.get(event["event"], "the journal calls it a stranger")
            for event in self._events
            if event["event"] in ("stray", *words) and (card := accounted_for(event)) is not None
        }

    def _why_left(self, file: CandidateFile) -> str:
        if file.tail in self._told_of:
            return self._told_of[file.tail]
        if not self._lost:
            return "nothing is missing"
        if not self._is_new(file):
            return "it was on the card before the bracket was begun"
        exif = self._exif_of(file)
        if exif is None:
            return "its EXIF cannot be read"
        may_be = [one for one in self._lost if file.tail not in one.on_card_before]
        reasons = {one.bracket.scene_id: one.why_not(file, exif) for one in may_be}
        told = [f"not of scene {scene:05d}: {reason}" for scene, reason in reasons.items() if reason is not None]
        return "; ".join(told[:_REASONS_TOLD]) or "another file is the frame that was missing"

    def _described(
        self, file: CandidateFile, outcome: Outcome, path: str | None = None, scene: int | None = None, note: str = ""
    ) -> Recovery:
        exif = self._exif.get(file.place, Exif())
        return Recovery(
            file=file.place,
            outcome=outcome,
            path=path,
            scene=scene,
            note=note,
            taken=exif.taken,
            iso=exif.iso,
            exposure_s=exif.exposure_s,
        )


class _Past:
    """What the journal has told until now."""

    def __init__(self) -> None:
        self.serial = ""
        self._listed: set[str] = set()
        self._before: dict[int, frozenset[str]] = {}
        self._shot_utc: dict[tuple[int, int], datetime] = {}
        self._arrivals: list[tuple[str, str, datetime]] = []

    def see(self, event: Mapping[str, Any]) -> None:
        """One more event, in their order."""
        match event["event"]:
            case "connected":
                self.serial = event["camera"]["serial"]
                self._listed = {_tail(path) for path in event["card"]}
            case "bracket" if event.get("attempt", 1) == 1:
                self._before[event["scene"]] = frozenset(self._listed)
            case "shot":
                self._shot_utc[event["scene"], event["index"]] = datetime.fromisoformat(event["utc"])
            case "file":
                arrival = event["arrival"]
                shot_utc = self._shot_utc.get((event["scene"], arrival["index"]))
                self._arrivals.append(
                    (self.serial, arrival["sha256"], shot_utc or datetime.fromisoformat(event["utc"]))
                )
                self._listed.add(_tail(arrival["card"]))

    def arrivals(self, serial: str) -> list[tuple[str, datetime]]:
        """Checksums of the frames of one body that came home, and when they were shot by the journal's clock."""
        return [(sha256, at) for of, sha256, at in self._arrivals if of == serial]

    def on_card_before(self, scene: int) -> frozenset[str]:
        """Tails of what the card held when the scene's bracket was begun."""
        return self._before.get(scene, frozenset())


def _is_raw(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _RAW_SUFFIXES


def _tail(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[-2:])


def _card_path(place: str) -> str:
    """Where the camera has a file, as far as its place tells: from DCIM on in a folder, all of it in a camera."""
    parts = PurePosixPath(place).parts
    if parts[1].startswith("store_") or "DCIM" not in parts:
        return place if parts[1].startswith("store_") else ""
    return "/" + "/".join(parts[parts.index("DCIM") :])


def _apart(difference: timedelta) -> str:
    minutes = abs(difference.total_seconds()) / 60
    length = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    return f"{length} {'after' if difference > timedelta() else 'before'}"
