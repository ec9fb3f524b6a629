"""Decoded frames on disk as memory-mapped 16-bit integers, so that a crop touches only its own pages.

    dataset/.cache/libraw-0.22.2/mosaic-1/<sha256>.npy       (h, w, 4) DN of a short, packed, nothing subtracted
    dataset/.cache/libraw-0.22.2/mosaic-1/<sha256>.json      how it was packed, written last
    dataset/.cache/libraw-0.22.2/developed-<key>/<sha256>.npy   (H, W, 3) sRGB of a long, as `develop` makes it

A cached frame is named by the checksum of its raw file, so it is never taken for another frame; its folder names what
decoded it, the key stands for the settings of `develop`. All of .cache can be deleted; that loses nothing but time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from sidcap.data_manifest.errors import ManifestError, RawError, TrainingError
from sidcap.data_manifest.raw import DEVELOPMENT, develop, read_raw
from sidcap.data_manifest.schema import Frame, Record
from sidcap.data_manifest.store import Store, sha256_of, write_atomic
from sidcap.model.packing import Number, pack, red_site

Progress = Callable[[int, int], None]
"""Called with how many frames are decoded, and of how many."""

_MOSAIC_FORMAT = "mosaic-1"


class _Packing(Record):
    """What the packed planes alone do not tell."""

    cfa: tuple[tuple[int, int], tuple[int, int]]
    """Of the mosaic, as in `RawFrame.cfa`."""
    height: int
    width: int
    """Of the mosaic, in sensor pixels, before packing."""


@dataclass(frozen=True)
class CachedMosaic:
    """The mosaic of one short."""

    planes: NDArray[np.uint16]
    """(4, h, w) DN, memory-mapped, nothing subtracted; see `pack`."""
    cfa: NDArray[np.uint8]
    """(2, 2), of the mosaic before packing."""
    size: tuple[int, int]
    """(H, W) of the mosaic before packing, in sensor pixels."""

    def covered(self, picture: NDArray[Number]) -> NDArray[Number]:
        """(2 h, 2 w, 3): the part of a developed frame that the planes cover; packed pixel (y, x) saw its (2 y, 2 x).

        ValueError where the picture, (H, W, 3), is not of the mosaic's size.
        """
        if picture.shape[:2] != self.size:
            raise ValueError(f"a picture of {picture.shape[:2]} is not that of a mosaic of {self.size}")
        top, left = red_site(self.cfa)
        _, height, width = self.planes.shape
        return picture[top : top + 2 * height, left : left + 2 * width]


class FrameCache:
    """The decoded frames of one dataset. `fill` decodes what is missing; the other calls only open files."""

    def __init__(self, store: Store) -> None:
        self._store = store
        decoder = "libraw-" + ".".join(str(part) for part in rawpy.libraw_version)
        settings = hashlib.sha256(json.dumps(DEVELOPMENT, sort_keys=True).encode()).hexdigest()[:8]
        self._mosaics = store.cache_dir / decoder / _MOSAIC_FORMAT
        self._developed = store.cache_dir / decoder / f"developed-{settings}"

    def fill(
        self,
        shorts: Iterable[Frame],
        longs: Iterable[Frame],
        on_progress: Progress | None = None,
    ) -> None:
        """Decode what is not cached yet, as many frames at a time as there are processors.

        Raises RawError or ManifestError, naming the frame, for the first one that cannot be read or is not the file
        that the manifest describes, and TrainingError where the cache cannot be written. What was decoded stays cached.
        """
        jobs = [_Job(*self._source(frame), self._mosaics, _cache_mosaic) for frame in _unique(shorts)]
        jobs += [_Job(*self._source(frame), self._developed, _cache_developed) for frame in _unique(longs)]
        jobs = [job for job in jobs if not job.done]
        # Threads do as well as processes here, without their start-up time: LibRaw and numpy leave Python's lock open.
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            for done, finished in enumerate(as_completed([pool.submit(job) for job in jobs]), start=1):
                finished.result()
                if on_progress is not None:
                    on_progress(done, len(jobs))
        finally:
            pool.shutdown(cancel_futures=True)

    def mosaic(self, frame: Frame) -> CachedMosaic:
        """The packed mosaic of a short that `fill` has decoded."""
        path = self._mosaics / f"{frame.checksum}.npy"
        try:
            packing = _Packing.model_validate_json(path.with_suffix(".json").read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(path, error) from error
        return CachedMosaic(
            planes=np.moveaxis(_mapped(path), -1, 0),
            cfa=np.array(packing.cfa, np.uint8),
            size=(packing.height, packing.width),
        )

    def developed(self, frame: Frame) -> NDArray[np.uint16]:
        """(H, W, 3) sRGB of a long that `fill` has developed, memory-mapped."""
        return _mapped(self._developed / f"{frame.checksum}.npy")

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
        # The description of a mosaic is written after it.
        last = ".json" if self.write is _cache_mosaic else ".npy"
        return (self.folder / f"{self.sha256}{last}").is_file()

    def __call__(self) -> None:
        if self.raw.is_file() and sha256_of(self.raw) != self.sha256:
            raise ManifestError(
                f"{self.raw} is not the file that the manifest describes (its checksum differs): "
                "restore it from a copy; `sidcap validate` finds all such files"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.write(self.raw, self.folder / f"{self.sha256}.npy")
        except OSError as error:
            raise TrainingError(
                f"cannot keep decoded frames in {self.folder} ({error.strerror}): make room, then start again"
            ) from error


def _cache_mosaic(raw: Path, cached: Path) -> None:
    frame = read_raw(raw)
    try:
        planes = pack(frame.mosaic, frame.cfa)
    except RawError as error:
        raise RawError(f"{raw}: {error}") from error
    write_atomic(cached, _npy(np.moveaxis(planes, 0, -1)))
    height, width = frame.mosaic.shape
    (first, second), (third, fourth) = frame.cfa.tolist()
    packing = _Packing(cfa=((first, second), (third, fourth)), height=height, width=width)
    write_atomic(cached.with_suffix(".json"), packing.model_dump_json().encode())


def _cache_developed(raw: Path, cached: Path) -> None:
    write_atomic(cached, _npy(develop(raw)))


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _unique(frames: Iterable[Frame]) -> list[Frame]:
    return list({frame.sha256: frame for frame in frames}.values())


def _mapped(path: Path) -> NDArray[np.uint16]:
    try:
        array: NDArray[np.uint16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error
    return array


def _unusable(path: Path, error: Exception) -> TrainingError:
    return TrainingError(f"cached frame {path} is absent or broken ({error}): delete {path.parent}, it is made again")
