"""Exposure arithmetic: what the dial says, what the shutter does, and the nearest setting a camera offers.

Cameras label their shutter times with rounded numbers, but run powers of two: the dial's 30 s is 32 s, its 1/30 is
1/32, and a third of a stop is a factor of 2^(1/3) (APEX, the additive system of photographic exposure, ANSI PH2.5).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from sidcap.data_manifest.errors import UsageError

_STEPS_PER_STOP = 3
"""Cameras leave the factory in third stops; half stops are a custom function that sidcap does not support."""
_CANON_ODD_LABELS = {"10.3": Fraction(10), "6.3": Fraction(6)}
"""libgphoto2 names these two Canon settings after a computed time; the camera's own display says 10\" and 6\"."""
_LABEL = re.compile(r"(\d+)/(\d+)|(\d+(?:\.\d+)?)s?")
_MAX_ISO_DIFFERENCE_STOPS = 1 / 3
_MAX_EXPOSURE_DIFFERENCE_STOPS = 1 / 3


@dataclass(frozen=True)
class Shutter:
    """One shutter setting of a camera."""

    label: str
    """As the camera words it over the wire: ``1/30``, ``10.3``."""
    nominal_s: float
    """As its dial says."""
    true_s: float
    """As it runs: the nearest power of two in third stops."""


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


def true_seconds(nominal_s: float) -> float:
    """The power of two, in third stops, that a dial's ``nominal_s`` stands for: 30 -> 32, 1/60 -> 1/64, 10 -> 10.08."""
    return float(2.0 ** (round(_STEPS_PER_STOP * math.log2(nominal_s)) / _STEPS_PER_STOP))


def shutters(labels: Iterable[str]) -> tuple[Shutter, ...]:
    """The timed settings among a camera's labels, longest first."""
    found = {label: shutter for label in labels if (shutter := parse_shutter(label)) is not None}
    return tuple(sorted(found.values(), key=lambda shutter: -shutter.nominal_s))


def nearest_shutter(offered: Iterable[Shutter], true_s: float) -> Shutter:
    """The setting whose true time is nearest, in stops, to ``true_s``."""
    return min(offered, key=lambda shutter: abs(math.log2(shutter.true_s / true_s)))


def choose_long(offered: tuple[Shutter, ...], long_s: float) -> Shutter:
    """The setting for a long exposure of ``long_s`` nominal seconds; UsageError where the camera times none near it."""
    if not (math.isfinite(long_s) and long_s > 0):
        raise UsageError(f"a long exposure of {long_s:g} s is impossible: give --long in seconds, for example 10")
    chosen = min(offered, key=lambda shutter: abs(math.log2(shutter.nominal_s / long_s)))
    if abs(math.log2(chosen.nominal_s / long_s)) > _MAX_EXPOSURE_DIFFERENCE_STOPS:
        raise UsageError(
            f"the camera times {offered[-1].label} to {offered[0].label} s, not {long_s:g} s: give --long within that"
        )
    return chosen


def choose_short(offered: tuple[Shutter, ...], long: Shutter, ratio: float) -> Shutter:
    """The setting whose true ratio to ``long`` is nearest to ``ratio``; UsageError where none comes near."""
    if not (math.isfinite(ratio) and ratio > 1):
        raise UsageError(f"a ratio of {ratio:g} is impossible: a short is shorter than its long, so ratios are above 1")
    chosen = nearest_shutter(offered, long.true_s / ratio)
    difference_stops = abs(math.log2(long.true_s / chosen.true_s / ratio))
    if difference_stops > _MAX_EXPOSURE_DIFFERENCE_STOPS or chosen == long:
        raise UsageError(
            f"ratio {ratio:g} is out of the shutter's reach: with a long of {long.nominal_s:g} s this camera serves "
            f"ratios from 1.3 to {long.true_s / offered[-1].true_s:.0f}"
        )
    return chosen


def choose_iso(labels: Iterable[str], requested: int) -> int:
    """The legal ISO nearest to ``requested``, in stops; UsageError where none is within a third of a stop."""
    legal = sorted({int(label) for label in labels if label.strip().isdecimal() and int(label) > 0})
    if not legal:
        raise UsageError("the camera offers no ISO to choose from: take it off Auto ISO and any automatic mode")
    chosen = min(legal, key=lambda iso: abs(math.log2(iso / requested)) if requested > 0 else math.inf)
    if requested <= 0 or abs(math.log2(chosen / requested)) > _MAX_ISO_DIFFERENCE_STOPS:
        raise UsageError(f"ISO {requested} is not offered: this camera has ISO {legal[0]} to {legal[-1]}")
    return chosen
