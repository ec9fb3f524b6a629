"""What the shutter does where the dial says a rounded number (APEX, the additive system of exposure, ANSI PH2.5)."""

from __future__ import annotations

import math

_STEPS_PER_STOP = 3
"""Cameras leave the factory in third stops; half stops are a custom function that sidcap does not support."""


def true_seconds(nominal_s: float) -> float:
    """The power of two, in third stops, that a dial's ``nominal_s`` stands for: 30 -> 32, 1/60 -> 1/64, 10 -> 10.08."""
    return float(2.0 ** (round(_STEPS_PER_STOP * math.log2(nominal_s)) / _STEPS_PER_STOP))
