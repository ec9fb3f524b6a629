"""Sony Alpha bodies, as far as libgphoto2's source tells (camlibs/ptp2/config.c); none was tried: docs/cameras.md."""

from __future__ import annotations

from sidcap.capture.bodies.generic import GenericBody


class Sony(GenericBody):
    """A Sony Alpha."""

    @property
    def has_mirror(self) -> bool:
        return False  # those that libgphoto2 can release have none, or one that does not move
