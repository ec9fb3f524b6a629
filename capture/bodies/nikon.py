"""Nikon bodies, as far as libgphoto2's source tells (camlibs/ptp2/config.c); none was tried: docs/cameras.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from sidcap.capture.bodies.body import Keep
from sidcap.capture.bodies.generic import GenericBody, Wanted

_MIRRORLESS = re.compile(r"\bZ ?(?:f|fc|\d+\w*)\b")
"""A Z body by its name: ``Z 6_2`` as it calls itself, ``Nikon Z6`` as libgphoto2 does."""


class Nikon(GenericBody):
    """A Nikon. Its lockup, a position of the release-mode dial, is left alone: two presses there are untried."""

    shutter_settings: ClassVar[tuple[str, ...]] = ("shutterspeed2", "shutterspeed")
    """The second rounds to tenths of a millisecond, so that several times share a label."""
    wanted: ClassVar[tuple[Wanted, ...]] = (
        *GenericBody.wanted[:1],
        Wanted("focus", "focusmode", ("Manual",), "switch the lens and the body to M, then focus by hand"),
        Wanted("drive mode", "capturemode", ("Single Shot", "Quiet Release"), "set the release mode to S"),
        Wanted("auto ISO", "isoauto", ("Off",), "switch ISO sensitivity auto control off"),
        Wanted("auto ISO", "autoiso", ("Off",), "switch ISO sensitivity auto control off"),
        Wanted(
            "long-exposure noise reduction", "longexpnr", ("Off",), "switch it off: it doubles every long", "warning"
        ),
        Wanted("high-ISO noise reduction", "highisonr", ("Off",), "switch it off in the camera's menu", "warning"),
    )
    shown: ClassVar[Mapping[str, str]] = MappingProxyType(
        {**GenericBody.shown, "long-exposure noise reduction": "longexpnr"}
    )

    @property
    def has_mirror(self) -> bool:
        return not any(_MIRRORLESS.search(name) for name in (self.model, self.camera.driver))

    def configure(self, iso: int, keep: Keep) -> None:
        super().configure(iso, keep)
        if "Off" in self._choices("autofocus"):
            keep("autofocus", "Off")  # libgphoto2's own switch: whether it focuses before it releases
