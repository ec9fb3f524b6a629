"""What a training crop costs, and what memory a whole dataset takes, on frames of true size.

    python bench/crops.py                       # time of a 512 crop, beside the plain way
    python bench/crops.py --memory              # peak memory of 53 scenes of three shorts and a long

CPU time is that of the process, one thread, median over crops, the frames being in the page cache. The frames hold
random numbers; for --memory they are files with holes, whose pages are read like those of any file, and zero.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from sidcap.data_manifest.schema import BlackLevel, CameraBody, Exposure, Frame, Iso, Ratio, WhiteLevel
from sidcap.data_manifest.store import Store
from sidcap.model.cache import FrameCache
from sidcap.model.config import TrainConfig
from sidcap.model.crops import TrainingData
from sidcap.model.data import AlignedPair, Selection

HEIGHT, WIDTH = 3670, 5496
"""Visible photosites of the EOS 6D as LibRaw counts them: 1835 x 2748 packed pixels."""
SHORTS = 3
PATCH = 512
WARM_UP = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="peak memory instead of time")
    parser.add_argument("--scenes", type=int, help="53 for memory, 3 for time")
    parser.add_argument("--crops", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the frames are made; a temporary one without")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.memory:
            memory(Path(folder), arguments.scenes or 53, arguments.crops)
        else:
            times(Path(folder), arguments.scenes or 3, arguments.crops)


def times(folder: Path, scenes: int, crops: int) -> None:
    cache, selection = dataset(folder, scenes, holes=False)
    config = TrainConfig(patch=PATCH)
    data = TrainingData(cache, selection, config, torch.device("cpu"))
    unturned = TrainingData(cache, selection, config.replace(turns="none"), torch.device("cpu"))
    plain = Plain(cache, data)
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, torch {torch.__version__}")
    print(f"{'CPU ms a crop of 512':62} {'median':>7} {'mean':>7} {'p10':>7}")
    report("plain: 16-bit copies of both windows", plain.copies, crops)
    report("plain: copies, floats, amplified; not packed, not turned", plain.floats, crops)
    report("for a GPU, frames on the disk: both windows, 16 bit", handed_over(data), crops)
    room = data.room(1)
    report("on the CPU: planes and target as float32, as they are", lambda crop: unturned.batch([crop], room), crops)
    report("on the CPU: the same, flipped and transposed", lambda crop: data.batch([crop], room), crops)
    report("on the CPU: the same, each in new memory", lambda crop: data.batch([crop]), crops)


def handed_over(data: TrainingData) -> Callable[[int], object]:
    """What the CPU does where a GPU does the rest: choose a place, copy its two windows out of the map."""
    mosaic = torch.empty(2 * PATCH, 2 * PATCH, dtype=torch.int16)
    picture = torch.empty(2 * PATCH, 2 * PATCH, 3, dtype=torch.int16)

    def hand_over(crop: int) -> None:
        shown = data.shown(crop)
        short, long = data.windows(shown)
        mosaic.copy_(short)
        picture.copy_(long)

    return hand_over


class Plain:
    """As a loader without any thought has it: slices of memory maps, into memory that is there already."""

    def __init__(self, cache: FrameCache, data: TrainingData) -> None:
        self._cache, self._data = cache, data
        side = 2 * PATCH
        self._mosaic, self._picture = np.empty((side, side), np.uint16), np.empty((side, side, 3), np.uint16)
        self._planes, self._target = np.empty((side, side), np.float32), np.empty((side, side, 3), np.float32)

    def windows(self, crop: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        shown = self._data.shown(crop)
        top, left = 2 * shown.place.top, 2 * shown.place.left
        at = np.s_[top : top + 2 * PATCH, left : left + 2 * PATCH]
        mosaic = np.load(self._cache.mosaic_path(shown.pair.short), mmap_mode="r")
        picture = np.load(self._cache.developed_path(shown.pair.long), mmap_mode="r")
        return mosaic[at], picture[at]

    def copies(self, crop: int) -> None:
        mosaic, picture = self.windows(crop)
        np.copyto(self._mosaic, mosaic)
        np.copyto(self._picture, picture)

    def floats(self, crop: int) -> None:
        mosaic, picture = self.windows(crop)
        np.subtract(mosaic, np.float32(2048), out=self._planes)
        np.multiply(self._planes, np.float32(100 / (15283 - 2048)), out=self._planes)
        np.minimum(self._planes, 1, out=self._planes)
        np.multiply(picture, np.float32(1 / 65535), out=self._target)


def report(name: str, crop: Callable[[int], object], crops: int) -> None:
    for number in range(WARM_UP):
        crop(number)
    took_ms = []
    for number in range(WARM_UP, WARM_UP + crops):
        before_s = time.process_time()
        crop(number)
        took_ms.append((time.process_time() - before_s) * 1e3)
    print(f"{name:62} {np.median(took_ms):7.2f} {np.mean(took_ms):7.2f} {np.percentile(took_ms, 10):7.2f}")


def memory(folder: Path, scenes: int, crops: int) -> None:
    cache, selection = dataset(folder, scenes, holes=True)
    before = psutil.Process().memory_full_info().uss
    data = TrainingData(cache, selection, TrainConfig(patch=PATCH), torch.device("cpu"))
    for crop in range(max(crops, scenes)):
        data.batch([crop])
    after = psutil.Process().memory_full_info().uss
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    frames_bytes = scenes * (SHORTS * 2 + 6) * HEIGHT * WIDTH
    print(
        f"{scenes} scenes, {frames_bytes / 1e9:.1f} GB of frames, {max(crops, scenes)} crops: the process grew by "
        f"{(after - before) / 1e6:.0f} MB, its peak was {peak_bytes / 1e6:.0f} MB, torch and mapped pages included"
    )


def dataset(folder: Path, scenes: int, *, holes: bool) -> tuple[FrameCache, Selection]:
    cache = FrameCache(Store.create(folder / "dataset"))
    return cache, Selection(tuple(scene(cache, number, holes=holes) for number in range(1, scenes + 1)), ())


def scene(cache: FrameCache, number: int, *, holes: bool) -> tuple[AlignedPair, ...]:
    long = frame(f"long/{number:05d}_00_10s.CR2", 10.0)
    write(cache.developed_path(long), (HEIGHT, WIDTH, 3), holes=holes)
    pairs = []
    for index in range(SHORTS):
        short = frame(f"short/{number:05d}_{index:02d}_0.1s.CR2", 0.1)
        path = cache.mosaic_path(short)
        write(path, (HEIGHT, WIDTH), holes=holes)
        path.with_suffix(".json").write_text(json.dumps({"cfa": [[0, 1], [3, 2]]}))
        pairs.append(AlignedPair(f"{number:05d}", short, long, Ratio(nominal=100, true=101.6)))
    return tuple(pairs)


def write(path: Path, shape: tuple[int, ...], *, holes: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if holes:
        np.lib.format.open_memmap(path, "w+", np.uint16, shape)
    else:
        np.save(path, np.random.default_rng(0).integers(1900, 15000, shape, dtype=np.uint16))


def frame(path: str, exposure_s: float) -> Frame:
    return Frame(
        path=path,
        role="long" if path.startswith("long") else "short",
        size_bytes=1,
        sha256=hashlib.sha256(path.encode()).hexdigest(),
        camera=CameraBody(model="Canon EOS 6D", serial="1"),
        iso=Iso(requested=None, set=12800),
        exposure=Exposure(requested_s=None, nominal_s=exposure_s, true_s=exposure_s),
        start_utc=datetime(2026, 1, 1, tzinfo=UTC),
        end_utc=None,
        release=None,
        settle_s=None,
        black=BlackLevel(per_plane_dn=(2048,) * 4, source="file"),
        white=WhiteLevel(dn=15283, source="bench"),
    )


if __name__ == "__main__":
    main()
