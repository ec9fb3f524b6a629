"""The pages of live view: what they are sent, and what they may wish for.

GET  /                the page
GET  /stream          the pictures (MJPEG); /stream?edges=1 with what is in focus drawn in
GET  /status          what is going on, as server-sent events
POST /focus/{step}    near 1 ... far 3
POST /magnify         by the camera itself: {"times", "x", "y"}, around a place in fractions of the picture
POST /box             where sharpness counts: {"left", "top", "width", "height"}, fractions of the picture
POST /shoot           shoot this scene: {"split": "train"}
POST /stop            end the bracket
POST /lens/{switch}   af or mf: the switch on a simulated lens, which no hand reaches otherwise
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sidcap.capture.bodies import FocusStep
from sidcap.capture.live.sharpness import Box
from sidcap.capture.live.viewing import LiveView
from sidcap.data_manifest.pages import STYLESHEET
from sidcap.data_manifest.words import Split

_PAGE = Path(__file__).with_name("page")
_FILES = {
    "/": _PAGE / "live.html",
    "/icon.svg": _PAGE / "icon.svg",
    "/live.css": _PAGE / "live.css",
    "/live.js": _PAGE / "live.js",
    "/sidcap.css": STYLESHEET,
}
_BOUNDARY = "picture"
_STATUS_EVERY_S = 0.1
"""How often a page is told at most: nobody reads faster."""


LensSwitch = Literal["AF", "MF"]


def live_app(view: LiveView, switch_lens: Callable[[LensSwitch], None] | None = None) -> ASGIApp:
    """The application over a live view that a thread of its own runs.

    ``switch_lens`` moves the switch on the lens of a simulated camera; a real one has its own.
    """
    pages = _Pages(view, switch_lens)
    return Starlette(
        routes=[
            *(Route(address, _file(path)) for address, path in _FILES.items()),
            Route("/stream", pages.stream),
            Route("/status", pages.status),
            Route("/focus/{step}", pages.focus, methods=["POST"]),
            Route("/magnify", pages.magnify, methods=["POST"]),
            Route("/box", pages.box, methods=["POST"]),
            Route("/shoot", pages.shoot, methods=["POST"]),
            Route("/stop", pages.stop, methods=["POST"]),
            Route("/lens/{switch}", pages.lens, methods=["POST"]),
        ]
    )


@dataclass(frozen=True)
class _Pages:
    """What is answered. Wishes are answered at once, and carried out when the camera has time."""

    view: LiveView
    switch_lens: Callable[[LensSwitch], None] | None

    async def stream(self, request: Request) -> Response:
        pictures = _mjpeg(self.view, edges=request.query_params.get("edges") == "1")
        return StreamingResponse(pictures, media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")

    async def status(self, _: Request) -> Response:
        events = _events(self.view, {"has_lens_switch": self.switch_lens is not None})
        return StreamingResponse(events, media_type="text/event-stream")

    async def focus(self, request: Request) -> Response:
        try:
            step = FocusStep(request.path_params["step"])
        except ValueError:
            return _refused(f"no such step: {', '.join(FocusStep)}")
        self.view.move_focus(step)
        return _taken()

    async def magnify(self, request: Request) -> Response:
        try:
            fields = await request.json()
            times, centre = int(fields["times"]), (float(fields["x"]), float(fields["y"]))
        except (KeyError, TypeError, ValueError):
            return _refused("times, and the centre as x and y")
        offered = (1, *self.view.status.value.camera.magnifications)
        if times not in offered or not all(0 <= at <= 1 for at in centre):
            return _refused(f"this camera magnifies {', '.join(map(str, offered))} times, within the picture")
        self.view.magnify(times, centre)
        return _taken()

    async def box(self, request: Request) -> Response:
        try:
            fields = await request.json()
            box = Box(*(float(fields[name]) for name in ("left", "top", "width", "height")))
        except (KeyError, TypeError, ValueError):
            return _refused("no such box: left, top, width and height, fractions of the picture")
        self.view.put_box(box)
        return _taken()

    async def shoot(self, request: Request) -> Response:
        try:
            split = Split((await request.json())["split"])
        except (KeyError, TypeError, ValueError):
            return _refused(f"no such split: {', '.join(Split)}")
        self.view.shoot(split)
        return _taken()

    async def stop(self, _: Request) -> Response:
        self.view.stop_bracket()
        return _taken()

    async def lens(self, request: Request) -> Response:
        wanted = request.path_params["switch"]
        if self.switch_lens is None or wanted not in ("af", "mf"):
            return _refused("the switch on the lens is moved by hand, to AF or MF")
        self.switch_lens("AF" if wanted == "af" else "MF")
        self.view.look_again()
        return _taken()


def _taken() -> Response:
    return Response(status_code=204)


def _refused(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 400)


def _file(path: Path) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def answer(_: Request) -> Response:
        return FileResponse(path)

    return answer


async def _mjpeg(view: LiveView, *, edges: bool) -> AsyncIterator[bytes]:
    """The pictures, as multipart: each ends with the boundary of the next, else browsers would show it one late."""
    with view.watched(edges=edges) as pictures:
        number = pictures.number - bool(pictures.value)  # the last one at once: there may be no other for a while
        yield f"--{_BOUNDARY}\r\n".encode()
        while True:
            number, jpeg = await pictures.after(number)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode()


async def _events(view: LiveView, besides: dict[str, bool]) -> AsyncIterator[bytes]:
    number = -1
    while True:
        number, status = await view.status.after(number)
        yield f"data: {json.dumps(status.to_dict() | besides)}\n\n".encode()
        await asyncio.sleep(_STATUS_EVERY_S)
