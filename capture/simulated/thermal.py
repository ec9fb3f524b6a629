"""How warm the sensor is: it heats while it works and cools towards the air around it.

One time constant and one rise above the air for each kind of work (Newton's law of cooling):
dT/dt = (ambient + rise - T) / time constant.

The figures are rounded from a Canon EOS 5D Mark II (photo.m-j-s.net, "Raw-Analyse 3: Darks", 2016): in air of 20
degrees its CameraTemperature settled at 31 to 33 within about 15 minutes of exposures without a pause. For a 6D they
are a guess, and so is everything about live view.
"""

from __future__ import annotations

import enum
from math import exp, expm1

TIME_CONSTANT_S = 300.0
_NO_TIME = 1e-9  # time constants


class Activity(enum.Enum):
    """What a sensor does, and how far above the air that takes it in the end, in kelvins."""

    IDLE = 0.0
    EXPOSING = 12.0
    LIVE_VIEW = 14.0  # guess


class SensorHeat:
    """The temperature of one sensor through a session; it starts at that of the air.

    Tell it with ``switch`` what the sensor does, in the order of time; ask with ``temperature_c``::

        heat = SensorHeat(ambient_c=20.0)
        heat.switch(Activity.EXPOSING, at_s=12.0)
        heat.switch(Activity.IDLE, at_s=22.1)
        heat.temperature_c(at_s=30.0)
    """

    def __init__(self, ambient_c: float) -> None:
        self._ambient_c = ambient_c
        self._activity = Activity.IDLE
        self._since_s = 0.0
        self._then_c = ambient_c

    def switch(self, activity: Activity, *, at_s: float) -> None:
        """From ``at_s`` (simulated seconds since power-on) on the sensor does this."""
        self._then_c = self.temperature_c(at_s=at_s)
        self._since_s, self._activity = at_s, activity

    def temperature_c(self, *, at_s: float) -> float:
        """Degrees Celsius at that time; before the last switch, what it was at the switch."""
        return _after(max(at_s - self._since_s, 0.0), self._then_c, self._ambient_c + self._activity.value)


def mean_while_exposing_c(start_c: float, ambient_c: float, exposure_s: float) -> float:
    """Mean temperature over an exposure that began at ``start_c``, degrees Celsius."""
    final_c = ambient_c + Activity.EXPOSING.value
    in_time_constants = exposure_s / TIME_CONSTANT_S
    if in_time_constants < _NO_TIME:
        return start_c
    return final_c - (start_c - final_c) * expm1(-in_time_constants) / in_time_constants


def after_exposing_c(start_c: float, ambient_c: float, exposure_s: float) -> float:
    """Temperature at the end of an exposure that began at ``start_c``, degrees Celsius."""
    return _after(exposure_s, start_c, ambient_c + Activity.EXPOSING.value)


def _after(seconds: float, start_c: float, final_c: float) -> float:
    return final_c + (start_c - final_c) * exp(-seconds / TIME_CONSTANT_S)
