"""What sidcap asks of a camera body, whoever made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from sidcap.capture.clock import Clock
from sidcap.data_manifest.words import Release

CheckState = Literal["ok", "warning", "problem"]

Keep = Callable[[str, str], None]
"""Remembers the value that a setting has, so that it can be put back, then sets the new one: ``keep("iso", "800")``."""


@dataclass(frozen=True)
class Check:
    """One thing that a bracket needs of the camera, and how it was found."""

    name: str
    state: CheckState
    """``problem``: no bracket can be shot. ``warning``: it may go wrong later."""
    found: str
    remedy: str = ""
    """What to do, one line; empty where all is well."""

    def __str__(self) -> str:
        return f"{self.name}: {self.found}; {self.remedy}" if self.remedy else f"{self.name}: {self.found}"


class FocusStep(StrEnum):
    """One move of the focus over the cable: which way, and how far. How far each goes is the lens's own affair."""

    NEAR_SMALL = "near 1"
    NEAR_MEDIUM = "near 2"
    NEAR_LARGE = "near 3"
    FAR_SMALL = "far 1"
    FAR_MEDIUM = "far 2"
    FAR_LARGE = "far 3"


class Body(Protocol):
    """How to ready and fire one kind of camera. Settings are named as libgphoto2 names them.

    Every method may raise `CameraError`; what is said of errors below comes on top.
    """

    @property
    def model(self) -> str:
        """As the camera calls itself."""

    @property
    def serial(self) -> str:
        """Empty where unknown."""

    @property
    def lens(self) -> str:
        """Empty where unknown."""

    @property
    def firmware(self) -> str:
        """Empty where unknown."""

    @property
    def battery_percent(self) -> int | None:
        """Charge left; None where the camera does not tell."""

    @property
    def free_shots(self) -> int | None:
        """Raw frames for which the card has room, by estimate; None where the camera does not tell."""

    def settings(self) -> Mapping[str, str]:
        """The settings that matter to a bracket, by a photographer's name, as they are now."""

    def checks(self) -> tuple[Check, ...]:
        """Whether each thing a bracket needs is there. Changes nothing."""

    def require_raw(self) -> None:
        """Raise SettingError where the camera offers no raw files."""

    def clock_offset_s(self) -> float | None:
        """How far the camera's clock is ahead of the host's, to a second or so; None where it cannot be read."""

    def set_clock(self) -> None:
        """Set the camera's clock to the host's. SettingError where it cannot be set."""

    def iso_labels(self) -> tuple[str, ...]:
        """The camera's own words for the sensitivities it offers. SettingError where there are none."""

    def shutter_labels(self) -> tuple[str, ...]:
        """The camera's own words for the shutter times it offers, and for bulb. SettingError where there are none."""

    @property
    def bulb_label(self) -> str | None:
        """Which of `shutter_labels` is bulb; None where the camera does not offer it as it stands."""

    def configure(self, iso: int, keep: Keep) -> None:
        """Settings of the whole bracket: raw files onto the card, and the sensitivity."""

    def set_shutter(self, label: str, keep: Keep) -> None:
        """Choose the time of the next exposures, one of `shutter_labels`."""

    def release_for(self, wanted: Release) -> tuple[Release, str]:
        """How the shutter is fired where ``wanted`` was asked for, and one line that says why it differs, or ""."""

    def released_by(self, release: Release, keep: Keep) -> AbstractContextManager[None]:
        """Ready the mirror for ``release``; put it back at the end, whatever happened.

        SettingError where the camera cannot do it; the message names what it can.
        """

    def expose(self, shutter_s: float, release: Release, settle_s: float, clock: Clock) -> None:
        """One exposure with the time that was set; in bulb, the shutter stays open for ``shutter_s``.

        Under mirror lockup the first press raises the mirror, and ``settle_s`` later the second exposes. Returns when
        the shutter has been told: a timed exposure goes on, one in bulb is over.
        """

    def lower_mirror(self) -> None:
        """Make sure that the button is let go and the mirror down, after an interruption or in a new connection.

        CameraError where the mirror stays up.
        """

    def end_live_view(self) -> None:
        """Switch live view off where it is on; the mirror goes down."""

    def magnifications(self) -> tuple[int, ...]:
        """How many times the camera itself can magnify a part of live view; empty where it cannot."""

    def magnify(self, times: int, centre: tuple[float, float]) -> None:
        """Magnify the part of live view around ``centre``, fractions of width and height; 1 shows the whole again."""

    def focus_refusal(self) -> str:
        """Why the focus cannot be moved over the cable, and what to do, one line; empty where it can."""

    def move_focus(self, step: FocusStep) -> None:
        """Move the focus, in live view. SettingError where the camera refuses."""
