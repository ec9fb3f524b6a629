"""Decoded frames on disk as memory-mapped 16-bit integers, so that a crop touches only its own pages.

    dataset/.cache/libraw-0.22.2/mosaic-2/<sha256>.npy       (H, W) DN, as the sensor saw it, nothing subtracted
    dataset/.cache/libraw-0.22.2/mosaic-2/<sha256>.json      its colour filter array, written last
    dataset/.cache/libraw-0.22.2/developed-<key>/<sha256>.npy   (H, W, 3) sRGB of a long, as `develop` makes it

A cached frame is named by the checksum of its raw file, so it is never taken for another frame; its folder names what
decoded it, the key stands for the settings of `develop`. All of .cache can be deleted; that loses nothing but time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from sidcap.data_manifest.disk import remedy
from sidcap.data_manifest.errors import ManifestError, RawError, TrainingError
from sidcap.data_manifest.raw import DEVELOPMENT, develop, read_raw
from sidcap.data_manifest.schema import Frame, Record, SensorRecord
from sidcap.data_manifest.sensor import Sensor, read_maps
from sidcap.data_manifest.store import Store, sha256_of, write_atomic
from sidcap.model.packing import Layout, Number, Site, layout_of, pack

Progress = Callable[[int, int], None]
"""Called with how many frames are decoded, and of how many."""

_MOSAIC_FORMAT = "mosaic-2"
_MOST_AT_A_TIME = 8
"""Frames that are decoded: each takes 0.3 GB at 20 MP."""


class _Pattern(Record):
    """What the numbers of a mosaic alone do not tell."""

    cfa: tuple[tuple[int, ...], ...]
    """As in `RawFrame.cfa`."""


@dataclass(frozen=True)
class CachedMosaic:
    """The mosaic of one frame."""

    numbers: NDArray[np.uint16]
    """(H, W) DN, memory-mapped, nothing subtracted."""
    cfa: NDArray[np.uint8]
    """As in `RawFrame.cfa`."""

    @cached_property
    def packing(self) -> tuple[Layout, Site]:
        """How it is packed, and from which photosite on."""
        return layout_of(self.cfa)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) in packed pixels."""
        layout, origin = self.packing
        return layout.size(self.numbers, origin)

    @property
    def planes(self) -> NDArray[np.uint16]:
        """(P, h, w): the whole frame packed, in memory; see `pack`."""
        return pack(self.numbers, self.cfa)

    def covered(self, picture: NDArray[Number]) -> NDArray[Number]:
        """(s h, s w, ...): the part of a picture that the planes cover; packed pixel (y, x) saw its (s y, s x).

        ValueError where the picture, (H, W, ...), is not of the mosaic's size.
        """
        if picture.shape[:2] != self.numbers.shape:
            raise ValueError(f"a picture of {picture.shape[:2]} is not that of a mosaic of {self.numbers.shape}")
        layout, (top, left) = self.packing
        height, width = (layout.subpixels * side for side in self.size)
        return picture[top : top + height, left : left + width]


