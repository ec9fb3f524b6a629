"""Live view: what the host is shown while the mirror is up."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from sidcap.capture.simulated.frame import FrameMaker
from sidcap.capture.simulated.lens import Lens
from sidcap.capture.simulated.live_picture import MAGNIFICATIONS, MAGNIFIED, Magnifier
from sidcap.capture.simulated.pending import in_background
from sidcap.capture.simulated.properties import APERTURES, ISO_SPEEDS, SHUTTER_BULB, SHUTTER_TIMES, PropertyCode
from sidcap.capture.simulated.scenes import SceneChoice
from sidcap.capture.simulated.state import State

_BULB_VIEW_S = 1.0
"""What live view is exposed like while the mode dial stands on B. A guess."""

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
    magnifier: Magnifier | None


class Viewfinder:
    """Renders pictures one after the other, each of what the camera is set to when it is asked for."""

    def __init__(self, frames: FrameMaker, state: State, lens: Lens) -> None:
        self._frames = frames
        self._state = state
        self._lens = lens
        self._pending: tuple[View, Future[bytes]] | None = None
        self._magnification = 1
        self._corner = MAGNIFIED.columns, MAGNIFIED.rows  # the middle, in the picture's pixels

    def magnify(self, times: int) -> bool:
        """Shows a part larger, or, with 1, the whole; False where there is no such magnification."""
        if times not in (1, *MAGNIFICATIONS):
            return False
        self._magnification = times
        return True

    def move_magnifier(self, left: int, top: int) -> None:
        """Where the magnified part begins, in pixels of the picture; it stays on it."""
        self._corner = left, top

    def picture(self, scene: SceneChoice, at_s: float) -> bytes | None:
        """The JPEG of what live view shows, or None where it is not ready yet."""
        view = self._view(scene)
        if self._pending is None or self._pending[0] != view:
            self._pending = view, in_background(lambda: self._render(view, at_s), "live-view")
        try:
            picture = self._pending[1].result(_WAIT_S)
        except TimeoutError:
            return None
        self._pending = None
        return picture

    def _view(self, scene: SceneChoice) -> View:
        shutter = self._state.number(PropertyCode.ShutterSpeed)
        return View(
            scene=scene,
            iso=ISO_SPEEDS[self._state.number(PropertyCode.ISOSpeed)],
            shutter_s=_BULB_VIEW_S if shutter == SHUTTER_BULB else SHUTTER_TIMES[shutter].true_s,
            aperture=APERTURES[self._state.number(PropertyCode.Aperture)],
            focus_steps=self._lens.focus_steps,
            magnifier=None if self._magnification == 1 else Magnifier.at(*self._corner, self._magnification),
        )

    def _render(self, view: View, at_s: float) -> bytes:
        return self._frames.live_view(
            view.scene, view.iso, view.shutter_s, view.aperture, view.focus_steps, at_s, view.magnifier
        )
