"""What ``sidcap shoot`` was asked for, and what the dataset already has of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidcap.cli.screen import warn
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import Release, Split

if TYPE_CHECKING:
    from sidcap.capture import Body, BracketPlan
    from sidcap.capture.bracket import Bracket
    from sidcap.capture.tally import Quota, Tally


USUAL_LONG_S = 10.0


@dataclass(frozen=True)
class Wish:
    """One bracket, before a camera has been asked."""

    iso: int
    ratios: tuple[float, ...]
    long_s: float | None
    """Seconds; None where test frames find it, for each scene anew."""
    repeats: int
    release: Release
    settle_s: float

    def plan(self, body: Body, long_s: float | None = None) -> BracketPlan:
        """The bracket that this camera can shoot. UsageError where it can shoot none like it.

        ``long_s``: what test frames found; until then a long of 10 s stands for it.
        """
        from sidcap.capture import plan_bracket

        body.require_raw()
        release, note = body.release_for(self.release)
        if note:
            warn(note)
        return plan_bracket(
            iso=self.iso,
            ratios=self.ratios,
            long_s=self.long_s or long_s or USUAL_LONG_S,
            iso_labels=body.iso_labels(),
            shutter_labels=body.shutter_labels(),
            release=release,
            settle_s=self.settle_s,
            repeats=self.repeats,
        )


def parse_long(text: str) -> float | None:
    """Seconds, or None for ``auto``. UsageError where it is neither."""
    if text.lower() == "auto":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise UsageError(f"--long {text!r} is neither seconds, such as 10, nor auto")
    return seconds


def parse_ratios(text: str) -> tuple[float, ...]:
    """``100,250,300`` as numbers; UsageError where one is none."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--ratios {text!r} is not a list of numbers such as 100,250,300") from None


@dataclass(frozen=True)
class Pace:
    """How many scenes, and who is there. One scene where all are None."""

    stops: int | None = None
    """Scenes through which a photographer is led."""
    every_s: float | None = None
    """With nobody there: time from start to start."""
    count: int | None = None
    """With nobody there: how many scenes."""

    @property
    def is_unattended(self) -> bool:
        """Whether scenes follow one another with nobody there."""
        return self.every_s is not None or self.count is not None

    @property
    def is_many(self) -> bool:
        """Whether this may be more than one scene."""
        return self.stops is not None or self.is_unattended

    def scenes(self, destination: Destination, tally: Tally) -> int | None:
        """How many scenes there will be; None for: until somebody ends it."""
        if not self.is_many:
            return 1
        ordered = self.count if self.is_unattended else self.stops
        limits = (ordered, None if destination.quota is None else tally.missing(destination.quota))
        return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True)
class Destination:
    """Which split a scene goes to: always the same, the one that a quota misses most, or, with neither, as asked."""

    split: Split | None = None
    quota: Quota | None = None

    def is_reached(self, tally: Tally) -> bool:
        """Whether there is a quota, and it is filled."""
        return self.quota is not None and not tally.missing(self.quota)

    def known(self, tally: Tally) -> Split | None:
        """The split of the next scene; None where somebody has to be asked, or a quota is filled."""
        return self.split if self.quota is None else tally.next_split(self.quota)


