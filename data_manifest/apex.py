"""What the shutter does where the dial says a rounded number (APEX, the additive system of exposure, ANSI PH2.5)."""

from __future__ import annotations

import math

_STEPS_PER_STOP = 3
"""Cameras leave the factory in third stops; half stops are a custom function that sidcap does not support."""


_THIRD_STOP = 1 / 3


def open_seconds(dial_s: float, told_s: float | None) -> float:
    """What the shutter did: ``told_s``, as APEX in the EXIF has it, where it fits the dial's time, else that one's."""
    if told_s is not None and abs(math.log2(told_s / dial_s)) <= _THIRD_STOP:
        return told_s
    return true_seconds(dial_s)


def true_seconds(nominal_s: float) -> float:
    """The power of two, in third stops, that a dial's ``nominal_s`` stands for: 30 -> 32, 1/60 -> 1/64, 10 -> 10.08."""
    return float(2.0 ** (round(_STEPS_PER_STOP * math.log2(nominal_s)) / _STEPS_PER_STOP))
