"""Exposure arithmetic: what the dial says, what the shutter does, and the nearest setting a camera offers.

Cameras label their shutter times with rounded numbers, but run powers of two: the dial's 30 s is 32 s, its 1/30 is
1/32, and a third of a stop is a factor of 2^(1/3) (APEX, the additive system of photographic exposure, ANSI PH2.5).
In bulb there is no dial: the shutter is open for as long as the host holds the button (docs/decisions/0006).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from sidcap.data_manifest.apex import true_seconds
from sidcap.data_manifest.errors import UsageError

_CANON_ODD_LABELS = {"10.3": Fraction(10), "6.3": Fraction(6)}
"""libgphoto2 names these two Canon settings after a computed time; the camera's own display says 10\" and 6\"."""
_LABEL = re.compile(r"(\d+)/(\d+)|(\d+(?:\.\d+)?)s?")
_MAX_ISO_DIFFERENCE_STOPS = 1 / 3
_MAX_EXPOSURE_DIFFERENCE_STOPS = 1 / 3
SHORTEST_BULB_S = 1.0
"""Shorter ones would be made of the delays of cable and camera, which differ from press to press. Guess."""
LONGEST_BULB_S = 3600.0
"""An hour: a limit against slips of the finger."""


@dataclass(frozen=True)
class Shutter:
    """One shutter setting of a camera."""

    label: str
    """As the camera words it over the wire: ``1/30``, ``10.3``."""
    nominal_s: float
    """As its dial says."""
    true_s: float
    """As it runs: the nearest power of two in third stops."""

    @property
    def dial(self) -> str:
        """As the camera's display shows it."""
        return on_display(self.label, self.nominal_s)


def on_display(label: str, nominal_s: float) -> str:
    """A shutter time as the camera's display shows it: libgphoto2 calls 10 s "10.3"."""
    return f"{label} s" if "/" in label else f"{nominal_s:g} s"


def parse_shutter(label: str) -> Shutter | None:
    """The setting behind a camera's label; None for bulb, "Auto" and whatever is not a time."""
    match = _LABEL.fullmatch(label.strip())
    if match is None:
        return None
    numerator, denominator, seconds = match.groups()
    if numerator is not None and int(denominator) == 0:
        return None
    nominal = Fraction(int(numerator), int(denominator)) if numerator is not None else Fraction(seconds)
    nominal = _CANON_ODD_LABELS.get(label.strip(), nominal)
    return Shutter(label, float(nominal), true_seconds(float(nominal))) if nominal > 0 else None


def in_bulb(label: str) -> bool:
    """Whether a camera's label says that the shutter stays open for as long as the button is held."""
    return label.strip().lower() == "bulb"


@dataclass(frozen=True)
class Offer:
    """The exposures that a camera offers, with its mode dial where it stands."""

    timed: tuple[Shutter, ...]
    """Those that it times itself, longest first."""
    bulb: str | None
    """Its label for bulb; None where it has none now."""

    @property
    def reach(self) -> str:
        """In words, for messages."""
        timed = f"{self.timed[-1].label} to {self.timed[0].label} s" if self.timed else ""
        held = f"{SHORTEST_BULB_S:g} to {LONGEST_BULB_S:g} s in bulb" if self.bulb else ""
        return " and ".join(part for part in (timed, held) if part)


def offer(labels: Iterable[str]) -> Offer:
    """What a camera's labels offer. UsageError where that is no exposure at all."""
    all_labels = tuple(labels)
    found = {label: shutter for label in all_labels if (shutter := parse_shutter(label)) is not None}
    timed = tuple(sorted(found.values(), key=lambda shutter: -shutter.nominal_s))
    bulb = next((label for label in all_labels if in_bulb(label)), None)
    if not timed and bulb is None:
        raise UsageError("the camera offers no timed exposures: turn its mode dial to M")
    return Offer(timed, bulb)


def choose_exposure(offered: Offer, nominal_s: float) -> Shutter | None:
    """The setting for ``nominal_s`` seconds: one that the camera times, within a third of a stop, else bulb."""
    nearest = min(offered.timed, key=lambda shutter: _stops_between(shutter.nominal_s, nominal_s), default=None)
    if nearest and _stops_between(nearest.nominal_s, nominal_s) <= _MAX_EXPOSURE_DIFFERENCE_STOPS:
        return nearest
    return _held(offered, nominal_s)


def choose_long(offered: Offer, long_s: float) -> Shutter:
    """The setting for a long exposure of ``long_s`` nominal seconds; UsageError where the camera has none near it."""
    if not (math.isfinite(long_s) and long_s > 0):
        raise UsageError(f"a long exposure of {long_s:g} s is impossible: give --long in seconds, for example 10")
    chosen = choose_exposure(offered, long_s)
    if chosen is None:
        more = "" if offered.bulb else f"; with the mode dial on B it would reach {LONGEST_BULB_S:g} s"
        raise UsageError(f"the camera offers {offered.reach}, not {long_s:g} s: give --long within that{more}")
    return chosen


def choose_short(offered: Offer, long: Shutter, ratio: float) -> Shutter:
    """The setting whose true ratio to ``long`` is nearest to ``ratio``; UsageError where none comes near."""
    if not (math.isfinite(ratio) and ratio > 1):
        raise UsageError(f"a ratio of {ratio:g} is impossible: a short is shorter than its long, so ratios are above 1")
    wanted_s = long.true_s / ratio
    nearest = min(offered.timed, key=lambda shutter: _stops_between(shutter.true_s, wanted_s), default=None)
    if nearest and nearest != long and _stops_between(nearest.true_s, wanted_s) <= _MAX_EXPOSURE_DIFFERENCE_STOPS:
        return nearest
    held = _held(offered, wanted_s)
    if held is not None:
        return held
    if not offered.timed:
        raise UsageError(
            f"ratio {ratio:g} needs a short of {wanted_s:.2g} s, and on B none is below {SHORTEST_BULB_S:g} s: "
            f"give ratios up to {long.true_s / SHORTEST_BULB_S:g}, or turn the mode dial to M and give --long up to 30"
        )
    raise UsageError(
        f"ratio {ratio:g} is out of the shutter's reach: with a long of {long.nominal_s:g} s this camera serves "
        f"ratios from 1.3 to {long.true_s / offered.timed[-1].true_s:.0f}"
    )


def _held(offered: Offer, seconds: float) -> Shutter | None:
    """An exposure in bulb, where the camera offers that and the host can time it."""
    if offered.bulb is None or not SHORTEST_BULB_S <= seconds <= LONGEST_BULB_S:
        return None
    return Shutter(offered.bulb, seconds, seconds)


def _stops_between(one_s: float, other_s: float) -> float:
    return abs(math.log2(one_s / other_s))


def choose_iso(labels: Iterable[str], requested: int) -> int:
    """The legal ISO nearest to ``requested``, in stops; UsageError where none is within a third of a stop."""
    legal = sorted({int(label) for label in labels if label.strip().isdecimal() and int(label) > 0})
    if not legal:
        raise UsageError("the camera offers no ISO to choose from: take it off Auto ISO and any automatic mode")
    chosen = min(legal, key=lambda iso: abs(math.log2(iso / requested)) if requested > 0 else math.inf)
    if requested <= 0 or abs(math.log2(chosen / requested)) > _MAX_ISO_DIFFERENCE_STOPS:
        raise UsageError(f"ISO {requested} is not offered: this camera has ISO {legal[0]} to {legal[-1]}")
    return chosen
