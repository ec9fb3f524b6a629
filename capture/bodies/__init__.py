"""What differs between camera bodies."""

from sidcap.capture.bodies.canon_eos import CanonEos
from sidcap.capture.camera import Camera
from sidcap.data_manifest.errors import CameraError

Body = CanonEos
def body_of(camera: Camera) -> CanonEos:
    """How to drive the camera that is connected; CameraError where sidcap does not know its kind."""
    model = camera.find("cameramodel") or "unknown"
    if CanonEos.drives(model):
        return CanonEos(camera)
    raise CameraError(f"sidcap cannot drive a {model!r} yet: it knows Canon EOS bodies")
