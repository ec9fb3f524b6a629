"""Who must not get in: every request here is refused by the real server, and leaves the dataset as it is."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from reviewing import reviewable, served

from sidcap.curate.review.acts import revision
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

SECRET = "nobody may read this"  # noqa: S105


@dataclass(frozen=True)
class Site:
    """A running review and a way in."""

    store: Store
    port: int
    token: str
    cookie: str

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        known: bool = True,
    ) -> tuple[HTTPResponse, bytes]:
        """One request as the browser would send it, but for what is given; ``known``: with the cookie."""
        sent = {"Host": f"127.0.0.1:{self.port}"}
        if known:
            sent["Cookie"] = self.cookie
        if method not in ("GET", "HEAD"):
            sent |= {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json"}
        sent |= headers or {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    @property
    def static(self) -> str:
        """Where scripts and style sheets are."""
        found = re.search(rb'"(/static/[^/"]+)/', self.ask("/")[1])
        assert found is not None
        return found[1].decode()

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; gives what comes back until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer

    def accepting(self, **changes: object) -> bytes:
        """A decision about scene 1 that would be taken, but for ``changes``."""
        scene = self.store.scene(1)
        pair = scene.pairs[0]
        asked: dict[str, object] = {
            "revision": revision(scene),
            "pairs": [[pair.frame, pair.reference]],
            "choice": "accepted",
            "why": "because",
        }
        return json.dumps(asked | changes).encode()

    def moving(self, **changes: object) -> bytes:
        """A move of scene 1 to another split that would be made, but for ``changes``."""
        asked: dict[str, object] = {"revision": revision(self.store.scene(1)), "split": "test"}
        return json.dumps(asked | changes).encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hostile")
    store = reviewable(folder / "dataset")
    (folder / "secret.txt").write_text(SECRET)
    (store.root / "notes.txt").write_text(SECRET)
    outside = folder / "outside.DNG"
    long = store.path(store.scene(2).frames[0].path)
    long.rename(outside)
    long.symlink_to(outside)
    linked = store.cache_dir / "review" / "thumbnails" / f"{'a' * 64}.jpg"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(folder / "secret.txt")
    with served(store.root) as address:
        parts = urlsplit(address)
        port, token = int(parts.netloc.split(":")[1]), parts.query.removeprefix("token=")
        yield Site(store, port, token, f"sidcap-{port}={token}")


@pytest.fixture(autouse=True)
def _nothing_changes(site: Site) -> Iterator[None]:
    before = {path: path.read_bytes() for path in site.store.root.glob("scenes/*")}
    yield
    assert {path: path.read_bytes() for path in site.store.root.glob("scenes/*")} == before


def test_the_token_is_taken_once_and_then_the_cookie_is_enough(site: Site) -> None:
    way_in, _ = site.ask(f"/?token={site.token}", known=False)
    assert (way_in.status, way_in.getheader("Location")) == (303, "/")
    cookie = way_in.getheader("Set-Cookie") or ""
    assert cookie.startswith(f"sidcap-{site.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    page, content = site.ask("/")
    assert page.status == 200
    assert site.token.encode() not in content
    assert page.getheader("Content-Security-Policy", "").startswith("default-src 'self'; ")
    assert page.getheader("X-Content-Type-Options") == "nosniff"
    assert page.getheader("Referrer-Policy") == "no-referrer"
    assert page.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("name", "kind"), [("grid.js", "text/javascript"), ("review.css", "text/css"), ("icon.svg", "image/svg+xml")]
)
def test_scripts_and_styles_are_kept_by_the_browser_until_they_are_others(site: Site, name: str, kind: str) -> None:
    answer, content = site.ask(f"{site.static}/{name}")
    assert (answer.status, answer.getheader("Content-Type", "").partition(";")[0]) == (200, kind)
    assert answer.getheader("Cache-Control") == "private, max-age=31536000, immutable"
    assert content
    assert answer.getheader("X-Content-Type-Options") == "nosniff"


PAGES = (
    "/",
    "/scenes/1",
    "/scenes/1/pairs/0/panel",
    "/scenes/1/pairs/0/long-stage.jpg",
    "/api/changes",
    "/static/0123456789abcdef/grid.js",
    "/nothing/here",
)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_served_without_token(site: Site, path: str) -> None:
    answer, content = site.ask(path, known=False)
    assert (answer.status, content) == (403, b"open the address that sidcap printed, with its token\n")


@pytest.mark.parametrize(
    "cookie",
    [
        "sidcap-{port}=",
        "sidcap-{port}=wrong",
        "sidcap-{port}={token}x",
        "sidcap={token}",
        "sidcap-1={token}",
        "{token}",
        "sidcap-{port}=é",
        ";;;=",
    ],
)
def test_a_cookie_with_anything_but_the_token_is_none(site: Site, cookie: str) -> None:
    text = cookie.format(port=site.port, token=site.token).encode().decode("latin-1")
    assert site.ask("/", headers={"Cookie": text})[0].status == 403


@pytest.mark.parametrize(
    "query", ["token=", "token=wrong", "token={token}&token={token}", "TOKEN={token}", "token={token}%00"]
)
def test_an_address_with_anything_but_the_token_is_refused(site: Site, query: str) -> None:
    assert site.ask(f"/?{query.format(token=site.token)}", known=False)[0].status == 403


def test_a_token_lets_nobody_change_anything_at_once(site: Site) -> None:
    path = f"/api/scenes/1/judgement?token={site.token}"
    assert site.ask(path, "POST", known=False, body=site.accepting())[0].status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "[::1]:{port}"},
        {"Host": "0.0.0.0:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/api/scenes/1/judgement"), ("POST", "/api/scenes/1/split")]
)
def test_a_request_from_elsewhere_is_refused(site: Site, method: str, path: str, headers: dict[str, str]) -> None:
    sent = {name: value.format(port=site.port) for name, value in headers.items()}
    body = None if method == "GET" else site.moving() if path.endswith("split") else site.accepting()
    assert site.ask(path, method, headers=sent, body=body)[0].status == 403


def test_a_change_needs_the_origin_of_its_page(site: Site) -> None:
    refused, words = site.ask("/api/scenes/1/judgement", "POST", headers={"Origin": ""}, body=site.accepting())
    assert (refused.status, words) == (403, b"a change needs the Origin of the page that asks for it\n")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "{static}/../app.py",
        "{static}/nothing.js",
        "{static}/",
        "/static/grid.js",
        "/static/0123456789abcdef/grid.js",
        "{static}/../../../../../../etc/passwd",
        "{static}/%2e%2e/app.py",
        "{static}/%2e%2e%2f%2e%2e%2fsecret.txt",
        "{static}/..%2fapp.py",
        "{static}/..%5capp.py",
        "{static}/%252e%252e/app.py",
        "{static}/%c0%ae%c0%ae/app.py",
        "{static}/....//app.py",
        "{static}//etc/passwd",
        "{static}/%2fetc%2fpasswd",
        "{static}/C:%5cWindows%5cwin.ini",
        "{static}/grid.js%00.txt",
        "{static}/\\..\\app.py",
        "/thumbnails/../cards.json.jpg",
        "/thumbnails/%2e%2e%2fcards.json%00.jpg",
        "/thumbnails/..%2f..%2f..%2fnotes.txt.jpg",
        f"/thumbnails/{'a' * 64}.jpg",
        f"/thumbnails/{'A' * 64}.jpg",
        f"/thumbnails/{'b' * 64}.jpg",
        "/scenes/1/pairs/0/..%2f..%2fnotes-stage.jpg",
        "/scenes/1/pairs/0/long-..%2fnotes.jpg",
        "/scenes/1/pairs/0/long-thumbnail.jpg",
        "/scenes/1/pairs/0/other-stage.jpg",
        "/scenes/1/pairs/9/long-stage.jpg",
        "/scenes/1/pairs/-1/long-stage.jpg",
        "/scenes/..%2f..%2fdataset/pairs/0/panel",
        "/scenes/99999",
        "/scenes/0",
        "/scenes/1e3",
        f"/scenes/{'9' * 400}",
        "/scenes/%EF%BC%91",
        "/dataset.json",
        "/scenes/00001.json",
        "/.cache/review/cards.json",
        "/notes.txt",
        "//evil.example/",
    ],
)
def test_a_path_that_is_none_of_the_pages_gives_nothing_away(site: Site, path: str) -> None:
    answer, content = site.ask(path.replace("{static}", site.static).encode().decode("latin-1"))
    assert answer.status in (400, 404)
    assert SECRET.encode() not in content
    assert str(site.store.root.parent).encode() not in content.replace(str(site.store.root).encode(), b"")


@pytest.mark.parametrize("name", ["long-stage.jpg", "long-full.jpg", "short-smooth.jpg"])
def test_a_frame_that_is_a_link_out_of_the_dataset_is_not_read(site: Site, name: str) -> None:
    answer, content = site.ask(f"/scenes/2/pairs/0/{name}")
    assert answer.status == 422
    assert b"leads out of the dataset" in content


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "get", "JUDGE"])
@pytest.mark.parametrize("path", ["/", "/api/scenes/1/judgement", "/api/scenes/1/split"])
def test_another_method_does_nothing(site: Site, method: str, path: str) -> None:
    answer, _ = site.ask(path, method, body=site.accepting())
    assert answer.status in (400, 403, 404, 405)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path", ["/api/scenes/1/judgement", "/api/scenes/1/annotation", "/api/scenes/1/split", "/api/undo"]
)
def test_reading_changes_nothing(site: Site, method: str, path: str) -> None:
    override = {"X-HTTP-Method-Override": "POST", "Content-Type": "application/json"}
    assert site.ask(path, method, headers=override, body=site.accepting())[0].status == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"accepted"',
        b"{",
        b"\xff\xfe",
        b'{"revision": 1}',
        b"[" * 20_000,
        b"revision=1&choice=accepted",
    ],
)
@pytest.mark.parametrize("path", ["/api/scenes/1/judgement", "/api/scenes/1/split", "/api/undo"])
def test_what_is_no_decision_is_refused(site: Site, path: str, body: bytes) -> None:
    assert site.ask(path, "POST", body=body)[0].status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"choice": "deleted"},
        {"choice": ["accepted"]},
        {"why": ""},
        {"why": "   "},
        {"why": 7},
        {"why": "x" * 501},
        {"pairs": []},
        {"pairs": "all"},
        {"pairs": [["short/00001_00_0.5s.DNG"]]},
        {"by": "somebody else"},
        {"decided_utc": "2000-01-01T00:00:00Z"},
        {"revision": None},
        {"revision": {"$ne": ""}},
    ],
)
def test_a_decision_of_another_form_is_refused(site: Site, changes: dict[str, object]) -> None:
    assert site.ask("/api/scenes/1/judgement", "POST", body=site.accepting(**changes))[0].status == 400


def test_a_decision_about_what_is_not_there_is_refused(site: Site) -> None:
    elsewhere = site.accepting(pairs=[["../../etc/passwd", "long/00001_00_10s.DNG"]])
    assert site.ask("/api/scenes/1/judgement", "POST", body=elsewhere)[0].status == 404
    assert site.ask("/api/scenes/7/judgement", "POST", body=site.accepting())[0].status == 404


def test_a_stale_decision_is_refused(site: Site) -> None:
    refused, words = site.ask("/api/scenes/1/judgement", "POST", body=site.accepting(revision="0" * 16))
    assert (refused.status, words) == (409, b"scene 00001 was changed since you saw it: look again, then decide")


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "all"},
        {"split": ""},
        {"split": None},
        {"split": ["test"]},
        {"split": "../test"},
        {"split": 1},
        {"number": 10007},
        {"by": "somebody else"},
        {"revision": None},
    ],
)
def test_a_move_of_another_form_is_refused(site: Site, changes: dict[str, object]) -> None:
    assert site.ask("/api/scenes/1/split", "POST", body=site.moving(**changes))[0].status == 400


def test_a_move_of_what_is_not_there_or_was_changed_or_needs_none_is_refused(site: Site) -> None:
    for number in ("7", "0", "30000", "9" * 400):
        assert site.ask(f"/api/scenes/{number}/split", "POST", body=site.moving())[0].status == 404
    stale, words = site.ask("/api/scenes/1/split", "POST", body=site.moving(revision="0" * 16))
    assert (stale.status, words) == (409, b"scene 00001 was changed since you saw it: look again, then decide")
    in_vain, words = site.ask("/api/scenes/1/split", "POST", body=site.moving(split="train"))
    assert (in_vain.status, words) == (404, b"scene 00001 is in train already")


def test_nothing_moves_while_a_session_shoots(site: Site) -> None:
    with site.store.claimed():
        refused, words = site.ask("/api/scenes/1/split", "POST", body=site.moving())
    assert refused.status == 422
    assert b"another sidcap is shooting into" in words


@pytest.mark.parametrize(
    ("scene", "moved", "status"),
    [
        (1, {"old": 10007, "content": "0" * 16}, 409),
        (7, {"old": 10007, "content": "0" * 16}, 409),
        (1, {"old": 10000, "content": "0" * 16}, 422),
        (1, {"old": 0, "content": "0" * 16}, 400),
        (1, {"old": 30001, "content": "0" * 16}, 400),
        (1, {"old": 10007}, 400),
        (1, {"old": 10007, "content": "0" * 16, "path": "/etc"}, 400),
    ],
)
def test_a_move_that_was_never_made_is_not_undone(
    site: Site, scene: int, moved: dict[str, object], status: int
) -> None:
    body = json.dumps({"scene": scene, "moved": moved}).encode()
    assert site.ask("/api/undo", "POST", body=body)[0].status == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_is_taken(site: Site, kind: str) -> None:
    headers = {"Content-Type": kind}
    assert site.ask("/api/scenes/1/judgement", "POST", headers=headers, body=site.accepting())[0].status == 415


def test_a_body_that_is_too_large_is_not_read(site: Site) -> None:
    huge = site.accepting(why="x" * 100_000)
    assert site.ask("/api/scenes/1/judgement", "POST", body=huge)[0].status == 413


def test_a_body_that_hides_its_size_is_not_read_either(site: Site) -> None:
    head = (
        f"POST /api/undo HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nOrigin: http://127.0.0.1:{site.port}\r\n"
        f"Cookie: {site.cookie}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert site.raw(head.encode() + chunk * 5 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "lines",
    [
        "Host: 127.0.0.1:{port}\r\nHost: evil.example",
        "Accept: */*",
        "Host: 127.0.0.1:{port}\r\nContent-Length: -1",
        "Host : 127.0.0.1:{port}",
    ],
)
def test_a_malformed_request_is_refused(site: Site, lines: str) -> None:
    text = f"GET / HTTP/1.1\r\n{lines.format(port=site.port)}\r\nCookie: {site.cookie}\r\nConnection: close\r\n\r\n"
    answer = site.raw(text.encode())
    assert answer.split(b" ")[1] in (b"400", b"403")


def test_a_request_line_for_another_site_is_refused(site: Site) -> None:
    text = (
        f"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nCookie: {site.cookie}\r\nConnection: close\r\n\r\n"
    )
    assert site.raw(text.encode()).startswith(b"HTTP/1.1 403 ")


def test_a_websocket_is_refused(site: Site) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "x" * 22 + "==",
        "Sec-WebSocket-Version": "13",
    }
    assert site.ask("/api/changes", known=False, headers=upgrade)[0].status == 403


def test_it_listens_on_the_loopback_only(site: Site) -> None:
    others = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((address, site.port), timeout=5)


def test_a_port_in_use_is_one_line(site: Site, tmp_path: Path) -> None:
    from verification import error_line, run

    store = Store.create(tmp_path / "other")
    result = run("review", "--no-browser", "--port", str(site.port), "--dataset", store.root)
    assert result.exit_code == 2
    assert f"port {site.port} cannot be used" in error_line(result)


def test_the_scenes_are_those_of_the_test(site: Site) -> None:
    assert [scene.split for scene in site.store.scenes()] == [Split.TRAIN, Split.TRAIN, Split.TEST]
