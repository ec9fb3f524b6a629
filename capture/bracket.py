"""How far a bracket has come: what was intended, what came home, what is missing.

The state lives in memory while a bracket is shot and can be read back from the journal at any moment, which is how one
is resumed after the program, the computer or its power failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sidcap.capture.plan import BracketPlan, Shot
from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.schema import Frame, Pair, Ratio, Record, Scene
from sidcap.data_manifest.words import Split


class Arrival(Record):
    """One frame that came home whole, before anybody has looked into it."""

    index: int
    """0-based number of the shot."""
    card: str
    """Where the camera has it."""
    path: str
    """Where the dataset has it, relative to its folder."""
    size_bytes: int
    sha256: str
    start_utc: datetime
    """When the shutter was released, by the host's clock."""
    end_utc: datetime
    """When the camera announced the file, or when it was found on the card."""
    battery: str

    @property
    def name(self) -> str:
        """The file's name in the dataset."""
        return PurePosixPath(self.path).name


@dataclass
class Bracket:
    """One attempt at one scene."""

    scene_id: int
    split: Split
    plan: BracketPlan
    attempt: int = 1
    intended: dict[int, datetime] = field(default_factory=dict)
    """Shots that were about to be made, by index, and when."""
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    frames: dict[int, Frame] = field(default_factory=dict)
    """Frames that somebody has looked into, and that count."""
    last_utc: datetime | None = None
    """When its last shot was about to be made."""

    @property
    def missing(self) -> list[int]:
        """Indices of the shots that are still to be made."""
        return [index for index in range(len(self.plan.shots)) if index not in self.arrivals]

    @property
    def progress(self) -> str:
        """How far it has come, in words: ``2 of 5 frames``."""
        return f"{len(self.arrivals)} of {len(self.plan.shots)} frames"

    @property
    def open_intents(self) -> list[int]:
        """Indices of the shots that may have been made, but whose frames never came home."""
        return sorted(index for index in self.intended if index not in self.arrivals)

    def shot(self, index: int) -> Shot:
        """What is to be exposed."""
        return self.plan.shots[index]

    def true_ratio(self, index: int) -> float:
        """Exposure of the first long over that of a shot, by the true shutter times."""
        return self.shot(0).true_s / self.shot(index).true_s

    def next_attempt(self) -> Bracket:
        """The same bracket from the beginning."""
        return Bracket(self.scene_id, self.split, self.plan, self.attempt + 1)

    def forget(self, index: int) -> None:
        """The shot has to be made again."""
        for known in (self.intended, self.arrivals, self.frames):
            known.pop(index, None)

    def written_into(self, scene: Scene, *, complete: bool = False) -> Scene:
        """The scene with the frames that count, in the order of the plan, and the pairs they make."""
        longs = [frame for index, frame in sorted(self.frames.items()) if self.shot(index).role == "long"]
        pairs, closing = [], None
        if 0 in self.frames:
            for index, frame in sorted(self.frames.items()):
                if index == 0:
                    continue
                pair = _pair(self.shot(index), frame, longs[0])
                if frame.role == "long":
                    closing = pair
                else:
                    pairs.append(pair)
        return scene.replace(
            frames=tuple(frame for _, frame in sorted(self.frames.items())),
            pairs=tuple(pairs),
            closing=closing,
            complete=complete,
        )


def _pair(shot: Shot, frame: Frame, reference: Frame) -> Pair:
    ratio = Ratio(nominal=shot.ratio_nominal, true=reference.exposure.true_s / frame.exposure.true_s)
    return Pair(frame=frame.path, reference=reference.path, ratio=ratio)


def unfinished(events: Iterable[Mapping[str, Any]]) -> dict[int, Bracket]:
    """The brackets that the journal knows to be incomplete, by scene, each in its last attempt.

    Their ``frames`` stay empty: those are in the scene files. Raises ManifestError where a line of the journal lacks
    what its kind has.
    """
    brackets: dict[int, Bracket] = {}
    for event in events:
        try:
            _follow(event, brackets)
        except (KeyError, ValueError, TypeError) as error:
            raise ManifestError(
                f"journal.jsonl: the line {event.get('event')!r} of {event.get('utc')} is broken: "
                "restore it from a copy, or delete that line"
            ) from error
    return brackets


def _follow(event: Mapping[str, Any], brackets: dict[int, Bracket]) -> None:
    """What one event changes in the brackets."""
    kind, scene = event.get("event"), event.get("scene")
    if kind == "bracket":
        brackets[event["scene"]] = Bracket(
            scene_id=event["scene"],
            split=Split(event["split"]),
            plan=BracketPlan.model_validate(event["plan"]),
            attempt=event.get("attempt", 1),
        )
    if scene not in brackets:
        return
    bracket = brackets[scene]
    if kind == "shot":
        bracket.last_utc = bracket.intended[event["index"]] = datetime.fromisoformat(event["utc"])
    elif kind == "file":
        arrival = Arrival.model_validate(event["arrival"])
        bracket.arrivals[arrival.index] = arrival
    elif kind == "again":
        bracket.forget(event["index"])
    elif kind == "discard":
        brackets[scene] = bracket.next_attempt()
    elif kind in ("complete", "abandoned"):
        del brackets[scene]
