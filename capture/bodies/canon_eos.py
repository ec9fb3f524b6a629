"""Canon EOS bodies, the 6D first. What was never tried on a real body is marked as belief in docs/cameras.md."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import ClassVar

from sidcap.capture.bodies.body import Check, FocusStep, Keep
from sidcap.capture.bodies.custom_functions import MIRROR_LOCKUP, single_value, with_single_value
from sidcap.capture.bodies.generic import GenericBody, Wanted
from sidcap.capture.camera import Camera
from sidcap.capture.clock import Clock
from sidcap.data_manifest.errors import CameraBusyError, CameraError, SettingError

_MIRRORLESS = re.compile(r"Canon EOS (?:[MR]|Ra|RP|[MR]\d\S*|Kiss M)(?: |$)")
_LOCKUP = "mirrorlock"
_LOCKUP_STATUS = "mirrorlockstatus"
_WAITS_FOR_SECOND_PRESS = "2"
"""Canon's EDSDK: 0 disabled, 1 enabled, 2 during shooting, with the mirror up."""
_LIVE_VIEW_OUTPUT = "output"
"""Where live view shows: the camera's own screen, a computer, both or neither."""
_CUSTOM_FUNCTIONS = "customfuncex"
_RESET_LOCKUP = ("opcode", "0x9130")
"""EOS_ResetMirrorLockupState. libgphoto2 has a number for it and no setting, but sends any operation by number."""
_MIRROR_DROPS_WITHIN_S = 35.0
"""A raised mirror drops by itself after 30 s (Canon's manual)."""
_MIRROR_POLL_S = 0.25
_TRIES_WHILE_EXPOSING = 4
"""Of 20 s each: the longest timed exposure, and as long again for its noise reduction, fit in."""
_BUTTON = "eosremoterelease"
_PRESS = ("Press Full MF", "Press Full")
"""Half and full press at once, without autofocus: in libgphoto2 2.5.34, and before it (config.c)."""
_LET_GO = ("Release", "Release Full")
_FOCUS_DRIVE = "manualfocusdrive"
_FOCUS_MODE = "focusmode"
_ZOOM, _ZOOM_CORNER = "eoszoom", "eoszoomposition"
_MAGNIFICATIONS = (5, 10)
_LIVE_VIEW_SIZES = MappingProxyType({"Canon EOS 6D": (5472, 3648)})
"""In which pixels a body counts the corner of the magnified part: those of its pictures. Belief. Without a size, the
body magnifies where its own frame stands."""


