"""Serving pages to the browser of the person at this machine, and to nobody else.

The server listens on 127.0.0.1 alone. Whoever opens the address that the command prints, which carries a random token,
gets a cookie for it; a request with neither is refused. That keeps other users of the machine out. What other web
pages in the same browser could try is refused as well: a foreign Host (DNS rebinding), a foreign Origin, a request
that the browser says comes from elsewhere (Sec-Fetch-Site), framing, a script or style written into the page.

Pages change things only by ``fetch`` with another method than GET. An HTML form would be refused: under
``Referrer-Policy: no-referrer`` browsers send it with ``Origin: null`` (Fetch standard, "append a request Origin
header").

Sources: OWASP Cross-Site Request Forgery Prevention; W3C Fetch Metadata; RFC 6265bis for cookies.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sidcap.data_manifest.errors import UsageError

LOOPBACK = "127.0.0.1"
MAX_BODY_BYTES = 64 * 1024
"""The largest request that is read: what a person types, many times over."""

_READING = ("GET", "HEAD")
_TOKEN_BYTES = 32
_SHUTDOWN_S = 2.0

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every response. Cache-Control: no-store joins them where the app says nothing of caching."""


def serve(app: ASGIApp, *, port: int = 0, on_ready: Callable[[str], None]) -> None:
    """Serve ``app`` to this machine's browser until Ctrl-C; returns then.

    Args:
        app: Any ASGI application; it sees only requests that passed the guard.
        port: 0 lets the system choose a free one.
        on_ready: Called once, with the address to open, token included, when requests are answered.

    Raises:
        UsageError: the port is taken.
    """
    listening = _listening(port)
    port = int(listening.getsockname()[1])
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    guard = Guarded(app, token, port)
    config = uvicorn.Config(
        guard,
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(_SHUTDOWN_S),
    )
    server = _Server(config, guard.closing, lambda: on_ready(f"http://{LOOPBACK}:{port}/?token={token}"))
    try:
        with listening:
            server.run(sockets=[listening])
    except KeyboardInterrupt:  # Ctrl-C is how a server is ended: nothing was interrupted
        return


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be used ({error.strerror}): give another --port, or leave it out"
        ) from error
    except OverflowError as error:
        raise UsageError(f"{port} is no port: give one from 1 to 65535, or leave it out") from error


class _Server(uvicorn.Server):
    """Says when it is ready, and lets responses that have no end know when it closes."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)


class Guarded:
    """An ASGI application that lets only the person at this machine through to another one.

    ``closing`` is set when the server stops; the app then hears ``http.disconnect``, so that streams end.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._cookie = f"sidcap-{port}"
        self._hosts = (f"{LOOPBACK}:{port}", f"localhost:{port}")
        self.closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _Answer(send))
        elif self._refusal(scope) is None and self._has_cookie(scope):
            await self._app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: _Answer) -> None:
        answer: Response | None = self._refusal(scope) or self._admission(scope)
        if answer is None:
            body = await _body(scope, receive)
            if body is not None:
                await self._app(scope, self._replayed(body, receive), send)
                if send.unfinished and self.closing.is_set():  # a stream without end ends here, properly
                    await send({"type": "http.response.body", "body": b""})
                return
            answer = _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        """Why a request cannot come from a page of this server; None where it can."""
        headers = Headers(scope=scope)
        hosts, origins, sites = (headers.getlist(name) for name in ("host", "origin", "sec-fetch-site"))
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _said(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 and localhost only")
        own_origin = f"http://{hosts[0].lower()}"
        if any(origin != own_origin for origin in origins) or any(
            site not in ("same-origin", "none") for site in sites
        ):
            return _said(HTTPStatus.FORBIDDEN, "a request from another page is refused")
        if not origins and not (scope["type"] == "http" and scope["method"] in _READING):
            return _said(HTTPStatus.FORBIDDEN, "a change needs the Origin of the page that asks for it")
        return None

    def _admission(self, scope: Scope) -> Response | None:
        """The way in for a token, a refusal without any; None for whoever has the cookie."""
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["method"] == "GET" and len(tokens) == 1 and self._is_token(tokens[0]):
            answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return answer
        if self._has_cookie(scope):
            return None
        return _said(HTTPStatus.FORBIDDEN, "open the address that sidcap printed, with its token")

    def _has_cookie(self, scope: Scope) -> bool:
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load("; ".join(Headers(scope=scope).getlist("cookie")))
        except CookieError:
            return False
        return self._cookie in cookies and self._is_token(cookies[self._cookie].value)

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self._token.encode())

    def _replayed(self, body: bytes, receive: Receive) -> Receive:
        """``receive`` for the app: first the body that was read already, then what ends the connection."""
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            if messages:
                return messages.pop()
            waits = [asyncio.ensure_future(receive()), asyncio.ensure_future(self.closing.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            return {"type": "http.disconnect"}

        return replayed


def _said(status: HTTPStatus, words: str) -> Response:
    return PlainTextResponse(f"{words}\n", status)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body of a request; None where it is too large to be read."""
    announced = Headers(scope=scope).get("content-length", "0")
    if not announced.isdecimal() or int(announced) > MAX_BODY_BYTES:
        return None
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


class _Answer:
    """An ASGI ``send`` that puts the guard's headers on every response, and knows whether one is unfinished."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.unfinished = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            self.unfinished = True
        elif message["type"] == "http.response.body":
            self.unfinished = bool(message.get("more_body", False))
        await self._send(message)
