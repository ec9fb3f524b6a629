"""Shoot brackets with one camera into one dataset, and lose nothing.

      ┌──> connect ──> bring home what the card has ──> settings, mirror ─┐
      │                                                                  v
      │    ┌── set shutter ── intent to journal ── press, settle, press ──┐
      │    │                                                             v
      │    │   note what was found <── inspect in another process <── fetch, size, sha256, SID name, journal
      │    └──────────────────────────────┘                    (for every shot that is missing)
      │                                   │
      └── the camera fell silent          ├──> something moved: discard, and all over again
                                          └──> scene complete, settings as they were

There is one way through: a bracket is whatever its journal says, a fault is the same as a new beginning, and so is a program
that was killed (`Session.resume`). A frame is written under a temporary name, journaled with its checksum, and only then
gets its own; the camera keeps its copy.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sidcap.capture.bracket import Arrival, Bracket, unfinished
from sidcap.capture.camera import CardFile
from sidcap.capture.clock import Clock
from sidcap.capture.inspection import Expectation, Inspection, Inspector, contradiction
from sidcap.capture.journal import Journal
from sidcap.capture.plan import BracketPlan, Shot
from sidcap.capture.tether import Tether
from sidcap.data_manifest.errors import (
    CameraBusyError,
    CameraError,
    CameraLostError,
    CameraNotFoundError,
    RawError,
    SettingError,
    UsageError,
)
from sidcap.data_manifest.naming import FrameName
from sidcap.data_manifest.raw import read_exif
from sidcap.data_manifest.schema import CameraBody, Discarded, Exposure, Frame, Iso, Scene
from sidcap.data_manifest.store import Store, sha256_of, sync_folder
from sidcap.data_manifest.words import Split, Verdict

RAW_SIZE_BYTES = 35_000_000
"""Upper estimate of one raw file, to see before a shot whether the disk can hold it."""

_FILE_PATIENCE_S = 10.0
"""How long after the exposure a frame may take to reach the card. Guess; a 6D needs about a second."""
_LATE_S = 5.0
"""How long after its exposure should have ended a frame is looked for on the card, in the camera's seconds."""
_TRIES = 3
"""How often something is tried that brings nothing."""
_DRIFT = 0.03
"""How far the light of the closing long may be from that of the first: the shutter is the same for both."""
_FLICKER = 0.15
"""How far a short's light may be from what its shutter time says. Short shutter times are off by several per cent."""
_BLUR_LIMIT = 0.8
"""How much of the first long's detail the closing one must have, noise counted in both."""
_SIGMAS = 5.0
_NUMBERED = re.compile(r"\.\d+(?=\.[^.]+$)")


class EventKind(StrEnum):
    """What a session tells of."""

    CONNECTED = "connected"
    SET = "set"
    SETTLE = "settle"
    EXPOSE = "expose"
    FETCH = "fetch"
    FRAME = "frame"
    """A frame was looked into and counts."""
    WARNING = "warning"
    UNUSABLE = "unusable"
    """A frame counts, but the scene is of no use with it, and shooting again did not help."""
    LOST = "lost"
    """The camera fell silent, or no frame came."""
    BACK = "back"
    FOUND = "found"
    """A frame that nobody announced was found on the card."""
    AGAIN = "again"
    """One shot, or the bracket, is made again."""
    COMPLETE = "complete"


@dataclass(frozen=True)
class Event:
    """Something that happened; told to whoever watches."""

    kind: EventKind
    scene: int
    text: str = ""
    index: int | None = None
    """0-based number of the shot."""
    shot: Shot | None = None
    frame: Frame | None = None
    result: Scene | None = None
    """The scene, once it is complete."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it; what is not said is left out."""
        records = {
            name: record.model_dump(mode="json")
            for name, record in (("shot", self.shot), ("frame", self.frame), ("result", self.result))
            if record is not None
        }
        plain = {"event": self.kind.value, "scene": self.scene, "text": self.text, "index": self.index}
        return {name: value for name, value in plain.items() if value not in (None, "")} | records


