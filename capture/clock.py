"""Time at the camera."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time, or time that runs ``scale`` times faster beside a simulated camera that does."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._start_utc = datetime.now(UTC)
        self._start_s = time.monotonic()

    def now(self) -> datetime:
        """The moment, UTC."""
        return self._start_utc + timedelta(seconds=(time.monotonic() - self._start_s) * self.scale)

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of this clock pass."""
        time.sleep(seconds / self.scale)
