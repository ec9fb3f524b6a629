"""Scenes that show the same composition: shot twice, after a change of lens stop or a nudge of the tripod.

Where one of them is trained on and the other tested on, the test says less than it seems to. Two steps find them among
thousands. Small thumbnails of the longs, local contrast only, are correlated over every small displacement, which costs
microseconds and leaves few candidates. These are then compared feature by feature (ORB: Rublee et al., ICCV 2011): how
many features of one picture lie in the other where one displacement, rotation and zoom would put them (RANSAC: Fischler
and Bolles, 1981). How often that errs: `bench/near_duplicates.py`, docs/split.md. A place seen from elsewhere is not
found: that takes a person.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.naming import split_of
from sidcap.data_manifest.raw import read_raw
from sidcap.data_manifest.schema import Frame, Record, Scene
from sidcap.data_manifest.store import Store, write_atomic

SAME_FEATURES = 60
"""Of 300 features of a picture, so many found again call two scenes one."""
SAME_FEATURES_SOON = 30
"""The same for scenes that were shot one after the other."""
SOON = timedelta(minutes=10)

_PICTURE_PX = 384
_FEATURES = 300
_THUMBNAIL = (32, 48)
"""Rows and columns."""
_REACH = 8
"""Thumbnails are correlated over displacements of up to this part of their height and width."""
_CANDIDATE = 0.4
"""Correlation from which features are compared. Of pictures that are one, all in the benchmark reach it."""
_DISTINCT = 0.8
"""A feature counts where its best match is so much better than the second best (Lowe, IJCV 2004)."""
_NEAR_PX = 3.0
_ZOOM = (0.6, 1.67)
_CACHE = "looks-1"


@dataclass(frozen=True)
class Look:
    """What a scene looks like, as far as it takes to know it again."""

    scene: Scene
    thumbnail: NDArray[np.float32]
    """(32, 48), local contrast, mean 0, norm 1."""
    points_px: NDArray[np.float32]
    """(n, 2), right and down, in a picture 384 pixels wide."""
    descriptors: NDArray[np.uint8]
    """(n, 32), one for each point."""

    @property
    def taken(self) -> datetime | None:
        """When its first frame was shot."""
        return self.scene.frames[0].start_utc


class NearDuplicate(Record):
    """Two scenes that show one composition."""

    first: int
    second: int
    features: int
    """Features that lie where one displacement, rotation and zoom puts them."""

    @property
    def leaks(self) -> bool:
        """Whether they belong to different splits."""
        return split_of(self.first) != split_of(self.second)

    @property
    def in_words(self) -> str:
        """For example: scenes 00001 (train) and 10001 (test) show the same composition."""
        names = " and ".join(f"{scene:05d} ({split_of(scene)})" for scene in (self.first, self.second))
        return f"scenes {names} show the same composition"


def near_duplicates(
    store: Store,
    scenes: Iterable[Scene],
    *,
    on_scene: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[NearDuplicate]:
    """Every two of these scenes that show one composition.

    Scenes whose long is missing or cannot be read are passed over. What was seen of a long stays in the dataset's
    cache, so that only new ones are read again.
    """
    looks = _looks(store, list(scenes), on_scene)
    pairs = list(candidates(looks))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV works outside the interpreter lock
        counts = list(pool.map(lambda pair: common_features(*pair), pairs))
    return [
        NearDuplicate(first=first.scene.id, second=second.scene.id, features=count)
        for (first, second), count in zip(pairs, counts, strict=True)
        if count >= _enough(first, second)
    ]


def clusters(scenes: Iterable[int], duplicates: Iterable[NearDuplicate]) -> list[tuple[int, ...]]:
    """The scenes in groups: whatever is alike, directly or by way of others, is in one; ascending."""
    parent = {scene: scene for scene in scenes}

    def root(scene: int) -> int:
        while parent[scene] != scene:
            parent[scene] = scene = parent[parent[scene]]
        return scene

    for one in duplicates:
        first, second = sorted((root(one.first), root(one.second)))
        parent[second] = first
    groups: dict[int, list[int]] = {}
    for scene in sorted(parent):
        groups.setdefault(root(scene), []).append(scene)
    return [tuple(group) for group in groups.values()]


def _enough(first: Look, second: Look) -> int:
    if first.taken is not None and second.taken is not None and abs(first.taken - second.taken) <= SOON:
        return SAME_FEATURES_SOON
    return SAME_FEATURES


# What a scene looks like.


def _looks(store: Store, scenes: Sequence[Scene], on_scene: Callable[[int, int], None]) -> list[Look]:
    found = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, look in enumerate(pool.map(lambda scene: _cached_look(store, scene), scenes), start=1):
            on_scene(done, len(scenes))
            if look is not None:
                found.append(look)
    return found


def _cached_look(store: Store, scene: Scene) -> Look | None:
    long = next((frame for frame in scene.frames if frame.role == "long" and not frame.missing), None)
    if long is None:
        return None
    cached = store.cache_dir / _CACHE / f"{long.checksum}.npz"
    try:
        with cached.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return Look(scene, file["thumbnail"], file["points_px"], file["descriptors"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass  # not there, or cut short: made anew
    look = _fresh_look(store, scene, long)
    if look is not None:
        _write(cached, look)
    return look


def _fresh_look(store: Store, scene: Scene, long: Frame) -> Look | None:
    try:
        signal = read_raw(store.path(long.path)).signal()
    except RawError:
        return None
    return look_of(scene, signal)


def _write(path: Path, look: Look) -> None:
    content = io.BytesIO()
    np.savez(content, thumbnail=look.thumbnail, points_px=look.points_px, descriptors=look.descriptors)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content.getvalue())


def look_of(scene: Scene, signal: NDArray[np.float32]) -> Look:
    """What a mosaic (H, W), DN above black, looks like. The colours are averaged: it is made much smaller."""
    height, width = signal.shape
    size = (_PICTURE_PX, max(1, round(_PICTURE_PX * height / width)))
    small = np.maximum(np.asarray(cv2.resize(signal, size, interpolation=cv2.INTER_AREA)), 0)
    # Ratios of light: what is left when exposure, aperture and ISO change.
    light = np.log(small + 0.1 * np.median(small) + 1e-3)
    points, descriptors = _features(light)
    return Look(scene, _thumbnail(light), points, descriptors)


def _thumbnail(light: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = _THUMBNAIL
    small = np.asarray(cv2.resize(light, (columns, rows), interpolation=cv2.INTER_AREA))
    contrast = small - cv2.GaussianBlur(small, (0, 0), columns / 8)
    window = np.sqrt(np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1]))
    contrast = (contrast - contrast.mean()) * window
    contrast -= contrast.mean()
    return np.asarray(contrast / max(float(np.linalg.norm(contrast)), 1e-9), np.float32)


def _features(light: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    dark, bright = np.quantile(light, (0.01, 0.99))
    picture = np.clip((light - dark) / max(float(bright - dark), 1e-6) * 255, 0, 255).astype(np.uint8)
    points, descriptors = cv2.ORB.create(_FEATURES, fastThreshold=10).detectAndCompute(picture, None)
    if descriptors is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
    return np.array([point.pt for point in points], np.float32), np.asarray(descriptors)


# Comparing.


def candidates(looks: Sequence[Look]) -> Iterator[tuple[Look, Look]]:
    """Those whose thumbnails resemble each other, and those that were shot one after the other."""
    if not looks:
        return
    rows, columns = _THUMBNAIL
    reach_rows, reach_columns = rows // _REACH, columns // _REACH
    spectra = np.fft.rfft2(np.stack([look.thumbnail for look in looks])).astype(np.complex64)
    for index, look in enumerate(looks[:-1]):
        correlations = np.fft.irfft2(spectra[index] * spectra[index + 1 :].conj(), s=_THUMBNAIL)
        near = correlations[:, np.r_[: reach_rows + 1, rows - reach_rows : rows]]
        best = near[:, :, np.r_[: reach_columns + 1, columns - reach_columns : columns]].max((1, 2))
        for other, correlation in zip(looks[index + 1 :], best, strict=True):
            if correlation >= _CANDIDATE or _enough(look, other) == SAME_FEATURES_SOON:
                yield look, other


def common_features(first: Look, second: Look) -> int:
    """How many features of the first picture the second has, where one displacement, rotation and zoom puts them."""
    if min(len(first.points_px), len(second.points_px)) < 2:
        return 0
    nearest = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(first.descriptors, second.descriptors, k=2)
    matches = [best for best, next_best in nearest if best.distance < _DISTINCT * next_best.distance]
    if len(matches) < 4:
        return 0
    here = first.points_px[[match.queryIdx for match in matches]]
    there = second.points_px[[match.trainIdx for match in matches]]
    transform, inliers = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=_NEAR_PX, maxIters=500)
    if transform is None or not _ZOOM[0] < float(np.hypot(transform[0, 0], transform[1, 0])) < _ZOOM[1]:
        return 0
    return int(inliers.sum())