Watcher = Callable[[Event], None]


@dataclass(frozen=True)
class Diligence:
    """How much trouble a session takes."""

    retries: int = 2
    """How often a bracket in which something moved or changed is shot again."""
    longest_gap_s: float = 300.0
    """After a longer interruption a bracket begins anew: light and framing may have changed meanwhile."""
    read_twice: bool = False
    """Fetch every frame twice and compare: finds what a bad cable flips."""


class _NothingCameError(CameraLostError):
    """An exposure that no file followed; a new connection may find it."""


class _AgainError(Exception):
    """The bracket has to be shot again."""


@dataclass
class Session:
    """Shoots brackets with one camera into one dataset. Use it as a context manager: it puts the camera back as it was."""

    tether: Tether
    store: Store
    clock: Clock
    inspector: Inspector
    watch: Watcher = lambda _: None
    diligence: Diligence = Diligence()
    _looking: list[tuple[int, Future[Inspection]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.tether.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self.tether.close():
            self.watch(Event(EventKind.WARNING, 0, line))

    # Scenes.

    def shoot(self, scene_id: int, split: Split, plan: BracketPlan) -> Scene:
        """Shoot ``plan`` as scene ``scene_id`` and give the complete scene.

        Raises UsageError where the scene exists, CameraError where the camera cannot be brought to do it: what was shot
        until then stays, and ``resume`` goes on.
        """
        with self.store.locked():
            if self.store.scene_path(scene_id).exists():
                raise UsageError(f"scene {scene_id:05d} exists already: leave --scene out to take the next number")
            self.store.save_scene(Scene(id=scene_id, split=split, complete=False))
        return self._completed(self._begun(Bracket(scene_id, split, plan)))

    def redo(self, scene_id: int, plan: BracketPlan) -> Scene:
        """Shoot a scene once more; what it had is set aside, its note stays. Raises as ``shoot``."""
        scene = self.store.scene(scene_id)
        bracket = self._begun(Bracket(scene_id, scene.split, plan))
        self.store.change_scene(scene_id, lambda scene: scene.replace(complete=False))
        self._set_aside(scene_id, scene.frames, "shot again by request")
        return self._completed(bracket)

    def resume(self, scene_id: int) -> Scene:
        """Complete a bracket that was interrupted. UsageError where the journal knows none of that number."""
        events = self._journal.events()
        bracket = unfinished(events).get(scene_id)
        if bracket is None:
            raise UsageError(f"scene {scene_id:05d} has no interrupted bracket")
        self._journal.record("resumed", scene=scene_id, attempt=bracket.attempt)
        lost = self._tidy_up(bracket, "the attempt before this one")
        self.tether.consider_known(known_before(events, scene_id) - lost, only=True)
        counting = {frame.path: frame for frame in self.store.scene(scene_id).frames}
        bracket.frames = {i: counting[a.path] for i, a in bracket.arrivals.items() if a.path in counting}
        for index in sorted(bracket.arrivals.keys() - bracket.frames.keys()):
            self._look_into(bracket, index)
        return self._completed(bracket)

    @property
    def _journal(self) -> Journal:
        return Journal(self.store.journal_path)

    def _begun(self, bracket: Bracket) -> Bracket:
        plan = bracket.plan.model_dump(mode="json")
        self._journal.record(
            "bracket", scene=bracket.scene_id, split=bracket.split, attempt=bracket.attempt, plan=plan
        )
        return bracket

    def _completed(self, bracket: Bracket) -> Scene:
        try:
            while True:
                try:
                    self._shoot_all(bracket)
                    break
                except _AgainError as again:
                    bracket = self._discarded(bracket, str(again))
        except BaseException as error:
            with suppress(OSError):  # a full disk is one of the reasons
                self._journal.record("interrupted", scene=bracket.scene_id, reason=str(error) or type(error).__name__)
            raise
        finally:
            self._looking.clear()
        scene = self.store.change_scene(bracket.scene_id, lambda scene: bracket.written_into(scene, complete=True))
        self._journal.record("complete", scene=bracket.scene_id)
        self._tell(EventKind.COMPLETE, bracket, result=scene)
        return scene

    # One attempt.

    def _shoot_all(self, bracket: Bracket) -> None:
        """Make the shots that are missing, whatever the camera does meanwhile."""
        fruitless, was_lost = 0, bool(bracket.intended)
        while True:
            before = len(bracket.arrivals)
            try:
                self._collect(bracket)
                self.tether.body.lower_mirror()  # else the first press would expose
                with self._ready(bracket.plan):
                    self._shoot_missing(bracket)
                if was_lost:
                    self.tether.reconnect()  # a connection lists the card once
                    self._note_strays(bracket)
                return
            except (SettingError, CameraNotFoundError):
                raise
            except CameraError as error:
                fruitless = 0 if len(bracket.arrivals) > before else fruitless + 1
                was_lost = True
                self._journal.record("lost", scene=bracket.scene_id, reason=str(error))
                if fruitless == _TRIES:
                    raise
                self._tell(EventKind.LOST, bracket, str(error))
                self.tether.reconnect(lambda text: self._tell(EventKind.LOST, bracket, text))
                self._tell(EventKind.BACK, bracket, "the camera answers again")

    @contextmanager
    def _ready(self, plan: BracketPlan) -> Iterator[None]:
        body = self.tether.body
        body.configure(plan.iso_set, self.tether.keep)
        with body.released_by(plan.release, self.tether.keep):
            try:
                yield
            except CameraLostError:
                self.tether.drop()  # nothing can be put back through it: libgphoto2 would answer from memory
                raise

    def _shoot_missing(self, bracket: Bracket) -> None:
        while bracket.missing:
            for index in bracket.missing:
                self._shoot_one(bracket, index)
                self._note_findings(bracket, wait=False)
            self._note_findings(bracket, wait=True)
        self._note_findings(bracket, wait=True)

    def _shoot_one(self, bracket: Bracket, index: int) -> None:
        shot, plan, body = bracket.shot(index), bracket.plan, self.tether.body
        self._tell(EventKind.SET, bracket, index=index)
        body.set_shutter(shot.shutter, self.tether.keep)
        check_disk(self.store.root, frames=1)
        self._journal.record("shot", scene=bracket.scene_id, attempt=bracket.attempt, index=index)
        bracket.intended[index] = self.clock.now()
        self._tell(EventKind.SETTLE if plan.settle_s else EventKind.EXPOSE, bracket, index=index)
        body.expose(shot.true_s, plan.release, plan.settle_s, self.clock)
        start = self.clock.now()
        self._tell(EventKind.EXPOSE, bracket, index=index)
        file = self.tether.camera.wait_for_file(shot.true_s / self.clock.scale + _FILE_PATIENCE_S)
        if file is None:
            raise _NothingCameError(
                f"no frame came within {_FILE_PATIENCE_S:g} s after the exposure: check the card, and that the mirror "
                "was still up (it drops 30 s after the first press)"
            )
        self._bring_home(bracket, index, file, start, self.clock.now())

    # Bring frames home.

    def _collect(self, bracket: Bracket) -> None:
        """Bring home what the card holds of this bracket, after a connection broke or a program was killed."""
        last_utc, found = bracket.last_utc, bool(bracket.arrivals)
        for index in bracket.open_intents:
            file = self._find_on_card(bracket, index)
            if file is None:
                del bracket.intended[index]
                continue
            self._tell(EventKind.FOUND, bracket, f"{file.name} was on the card", index=index)
            self._bring_home(bracket, index, file, bracket.intended[index], self.clock.now())
        gap_s = 0.0 if last_utc is None else (self.clock.now() - last_utc).total_seconds()
        if found and gap_s > self.diligence.longest_gap_s:
            raise _AgainError(f"interrupted for {gap_s / 60:.0f} min: light or framing may have changed")

    def _note_strays(self, bracket: Bracket) -> None:
        """Write down what else the camera exposed; it stays on the card."""
        for file in self.tether.new_files():
            self._call_stray(bracket, file, "it belongs to no shot")

    def _call_stray(self, bracket: Bracket, file: CardFile, reason: str) -> None:
        self._journal.record("stray", scene=bracket.scene_id, card=str(file), reason=reason)
        self.tether.consider_known([file])
        self._tell(EventKind.WARNING, bracket, f"{file.name} stays on the card: {reason}")

    def _find_on_card(self, bracket: Bracket, index: int) -> CardFile | None:
        """The file of a shot that nobody announced; waits until its exposure must be over."""
        shot = bracket.shot(index)
        over = bracket.intended[index] + timedelta(seconds=2 * bracket.plan.settle_s + shot.true_s + _LATE_S)
        while True:
            for file in self.tether.new_files():
                if self._is_of(file, bracket, index):
                    return file
            if self.clock.now() > over:
                return None
            self.tether.camera.wait_for_file(1.0)
            self.tether.reconnect()  # a connection lists the card once

    def _is_of(self, file: CardFile, bracket: Bracket, index: int) -> bool:
        """Whether a file on the card is the frame of this shot. One that is not is left there, and named in the journal."""
        part = self.store.root / f".{file.name}.part"
        try:
            self.tether.camera.download(file, part)
            stranger = contradiction(read_exif(part), _expectation(bracket, index))
        except RawError as error:
            stranger = str(error)
        finally:
            part.unlink(missing_ok=True)
        if stranger is not None:
            self._call_stray(bracket, file, stranger)
        return stranger is None

    def _bring_home(self, bracket: Bracket, index: int, file: CardFile, start: datetime, end: datetime) -> None:
        """Fetch one frame, make sure it is whole, name it, and have it looked into."""
        self._tell(EventKind.FETCH, bracket, index=index)
        target = self._free_path(bracket, bracket.shot(index), Path(file.name).suffix.lstrip("."))
        size, digest = self._fetch(file, _part(target))
        arrival = Arrival(
            index=index,
            card=str(file),
            path=target.relative_to(self.store.root).as_posix(),
            size_bytes=size,
            sha256=digest,
            start_utc=start,
            end_utc=end,
            battery=self.tether.camera.find("batterylevel") or "",
        )
        self._accept(bracket, arrival)

    def _accept(self, bracket: Bracket, arrival: Arrival) -> None:
        """A frame is whole: write down that it came, give it its name, and have it looked into."""
        # In this order: a file without a line in the journal would be a stranger.
        facts = arrival.model_dump(mode="json")
        self._journal.record("file", scene=bracket.scene_id, attempt=bracket.attempt, arrival=facts)
        target = self.store.root / arrival.path
        _move(_part(target), target)
        self.tether.consider_known([_card_file(arrival.card)])
        bracket.arrivals[arrival.index] = arrival
        bracket.last_utc = arrival.end_utc
        self._look_into(bracket, arrival.index)

    def _fetch(self, file: CardFile, part: Path) -> tuple[int, str]:
        """Size and SHA-256 of a frame copied to ``part``. Raises CameraError where it does not come whole."""
        for left in reversed(range(_TRIES)):
            try:
                size = self.tether.camera.download(file, part)
                digest = sha256_of(part)
                if not self.diligence.read_twice or digest == self._digest_again(file, part):
                    return size, digest
                raise CameraError(f"{file.name} came differently twice: try another cable")
            except CameraError as error:
                part.unlink(missing_ok=True)
                if left == 0 or isinstance(error, CameraLostError | CameraBusyError):
                    raise
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        raise AssertionError("unreachable")

    def _digest_again(self, file: CardFile, part: Path) -> str:
        again = part.with_suffix(".again")
        try:
            self.tether.camera.download(file, again)
            return sha256_of(again)
        finally:
            again.unlink(missing_ok=True)

    def _free_path(self, bracket: Bracket, shot: Shot, extension: str) -> Path:
        """The first SID name of this scene and exposure that no file has yet."""
        folder = self.store.root / shot.role
        folder.mkdir(exist_ok=True)
        for sequence in range(100):
            path = folder / str(FrameName(bracket.scene_id, sequence, shot.nominal_s, extension))
            if not path.exists():
                return path
        raise UsageError(f"scene {bracket.scene_id:05d} has 100 frames of {shot.nominal_s:g} s: take another scene")

    # Look into frames.

    def _look_into(self, bracket: Bracket, index: int) -> None:
        arrival, first = bracket.arrivals[index], bracket.arrivals.get(0)
        long = None if index == 0 or first is None else self.store.root / first.path
        expected = _expectation(bracket, index)
        self._looking.append((index, self.inspector.submit(self.store.root / arrival.path, expected, long)))

    def _note_findings(self, bracket: Bracket, *, wait: bool) -> None:
        """Take what the inspector has found out, in the order of the shots."""
        while self._looking and (wait or self._looking[0][1].done()):
            index, looking = self._looking[0]
            try:
                found = looking.result()
            except RawError as error:
                self._fetch_again(bracket, index, str(error))
            else:
                self._note(bracket, index, found)
            del self._looking[0]

    def _note(self, bracket: Bracket, index: int, found: Inspection) -> None:
        frame = self._record(bracket, index, found)
        if found.contradiction is not None and self._may_reshoot(bracket, index):
            self._shoot_again(bracket, index, frame, found.contradiction)
            return
        bracket.frames[index] = frame
        self.store.change_scene(bracket.scene_id, bracket.written_into)
        self._journal.record("frame", scene=bracket.scene_id, attempt=bracket.attempt, index=index, path=frame.path)
        self._tell(EventKind.FRAME, bracket, _verdict_in_words(found), index=index, frame=frame)
        for warning in found.warnings:
            self._tell(EventKind.WARNING, bracket, f"{frame.path}: {warning}", index=index)
        if found.contradiction is not None:
            self._tell(EventKind.UNUSABLE, bracket, f"{frame.path}: {found.contradiction}", index=index)
        trouble = unusable(frame.role, bracket.true_ratio(index), found)
        if trouble is not None and bracket.attempt <= self.diligence.retries:
            raise _AgainError(trouble)
        if trouble is not None:
            self._tell(EventKind.UNUSABLE, bracket, f"{frame.path}: {trouble}", index=index)

    def _record(self, bracket: Bracket, index: int, found: Inspection) -> Frame:
        arrival, shot, plan, exif = bracket.arrivals[index], bracket.shot(index), bracket.plan, found.exif
        reported = self.tether.reported
        camera = CameraBody(
            model=exif.model or reported.model,
            serial=exif.serial or reported.serial,
            firmware=exif.firmware or reported.firmware,
            simulated=exif.simulated,
        )
        self.store.add_camera(camera)
        return Frame(
            path=arrival.path,
            role=shot.role,
            size_bytes=arrival.size_bytes,
            sha256=arrival.sha256,
            camera=camera,
            lens=exif.lens,
            iso=Iso(requested=plan.iso_requested, set=plan.iso_set, exif=exif.iso),
            exposure=Exposure(
                requested_s=shot.requested_s, nominal_s=shot.nominal_s, true_s=shot.true_s, exif_s=exif.exposure_s
            ),
            aperture=exif.aperture or None,
            start_utc=arrival.start_utc,
            end_utc=arrival.end_utc,
            release=plan.release,
            settle_s=plan.settle_s,
            black=found.black,
            white=found.white,
            battery=arrival.battery,
            card=arrival.card,
            clipped=found.clipped,
        )

    # Once more.

    def _fetch_again(self, bracket: Bracket, index: int, reason: str) -> None:
        """A frame that cannot be decoded may have been spoilt on the way: the card still has it."""
        arrival = bracket.arrivals[index]
        spoilt = self.store.root / arrival.path
        size, digest = self._fetch(_card_file(arrival.card), _part(spoilt))
        if digest == arrival.sha256:  # so it lies on the card
            _part(spoilt).unlink()
            _move(spoilt, _free(self.store.root / "discarded" / "unreadable" / spoilt.name))
            self._forget(bracket, index, reason)
            return
        self._accept(bracket, arrival.replace(sha256=digest, size_bytes=size))
        self._tell(EventKind.AGAIN, bracket, f"fetched again: {reason}", index=index)

    def _may_reshoot(self, bracket: Bracket, index: int) -> bool:
        again = [
            event
            for event in self._journal.events()
            if (event["event"], event.get("scene"), event.get("index")) == ("again", bracket.scene_id, index)
        ]
        return len(again) < self.diligence.retries

    def _shoot_again(self, bracket: Bracket, index: int, frame: Frame, reason: str) -> None:
        self._set_aside(bracket.scene_id, (frame,), reason)
        self._forget(bracket, index, reason)

    def _forget(self, bracket: Bracket, index: int, reason: str) -> None:
        """The shot has to be made again."""
        self._journal.record("again", scene=bracket.scene_id, attempt=bracket.attempt, index=index, reason=reason)
        bracket.forget(index)
        self._tell(EventKind.AGAIN, bracket, f"{reason}; shooting it again", index=index)

    def _discarded(self, bracket: Bracket, reason: str) -> Bracket:
        """Set aside what this attempt brought, and begin the next one."""
        for index, looking in self._looking:
            with suppress(RawError):
                bracket.frames[index] = self._record(bracket, index, looking.result())
        self._looking.clear()
        self._journal.record("discard", scene=bracket.scene_id, attempt=bracket.attempt, reason=reason)
        self._set_aside(bracket.scene_id, tuple(bracket.frames.values()), reason)
        self._tell(EventKind.AGAIN, bracket, f"{reason}; shooting the bracket again")
        return self._begun(bracket.next_attempt())

    def _set_aside(self, scene_id: int, frames: tuple[Frame, ...], reason: str) -> None:
        """Let these frames count for nothing: the scene file says so first, then their files move."""
        aside = self.store.root / "discarded"
        moved = {
            frame.path: frame.replace(path=_free(aside / frame.name).relative_to(self.store.root).as_posix())
            for frame in frames
        }

        def change(scene: Scene) -> Scene:
            return scene.replace(
                frames=tuple(frame for frame in scene.frames if frame.path not in moved),
                pairs=tuple(pair for pair in scene.pairs if not {pair.frame, pair.reference} & moved.keys()),
                closing=None,
                discarded=(*scene.discarded, *(Discarded(frame=f, reason=reason) for f in moved.values())),
            )

        self._finish_moving(self.store.change_scene(scene_id, change))

    def _finish_moving(self, scene: Scene) -> None:
        """Move the files of discarded frames that still lie where they counted."""
        for discarded in scene.discarded:
            path = self.store.root / discarded.frame.path
            counted = self.store.root / discarded.frame.role / _NUMBERED.sub("", path.name)
            if not path.exists() and counted.exists():
                _move(counted, path)

    def _tidy_up(self, bracket: Bracket, reason: str) -> set[CardFile]:
        """Finish what a program that was killed had begun to move. Gives the files that have to be fetched once more."""
        scene = self.store.scene(bracket.scene_id)
        self._finish_moving(scene)
        arrived = {arrival.path for arrival in bracket.arrivals.values()}
        stale = tuple(frame for frame in scene.frames if frame.path not in arrived)
        if stale:
            self._set_aside(bracket.scene_id, stale, reason)
        lost = set()
        for index, arrival in list(bracket.arrivals.items()):
            path = self.store.root / arrival.path
            if not path.exists() and _is_whole(_part(path), arrival):
                _move(_part(path), path)
            if not path.exists():
                lost.add(_card_file(arrival.card))
                del bracket.arrivals[index]
        for part in self.store.root.glob("*/.*.part"):
            part.unlink()
        return lost

    def _tell(
        self,
        kind: EventKind,
        bracket: Bracket,
        text: str = "",
        *,
        index: int | None = None,
        frame: Frame | None = None,
        result: Scene | None = None,
    ) -> None:
        shot = None if index is None else bracket.shot(index)
        self.watch(Event(kind, bracket.scene_id, text, index, shot, frame, result))


def unusable(role: str, true_ratio: float, found: Inspection) -> str | None:
    """Why a bracket is of no use with this frame; None where nothing speaks against it."""
    if found.detail is not None and found.detail < _BLUR_LIMIT:
        return f"the closing long has {found.detail:.0%} of the first one's detail: the focus or the camera moved"
    compared = found.comparison
    if compared is None:
        return None
    if compared.verdict is Verdict.MISALIGNED:
        return compared.reasons[0]
    if compared.ratio is None:
        return None
    brighter, doubt = true_ratio / compared.ratio - 1, _SIGMAS * compared.ratio_sigma / true_ratio
    if role == "long" and abs(brighter) > _DRIFT + doubt:
        return f"the closing long is {abs(brighter):.1%} {_than(brighter)} than the first: the light drifted"
    if role == "short" and abs(brighter) > _FLICKER + doubt:
        return f"the short is {abs(brighter):.0%} {_than(brighter)} than its shutter time says: the light flickers"
    return None


def _verdict_in_words(found: Inspection) -> str:
    """How a frame compares with the first long; empty where it was not compared."""
    compared = found.comparison
    if compared is None:
        return ""
    if compared.verdict is Verdict.ALIGNED:
        return str(compared.verdict)
    return f"{compared.verdict}: {compared.reasons[0]}"


def _than(brighter: float) -> str:
    return "brighter" if brighter > 0 else "darker"


def known_before(events: Sequence[Mapping[str, Any]], scene_id: int) -> set[CardFile]:
    """Files on the card that an interrupted bracket has nothing to do with, or that came home already."""
    known: set[CardFile] = set()
    listed: set[CardFile] = set()
    for event in events:
        match event["event"]:
            case "connected":
                listed = {_card_file(path) for path in event["card"]}
            case "bracket" if event["scene"] == scene_id and event.get("attempt", 1) == 1:
                known = set(listed)
            case "stray":
                known.add(_card_file(event["card"]))
                listed.add(_card_file(event["card"]))
            case "file":
                known.add(_card_file(event["arrival"]["card"]))
                listed.add(_card_file(event["arrival"]["card"]))
            case "deleted":
                known.discard(_card_file(event["card"]))
                listed.discard(_card_file(event["card"]))
    return known


def check_disk(folder: Path, frames: int) -> None:
    """Raise UsageError where the disk below ``folder`` cannot hold so many frames."""
    free, needed = disk_free_bytes(folder), frames * RAW_SIZE_BYTES
    if free < needed:
        raise UsageError(f"the disk of {folder} has {free / 1e6:.0f} MB left, {needed / 1e6:.0f} are needed: make room")


def disk_free_bytes(folder: Path) -> int:
    """Room on the disk where ``folder`` is, or would be."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def _expectation(bracket: Bracket, index: int) -> Expectation:
    shot = bracket.shot(index)
    return Expectation(shot.role, bracket.plan.iso_set, shot.nominal_s, bracket.true_ratio(index))


def _card_file(path: str) -> CardFile:
    folder, _, name = path.rpartition("/")
    return CardFile(folder or "/", name)


def _part(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f".{path.name}.part")


def _is_whole(path: Path, arrival: Arrival) -> bool:
    return path.exists() and sha256_of(path) == arrival.sha256


def _free(path: Path) -> Path:
    """``name.1.CR2``, or the next number that no file has."""
    return next(free for k in count(1) if not (free := path.with_suffix(f".{k}{path.suffix}")).exists())


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    path.replace(to)
    sync_folder(to.parent)
    sync_folder(path.parent)
