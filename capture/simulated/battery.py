"""The battery: how much is left, and how the camera tells of it."""

from __future__ import annotations

EXPOSURES_PER_CHARGE = 1090
"""Through the viewfinder at 23 degrees (CIPA figure as remembered from Canon's manual: a guess)."""

LIVE_VIEW_S_PER_CHARGE = 6600.0
"""1 h 50 min of live view. A guess."""

_LEVELS = ((0.75, 2, 100), (0.5, 4, 75), (0.25, 1, 50), (0.1, 5, 25), (0.0, 0, 0))
"""From this share of a charge on: Canon's code, and what libgphoto2 shows for it. Where they change is a guess."""


class Battery:
    """Full at 1.0, empty at 0.0. An idle camera is taken to need nothing."""

    def __init__(self, charge: float = 1.0) -> None:
        self._charge = charge

    @property
    def is_empty(self) -> bool:
        return self._charge <= 0

    @property
    def code(self) -> int:
        """Canon's code for the level."""
        return self._level()[1]

    @property
    def percent(self) -> int:
        """What the camera says of it: 100, 75, 50, 25 or 0."""
        return self._level()[2]

    def drain(self, share: float) -> None:
        """Takes a share of a full charge."""
        self._charge = max(self._charge - share, 0.0)

    def _level(self) -> tuple[float, int, int]:
        return next(level for level in _LEVELS if self._charge >= level[0])
