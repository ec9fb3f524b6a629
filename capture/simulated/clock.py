"""Simulated time: the camera's seconds, which may pass faster than the world's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SimClock:
    """Seconds since the camera was switched on; ``time_scale`` of them pass in one real second.

    The camera's date and time start at the real ones and run at the same pace, so that a camera with a
    ``time_scale`` of 20 is, after a minute, 19 minutes ahead of the world.
    """

    def __init__(self, time_scale: float = 1.0) -> None:
        self.time_scale = time_scale
        self._power_on = datetime.now(UTC)
        self._power_on_monotonic_s = time.monotonic()

    def now_s(self) -> float:
        """Simulated seconds since power-on."""
        return (time.monotonic() - self._power_on_monotonic_s) * self.time_scale

    def set_utc(self, now: datetime) -> None:
        """Somebody sets the camera's date and time."""
        self._power_on = now - timedelta(seconds=self.now_s())

    def utc(self, at_s: float) -> datetime:
        """The camera's date and time ``at_s`` simulated seconds after power-on."""
        return self._power_on + timedelta(seconds=at_s)
