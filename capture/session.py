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

There is one way through: a bracket is whatever its journal says, a fault is the same as a new beginning, and so is a
program that was killed (`Session.resume`). A frame is written under a temporary name, journaled with its checksum, and
only then gets its own; the camera keeps its copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sidcap.capture.bracket import Arrival, Bracket, unfinished
from sidcap.capture.camera import CardFile
from sidcap.capture.clock import Clock
from sidcap.capture.disk import check_disk
from sidcap.capture.fetching import LATE_S, await_file, card_file, fetch, mismatch, part_of
from sidcap.capture.inspection import Inspection, Inspector, Looking
from sidcap.capture.journal import Journal, accounted_for
from sidcap.capture.ledger import Ledger, expectation
from sidcap.capture.plan import BracketPlan, Shot
from sidcap.capture.tether import Tether
from sidcap.data_manifest.errors import RawError, UsageError
from sidcap.data_manifest.schema import Frame, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict

_DRIFT = 0.03
"""How far the light of the closing long may be from that of the first: the shutter is the same for both."""
_FLICKER = 0.15
"""How far a short's light may be from what its shutter time says. Short shutter times are off by several per cent."""
_BLUR_LIMIT = 0.8
"""How much of the first long's detail the closing one must have, noise counted in both."""
_SIGMAS = 5.0


class EventKind(StrEnum):
    """What a session tells of."""

    CONNECTED = "connected"
    SET = "set"
    SETTLE = "settle"
    EXPOSE = "expose"
    FETCH = "fetch"
    HOME = "home"
    """A file is whole on the disk, under its name."""
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


class _AgainError(Exception):
    """The bracket has to be shot again."""


