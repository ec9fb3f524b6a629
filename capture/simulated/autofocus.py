"""Autofocus: looking for the focus takes a while, and may be in vain."""

from __future__ import annotations

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.faults import AUTOFOCUS, FaultKind, FaultPlan
from sidcap.capture.simulated.lens import Lens
from sidcap.capture.simulated.properties import MANUAL_FOCUS, ONE_SHOT, PropertyCode
from sidcap.capture.simulated.state import State

AUTOFOCUS_S = 0.3
"""How long the lens looks for the focus. A guess."""

OUT_OF_FOCUS_STEPS = 40
"""Where a lens stands that looked for the focus in vain. A guess."""


class Autofocus:
    """Moves the lens to where the scene is sharp, a moment after it was asked to."""

    def __init__(self, lens: Lens, state: State, faults: FaultPlan) -> None:
        self._lens = lens
        self._state = state
        self._faults = faults
        self._will_find: bool | None = None
        self._is_out_of_focus = False
        self._until_s = 0.0

    @property
    def is_available(self) -> bool:
        """Whether the lens's switch stands on AF."""
        return self._state.number(PropertyCode.FocusMode) != MANUAL_FOCUS

    @property
    def forbids_release(self) -> bool:
        """In One Shot, the shutter is not released where no focus was found."""
        return self._is_out_of_focus and self._state.number(PropertyCode.FocusMode) == ONE_SHOT

    def is_looking(self, now_s: float) -> bool:
        return now_s < self._until_s

    def look(self, now_s: float) -> None:
        self._will_find = FaultKind.AUTOFOCUS_FAILED not in self._faults.happens(AUTOFOCUS)
        self._until_s = now_s + AUTOFOCUS_S

    def finish(self) -> None:
        """Ends the search, and tells how it ended."""
        found, self._will_find = self._will_find, None
        self._until_s = 0.0
        if found is not None:
            self._lens.focus_steps = 0 if found else OUT_OF_FOCUS_STEPS
            self._is_out_of_focus = not found
            self._state.happened(datasets.focus_info(in_focus=found))

    def forget(self) -> None:
        """The button was let go: the next press is free to look again."""
        self._is_out_of_focus = False

    def catch_up(self, now_s: float) -> None:
        if not self.is_looking(now_s):
            self.finish()
