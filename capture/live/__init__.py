"""Live view in the browser while framing: one thread has the camera, pages watch it and wish."""

from sidcap.capture.live.app import live_app
from sidcap.capture.live.viewing import LiveView, Shooting

__all__ = ["LiveView", "Shooting", "live_app"]
