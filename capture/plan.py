"""From an ISO, some ratios and what the camera offers to the list of shots of one bracket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from sidcap.capture.exposure import Shutter, choose_iso, choose_long, choose_short, in_bulb, offer, on_display
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.words import Release

_SAME_EXPOSURE = 0.01
MAX_OF_ONE_EXPOSURE = 99
"""A SID file name counts the frames of one exposure with two digits."""
FETCH_S = 4.0
"""Guess for writing a frame to the card and fetching it, used for the total time shown before shooting."""


class Shot(Record):
    """One exposure to be made."""

    role: Literal["long", "short"]
    shutter: str
    """The camera's own label of the shutter setting."""
    requested_s: float
    nominal_s: float
    true_s: float
    ratio_nominal: float
    """As asked for; 1 for the longs."""
    ratio_true: float
    """By the true shutter times."""

    @property
    def in_bulb(self) -> bool:
        """Whether the host times it by holding the shutter button, instead of the camera."""
        return in_bulb(self.shutter)

    @property
    def dial(self) -> str:
        """The shutter time as the camera's display shows it."""
        return on_display(self.shutter, self.nominal_s)

    @property
    def ratio_difference(self) -> float:
        """How far the true ratio lies from the nominal one, as a fraction of it."""
        return self.ratio_true / self.ratio_nominal - 1


class BracketPlan(Record):
    """One bracket: a long, one short per ratio, and the long again, so that drift in between shows."""

    iso_requested: int
    iso_set: int
    release: Release
    settle_s: float
    shots: tuple[Shot, ...]

    @property
    def shutter_actuations(self) -> int:
        """How many times the shutter will run."""
        return len(self.shots)

    @property
    def duration_s(self) -> float:
        """Expected time from the first press to the last file, seconds; the time to fetch a frame is a guess."""
        return sum(shot.true_s + self.settle_s + FETCH_S for shot in self.shots)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each wish, of ISO or of the long, that the camera meets only nearly."""
        long = self.shots[0]
        notes = []
        if self.iso_set != self.iso_requested:
            notes.append(
                f"ISO {self.iso_requested} does not exist on this camera; ISO {self.iso_set} is the nearest it has"
            )
        if abs(long.nominal_s / long.requested_s - 1) > _SAME_EXPOSURE:
            notes.append(f"this camera has no {long.requested_s:g} s; {long.nominal_s:g} s is the nearest it has")
        if held := sum(shot.in_bulb for shot in self.shots):
            notes.append(f"{held} exposures in bulb, timed by this computer and the cable: true times are less certain")
        return tuple(notes)


def plan_bracket(
    *,
    iso: int,
    ratios: Sequence[float],
    long_s: float,
    iso_labels: Iterable[str],
    shutter_labels: Iterable[str],
    release: Release = Release.MIRROR_LOCKUP,
    settle_s: float = 2.0,
    repeats: int = 1,
) -> BracketPlan:
    """Plan one bracket from what the user wants and what the camera offers.

    Args:
        iso: requested sensitivity; the nearest legal one is taken.
        ratios: nominal ratios long/short, each above 1.
        long_s: nominal seconds of the long.
        iso_labels, shutter_labels: the camera's own choices, as it words them.
        release: how the shutter is fired.
        settle_s: pause between mirror up and exposure, seconds.
        repeats: how often each short is shot, one after the other.

    Raises UsageError where the camera cannot serve the request.
    """
    if not ratios:
        raise UsageError("a bracket needs at least one ratio, for example --ratios 100,250,300")
    if not 0 <= settle_s <= 25:
        raise UsageError(f"a settle time of {settle_s:g} s is out of range: 0 to 25 s, then the mirror drops by itself")
    if not 1 <= repeats <= MAX_OF_ONE_EXPOSURE:
        raise UsageError(f"each short can be shot 1 to {MAX_OF_ONE_EXPOSURE} times, not {repeats}")
    offered = offer(shutter_labels)
    long = choose_long(offered, long_s)
    closing = _shot("long", long, long, 1.0, requested_s=long_s)
    shorts = [
        _shot("short", choose_short(offered, long, ratio), long, ratio, requested_s=long_s / ratio)
        for ratio in ratios
        for _ in range(repeats)
    ]
    most = max(Counter(shot.nominal_s for shot in shorts).values())
    if most > MAX_OF_ONE_EXPOSURE:
        raise UsageError(f"{most} shorts of one exposure are too many for a scene: give fewer --ratios or --repeats")
    return BracketPlan(
        iso_requested=iso,
        iso_set=choose_iso(iso_labels, iso),
        release=release,
        settle_s=settle_s if release is not Release.PLAIN else 0.0,
        shots=(closing, *shorts, closing),
    )


def _shot(role: Literal["long", "short"], shutter: Shutter, long: Shutter, ratio: float, *, requested_s: float) -> Shot:
    return Shot(
        role=role,
        shutter=shutter.label,
        requested_s=requested_s,
        nominal_s=shutter.nominal_s,
        true_s=shutter.true_s,
        ratio_nominal=ratio,
        ratio_true=long.true_s / shutter.true_s,
    )