class FrameCache:
    """The decoded frames of one dataset. `fill` decodes what is missing; the other calls only open files."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sensors: dict[str, Sensor] = {}
        decoder = "libraw-" + ".".join(str(part) for part in rawpy.libraw_version)
        settings = hashlib.sha256(json.dumps(DEVELOPMENT, sort_keys=True).encode()).hexdigest()[:8]
        self._mosaics = store.cache_dir / decoder / _MOSAIC_FORMAT
        self._developed = store.cache_dir / decoder / f"developed-{settings}"

    def fill(
        self,
        shorts: Iterable[Frame],
        longs: Iterable[Frame],
        on_progress: Progress | None = None,
        *,
        photons: bool = False,
    ) -> None:
        """Decode what is not cached yet, as many frames at a time as there are processors, up to 8.

        ``photons``: the mosaics of the longs, too, from which shot noise is drawn.
        Raises RawError or ManifestError, naming the frame, for the first one that cannot be read or is not the file
        that the manifest describes, and TrainingError where the cache cannot be written. What was decoded stays cached.
        """
        longs = _unique(longs)
        mosaics = _unique([*shorts, *longs] if photons else shorts)
        jobs = [_Job(*self._source(frame), self._mosaics, _cache_mosaic) for frame in mosaics]
        jobs += [_Job(*self._source(frame), self._developed, _cache_developed) for frame in longs]
        jobs = [job for job in jobs if not job.done]
        # Threads do as well as processes here, without their start-up time: LibRaw and numpy leave Python's lock open.
        pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_AT_A_TIME))
        try:
            for done, finished in enumerate(as_completed([pool.submit(job) for job in jobs]), start=1):
                finished.result()
                if on_progress is not None:
                    on_progress(done, len(jobs))
        finally:
            pool.shutdown(cancel_futures=True)

    def mosaic(self, frame: Frame) -> CachedMosaic:
        """The mosaic of a frame that `fill` has decoded."""
        path = self.mosaic_path(frame)
        with _named(frame, path):
            return CachedMosaic(_mapped(path), np.array(_cfa(path.with_suffix(".json")), np.uint8))

    def developed(self, frame: Frame) -> NDArray[np.uint16]:
        """(H, W, 3) sRGB of a long that `fill` has developed, memory-mapped."""
        path = self.developed_path(frame)
        with _named(frame, path):
            return _mapped(path)

    def mosaic_path(self, frame: Frame) -> Path:
        """Where a frame's mosaic is kept, with a JSON file of its colour filter array beside it."""
        return self._mosaics / f"{frame.checksum}.npy"

    def developed_path(self, frame: Frame) -> Path:
        """Where a developed frame is kept."""
        return self._developed / f"{frame.checksum}.npy"

    def sensor(self, record: SensorRecord | None) -> Sensor | None:
        """What calibration found, with its maps, which are read once; ManifestError where they cannot be."""
        if record is None:
            return None
        key = record.model_dump_json()
        if key not in self._sensors:
            maps = None if record.maps is None else read_maps(self._store.path(record.maps.path), record.maps)
            self._sensors[key] = Sensor(record, maps)
        return self._sensors[key]

    def _source(self, frame: Frame) -> tuple[Path, str]:
        return self._store.path(frame.path), frame.checksum


@dataclass(frozen=True)
class _Job:
    """One frame to be decoded."""

    raw: Path
    sha256: str
    folder: Path
    write: Callable[[Path, Path], None]
    """From the raw file to the cached one."""

    @property
    def done(self) -> bool:
        parts = (".npy", ".json") if self.write is _cache_mosaic else (".npy",)
        return all((self.folder / f"{self.sha256}{part}").is_file() for part in parts)

    def __call__(self) -> None:
        if self.raw.is_file() and _sha256(self.raw) != self.sha256:
            raise ManifestError(
                f"{self.raw} is not the file that the manifest describes (its checksum differs): "
                "restore it from a copy; `sidcap validate` finds all such files"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.write(self.raw, self.folder / f"{self.sha256}.npy")
        except OSError as error:
            raise TrainingError(
                f"cannot keep decoded frames in {self.folder} ({error.strerror}): {remedy(error)}, then start again"
            ) from error


def _sha256(raw: Path) -> str:
    try:
        return sha256_of(raw)
    except OSError as error:
        raise RawError(f"cannot read {raw}: {error.strerror}") from error


def _cache_mosaic(raw: Path, cached: Path) -> None:
    frame = read_raw(raw)
    try:
        layout_of(frame.cfa)
    except RawError as error:
        raise RawError(f"{raw}: {error}") from error
    write_atomic(cached, _npy(frame.mosaic))
    pattern = _Pattern(cfa=tuple(map(tuple, frame.cfa.tolist())))
    write_atomic(cached.with_suffix(".json"), pattern.model_dump_json().encode())


def _cache_developed(raw: Path, cached: Path) -> None:
    write_atomic(cached, _npy(develop(raw)))


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _unique(frames: Iterable[Frame]) -> list[Frame]:
    return list({frame.sha256: frame for frame in frames}.values())


def _mapped(path: Path) -> NDArray[np.uint16]:
    shape, start = _header(path)
    # Copy-on-write, for torch takes no array that it may not write to; nothing ever does.
    return np.memmap(path, np.uint16, "c", start, shape)


@cache
def _header(path: Path) -> tuple[tuple[int, ...], int]:
    """Shape, and where the numbers begin: read once, for it takes longer than to map the rest."""
    array = np.lib.format.open_memmap(path, mode="r")
    if array.dtype != np.uint16 or not array.flags.c_contiguous:
        raise ValueError(f"it holds {array.dtype}")
    return array.shape, int(array.offset)


@cache
def _cfa(path: Path) -> tuple[tuple[int, ...], ...]:
    return _Pattern.model_validate_json(path.read_bytes()).cfa


@contextmanager
def _named(frame: Frame, path: Path) -> Iterator[None]:
    """What goes wrong with a cached file is told of its frame."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(
            f"{frame.path}, decoded as {path}, cannot be read any more ({reason}): delete that file, it is made again"
        ) from error
