"""What goes wrong, and when: told to a simulated camera before it is used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Knock:
    """Someone knocks the tripod: from exposure ``before_frame`` on, the image is displaced on the sensor.

    Exposures are counted from 1 since power-on. ``shift_px`` is right and down, in sensor pixels.
    """

    before_frame: int
    shift_px: tuple[float, float]


@dataclass(frozen=True)
class Mishaps:
    """The plan of what goes wrong. Exposures are counted from 1 since power-on."""

    knock: Knock | None = None
    vanish_after_frames: int | None = None
    """After so many exposures, the start of the next one pulls the cable. The exposure itself goes on."""

    def shift_px(self, exposure_number: int) -> tuple[float, float]:
        """Where the tripod stands during an exposure."""
        if self.knock is None or exposure_number < self.knock.before_frame:
            return (0.0, 0.0)
        return self.knock.shift_px

    def cable_pulled_by(self, exposure_number: int) -> bool:
        """Whether the start of this exposure pulls the cable."""
        return self.vanish_after_frames is not None and exposure_number == self.vanish_after_frames + 1
