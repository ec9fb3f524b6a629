"""What the grid shows of every scene, read once and again only where a file has changed."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from sidcap.curate.review.acts import revision
from sidcap.curate.review.pictures import thumbnail_of
from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.naming import seconds_text
from sidcap.data_manifest.schema import Frame, Pair, Record, Scene
from sidcap.data_manifest.store import Store, program, write_atomic
from sidcap.data_manifest.words import Split, Verdict


class PairCard(Record):
    """A pair on its scene's card."""

    label: str
    """``×100``, or ``closing``."""
    verdict: Verdict | None
    """None where it was not verified."""
    standing: str
    """As `Pair.standing`."""
    by: str
    """Who decided; empty where nobody did."""


class Card(Record):
    """A scene, as the grid shows it."""

    id: int
    name: str
    revision: str = ""
    split: Split | None = None
    complete: bool = True
    starred: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""
    shot: str = ""
    """What it was shot with: camera, ISO, long exposure."""
    shot_utc: str = ""
    pairs: tuple[PairCard, ...] = ()
    worst_shift_px: float | None = None
    """The largest shift of the shorts."""
    words: str = ""
    """Reasons, findings and what people said, for the search."""
    thumbnail: str = ""
    """Key of the picture that stands for the scene; empty where no file is there."""
    problem: str = ""
    """Why the scene's file could not be read; empty where it could."""


class _Stamped(Record):
    """A card and the size and time of the file it was made of."""

    stamp: tuple[int, int]
    card: Card


class _Kept(Record):
    """The cards of a dataset, as they are kept from one start to the next."""

    made_with: str
    cards: tuple[_Stamped, ...]


@dataclass(frozen=True)
class Change:
    """A card that is new or different; None in place of one whose scene is gone."""

    sequence: int
    scene: int
    card: Card | None


class Cards:
    """The cards of a dataset and the order in which they changed; safe to ask from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept_path = store.cache_dir / "review" / "cards.json"
        self._stamped: dict[int, _Stamped] = {}
        self._changes: dict[int, Change] = {}
        self._sequence = 0
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self.unread = 0
        """How many scenes `refresh` knows of and has not read yet."""

    @property
    def sequence(self) -> int:
        """The number of the latest change."""
        return self._sequence

    def since(self, sequence: int) -> list[Change]:
        """Every scene that changed after change number ``sequence``, with what it is now, in the order they changed."""
        changes = [change for change in self._changes.copy().values() if change.sequence > sequence]
        return sorted(changes, key=lambda change: change.sequence)

    def all(self) -> list[Card]:
        """All cards there are now, by number."""
        return [stamped.card for _, stamped in sorted(self._stamped.copy().items())]

    def refresh(self) -> None:
        """Read what has changed on disk since the last call. At most one thread does; others return at once."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            if not self._sequence:
                self._recall()
            stamps = self._stamps()
            for scene in self._stamped.keys() - stamps.keys():
                self._forget(scene)
            stale = [scene for scene, stamp in stamps.items() if not self._knows(scene, stamp)]
            for count, scene in enumerate(stale):
                self.unread = len(stale) - count
                self._put(_Stamped(stamp=stamps[scene], card=self._read(scene)))
            self.unread = 0
            if stale:
                self._keep()
        finally:
            self._reading.release()

    def touch(self, scene: int) -> None:
        """Count the scene as changed: there is something new to see of it."""
        if stamped := self._stamped.get(scene):
            self._put(stamped)

    def _knows(self, scene: int, stamp: tuple[int, int]) -> bool:
        return scene in self._stamped and self._stamped[scene].stamp == stamp

    def _read(self, scene: int) -> Card:
        try:
            return card_of(self._store.scene(scene))
        except SidcapError as error:
            return Card(id=scene, name=f"{scene:05d}", problem=str(error))

    def _put(self, stamped: _Stamped) -> None:
        with self._writing:
            self._sequence += 1
            self._stamped[stamped.card.id] = stamped
            self._changes[stamped.card.id] = Change(self._sequence, stamped.card.id, stamped.card)

    def _forget(self, scene: int) -> None:
        with self._writing:
            self._sequence += 1
            del self._stamped[scene]
            self._changes[scene] = Change(self._sequence, scene, None)

    def _stamps(self) -> dict[int, tuple[int, int]]:
        """Scene -> time and size of its file, ascending."""
        stamps = {}
        for scene in self._store.scene_ids():
            try:
                stat = self._store.scene_path(scene).stat()
            except FileNotFoundError:  # renamed this moment
                continue
            stamps[scene] = (stat.st_mtime_ns, stat.st_size)
        return stamps

    def _recall(self) -> None:
        """Begin with what was kept the last time; whatever is wrong with that, everything is read anew."""
        try:
            kept = _Kept.model_validate_json(self._kept_path.read_bytes())
        except (OSError, ValidationError):
            return
        if kept.made_with == program():
            for stamped in kept.cards:
                self._put(stamped)

    def _keep(self) -> None:
        kept = _Kept(made_with=program(), cards=tuple(self._stamped.values()))
        self._kept_path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._kept_path, kept.model_dump_json().encode())


def card_of(scene: Scene) -> Card:
    """What the grid shows of a scene."""
    thumbnail = thumbnail_of(scene)
    first = scene.frames[0] if scene.frames else None
    return Card(
        id=scene.id,
        name=scene.name,
        revision=revision(scene),
        split=scene.split,
        complete=scene.complete,
        starred=scene.starred,
        tags=scene.tags,
        note=scene.note,
        shot="" if first is None else shot_with(first),
        shot_utc="" if first is None or first.start_utc is None else first.start_utc.isoformat(),
        pairs=tuple(_pair_card(scene, pair) for pair in scene.all_pairs),
        worst_shift_px=max((shift for pair in scene.pairs if (shift := shift_of(pair)) is not None), default=None),
        words=" ".join(_words(scene)),
        thumbnail="" if thumbnail is None else thumbnail.key,
    )


def label_of(scene: Scene, pair: Pair) -> str:
    """``×100``, or ``closing``."""
    return "closing" if scene.closing is not None and pair is scene.closing else f"×{pair.ratio.nominal:g}"


def shift_of(pair: Pair) -> float | None:
    """How far the frame lies from its reference, sensor pixels; None where that is unknown."""
    alignment = pair.alignment
    return None if alignment is None or alignment.shift_px is None else math.hypot(*alignment.shift_px)


def shot_with(frame: Frame) -> str:
    """For example ``Canon EOS 6D (simulated) · ISO 12800 · 10 s``."""
    camera = f"{frame.camera.model or 'unknown camera'}{' (simulated)' if frame.camera.simulated else ''}"
    return f"{camera} · ISO {frame.iso.set} · {seconds_text(frame.exposure.nominal_s)} s"


def _pair_card(scene: Scene, pair: Pair) -> PairCard:
    return PairCard(
        label=label_of(scene, pair),
        verdict=None if pair.alignment is None else pair.alignment.verdict,
        standing=pair.standing,
        by="" if pair.decision is None else pair.decision.by,
    )


def _words(scene: Scene) -> Iterable[str]:
    yield from scene.findings
    for pair in scene.all_pairs:
        yield from () if pair.alignment is None else pair.alignment.reasons
        if pair.decision is not None:
            yield f"{pair.decision.by} {pair.decision.why}"
