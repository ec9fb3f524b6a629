"""What the network is shown: which pairs, decoded how, cut and turned where."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_raw
from hypothesis import given
from hypothesis import strategies as st

from sidcap.data_manifest.errors import ManifestError, RawError, TrainingError, UsageError
from sidcap.data_manifest.raw import develop, develop_amplified, read_raw
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model import Levels, TrainConfig, pack, psnr_db, unpack
from sidcap.model.cache import CachedMosaic, FrameCache
from sidcap.model.data import Crops, OpenPair, Place, cut, open_pair, select

HEIGHT, WIDTH = 46, 62
RGGB = np.array(tiny_raw.PHASES["RGGB"], np.uint8)


def numbered_pair(phase: str = "RGGB") -> OpenPair:
    """A pair in which every pixel of the target, and the photosite below it, hold the pixel's own number."""
    cfa = np.array(tiny_raw.PHASES[phase], np.uint8)
    numbers = np.arange(1, HEIGHT * WIDTH + 1, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    mosaic = CachedMosaic(pack(numbers, cfa), cfa, numbers.shape)
    levels = Levels(black_dn=(0, 0, 0, 0), white_dn=65535)
    return OpenPair(mosaic, levels, 1.0, mosaic.covered(numbers[..., None].repeat(3, axis=2)))


@given(
    phase=st.sampled_from(sorted(tiny_raw.PHASES)),
    top=st.integers(0, 4),
    left=st.integers(0, 12),
    turn=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_every_photosite_of_a_crop_lies_on_its_own_pixel_of_the_target(
    phase: str, top: int, left: int, turn: tuple[bool, bool, bool]
) -> None:
    crop = cut(numbered_pair(phase), Place(top, left, *turn), 16)
    assert crop.planes.shape == (4, 16, 16)
    assert crop.target.shape == (32, 32, 3)
    for channel in range(3):
        np.testing.assert_array_equal(np.rint(unpack(crop.planes) * 65535), crop.target[..., channel])


def test_the_eight_turns_of_a_crop_all_differ() -> None:
    turns = product((False, True), repeat=3)
    crops = [cut(numbered_pair(), Place(1, 2, *turn), 16).target.tobytes() for turn in turns]
    assert len(set(crops)) == 8


@pytest.mark.parametrize("turn", list(product((False, True), repeat=3)))
def test_a_turned_crop_is_still_a_mosaic_that_begins_with_red(turn: tuple[bool, bool, bool]) -> None:
    colours = np.tile(RGGB, (HEIGHT // 2, WIDTH // 2)).astype(np.uint16)
    mosaic = CachedMosaic(pack(colours, RGGB), RGGB, colours.shape)
    target = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    pair = OpenPair(mosaic, Levels(black_dn=(0, 0, 0, 0), white_dn=3), 1.0, target)
    red, green, blue, green2 = (np.unique(plane * 3).tolist() for plane in cut(pair, Place(0, 0, *turn), 16).planes)
    assert (red, blue) == ([0], [2])
    assert (green, green2) == (([3], [1]) if turn[2] else ([1], [3]))


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(patch=16, depth=-2, device="cpu").replace(**changes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tiny_raw.make_dataset(tmp_path / "set", (1, 2, 3))


def crops_of(store: Store, **changes: Any) -> Crops:
    selection = select(store, Split.TRAIN)
    cache = FrameCache(store)
    cache.fill(selection.shorts, selection.longs)
    return Crops(cache, selection.scenes, config(**changes))


def test_a_crop_does_not_depend_on_which_were_taken_before(store: Store) -> None:
    forwards, backwards = crops_of(store), crops_of(store)
    places = [(epoch, index) for epoch in range(4) for index in range(3)]
    first = {place: forwards(*place) for place in places}
    for place in reversed(places):
        again = backwards(*place)
        assert first[place].planes.tobytes() == again.planes.tobytes()
        assert first[place].target.tobytes() == again.target.tobytes()
    assert len({crop.target.tobytes() for crop in first.values()}) == len(places)
    assert crops_of(store, seed=1)(0, 0).target.tobytes() != first[0, 0].target.tobytes()


def test_an_epoch_shows_every_scene_once_and_all_shorts_get_their_turn(store: Store) -> None:
    crops = crops_of(store)
    seen = set()
    for epoch in range(12):
        shown = [crops.where(epoch, index)[0] for index in range(len(crops))]
        assert sorted(pair.scene for pair in shown) == ["00001", "00002", "00003"]
        seen |= {(pair.scene, pair.ratio) for pair in shown}
    assert len(seen) == 6


@pytest.mark.parametrize("phase", tiny_raw.PHASES)
def test_a_pair_is_the_packed_short_and_the_developed_long_over_the_same_photosites(phase: str, tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", (1,), phase=phase)
    selection = select(store, Split.TRAIN)
    cache = FrameCache(store)
    cache.fill(selection.shorts, selection.longs)
    pair = selection.pairs[0]
    pixels = open_pair(cache, pair)
    short, long = read_raw(store.path(pair.short.path)), read_raw(store.path(pair.long.path))
    np.testing.assert_array_equal(pixels.mosaic.planes, pack(short.mosaic, short.cfa))
    assert pixels.target.shape[:2] == unpack(pixels.mosaic.planes).shape
    # The target is bright where the long is: most of all in the place where it was developed from.
    signal = unpack(pack(long.signal(), long.cfa))
    green = pixels.target[..., 1].astype(np.float64)
    likeness = {
        (y, x): np.corrcoef(np.roll(green, (y, x), (0, 1))[4:-4, 4:-4].ravel(), signal[4:-4, 4:-4].ravel())[0, 1]
        for y in range(-2, 3)
        for x in range(-2, 3)
    }
    assert max(likeness, key=likeness.__getitem__) == (0, 0)


def test_decoding_is_done_once_and_tells_how_far_it_is(store: Store) -> None:
    selection = select(store, Split.TRAIN)
    told: list[tuple[int, int]] = []
    for _ in range(2):
        FrameCache(store).fill(selection.shorts, selection.longs, lambda done, total: told.append((done, total)))
    assert told == [(done, 9) for done in range(1, 10)]  # three scenes of one long and two shorts


def test_crops_are_cut_from_the_disk_and_not_from_a_copy_in_memory(store: Store) -> None:
    _, pixels, _ = crops_of(store).where(0, 0)
    assert isinstance(pixels.target, np.memmap)
    assert isinstance(pixels.mosaic.planes, np.memmap)
    assert pixels.mosaic.planes.dtype == pixels.target.dtype == np.uint16


def test_a_file_that_was_exchanged_is_named(store: Store) -> None:
    selection = select(store, Split.TRAIN)
    file = store.path(selection.shorts[1].path)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ManifestError, match=rf"{file.name} is not the file that the manifest describes") as failure:
        FrameCache(store).fill(selection.shorts, selection.longs)
    assert "\n" not in str(failure.value)


def test_a_frame_that_cannot_be_decoded_is_named_and_the_others_stay_decoded(store: Store) -> None:
    scene = store.scene(2)
    broken = store.path(scene.frames[1].path)
    broken.write_bytes(broken.read_bytes()[:2000])
    changed = scene.frames[1].replace(sha256=sha256_of(broken))
    store.save_scene(scene.replace(frames=(scene.frames[0], changed, *scene.frames[2:])))
    selection = select(store, Split.TRAIN)
    with pytest.raises(RawError, match=broken.name) as failure:
        FrameCache(store).fill(selection.shorts, selection.longs)
    assert "\n" not in str(failure.value)
    rest = [frame for frame in selection.shorts if frame != changed]
    FrameCache(store).fill(rest, selection.longs)
    assert FrameCache(store).mosaic(rest[0]).planes.shape == (4, 50, 70)


def test_a_missing_frame_is_named(store: Store) -> None:
    selection = select(store, Split.TRAIN)
    store.path(selection.longs[0].path).unlink()
    with pytest.raises(RawError, match=r"long/00001_00_10s.DNG is missing"):
        FrameCache(store).fill(selection.shorts, selection.longs)


def test_frames_that_were_developed_turned_are_refused(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", (1,))
    scene = store.scene(1)
    turned = tiny_raw.make_dataset(tmp_path / "turned", (1,), size=(141, 101)).scene(1).frames[0]
    store.path(scene.frames[0].path).write_bytes((tmp_path / "turned" / turned.path).read_bytes())
    store.save_scene(scene.replace(frames=(turned, *scene.frames[1:])))
    with pytest.raises(TrainingError, match="differ in size or orientation: shoot scene 00001 again"):
        crops_of(store)


def test_a_patch_that_a_frame_cannot_hold_is_refused(store: Store) -> None:
    assert len(crops_of(store, patch=49)) == 3
    with pytest.raises(UsageError, match=r"--patch 50 is too large for .*70 x 50 packed pixels: give less than 50"):
        crops_of(store, patch=50)


def test_only_aligned_pairs_are_used_and_the_others_are_named_with_the_reason(store: Store) -> None:
    def spoil(scene: Any) -> Any:
        first, second = scene.pairs
        off = first.replace(alignment=tiny_raw.alignment(Verdict.MISALIGNED))
        return scene.replace(pairs=(off, second.replace(alignment=None)))

    store.change_scene(2, spoil)
    selection = select(store, Split.TRAIN)
    assert [pair.scene for pair in selection.pairs] == ["00001", "00001", "00003", "00003"]
    assert [(left.frame, left.verdict) for left in selection.left_out] == [
        ("short/00002_00_0.1s.DNG", "misaligned"),
        ("short/00002_00_0.0333s.DNG", "not verified"),
    ]
    assert selection.left_out[0].reason == "the short lies 3.0 px from the long"


def test_a_split_without_scenes_and_one_without_aligned_pairs_say_what_to_do(tmp_path: Path, store: Store) -> None:
    with pytest.raises(UsageError, match="no pairs in split val: shoot some with `sidcap shoot --split val`"):
        select(store, Split.VAL)
    unverified = tiny_raw.make_dataset(tmp_path / "new", (1,), verdict=None)
    with pytest.raises(TrainingError, match=r"is aligned \(2 not verified\): run `sidcap verify-alignment`"):
        select(unverified, Split.TRAIN)


def test_a_bright_short_amplified_looks_like_its_long(tmp_path: Path) -> None:
    pair = select(tiny_raw.make_dataset(tmp_path / "set", (1,), ratios=(4.0,)), Split.TRAIN).pairs[0]
    short, long = (tmp_path / "set" / frame.path for frame in (pair.short, pair.long))
    amplified = develop_amplified(short, pair.ratio, pair.short.black, pair.short.white)
    assert psnr_db(amplified, develop(long)) > 30
    assert psnr_db(develop(short), develop(long)) < 12
    np.testing.assert_array_equal(develop_amplified(short, 1.0, pair.short.black, pair.short.white), develop(short))
