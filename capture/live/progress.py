"""How far a bracket has come, for whoever watches the page: a fold over what the session tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sidcap.capture.plan import FETCH_S, BracketPlan, Shot
from sidcap.capture.session import Event, EventKind

Outcome = Literal["running", "complete", "unusable", "failed", "stopped"]

_DOING = {
    EventKind.SET: "setting the shutter",
    EventKind.SETTLE: "mirror up, settling",
    EventKind.EXPOSE: "exposing",
    EventKind.FETCH: "fetching",
    EventKind.HOME: "comparing with the long",
}
_MOST_NOTES = 12


@dataclass(frozen=True)
class ShotProgress:
    """One shot of the bracket."""

    role: str
    dial: str
    """The shutter time, as the camera shows it."""
    ratio: float
    """As asked for; 1 for the longs."""
    doing: str = ""
    """What is being done for it; empty before, and once it counts."""
    home: bool = False
    """Its file is whole on the disk."""
    counts: bool = False
    """It was looked into and compared, and counts."""
    found: str = ""
    """How it compares with the first long: aligned, misaligned: why, undetermined: why. Empty for the first long."""
    left_s: float = 0.0
    """Seconds that it still takes at the camera, by guess."""


@dataclass(frozen=True)
class Progress:
    """A bracket from the press of *shoot* to its end."""

    scene: int
    split: str
    iso: int
    shots: tuple[ShotProgress, ...]
    notes: tuple[str, ...] = ()
    """What went wrong or differently, in words, the newest last."""
    outcome: Outcome = "running"
    text: str = ""
    """How it ended, and what to do, in words."""

    @classmethod
    def of(cls, scene: int, split: str, plan: BracketPlan) -> Progress:
        """Before the first shot."""
        shots = (
            ShotProgress(shot.role, shot.dial, shot.ratio_nominal, left_s=_takes_s(shot, plan.settle_s))
            for shot in plan.shots
        )
        return cls(scene, split, plan.iso_set, tuple(shots))

    @property
    def home(self) -> int:
        """Frames whose files are on the disk, looked into or not."""
        return sum(shot.home for shot in self.shots)

    @property
    def done(self) -> int:
        """Frames that count."""
        return sum(shot.counts for shot in self.shots)

    @property
    def left_s(self) -> float:
        """Seconds until the last file is here, by guess."""
        return sum(shot.left_s for shot in self.shots)

    def after(self, event: Event, plan: BracketPlan) -> Progress:
        """As it is once the session has told this."""
        match event.kind:
            case EventKind.SET | EventKind.SETTLE | EventKind.EXPOSE | EventKind.FETCH | EventKind.HOME:
                return self._at_work(event, plan)
            case EventKind.FRAME:
                return self._found(event)
            case EventKind.AGAIN:
                return self._again(event.index, plan)._noted(event.text)
            case EventKind.UNUSABLE:
                return replace(self, outcome="unusable")._noted(event.text)
            case EventKind.COMPLETE:
                return self._complete()
            case _:
                return self._noted(event.text)

    def ended(self, outcome: Outcome, text: str) -> Progress:
        """Over, otherwise than by its last frame."""
        return replace(self, outcome=outcome, text=text)

    def _complete(self) -> Progress:
        if self.outcome == "unusable":
            return replace(self, text=f"scene {self.scene:05d} is complete, but of no use as it is: see the notes")
        return replace(self, outcome="complete", text=f"scene {self.scene:05d} is complete")

    def _at_work(self, event: Event, plan: BracketPlan) -> Progress:
        if event.index is None or event.shot is None:
            return self
        left_s = {
            EventKind.SET: _takes_s(event.shot, plan.settle_s),
            EventKind.SETTLE: _takes_s(event.shot, plan.settle_s),
            EventKind.EXPOSE: _takes_s(event.shot, 0.0),
            EventKind.FETCH: FETCH_S / 2,
        }.get(event.kind, 0.0)
        home = event.kind is EventKind.HOME
        shot = replace(self.shots[event.index], doing=_DOING[event.kind], home=home, left_s=left_s)
        return replace(self, shots=_with(self.shots, event.index, shot))

    def _found(self, event: Event) -> Progress:
        if event.index is None:
            return self
        found = event.text or ("the reference" if event.index == 0 else "not compared")
        shot = replace(self.shots[event.index], doing="", home=True, counts=True, found=found, left_s=0.0)
        return replace(self, shots=_with(self.shots, event.index, shot))

    def _again(self, index: int | None, plan: BracketPlan) -> Progress:
        """One shot, or all of them, as before the first."""
        anew = Progress.of(self.scene, self.split, plan).shots
        shots = anew if index is None else _with(self.shots, index, anew[index])
        return replace(self, shots=shots, outcome="running")

    def _noted(self, text: str) -> Progress:
        return replace(self, notes=(*self.notes, text)[-_MOST_NOTES:]) if text else self


def _with(shots: tuple[ShotProgress, ...], index: int, shot: ShotProgress) -> tuple[ShotProgress, ...]:
    return (*shots[:index], shot, *shots[index + 1 :])


def _takes_s(shot: Shot, settle_s: float) -> float:
    return settle_s + shot.true_s + FETCH_S
