"""Live view: what the host is shown while the mirror is up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sidcap.capture.simulated.pending import in_background

if TYPE_CHECKING:
    from sidcap.capture.simulated.scenes import SceneChoice

_WAIT_S = 0.3
"""Real seconds that an answer waits for its picture. Hosts give up after 2.5 s and ask again after "not ready"."""


@dataclass(frozen=True)
class View:
    """What decides how live view looks, apart from the moment."""

    scene: SceneChoice
    iso: int
    shutter_s: float
    aperture: float
    focus_steps: int


class Viewfinder:
    """Renders pictures one after the other, each for the view that was asked for."""

    def __init__(self, make: Callable[[View, float], bytes]) -> None:
        self._make = make
        self._pending: tuple[View, Future[bytes]] | None = None

    def picture(self, view: View, at_s: float) -> bytes | None:
        """The JPEG of ``view``, or None where it is not ready yet."""
        if self._pending is None or self._pending[0] != view:
            self._pending = view, in_background(lambda: self._make(view, at_s), "live-view")
        try:
            picture = self._pending[1].result(_WAIT_S)
        except TimeoutError:
            return None
        self._pending = None
        return picture
