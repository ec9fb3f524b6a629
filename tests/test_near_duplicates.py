"""Scenes that show the same composition are found, and kept in one split."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import exported_dataset
import numpy as np
import pytest
import records
import shifted_scenes
import textured_datasets
from exported_dataset import run
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.curate import near_duplicates as module
from sidcap.curate.near_duplicates import NearDuplicate, clusters, common_features, look_of, near_duplicates
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store


def picture(seed: int) -> NDArray[np.float32]:
    """Boxes and discs, (256, 384): a scene with things in it."""
    rng = np.random.default_rng(seed)
    canvas = np.full((256, 384), 60, np.float32)
    for _ in range(60):
        x, y = (int(value) for value in rng.integers(0, (384, 256)))
        size, light = int(rng.integers(6, 40)), float(rng.uniform(5, 250))
        if rng.random() < 0.5:
            cv2.rectangle(canvas, (x, y), (x + size, y + size // 2 + 3), light, -1)
        else:
            cv2.circle(canvas, (x, y), size // 2, light, -1)
    return canvas


def turned(canvas: NDArray[np.float32], degrees: float, zoom: float, shift_px: float) -> NDArray[np.float32]:
    matrix = cv2.getRotationMatrix2D((192, 128), degrees, zoom)
    matrix[:, 2] += shift_px
    return np.asarray(cv2.warpAffine(canvas, matrix, (384, 256), borderMode=cv2.BORDER_REFLECT))


@pytest.mark.parametrize("change", [(0, 1, 0), (1.5, 1, 5), (4, 1.05, -8), (0, 1.1, 12)])
@pytest.mark.parametrize("light", [1.0, 0.05])
def test_a_scene_is_known_again_after_a_nudge_and_in_other_light(
    change: tuple[float, float, float], light: float
) -> None:
    rng = np.random.default_rng(1)
    first = look_of(records.scene(1), picture(1))
    again = turned(picture(1), *change) * light + rng.normal(0, light, (256, 384)).astype(np.float32)
    assert common_features(first, look_of(records.scene(2), again.astype(np.float32))) >= module.SAME_FEATURES


def test_different_scenes_have_few_features_in_common() -> None:
    looks = [look_of(records.scene(number), picture(number)) for number in range(1, 13)]
    counts = [common_features(a, b) for index, a in enumerate(looks) for b in looks[:index]]
    assert max(counts) < module.SAME_FEATURES_SOON


def test_a_frame_without_anything_in_it_is_like_nothing() -> None:
    empty = look_of(records.scene(1), np.zeros((256, 384), np.float32))
    assert common_features(empty, empty) == 0


# In a dataset.


def leaking(root: Path) -> Store:
    """Scenes 1 (train), 2 (train) and 10001 (test); the last one is the first, nudged, at half the light."""
    store = Store.create(root)
    canvases = {1: picture(1), 2: picture(2), 10001: turned(picture(1), 1, 1, 4) / 2}
    for number, canvas in canvases.items():
        frames = [
            textured_datasets.write(
                store, f"{role}/{number:05d}_00_{seconds}s.DNG", textured_datasets.raw(canvas * light, number)
            )
            for role, seconds, light in (("long", "10", 1.0), ("short", "0.5", 0.05))
        ]
        scene = textured_datasets.scene_of(number, frames)
        store.save_scene(scene.with_pairs(lambda pair: pair.replace(alignment=exported_dataset.alignment())))
    return store


def test_a_leak_is_named_by_validate_and_export_and_mended_by_split(tmp_path: Path) -> None:
    store = leaking(tmp_path / "dataset")
    words = "scenes 00001 (train) and 10001 (test) show the same composition"
    for command in (("validate",), ("export", "sid", tmp_path / "sid")):
        result = run(*command, "--json", "--dataset", store.root)
        assert result.exit_code == 0, result.stderr
        assert words in result.stderr
        assert json.loads(result.stdout)["leaks"] == [[1, 10001]]
    result = run("split", "--train", "2", "--dataset", store.root, "--json")
    assert len(json.loads(result.stdout)["alike"][0]) == 2
    longs = {scene.frames[0].sha256: scene.split for scene in store.scenes()}
    assert len(set(longs.values())) == 2
    result = run("validate", "--json", "--dataset", store.root)
    assert json.loads(result.stdout)["leaks"] == []
    assert "same composition" not in result.stderr


def test_what_was_seen_is_kept_and_a_broken_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = leaking(tmp_path / "dataset")
    scenes = list(store.scenes())
    found = near_duplicates(store, scenes)
    assert [(one.first, one.second, one.leaks) for one in found] == [(1, 10001, True)]
    (cached, *others) = sorted((store.root / ".cache").rglob("*.npz"))
    assert len(others) == 2
    cached.write_bytes(cached.read_bytes()[:100])
    read: list[Path] = []
    real = module.read_raw
    monkeypatch.setattr(module, "read_raw", lambda path: (read.append(path), real(path))[1])
    assert near_duplicates(store, scenes) == found
    assert [path.name for path in read] == [Path(_long_of(cached, scenes)).name], "only what was broken is read again"


def _long_of(cached: Path, scenes: list[Scene]) -> str:
    return next(scene.frames[0].path for scene in scenes if scene.frames[0].sha256 == cached.stem)


def test_scenes_that_cannot_be_looked_at_are_passed_over(tmp_path: Path) -> None:
    store = leaking(tmp_path / "dataset")
    (store.root / "long" / "00002_00_10s.DNG").unlink()
    (store.root / "long" / "10001_00_10s.DNG").write_bytes(b"no raw file")
    assert near_duplicates(store, store.scenes()) == []


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)).filter(lambda two: two[0] != two[1]), max_size=14))
def test_clusters_hold_every_scene_once_and_no_link_leads_out_of_one(links: list[tuple[int, int]]) -> None:
    found = clusters(range(1, 13), [NearDuplicate(first=min(two), second=max(two), features=99) for two in links])
    assert sorted(scene for group in found for scene in group) == list(range(1, 13))
    group_of = {scene: group for group in found for scene in group}
    assert all(group_of[first] == group_of[second] for first, second in links)
    assert len(found) >= 12 - len(links), "nothing is joined without a link"


def test_a_textured_scene_is_not_taken_for_another() -> None:
    looks = [
        look_of(records.scene(seed), shifted_scenes.Scene((256, 384), seed).mosaic().astype(np.float32) * 160)
        for seed in (1, 2, 3)
    ]
    assert common_features(looks[0], looks[1]) < module.SAME_FEATURES_SOON
    assert common_features(looks[0], looks[2]) < module.SAME_FEATURES_SOON
