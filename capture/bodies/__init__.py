"""What differs between camera bodies."""

from __future__ import annotations

from sidcap.capture.bodies.body import Body, Check, FocusStep, Keep
from sidcap.capture.bodies.canon_eos import CanonEos
from sidcap.capture.bodies.generic import GenericBody
from sidcap.capture.bodies.nikon import Nikon
from sidcap.capture.bodies.sony import Sony
from sidcap.capture.camera import Camera

__all__ = ["Body", "Check", "FocusStep", "Keep", "body_of"]


def body_of(camera: Camera) -> Body:
    """How to drive the camera that is connected, by what it calls itself and what libgphoto2 takes it for."""
    model = camera.find("cameramodel") or ""
    makers = (camera.find("manufacturer") or "", camera.driver)
    if CanonEos.drives(model):
        return CanonEos(camera)
    if any(maker.startswith("Nikon") for maker in makers):
        return Nikon(camera)
    if any(maker.startswith("Sony") for maker in makers):
        return Sony(camera)
    return GenericBody(camera)
