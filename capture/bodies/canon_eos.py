"""Canon EOS bodies, the 6D first. What was never tried on a real body is marked as belief in docs/cameras.md."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sidcap.capture.camera import Camera
from sidcap.capture.clock import Clock
from sidcap.data_manifest.errors import CameraError, SettingError
from sidcap.data_manifest.words import Release

_CARD = "Memory card"
_LOCKUP = "mirrorlock"
_VIEWFINDER = "viewfinder"
_SWITCH = {False: "0", True: "1"}
_LOW_BATTERY_PERCENT = 20


class CanonEos:
    """How to ready and fire a Canon EOS. Settings are named as libgphoto2's ptp2 driver names them."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera

    @staticmethod
    def drives(model: str) -> bool:
        """Whether this is how to talk to the camera that calls itself ``model``."""
        return model.startswith("Canon EOS")

    def preflight(self) -> list[str]:
        """What keeps the camera from shooting a bracket, each with its remedy. Changes nothing."""
        checks = {
            "autoexposuremode": ("Manual", "turn the mode dial to M"),
            "focusmode": ("Manual", "set the lens to MF, so that a press does not hunt for focus"),
            "drivemode": ("Single", "set the drive mode to single shooting"),
        }
        problems = [
            f"{name} is {found!r}: {remedy}"
            for name, (wanted, remedy) in checks.items()
            if (found := self.camera.find(name)) is not None and found != wanted
        ]
        if self.camera.find("availableshots") == "0":
            problems.append("the card is full or missing: put in one with space")
        return problems

    def warnings(self) -> list[str]:
        """What may become a problem later."""
        battery = (self.camera.find("batterylevel") or "").rstrip("%")
        if battery.isdecimal() and int(battery) < _LOW_BATTERY_PERCENT:
            return [f"the battery is at {battery} %: have another one ready"]
        return []

    def configure(self, iso: int) -> None:
        """Settings of the whole bracket: raw files onto the card, and the ISO."""
        self.camera.set("capturetarget", _CARD)  # kept by libgphoto2 on the host: say it every time
        self.camera.set("imageformat", "RAW")
        self.camera.set("iso", str(iso))

    @contextmanager
    def released_by(self, release: Release) -> Iterator[None]:
        """Switch mirror lockup or live view as ``release`` needs; put it back afterwards, whatever happens."""
        with self._mirror_lockup(release is Release.MIRROR_LOCKUP), self._live_view(release is Release.LIVE_VIEW):
            yield

    @contextmanager
    def _mirror_lockup(self, wanted: bool) -> Iterator[None]:
        before = self.camera.find(_LOCKUP)
        if before is None and wanted:
            raise SettingError("this camera has no setting for mirror lockup: use --release live-view")
        if before is None or before == _SWITCH[wanted]:
            yield
            return
        self.camera.set(_LOCKUP, _SWITCH[wanted])
        try:
            yield
        finally:
            with suppress(CameraError):  # a camera that is gone cannot be put back; the first error counts
                self.camera.set(_LOCKUP, before)

    @contextmanager
    def _live_view(self, wanted: bool) -> Iterator[None]:
        if not wanted:
            yield
            return
        self.camera.send(_VIEWFINDER, "1")  # libgphoto2 does not read this one back from an EOS
        try:
            yield
        finally:
            with suppress(CameraError):
                self.camera.send(_VIEWFINDER, "0")

    def expose(self, release: Release, settle_s: float, clock: Clock) -> None:
        """One exposure. Under mirror lockup the first press raises the mirror, the second exposes."""
        if release is Release.MIRROR_LOCKUP:
            self.camera.press()
            clock.sleep(settle_s)
        elif release is Release.LIVE_VIEW:
            clock.sleep(settle_s)
        self.camera.press()
