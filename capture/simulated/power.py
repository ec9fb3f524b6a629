"""Power: the battery, how the camera tells of it, and the timer that switches the camera off."""

from __future__ import annotations

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.properties import PropertyCode
from sidcap.capture.simulated.state import State

EXPOSURES_PER_CHARGE = 1090
"""Through the viewfinder at 23 degrees (CIPA figure as remembered from Canon's manual: a guess)."""

LIVE_VIEW_S_PER_CHARGE = 6600.0
"""1 h 50 min of live view. A guess."""

SHUTDOWN_WARNING_S = 10.0
"""How long before it switches itself off the camera says so. A guess."""

_LEVELS = ((0.75, 2, 100), (0.5, 4, 75), (0.25, 1, 50), (0.1, 5, 25), (0.0, 0, 0))
"""From this share of a charge on: Canon's code, and what libgphoto2 shows for it. Where they change is a guess."""


class Power:
    """A battery and a timer. An idle camera is taken to need nothing. Times are simulated seconds since power-on.

    ``charge``: of the battery, 1 for full. ``auto_power_off``: whether the timer counts at all.
    """

    def __init__(self, state: State, charge: float, *, auto_power_off: bool) -> None:
        self._state = state
        self._charge = charge
        self._auto_power_off = auto_power_off
        self._looked_s = 0.0
        self._last_used_s = 0.0
        self._show()

    @property
    def is_empty(self) -> bool:
        return self._charge <= 0

    @property
    def percent(self) -> int:
        """What the camera says of its battery: 100, 75, 50, 25 or 0."""
        return self._level()[2]

    def drain(self, share: float) -> None:
        """Takes a share of a full charge."""
        self._charge = max(self._charge - share, 0.0)
        self._show()

    def charge_if_empty(self) -> None:
        """Somebody puts in a charged battery where the old one is empty."""
        if self.is_empty:
            self._charge = 1.0
        self._show()

    def used(self, at_s: float) -> None:
        """Somebody uses the camera: the timer begins anew."""
        self._last_used_s = at_s

    def catch_up(self, now_s: float, *, live_view: bool) -> None:
        """Drains what was used since the last call, and warns where the timer is about to run out."""
        before_s, self._looked_s = self._looked_s, now_s
        if live_view:
            self.drain((now_s - before_s) / LIVE_VIEW_S_PER_CHARGE)
        off_s = self._off_s()
        if off_s is not None and before_s < off_s - SHUTDOWN_WARNING_S <= now_s:
            self._state.happened(datasets.will_soon_shut_down())

    def has_timed_out(self, now_s: float) -> bool:
        """Whether nobody used the camera for as long as its setting says."""
        off_s = self._off_s()
        return off_s is not None and now_s >= off_s

    def _off_s(self) -> float | None:
        timer_s = self._state.number(PropertyCode.AutoPowerOff)
        return self._last_used_s + timer_s if self._auto_power_off and timer_s else None

    def _show(self) -> None:
        self._state.set(PropertyCode.BatteryPower, self._level()[1])

    def _level(self) -> tuple[float, int, int]:
        return next(level for level in _LEVELS if self._charge >= level[0])