class CanonEos(GenericBody):
    """A Canon EOS."""

    clock_settings: ClassVar[tuple[str, ...]] = ("datetimeutc", "datetime")
    serial_setting: ClassVar[str] = "eosserialnumber"
    wanted: ClassVar[tuple[Wanted, ...]] = (
        Wanted("mode dial", "autoexposuremode", ("Manual", "Bulb"), "turn the mode dial to M"),
        Wanted("focus", "focusmode", ("Manual",), "switch the lens to MF, so that a press does not hunt for focus"),
        Wanted(
            "drive mode",
            "drivemode",
            ("Single", "Single silent", "Single: Silent shooting"),
            "set the drive mode to single shooting",
        ),
        Wanted(
            "auto power-off",
            "autopoweroff",
            ("0",),
            "disable it in the camera's menu, or the camera goes to sleep between scenes",
            "warning",
            unit=" s",
        ),
        Wanted(
            "high-ISO noise reduction",
            "highisonr",
            ("Off", "Low", "Normal", "High"),
            "choose another one than Multi-Shot, which is not for raw files",
            "warning",
        ),
    )
    shown: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "mode": "autoexposuremode",
            "aperture": "aperture",
            "focus": "focusmode",
            "drive": "drivemode",
        }
    )

    def __init__(self, camera: Camera) -> None:
        super().__init__(camera)
        self._clock_told_at_s = camera.opened_at_s

    @staticmethod
    def drives(model: str) -> bool:
        """Whether this is how to talk to the camera that calls itself ``model``."""
        return model.startswith("Canon EOS")

    @property
    def has_mirror(self) -> bool:
        return _MIRRORLESS.match(self.model) is None

    def _clock_read_at_s(self) -> float:
        """libgphoto2 keeps what an EOS tells when the connection opens or the clock is set, and never asks again."""
        return self._clock_told_at_s

    def set_clock(self) -> None:
        super().set_clock()
        self._clock_told_at_s = time.time()

    def _setting_check(self, wanted: Wanted) -> Check | None:
        check = super()._setting_check(wanted)
        if check is not None and check.found == "Bulb":
            return Check(check.name, "warning", "B", "turn it to M for exposures that the camera times, up to 30 s")
        return check

    # The mirror.

    def _release_check(self) -> Check:
        if not self.has_mirror:
            return super()._release_check()
        match self._lockup_setting():
            case None, _:
                return super()._release_check()
            case setting, _:
                return Check("mirror", "ok", f"lockup by {'a setting' if setting == _LOCKUP else 'a custom function'}")

    @contextmanager
    def _lockup_switched(self, on: bool, keep: Keep) -> Iterator[None]:
        """Mirror lockup on or off for a while, by the setting or by the custom function."""
        setting, before = self._lockup_setting()
        if setting is None:
            with super()._lockup_switched(on, keep):
                yield
            return
        wanted = str(int(on)) if setting == _LOCKUP else with_single_value(before, MIRROR_LOCKUP, int(on))
        try:
            if wanted is not None and wanted != before:
                keep(setting, wanted)
            yield
        finally:
            with suppress(CameraError):  # a camera that is gone cannot be put back; the first error counts
                self._drop_mirror()
            with suppress(CameraError):
                self._put_back(setting, before)

    def _put_back(self, setting: str, before: str) -> None:
        """Set what is refused as long as an exposure runs, which may have been interrupted here and not there."""
        for _ in range(_TRIES_WHILE_EXPOSING):
            try:
                return self.camera.set(setting, before)
            except CameraBusyError:
                continue
        raise CameraBusyError(f"the camera stayed busy: set {setting} back to {before} on the camera itself")

    def _lockup_setting(self) -> tuple[str | None, str]:
        """What switches mirror lockup, and its value; None where nothing does that could be read."""
        if (value := self.camera.find(_LOCKUP)) is not None:
            return _LOCKUP, value
        functions = self.camera.find(_CUSTOM_FUNCTIONS) or ""
        if single_value(functions, MIRROR_LOCKUP) in (0, 1):
            return _CUSTOM_FUNCTIONS, functions
        return None, ""

    def lower_mirror(self) -> None:
        with suppress(SettingError):  # refused where nothing is pressed
            self._let_go()
        self._drop_mirror()
        super().lower_mirror()

    def _drop_mirror(self) -> None:
        """Let a mirror down that waits for the second press."""
        if self._mirror_waits():
            with suppress(CameraError):  # on the network libgphoto2 waits for data that this operation does not have
                self.camera.send(*_RESET_LOCKUP)
        deadline_s = time.monotonic() + _MIRROR_DROPS_WITHIN_S
        while self._mirror_waits():
            if time.monotonic() > deadline_s:
                raise CameraError("the mirror stays up: switch the camera off and on")
            time.sleep(_MIRROR_POLL_S)

    def _live_view_is_on(self) -> bool:
        """libgphoto2's ``viewfinder`` knows only of what it switched on itself, in this connection."""
        return "PC" in (self.camera.find(_LIVE_VIEW_OUTPUT) or "")

    # Live view, magnified.

    def magnifications(self) -> tuple[int, ...]:
        return _MAGNIFICATIONS if self.camera.find(_ZOOM) is not None else ()

    def magnify(self, times: int, centre: tuple[float, float]) -> None:
        size = _LIVE_VIEW_SIZES.get(self.model)
        if size is not None and times > 1:
            corner = (max(0, round((at - 0.5 / times) * side)) for at, side in zip(centre, size, strict=True))
            self.camera.send(_ZOOM_CORNER, ",".join(str(px) for px in corner))
        self.camera.send(_ZOOM, str(times))

    # The focus: Canon's lenses are moved over the cable in live view only, with the switch on AF (EDSDK).

    def focus_refusal(self) -> str:
        if self.camera.find(_FOCUS_DRIVE) is None:
            return f"{self.model} does not move its lens over the cable: turn the focus ring"
        if self.camera.find(_FOCUS_MODE) == "Manual":
            return "the lens is on MF: turn its ring, or switch it to AF for these buttons"
        return ""

    def move_focus(self, step: FocusStep) -> None:
        self.camera.send(_FOCUS_DRIVE, step.capitalize())

    def _mirror_waits(self) -> bool:
        return self.camera.find(_LOCKUP_STATUS) == _WAITS_FOR_SECOND_PRESS

    # The button.

    def _expose_in_bulb(self, shutter_s: float, clock: Clock) -> None:
        press = self._button_choice(_PRESS)
        if press is None:
            super()._expose_in_bulb(shutter_s, clock)  # bodies of before 2009 have an operation of its own for it
            return
        self.camera.send(_BUTTON, press)
        try:
            clock.sleep(shutter_s)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if (choice := self._button_choice(_LET_GO)) is not None:
            self.camera.send(_BUTTON, choice)

    def _button_choice(self, preferred: tuple[str, ...]) -> str | None:
        offered = self._choices(_BUTTON)
        return next((label for label in preferred if label in offered), None)
