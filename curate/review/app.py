"""The web application of ``sidcap review``: pages, pictures, and what people decide on them.

Pages are drawn by templates that escape whatever they are given. GET changes nothing; what a person does arrives as
JSON, is checked against the schema, and goes through the dataset's lock into the scene's file.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from sidcap.curate.review import acts, drawings, facts, moves
from sidcap.curate.review.acts import MAX_SCENE, Annotation, Judgement, Undoable
from sidcap.curate.review.cards import Card, Cards, card_of, label_of, shot_with
from sidcap.curate.review.darkroom import Darkroom
from sidcap.curate.review.moves import Moving, Told
from sidcap.curate.review.pictures import Histogram, HistogramOf, Picture, Size, thumbnail_of
from sidcap.data_manifest.errors import SidcapError, StaleError, UsageError
from sidcap.data_manifest.pages import STYLESHEET
from sidcap.data_manifest.schema import Pair, Record, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

R = TypeVar("R", bound=Record)

_HERE = Path(__file__).parent
_LOOK_EVERY_S = 0.5
_FIRST, _DRAWN = 60, 24
"""How many scenes the grid's page brings along, as many as a large screen shows; and how many of them are in its HTML,
so that the browser shows their pictures without waiting for the scripts."""
_AT_A_TIME = 500
"""How many scenes one answer tells of."""
_AT_ONCE = 2
"""Thumbnails under way at a time; more would keep a pair that somebody opens waiting."""
_SIZES = {size.value: size for size in (Size.STAGE, Size.SMOOTH, Size.FULL)}
"""Of the pictures of a pair."""
_FOR_GOOD = {"Cache-Control": "private, max-age=31536000, immutable"}
"""For addresses that carry the key of what they show."""

REASONS: dict[str, tuple[str, ...]] = {
    "accepted": ("looked at it: they match", "what moved does not matter", "matches better than measured"),
    "rejected": (
        "something moved",
        "the light changed",
        "shaken or out of focus",
        "not the same scene",
        "too dark to be of use",
        "clipped",
    ),
    "withdrawn": ("decided by mistake", "to be looked at again"),
}
"""Reasons that one key gives; any other can be typed."""


def application(store: Store, who: str, executor: Executor, on_moved: Told = lambda _: None) -> Starlette:
    """The application for one dataset and one person; pictures are made on ``executor``.

    ``on_moved`` is told of scenes that were put into another split.
    """
    return Review(store, who, executor, on_moved).app


class Review:
    """What the pages share: the dataset, its cards, and the place where pictures are made."""

    def __init__(self, store: Store, who: str, executor: Executor, on_moved: Told) -> None:
        self._store = store
        self._who = who
        self._on_moved = on_moved
        self._name = store.dataset().name
        self._cards = Cards(store)
        self._darkroom = Darkroom(store, executor)
        self._thumbnails = self._darkroom.thumbnails()
        self._failed: dict[str, str] = {}
        """Key of a thumbnail that cannot be made -> why."""
        self._files = {path.name: path.read_bytes() for path in (STYLESHEET, *(_HERE / "static").iterdir())}
        """What never changes while this runs: no page waits for the disk to give it."""
        self._version = hashlib.sha256(b"".join(self._files.values())).hexdigest()[:16]
        self._templates = Jinja2Templates(_HERE / "templates")
        self.app = Starlette(
            routes=[
                Route("/", self._grid),
                Route("/scenes/{scene:int}", self._scene),
                Route("/scenes/{scene:int}/pairs/{pair:int}/panel", self._panel),
                Route("/scenes/{scene:int}/pairs/{pair:int}/histograms", self._histograms),
                Route("/scenes/{scene:int}/pairs/{pair:int}/{role}-{size}.jpg", self._picture),
                Route("/thumbnails/{key}.jpg", self._thumbnail),
                Route("/api/changes", self._changes),
                Route("/api/scenes/{scene:int}/pairs", self._pairs),
                Route("/api/scenes/{scene:int}/judgement", self._judge, methods=["POST"]),
                Route("/api/scenes/{scene:int}/annotation", self._annotate, methods=["POST"]),
                Route("/api/scenes/{scene:int}/split", self._move, methods=["POST"]),
                Route("/api/undo", self._undo, methods=["POST"]),
                Route("/static/{version}/{name}", self._static_file),
            ],
            exception_handlers={SidcapError: _told},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work()) for work in (self._look, self._develop)]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        """See what others write, for as long as the pages are served."""
        while True:
            await run_in_threadpool(self._cards.refresh)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _develop(self) -> None:
        """Make the thumbnails that are not there yet, a few at a time."""
        while True:
            lacking = [card for card in self._cards.all() if card.thumbnail and self._lacks(card)][:_AT_ONCE]
            await asyncio.gather(*map(self._develop_one, lacking))
            if not lacking:
                await asyncio.sleep(_LOOK_EVERY_S)

    def _lacks(self, card: Card) -> bool:
        return card.thumbnail not in self._thumbnails and card.thumbnail not in self._failed

    async def _develop_one(self, card: Card) -> None:
        try:
            picture = thumbnail_of(await run_in_threadpool(self._store.scene, card.id))
            if picture is None or picture.key != card.thumbnail:
                return  # the scene was changed this moment: its new card is on the way
            await self._darkroom.made(picture)
            self._thumbnails.add(card.thumbnail)
        except (SidcapError, OSError) as error:
            self._failed[card.thumbnail] = str(error)
        self._cards.touch(card.id)

    def _page(self, request: Request, name: str, **context: Any) -> Response:
        shared = {
            "dataset": self._name,
            "who": self._who,
            "reasons": REASONS,
            "splits": list(Split),
            "static": f"/static/{self._version}",
        }
        return self._templates.TemplateResponse(request, name, shared | context)

    async def _grid(self, request: Request) -> Response:
        """The page with the first scenes in it: they are seen before the others are known to it."""
        cards = self._cards.all()
        first = [self._shown(card) for card in cards[:_FIRST]]
        drawn = [] if request.query_params else first[:_DRAWN]  # which scenes pass a filter, only the scripts know
        return self._page(request, "grid.html", drawn=drawn, first={"scenes": first, "unread": len(cards) - len(first)})

    async def _scene(self, request: Request) -> Response:
        scene = await self._scene_asked_for(request)
        if not scene.all_pairs:
            return self._page(request, "empty.html", scene=scene)
        asked = request.query_params.get("pair", "0")
        index = int(asked) if asked.isdecimal() and int(asked) < len(scene.all_pairs) else 0
        return self._page(request, "scene.html", **_view(scene, index))

    async def _panel(self, request: Request) -> Response:
        scene = await self._scene_asked_for(request)
        _pair_asked_for(request, scene)
        return self._page(request, "panel.html", **_view(scene, request.path_params["pair"]))

    async def _histograms(self, request: Request) -> Response:
        scene = await self._scene_asked_for(request)
        pair = _pair_asked_for(request, scene)
        drawn = []
        for path in (pair.reference, pair.frame):
            frame = scene.frame(path)
            made = await self._darkroom.made(HistogramOf(frame))
            histogram = Histogram.model_validate_json(await run_in_threadpool(made.read_bytes))
            drawn.append((frame, drawings.histogram_drawing(histogram)))
        return self._page(request, "histograms.html", histograms=drawn)

    async def _picture(self, request: Request) -> Response:
        scene = await self._scene_asked_for(request)
        pair = _pair_asked_for(request, scene)
        role, size = request.path_params["role"], request.path_params["size"]
        if role not in ("long", "short") or size not in _SIZES:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        picture = _picture_of(scene, pair, role, _SIZES[size])
        made = await self._darkroom.made(picture)
        current = request.query_params.get("v") == picture.key
        return FileResponse(made, headers=_FOR_GOOD if current else None)

    async def _thumbnail(self, request: Request) -> Response:
        jpeg = await run_in_threadpool(self._darkroom.thumbnail, request.path_params["key"])
        if jpeg is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(jpeg, media_type="image/jpeg", headers=_FOR_GOOD)

    async def _static_file(self, request: Request) -> Response:
        """A script or style sheet; under an address of its own for every version, so that browsers may keep it."""
        version, name = request.path_params["version"], request.path_params["name"]
        if version != self._version or name not in self._files:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(self._files[name], media_type=mimetypes.guess_type(name)[0], headers=_FOR_GOOD)

    async def _changes(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not since.isdecimal() or len(since) > 18:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "since is not a number")
        changes = self._cards.since(int(since))
        told = changes[:_AT_A_TIME]
        return JSONResponse(
            {
                "sequence": told[-1].sequence if told else int(since),
                "more": len(told) < len(changes),
                "unread": self._cards.unread,
                "scenes": [self._shown(change.card) for change in told if change.card],
                "gone": [change.scene for change in told if change.card is None],
            }
        )

    def _shown(self, card: Card) -> dict[str, Any]:
        """A card, with the address of its picture where that is there, else why it is not."""
        picture = f"/thumbnails/{card.thumbnail}.jpg" if card.thumbnail in self._thumbnails else ""
        lacking = self._failed.get(card.thumbnail, "") if card.thumbnail else "no file of this scene is here"
        return card.model_dump(mode="json") | {"picture": picture, "lacking": lacking}

    async def _pairs(self, request: Request) -> Response:
        """Frame and reference of every pair of a scene."""
        scene = await self._scene_asked_for(request)
        return JSONResponse([acts.key_of(pair) for pair in scene.all_pairs])

    async def _judge(self, request: Request) -> Response:
        asked = await _asked(request, Judgement)
        return await self._acted(_number(request), partial(acts.judge, request=asked))

    async def _annotate(self, request: Request) -> Response:
        asked = await _asked(request, Annotation)
        return await self._acted(_number(request), partial(acts.annotate, request=asked))

    async def _move(self, request: Request) -> Response:
        asked, number = await _asked(request, Moving), _number(request)
        scene, undo = await run_in_threadpool(moves.move, self._store, number, asked, self._on_moved)
        return self._told_of_move(number, scene, undo)

    def _told_of_move(self, old: int, scene: Scene, undo: Undoable | None) -> Response:
        """The scene's card, the number that it has no more, and how to undo it."""
        return JSONResponse(
            {
                "scene": self._shown(card_of(scene)),
                "gone": old,
                "undo": None if undo is None else undo.model_dump(mode="json"),
            }
        )

    async def _undo(self, request: Request) -> Response:
        act = await _asked(request, Undoable)
        if act.moved is not None:
            scene = await run_in_threadpool(moves.move_back, self._store, act, act.moved, self._on_moved)
            return self._told_of_move(act.scene, scene, None)

        def undone(scene: Scene, *, by: str, now: datetime) -> tuple[Scene, None]:
            return acts.undo(scene, act, by, now), None

        return await self._acted(act.scene, undone)

    async def _acted(self, scene_id: int, act: Callable[..., tuple[Scene, Undoable | None]]) -> Response:
        """Do something to a scene under the dataset's lock; answers with the scene's card and how to undo it."""
        undoable: list[Undoable | None] = []

        def changed(scene: Scene) -> Scene:
            after, undo = act(scene, by=self._who, now=datetime.now(UTC))
            undoable.append(undo)
            return after

        scene = await run_in_threadpool(self._store.change_scene, scene_id, changed)
        undo = undoable[0]
        return JSONResponse(
            {"scene": self._shown(card_of(scene)), "undo": None if undo is None else undo.model_dump(mode="json")}
        )

    async def _scene_asked_for(self, request: Request) -> Scene:
        return await run_in_threadpool(self._store.scene, _number(request))