@dataclass
class Session:
    """Shoots brackets with one camera into one dataset. A context manager: at its end the camera is as it was."""

    tether: Tether
    store: Store
    clock: Clock
    inspector: Inspector
    watch: Watcher = lambda _: None
    diligence: Diligence = Diligence()
    _looking: list[tuple[int, Looking]] = field(default_factory=list)
    _claim: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.store.claimed())
            undo.callback(self.tether.drop)  # nothing has been changed yet, and a camera serves one host at a time
            self.tether.connect()
            self._claim = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._claim:
            for line in self.tether.close(lambda text: self.watch(Event(EventKind.LOST, 0, text))):
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
            bracket = self._begun(Bracket(scene_id, split, plan))
            self.store.save_scene(Scene(id=scene_id, split=split, complete=False))
        return self._completed(bracket)

    def redo(self, scene_id: int, plan: BracketPlan) -> Scene:
        """Shoot a scene once more; what it had is set aside, its note stays. Raises as ``shoot``."""
        scene = self.store.scene(scene_id)
        bracket = self._begun(Bracket(scene_id, scene.split, plan))
        self.store.change_scene(scene_id, lambda scene: scene.replace(complete=False))
        self._ledger.set_aside(scene_id, scene.frames, "shot again by request")
        return self._completed(bracket)

    def resume(self, scene_id: int) -> Scene:
        """Complete a bracket that was interrupted. UsageError where the journal knows none of that number."""
        events = self._journal.events()
        bracket = unfinished(events).get(scene_id)
        if bracket is None:
            raise UsageError(f"scene {scene_id:05d} has no interrupted bracket")
        self._journal.record("resumed", scene=scene_id, attempt=bracket.attempt)
        if not self.store.scene_path(scene_id).exists():
            self.store.save_scene(Scene(id=scene_id, split=bracket.split, complete=False))
        lost = self._ledger.reopen(bracket)
        # What is not on the card any more is not known: on another card, or an emptied one, names come again.
        on_card = set(self.tether.camera.files())
        self.tether.consider_known((known_before(events, scene_id) - lost) & on_card, only=True)
        for index in sorted(bracket.arrivals.keys() - bracket.frames.keys()):
            self._look_into(bracket, index)
        return self._completed(bracket)

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.store)

    @property
    def _journal(self) -> Journal:
        return self._ledger.journal

    def _begun(self, bracket: Bracket) -> Bracket:
        plan = bracket.plan.model_dump(mode="json")
        self._journal.record("bracket", scene=bracket.scene_id, split=bracket.split, attempt=bracket.attempt, plan=plan)
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
        scene = self._ledger.complete(bracket)
        self._tell(EventKind.COMPLETE, bracket, result=scene)
        return scene

    # One attempt.

    def _shoot_all(self, bracket: Bracket) -> None:
        """Make the shots that are missing, whatever the camera does meanwhile."""
        was_lost = bool(bracket.intended)

        def lost(text: str) -> None:
            nonlocal was_lost
            was_lost = True
            self._tell(EventKind.LOST, bracket, text)

        def work() -> None:
            self._collect(bracket)
            self.tether.body.lower_mirror()  # else the first press would expose
            self.tether.body.configure(bracket.plan.iso_set, self.tether.keep)
            with self.tether.released_by(bracket.plan.release):
                self._shoot_missing(bracket)
            if was_lost:
                self.tether.reconnect()  # a connection lists the card once
                self._note_strays(bracket)

        self.tether.persist(
            work,
            progress=lambda: len(bracket.arrivals),
            lost=lost,
            back=lambda: self._tell(EventKind.BACK, bracket, "the camera answers again"),
            scene=bracket.scene_id,
        )

    def _shoot_missing(self, bracket: Bracket) -> None:
        while True:
            for index in bracket.missing:
                self._shoot_one(bracket, index)
                self._note_findings(bracket, wait=False)
            self._note_findings(bracket, wait=True)
            if not bracket.missing:
                return

    def _shoot_one(self, bracket: Bracket, index: int) -> None:
        shot, plan, body = bracket.shot(index), bracket.plan, self.tether.body
        self._tell(EventKind.SET, bracket, index=index)
        body.set_shutter(shot.shutter, self.tether.keep)
        check_disk(self.store.root, frames=1)
        self._note_foreign(bracket)
        self._journal.record("shot", scene=bracket.scene_id, attempt=bracket.attempt, index=index)
        bracket.last_utc = bracket.intended[index] = self.clock.now()
        self._tell(EventKind.SETTLE if plan.settle_s else EventKind.EXPOSE, bracket, index=index)
        body.expose(shot.true_s, plan.release, plan.settle_s, self.clock)
        start = self.clock.now()
        self._tell(EventKind.EXPOSE, bracket, index=index)
        file = await_file(self.tether.camera, shot.true_s / self.clock.scale, self.tether.known)
        self._bring_home(bracket, index, file, start, self.clock.now())

    # Bring frames home.

    def _collect(self, bracket: Bracket) -> None:
        """Bring home what the card holds of this bracket, after a connection broke or a program was killed."""
        for index in bracket.open_intents:
            file = self._find_on_card(bracket, index)
            if file is None:
                del bracket.intended[index]
                continue
            self._tell(EventKind.FOUND, bracket, f"{file.name} was on the card", index=index)
            self._bring_home(bracket, index, file, bracket.intended[index], self.clock.now())
        if bracket.last_utc is None or not (bracket.arrivals and bracket.missing):
            return
        gap_s = abs((self.clock.now() - bracket.last_utc).total_seconds())  # a computer's clock may have been set back
        if gap_s > self.diligence.longest_gap_s:
            raise _AgainError(f"interrupted for {gap_s / 60:.0f} min: light or framing may have changed")

    def _note_foreign(self, bracket: Bracket) -> None:
        """Nothing is due now: what the camera has announced, somebody else has shot."""
        for file in self.tether.camera.announced():
            if file not in self.tether.known:
                self._call_stray(bracket, file, "it was shot by hand, or came late")

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
        lasts = timedelta(seconds=2 * bracket.plan.settle_s + 2 * bracket.shot(index).true_s + LATE_S)
        over = min(bracket.intended[index], self.clock.now()) + lasts
        return self.tether.find_on_card(lambda file: self._is_of(file, bracket, index), lambda: self.clock.now() > over)

    def _is_of(self, file: CardFile, bracket: Bracket, index: int) -> bool:
        """Whether a file on the card is this shot's frame. One that is not stays there, and is named in the journal."""
        part = self.store.root / f".{file.name}.part"
        home = {arrival.sha256 for arrival in bracket.arrivals.values()}
        stranger = mismatch(self.tether.camera, file, part, expectation(bracket, index), home)
        if stranger is not None:
            self._call_stray(bracket, file, stranger)
        return stranger is None

    def _bring_home(self, bracket: Bracket, index: int, file: CardFile, start: datetime, end: datetime) -> None:
        """Fetch one frame, make sure it is whole, name it, and have it looked into."""
        self._tell(EventKind.FETCH, bracket, index=index)
        target = self._ledger.free_path(bracket, bracket.shot(index), Path(file.name).suffix.lstrip("."))
        size, digest = self._fetch(file, part_of(target))
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
        self._ledger.accept(bracket, arrival)
        self._tell(EventKind.HOME, bracket, arrival.path, index=arrival.index)
        self.tether.consider_known([card_file(arrival.card)])
        self._look_into(bracket, arrival.index)

    def _fetch(self, file: CardFile, part: Path) -> tuple[int, str]:
        return fetch(self.tether.camera, file, part, twice=self.diligence.read_twice)

    # Look into frames.

    def _look_into(self, bracket: Bracket, index: int) -> None:
        path, long = self.store.root / bracket.arrivals[index].path, self._ledger.first_long(bracket, index)
        self._looking.append((index, self.inspector.submit(path, expectation(bracket, index), long)))

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
        frame = self._ledger.frame_of(bracket, index, found, self.tether.reported)
        if found.contradiction is not None and self._may_reshoot(bracket, index):
            self._shoot_again(bracket, index, frame, found.contradiction)
            return
        trouble = unusable(frame.role, bracket.true_ratio(index), found)
        if trouble is not None and bracket.attempt <= self.diligence.retries:
            raise _AgainError(trouble)
        self._ledger.count(bracket, index, frame)
        self._tell(EventKind.FRAME, bracket, _verdict_in_words(found), index=index, frame=frame)
        for warning in found.warnings:
            self._tell(EventKind.WARNING, bracket, f"{frame.path}: {warning}", index=index)
        if found.contradiction is not None:
            self._tell(EventKind.UNUSABLE, bracket, f"{frame.path}: {found.contradiction}", index=index)
        if trouble is not None:
            self._tell(EventKind.UNUSABLE, bracket, f"{frame.path}: {trouble}", index=index)

    # Once more.

    def _fetch_again(self, bracket: Bracket, index: int, reason: str) -> None:
        """A frame that cannot be decoded may have been spoilt on the way: the card still has it."""
        arrival = bracket.arrivals[index]
        spoilt = self.store.root / arrival.path
        size, digest = self._fetch(card_file(arrival.card), part_of(spoilt))
        if digest == arrival.sha256:  # so it lies on the card
            part_of(spoilt).unlink()
            if not self._may_reshoot(bracket, index):
                raise RawError(reason)
            if index == 0:
                raise _AgainError(reason)
            self._ledger.set_unreadable_aside(arrival)
            self._forget(bracket, index, reason)
            return
        self._accept(bracket, arrival.replace(sha256=digest, size_bytes=size))
        self._tell(EventKind.AGAIN, bracket, f"fetched again: {reason}", index=index)

    def _may_reshoot(self, bracket: Bracket, index: int) -> bool:
        if index == 0:  # all others are compared with it
            return bracket.attempt <= self.diligence.retries
        tries = 0
        for event in self._journal.events():
            if event.get("scene") == bracket.scene_id:
                tries = 0 if event["event"] == "bracket" else tries
                tries += event["event"] == "again" and event["index"] == index
        return tries < self.diligence.retries

    def _shoot_again(self, bracket: Bracket, index: int, frame: Frame, reason: str) -> None:
        if index == 0:
            raise _AgainError(reason)
        self._ledger.set_aside(bracket.scene_id, (frame,), reason)
        self._forget(bracket, index, reason)

    def _forget(self, bracket: Bracket, index: int, reason: str) -> None:
        """The shot has to be made again."""
        self._journal.record("again", scene=bracket.scene_id, attempt=bracket.attempt, index=index, reason=reason)
        bracket.forget(index)
        self._tell(EventKind.AGAIN, bracket, f"{reason}; shooting it again", index=index)

    def _discarded(self, bracket: Bracket, reason: str) -> Bracket:
        """Set aside what this attempt brought, and begin the next one."""
        for index, looking in self._looking:
            try:
                frame = self._ledger.frame_of(bracket, index, looking.result(), self.tether.reported)
            except RawError:
                self._ledger.set_unreadable_aside(bracket.arrivals[index])
            else:
                self._ledger.count(bracket, index, frame)  # else a kill would leave a file that nobody names
        self._looking.clear()
        self._journal.record("discard", scene=bracket.scene_id, attempt=bracket.attempt, reason=reason)
        self._ledger.set_aside(bracket.scene_id, tuple(bracket.frames.values()), reason)
        self._tell(EventKind.AGAIN, bracket, f"{reason}; shooting the bracket again")
        return self._begun(bracket.next_attempt())

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
    """Files on the card that an interrupted bracket has nothing to do with, or that came home already.

    What was on the card before it began, and what came only after somebody had looked at the card again.
    """
    known: set[CardFile] = set()
    listed: set[CardFile] = set()
    first_look: set[CardFile] | None = None
    has_begun = False
    for event in events:
        is_ours = event.get("scene") == scene_id
        match event["event"]:
            case "connected":
                listed = {card_file(path) for path in event["card"]}
                first_look = listed if has_begun and first_look is None else first_look
            case "bracket" if is_ours and event.get("attempt", 1) == 1:
                known, has_begun, first_look = set(listed), True, None
            case "shot" | "resumed" if is_ours:
                first_look = None
            case "deleted":
                known.discard(card_file(event["card"]))
                listed.discard(card_file(event["card"]))
            case _ if card := accounted_for(event):
                known.add(card_file(card))
                listed.add(card_file(card))
    return known if first_look is None else known | (listed - first_look)
