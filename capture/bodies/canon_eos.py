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

    @property
    def model(self): return self.camera.find("cameramodel") or ""
    @property
    def serial(self): return self.camera.find("eosserialnumber") or ""
    @property
    def firmware(self): return self.camera.find("deviceversion") or ""
    def clock_offset_s(self): return None
    def set_shutter(self, label, keep): keep("shutterspeed", label)
    def configure(self, iso, keep):
        self.camera.set("capturetarget", _CARD)
        keep("imageformat", "RAW")
        keep("iso", str(iso))
    def lower_mirror(self):
        import time
        while self.camera.find("mirrordownstatus") == "1":
            time.sleep(0.2)

    @contextmanager
    def released_by(self, release, keep):
        if release is Release.LIVE_VIEW:
            keep("viewfinder", "1", before="0")
        keep("mirrorlock", _SWITCH[release is Release.MIRROR_LOCKUP])
        yield

    def expose(self, true_s, release: Release, settle_s: float, clock: Clock) -> None:
        """One exposure. Under mirror lockup the first press raises the mirror, the second exposes."""
        if release is Release.MIRROR_LOCKUP:
            self.camera.press()
            clock.sleep(settle_s)
        elif release is Release.LIVE_VIEW:
            clock.sleep(settle_s)
        self.camera.press()