def _number(request: Request) -> int:
    """The scene that an address names, which can be any number of digits."""
    scene: int = request.path_params["scene"]
    if not 1 <= scene <= MAX_SCENE:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return scene


def _pair_asked_for(request: Request, scene: Scene) -> Pair:
    index: int = request.path_params["pair"]
    if index >= len(scene.all_pairs):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return scene.all_pairs[index]


def _picture_of(scene: Scene, pair: Pair, role: str, size: Size) -> Picture:
    """One side of a pair, rendered as the other one."""
    long = scene.frame(pair.reference)
    if role == "long":
        return Picture(long, long, 1.0, size)
    return Picture(scene.frame(pair.frame), long, pair.ratio.true, size)


def _view(scene: Scene, index: int) -> dict[str, Any]:
    """All that the templates of the pair view show."""
    pair = scene.all_pairs[index]
    long, short = scene.frame(pair.reference), scene.frame(pair.frame)
    missing = [frame.why_missing for frame in (long, short) if frame.missing]
    drift, duration = drawings.drift_plots(scene, pair)
    return {
        "scene": scene,
        "pair": pair,
        "index": index,
        "tabs": [(one, label_of(scene, one)) for one in scene.all_pairs],
        "label": label_of(scene, pair),
        "shot": shot_with(scene.frames[0]),
        "revision": acts.revision(scene),
        "missing": missing,
        "pictures": {} if missing else _addresses(scene, pair, index),
        "ratio_facts": list(facts.ratio_facts(pair)),
        "measured": list(facts.measured(pair)),
        "frames": [(frame, list(facts.frame_facts(frame))) for frame in (long, short)],
        "history": facts.history(scene, pair),
        "shift": drawings.shift_drawing(pair.alignment),
        "field": drawings.field_drawing(pair),
        "drift": drift,
        "duration": duration,
    }


def _addresses(scene: Scene, pair: Pair, index: int) -> dict[str, str]:
    """``long-stage`` and so on -> where that picture is."""
    return {
        f"{role}-{size.value}": f"/scenes/{scene.id}/pairs/{index}/{role}-{size.value}.jpg"
        f"?v={_picture_of(scene, pair, role, size).key}"
        for role in ("long", "short")
        for size in _SIZES.values()
    }


async def _asked(request: Request, kind: type[R]) -> R:
    """What a request asks for, as a record; 400 or 415 where it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is expected")
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "the request"
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{place}: {fault['msg']}") from error


async def _told(_request: Request, error: Exception) -> Response:
    """What sidcap refuses, in its own words."""
    match error:
        case StaleError():
            status = HTTPStatus.CONFLICT
        case UsageError():
            status = HTTPStatus.NOT_FOUND
        case _:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
    return PlainTextResponse(str(error), status)
