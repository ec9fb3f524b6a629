"""The mirror: where it stands, how long it has stood there, and what a host sees of it."""

from __future__ import annotations

import enum

from sidcap.capture.simulated.codes import MirrorLockup
from sidcap.capture.simulated.properties import PropertyCode
from sidcap.capture.simulated.state import State

TRAVEL_S = 0.05
"""From down to up, or back, during which a press finds the camera busy. A guess, from a shutter lag of 0.06 s."""

LOCKUP_TIMEOUT_S = 30.0
"""A mirror that was locked up drops by itself after this time without a second press (Canon's manual)."""


class MirrorPosition(enum.Enum):
    """Where the mirror is, and why.

    ::

        DOWN ------ press, lockup on ----> LOCKED_UP -- press ---> SHOOTING -- exposed --> DOWN
        DOWN ------ press, lockup off ---------------------------> SHOOTING -- exposed --> DOWN
        DOWN ------ live view on --------> LIVE_VIEW -- press ---> SHOOTING -- exposed --> LIVE_VIEW
        LOCKED_UP - 30 s, or reset ------> DOWN
        LIVE_VIEW - live view off -------> DOWN

    With the mode dial on B the exposure lasts until the button is let go.
    """

    DOWN = "down"
    LOCKED_UP = "locked up"
    LIVE_VIEW = "live view"
    SHOOTING = "shooting"


class Mirror:
    """One mirror, down at first. Times are simulated seconds since power-on."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._position = MirrorPosition.DOWN
        self._moved_s = -TRAVEL_S

    @property
    def position(self) -> MirrorPosition:
        return self._position

    def is_moving(self, now_s: float) -> bool:
        return now_s < self._moved_s + TRAVEL_S

    def up_for_s(self, at_s: float) -> float:
        """How long before ``at_s`` it last moved."""
        return at_s - self._moved_s

    def move(self, to: MirrorPosition, *, at_s: float) -> None:
        """Goes up or down, or stays up for another reason."""
        if (self._position is MirrorPosition.DOWN) != (to is MirrorPosition.DOWN):
            self._moved_s = at_s
        self._position = to
        self.show()

    def shoot(self) -> None:
        """Is up for an exposure. When it went up is what the shot says; nothing asks the mirror until it is over."""
        self._position = MirrorPosition.SHOOTING
        self.show()

    def drop_if_locked_up(self, *, at_s: float) -> None:
        if self._position is MirrorPosition.LOCKED_UP:
            self.move(MirrorPosition.DOWN, at_s=at_s)

    def catch_up(self, now_s: float) -> None:
        """Drops where it was locked up for too long."""
        until_s = self._moved_s + LOCKUP_TIMEOUT_S
        if now_s >= until_s:
            self.drop_if_locked_up(at_s=until_s)

    def show(self) -> None:
        """Brings the two states that a host can see up to date."""
        if self._state.number(PropertyCode.MirrorUpSetting) == 0:
            lockup = MirrorLockup.DISABLED
        elif self._position is MirrorPosition.LOCKED_UP:
            lockup = MirrorLockup.DURING_SHOOTING
        else:
            lockup = MirrorLockup.ENABLED
        self._state.set(PropertyCode.MirrorLockupState, int(lockup))
        # 0 is what an idle body reports; that 1 means up is a guess.
        self._state.set(PropertyCode.MirrorDownStatus, int(self._position is not MirrorPosition.DOWN))
