"""How often scenes that show one composition are known again, and others taken for one.

    PYTHONPATH=tests python bench/near_duplicates.py --scenes 60

Each simulated scene (small sensor) is shot three times: at ISO 12800 and f/2.8; at another ISO, stop and shutter time;
and with the camera pushed by up to 120 px (8 % of the width) each way. The second and third are turned and enlarged
besides. Then every two different scenes are compared. Last, the time for 2,000 scenes whose looks are in the cache.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import cv2
import numpy as np
import rawpy
import records
from numpy.typing import NDArray

from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.curate.near_duplicates import (
    SAME_FEATURES,
    SAME_FEATURES_SOON,
    Look,
    candidates,
    common_features,
    look_of,
)

BLACK_DN = 2048
FIRST = Shot(
    iso=12800,
    shutter_s=2 ** (10 / 3),
    nominal_shutter=Fraction(10),
    aperture=2.8,
    scene=1,
    start_s=0.0,
    taken=datetime(2026, 1, 1, tzinfo=UTC),
    frame_number=1,
)
TURNED = ((0, 1.0), (2, 1.0), (4, 1.0), (2, 1.1), (8, 1.2), (10, 1.4))
"""Degrees and zoom."""


def signals(scene: int) -> list[NDArray[np.float32]]:
    """The scene shot three times: DN above black."""
    push = np.random.default_rng(scene).uniform(-120, 120, 2)
    maker = FrameMaker(serial="1", size="small")
    shots = [
        replace(FIRST, scene=scene),
        replace(FIRST, scene=scene, frame_number=2, iso=3200, aperture=5.6, shutter_s=2 ** (13 / 3)),
        replace(FIRST, scene=scene, frame_number=3, iso=1600, aperture=4.0, shift_px=(float(push[0]), float(push[1]))),
    ]
    return [signal(maker.make(shot)) for shot in shots]


def signal(file: bytes) -> NDArray[np.float32]:
    with rawpy.imread(io.BytesIO(file)) as raw:
        return raw.raw_image_visible.astype(np.float32) - BLACK_DN


def turned(mosaic: NDArray[np.float32], degrees: float, zoom: float) -> NDArray[np.float32]:
    height, width = mosaic.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    return np.asarray(cv2.warpAffine(mosaic, matrix, (width, height), borderMode=cv2.BORDER_REFLECT))


def look(number: int, mosaic: NDArray[np.float32], days: int = 0) -> Look:
    """Scenes of different days, unless told otherwise: time plays no part."""
    scene = records.scene(number)
    moment = records.MOMENT + timedelta(days=days)
    return look_of(scene.replace(frames=tuple(f.replace(start_utc=moment) for f in scene.frames)), mosaic)


def reaches(first: Look, second: Look, enough: int) -> bool:
    """Whether two looks get past both steps."""
    return bool(list(candidates([first, second]))) and common_features(first, second) >= enough


def row(label: str, counts: list[int], found: list[bool]) -> None:
    quantiles = np.quantile(counts, (0, 0.05, 0.5))
    share = f"{sum(found)} of {len(found)}"
    print(f"| {label} | {quantiles[0]:.0f} | {quantiles[1]:.0f} | {quantiles[2]:.0f} | {share} |")


def same_scenes(shot: list[list[NDArray[np.float32]]]) -> None:
    print("| the same scene again | fewest features | 5 % | median | known again |")
    print("|---|---|---|---|---|")
    kinds: tuple[tuple[str, int], ...] = (("another ISO and stop", 1), ("pushed, another ISO and stop", 2))
    for words, index in kinds:
        for degrees, zoom in TURNED:
            counts, found = [], []
            for number, frames in enumerate(shot, start=1):
                first, again = look(number, frames[0]), look(number, turned(frames[index], degrees, zoom), days=1)
                counts.append(common_features(first, again))
                found.append(reaches(first, again, SAME_FEATURES))
            row(f"{words}, turned {degrees}°, zoom {zoom}", counts, found)


def different_scenes(shot: list[list[NDArray[np.float32]]]) -> None:
    looks = [look(number, frames[0], days=number) for number, frames in enumerate(shot, start=1)]
    two = [(first, second) for index, first in enumerate(looks) for second in looks[:index]]
    with ThreadPoolExecutor() as pool:
        counts = np.array(list(pool.map(lambda pair: common_features(*pair), two)))
    few = int((counts >= SAME_FEATURES_SOON).sum())
    print(f"\n{len(two)} times two different scenes: most features in common {counts.max()}")
    print(f"taken for one: {(counts >= SAME_FEATURES).sum()} ({SAME_FEATURES} features)")
    print(f"taken for one if shot within ten minutes: {few} ({SAME_FEATURES_SOON} features)")
    passed = sum(1 for _ in candidates(looks))
    print(f"thumbnails let pass: {passed} of {len(two)} ({passed / len(two):.1%})")


def many(shot: list[list[NDArray[np.float32]]], scenes: int) -> None:
    """Looks of the scenes there are, each turned another way."""
    rng = np.random.default_rng(0)
    looks = [
        look(1 + number % 9999, turned(shot[number % len(shot)][0][::4, ::4], rng.uniform(-180, 180), 1.5), days=number)
        for number in range(scenes)
    ]
    seconds, pairs = timed(lambda: list(candidates(looks)))
    print(f"\n{scenes} scenes: thumbnails {seconds:.0f} s, {len(pairs)} candidates", end="; ")
    part = pairs[:: max(1, len(pairs) // 2000)]
    with ThreadPoolExecutor() as pool:
        seconds, _ = timed(lambda: list(pool.map(lambda pair: common_features(*pair), part)))
    print(f"features {seconds / max(len(part), 1) * len(pairs):.0f} s (told from {len(part)} of them)")


def timed(work: Callable[[], list[object]]) -> tuple[float, list[object]]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--many", type=int, default=2000)
    arguments = parser.parse_args()
    with ThreadPoolExecutor() as pool:
        shot = list(pool.map(signals, range(1, arguments.scenes + 1)))
    same_scenes(shot)
    different_scenes(shot)
    many(shot, arguments.many)


if __name__ == "__main__":
    main()
