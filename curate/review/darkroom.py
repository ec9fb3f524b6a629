"""Where pictures and histograms are made: in worker processes, each once, and kept in the dataset's cache."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from sidcap.curate.review.pictures import HistogramOf, Picture, Size, make_histogram, make_picture
from sidcap.data_manifest.errors import WorkersError
from sidcap.data_manifest.store import Store

_KEY = re.compile(r"[0-9a-f]{64}")
KEPT_BYTES = 1_000_000_000
"""Pictures of pairs are kept up to this; those looked at longest ago go first. Thumbnails and histograms are small and
stay."""


class Darkroom:
    """Makes what is asked for, or finds it in the cache."""

    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self._cache = store.cache_dir / "review"
        self._under_way: dict[str, asyncio.Task[Path]] = {}

    def thumbnail(self, key: str) -> bytes | None:
        """The thumbnail of that key, JPEG, where it was made before; None for what is no key, too."""
        path = self._cache / "thumbnails" / f"{key}.jpg"
        if not _KEY.fullmatch(key) or path.is_symlink():
            return None
        try:
            return path.read_bytes()
        except OSError:  # never made, or deleted with the cache
            return None

    def thumbnails(self) -> set[str]:
        """Keys of all thumbnails that were made before."""
        return {path.stem for path in self._cache.glob("thumbnails/*.jpg")}

    def ready(self, wanted: Picture | HistogramOf) -> Path | None:
        """Its file, where it was made before."""
        path = self._place(wanted)
        return path if path.is_file() and not path.is_symlink() else None

    async def made(self, wanted: Picture | HistogramOf) -> Path:
        """Its file, made now unless it is there; asked for twice at once, it is made once.

        Raises:
            RawError: a frame cannot be read.
            ManifestError: a frame lies outside the dataset, or is missing.
            WorkersError: the workers died.
        """
        if path := self.ready(wanted):
            return path
        if wanted.key not in self._under_way:
            task = asyncio.create_task(self._make(wanted))
            self._under_way[wanted.key] = task
            task.add_done_callback(lambda _: self._under_way.pop(wanted.key, None))
        return await asyncio.shield(self._under_way[wanted.key])

    def _place(self, wanted: Picture | HistogramOf) -> Path:
        if isinstance(wanted, HistogramOf):
            return self._cache / "histograms" / f"{wanted.key}.json"
        folder = "thumbnails" if wanted.size is Size.THUMBNAIL else "pictures"
        return self._cache / folder / f"{wanted.key}.jpg"

    async def _make(self, wanted: Picture | HistogramOf) -> Path:
        path = self._place(wanted)
        try:
            if isinstance(wanted, HistogramOf):
                work = self._executor.submit(make_histogram, self._store, wanted, path)
            else:
                work = self._executor.submit(make_picture, self._store, wanted, path)
            await asyncio.wrap_future(work)
        except BrokenProcessPool as error:
            raise WorkersError("the processes that make pictures died: start `sidcap review` again") from error
        if path.parent.name == "pictures":
            await asyncio.to_thread(_prune, path.parent, KEPT_BYTES)
        return path


def _prune(folder: Path, kept_bytes: int) -> None:
    """Delete the oldest pictures beyond what is to be kept."""
    stats = sorted(((path.stat(), path) for path in folder.glob("*.jpg")), key=lambda one: -one[0].st_mtime_ns)
    total = 0
    for stat, path in stats:
        total += stat.st_size
        if total > kept_bytes:
            path.unlink(missing_ok=True)
