"""The shutter: from its opening until the files of the exposure are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from sidcap.capture.simulated import datasets
from sidcap.capture.simulated.clock import SimClock
from sidcap.capture.simulated.codes import CaptureDestination
from sidcap.capture.simulated.files import FileMaker, object_format
from sidcap.capture.simulated.frame import Shot
from sidcap.capture.simulated.pending import PendingExposure, PendingFile, in_background
from sidcap.capture.simulated.properties import (
    APERTURES,
    BULB_EXPOSURE,
    ISO_SPEEDS,
    SHUTTER_TIMES,
    PropertyCode,
    ShutterTime,
)
from sidcap.capture.simulated.scenes import SceneChoice
from sidcap.capture.simulated.state import State

NOISE_REDUCTION_FROM_S = 1.0
"""Exposures from this length on are followed by a dark one of the same length, where that is switched on (Canon)."""

SHORTEST_BULB_S = 1 / 30
"""A press and a release in one breath. A guess."""


@dataclass
class _Bulb:
    """An exposure that ends when the button is let go."""

    shot: Shot
    exif_factor: float | None
    announced_s: int = 0


class Shutter:
    """One exposure at a time. Times are simulated seconds since power-on.

    Files are rendered in threads of their own from the moment the shutter opens (in bulb: closes), so that a slow
    computer renders while the shutter is open; where that takes longer than the exposure, the exposure is not over
    until they are done.
    """

    def __init__(self, state: State, clock: SimClock, files: FileMaker, *, noise_reduction: bool) -> None:
        self.shots: list[Shot] = []
        """Every exposure since the beginning."""
        self._state = state
        self._clock = clock
        self._files = files
        self._noise_reduction = noise_reduction
        self._bulb: _Bulb | None = None
        self._pending: PendingExposure | None = None
        self._opened = 0

    @property
    def is_busy(self) -> bool:
        """It is open, or files are being written."""
        return self._bulb is not None or self._pending is not None

    @property
    def closed_s(self) -> float | None:
        """When it closes, or has closed; None while nobody knows, and when the files are written."""
        return None if self._pending is None else self._pending.closed_s

    def open(
        self,
        *,
        scene: SceneChoice,
        start_s: float,
        mirror_up_s: float | None,
        focus_steps: int,
        sensor_c: float,
        exif_factor: float | None,
    ) -> None:
        """Opens at ``start_s``, for as long as is set, or until ``let_go`` with the mode dial on B.

        What it is told beside the settings is explained with :class:`~sidcap.capture.simulated.frame.Shot`;
        ``exif_factor`` is by how much the file's exposure time errs, if it does.
        """
        self._opened += 1
        shot = Shot(
            iso=ISO_SPEEDS[self._state.number(PropertyCode.ISOSpeed)],
            shutter_s=0.0,
            nominal_shutter=Fraction(0),
            aperture=APERTURES[self._state.number(PropertyCode.Aperture)],
            scene=scene,
            start_s=start_s,
            taken=self._clock.utc(start_s),
            frame_number=self._opened,
            lens=str(self._state[PropertyCode.LensName]),
            mirror_up_s=mirror_up_s,
            focus_steps=focus_steps,
            sensor_c=sensor_c,
        )
        self._state.set(PropertyCode.ShutterCounter, self._state.number(PropertyCode.ShutterCounter) + 1)
        self._state.happened(datasets.camera_status(busy=True))
        if self._state.number(PropertyCode.AutoExposureMode) == BULB_EXPOSURE:
            self._bulb = _Bulb(shot, exif_factor)
        else:
            self._expose(shot, SHUTTER_TIMES[self._bracketed_setting()], exif_factor)

    def let_go(self) -> None:
        """Closes it where it is open in bulb."""
        if self._bulb is None:
            return
        bulb, self._bulb = self._bulb, None
        true_s = max(self._clock.now_s() - bulb.shot.start_s, SHORTEST_BULB_S)
        nominal_s = Fraction(round(true_s)) if true_s >= 1 else Fraction(round(true_s * 10) or 1, 10)
        self._expose(bulb.shot, ShutterTime(true_s, nominal_s), bulb.exif_factor)

    def lose_exposure(self) -> None:
        """The battery is empty: nothing is finished any more."""
        self._bulb = self._pending = None

    def announce_bulb_time(self, now_s: float) -> None:
        """Counts the seconds of a bulb exposure for the host."""
        if self._bulb is not None and int(now_s - self._bulb.shot.start_s) > self._bulb.announced_s:
            self._bulb.announced_s = int(now_s - self._bulb.shot.start_s)
            self._state.happened(datasets.bulb_time(self._bulb.announced_s))

    def take_written(self, now_s: float) -> PendingExposure | None:
        """The exposure whose files have been written since the last call, if any."""
        if self._pending is None or not self._pending.is_written(now_s):
            return None
        written, self._pending = self._pending, None
        return written

    def _bracketed_setting(self) -> int:
        """The shutter setting, changed by automatic bracketing: as set, darker, brighter, and again (Canon)."""
        shutter = self._state.number(PropertyCode.ShutterSpeed)
        eighths = self._state.number(PropertyCode.AEB)
        wanted = shutter + (0, eighths, -eighths)[(self._opened - 1) % 3]
        return min(SHUTTER_TIMES, key=lambda code: abs(code - wanted))

    def _expose(self, begun: Shot, time: ShutterTime, exif_factor: float | None) -> None:
        """Now that it is known how long the shutter is open, the frame can be rendered."""
        shot = replace(
            begun,
            shutter_s=time.true_s,
            nominal_shutter=time.nominal_s,
            noise_reduction=self._noise_reduction and time.true_s >= NOISE_REDUCTION_FROM_S,
            recorded_shutter=None if exif_factor is None else time.nominal_s * Fraction(exif_factor),
        )
        self.shots.append(shot)
        formats = self._state.image_format
        self._pending = PendingExposure(
            shot=shot,
            destination=CaptureDestination(self._state.number(PropertyCode.CaptureDestination)),
            files=tuple(
                PendingFile(
                    object_format(file),
                    in_background(partial(self._files.make, file, shot), f"frame-{shot.frame_number}"),
                )
                for file in formats
            ),
            writing_s=self._files.writing_s(formats),
        )