@dataclass(frozen=True)
class Book:
    """What the dataset has before the session begins."""

    dataset: Path
    tally: Tally
    interrupted: dict[int, Bracket] = field(default_factory=dict)
    """Brackets that were interrupted, by scene."""

    @classmethod
    def at(cls, dataset: Path, *, must_exist: bool) -> Book:
        """What is there; nothing where there is no dataset yet. UsageError where there has to be one."""
        from sidcap.capture.bracket import unfinished
        from sidcap.capture.journal import Journal
        from sidcap.capture.tally import Tally
        from sidcap.data_manifest.store import Store

        if not must_exist and not (dataset / "dataset.json").exists() and not dataset.is_file():
            return cls(dataset, Tally())
        store = Store.open(dataset)
        interrupted = unfinished(Journal(store.journal_path).events())
        # A scene that was shot well and whose file broke afterwards must not keep anybody from shooting the next.
        scenes = store.scenes(on_broken=lambda error: warn(f"not counted: {error}"))
        return cls(dataset, Tally.of(scenes), dict(sorted(interrupted.items())))

    def to_resume(self, number: int | None) -> list[Bracket]:
        """The interrupted brackets, or the one of scene ``number`` (in its split, or with all five digits)."""
        if number is None:
            return list(self.interrupted.values())
        found = [bracket for scene, bracket in self.interrupted.items() if number in (scene, scene % 10000)]
        if len(found) != 1:
            names = ", ".join(f"{scene:05d}" for scene in self.interrupted) or "none"
            raise UsageError(f"--scene {number} is not one interrupted scene: in {self.dataset} there is {names}")
        return found

    def number(self, wanted: int | None, split: Split) -> int:
        """Scene ``wanted`` of ``split`` with all its digits; the next one for None. UsageError where it is taken."""
        from sidcap.data_manifest.naming import scene_id
        from sidcap.data_manifest.store import Store

        store = Store(self.dataset)
        if wanted is None:
            return store.next_scene_id(split)
        chosen = scene_id(wanted, split)
        if store.scene_path(chosen).exists():
            raise UsageError(f"scene {chosen:05d} exists already: leave --scene out to take the next number")
        return chosen


@dataclass(frozen=True)
class Outlook:
    """What a session will take, before it begins."""

    plan: BracketPlan
    scenes: int | None
    every_s: float
    free_bytes: int

    @property
    def actuations(self) -> int:
        """Of the shutter, in all; of one scene where nobody knows how many there will be."""
        return self.plan.shutter_actuations * (self.scenes or 1)

    @property
    def duration_s(self) -> float:
        """At the camera, in all, with nobody needing time to compose."""
        pauses = (self.scenes or 1) - 1
        return pauses * max(self.every_s, self.plan.duration_s) + self.plan.duration_s

    @property
    def needed_bytes(self) -> int:
        """On the disk, at most."""
        from sidcap.capture.disk import RAW_SIZE_BYTES

        return self.actuations * RAW_SIZE_BYTES

    def to_dict(self) -> dict[str, Any]:
        """What a dry run prints with ``--json`` beside the plan."""
        return {
            "scenes": self.scenes,
            "shutter_actuations": self.actuations,
            "duration_s": self.duration_s,
            "disk_needed_bytes": self.needed_bytes,
            "disk_free_bytes": self.free_bytes,
        }


@dataclass(frozen=True)
class Order:
    """All that was asked for."""

    wish: Wish | None
    """None to complete what was interrupted, as it was planned."""
    pace: Pace
    destination: Destination
    number: int | None
    """Of the only scene, or of the one to complete, where one was named."""
    dry_run: bool
    set_clock: bool
    free_card: bool

    @property
    def is_resumption(self) -> bool:
        """Whether nothing new is shot."""
        return self.wish is None

    def nothing_to_do(self, book: Book) -> str:
        """Why nothing is to be done; empty where something is."""
        if self.is_resumption and not book.interrupted and self.number is None:
            return f"no scene of {book.dataset} was interrupted: there is nothing to resume"
        if self.destination.is_reached(book.tally):
            return f"the quota is filled: {book.tally}"
        return ""

    def outlook(self, plan: BracketPlan, book: Book) -> Outlook:
        """What shooting ``plan`` for all scenes will take."""
        from sidcap.data_manifest.disk import disk_free_bytes

        scenes = self.pace.scenes(self.destination, book.tally)
        return Outlook(plan, scenes, self.pace.every_s or 0.0, disk_free_bytes(book.dataset))


def must_be_finite(option: str, value: float) -> None:
    """UsageError for ``nan`` and ``inf``, which are numbers to Python."""
    if not math.isfinite(value):
        raise UsageError(f"{option} {value} is no number to work with: give one such as 10")
