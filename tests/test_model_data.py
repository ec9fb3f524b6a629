"""Which pairs are used, how frames are decoded and kept, and what of a pair a network is given."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_raw

from sidcap.data_manifest.errors import ManifestError, RawError, TrainingError, UsageError
from sidcap.data_manifest.raw import develop, develop_amplified, read_raw
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model import InputConfig, TrainConfig, pack, psnr_db, unpack
from sidcap.model.cache import FrameCache
from sidcap.model.data import open_pair, select

X_TRANS = "RBGBRGGGRGGBGGBGGRBRGRBGGGBGGRGGRGGB"
"""As SID's pack_raw has it, at the origin of a Fuji X-T2."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tiny_raw.make_dataset(tmp_path / "set", (1, 2, 3))


@pytest.mark.parametrize("phase", [*tiny_raw.PHASES, X_TRANS], ids=[*tiny_raw.PHASES, "X-Trans"])
def test_a_pair_is_the_packed_short_and_the_developed_long_over_the_same_photosites(phase: str, tmp_path: Path) -> None:
    size = (521, 535) if phase == X_TRANS else (101, 141)  # LibRaw develops no smaller X-Trans mosaic than 512 x 512
    store = tiny_raw.make_dataset(tmp_path / "set", (1,), phase=phase, size=size)
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
    # What the network is given is the signal, amplified.
    white, black = short.white.dn, short.black.per_plane_dn[0]
    expected = np.minimum(pack(short.signal(), short.cfa) / (white - black) * pair.ratio, 1)
    np.testing.assert_allclose(pixels.amplified(InputConfig()), expected, atol=1e-5)


def test_decoding_is_done_once_and_tells_how_far_it_is(store: Store) -> None:
    selection = select(store, Split.TRAIN)
    told: list[tuple[int, int]] = []
    for _ in range(2):
        FrameCache(store).fill(selection.shorts, selection.longs, lambda done, total: told.append((done, total)))
    assert told == [(done, 9) for done in range(1, 10)]  # three scenes of one long and two shorts


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


def test_frames_are_kept_as_files_that_are_mapped_and_not_read(store: Store) -> None:
    selection, cache = select(store, Split.TRAIN), FrameCache(store)
    cache.fill(selection.shorts, selection.longs)
    for kept in (cache.mosaic(selection.shorts[0]).numbers, cache.developed(selection.longs[0])):
        assert isinstance(kept, np.memmap)
        assert kept.dtype == np.uint16
    with pytest.raises(TrainingError, match="cannot be read any more"):
        cache.mosaic(selection.longs[0])
    cache.fill(selection.shorts, selection.longs, photons=True)
    np.testing.assert_array_equal(
        cache.mosaic(selection.longs[0]).numbers, read_raw(store.path(selection.longs[0].path)).mosaic
    )


def test_a_full_disk_is_one_line_and_what_was_decoded_stays(store: Store) -> None:
    selection = select(store, Split.TRAIN)
    FrameCache(store).fill(selection.shorts, [])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # a mosaic has 28 kB, a developed frame 85 kB
    try:
        with pytest.raises(TrainingError, match=r"cannot keep decoded frames in .*: make room, then start") as failure:
            FrameCache(store).fill(selection.shorts, selection.longs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(failure.value)
    told: list[tuple[int, int]] = []
    FrameCache(store).fill(selection.shorts, selection.longs, lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not list(store.cache_dir.rglob(".*.npy.*"))  # nothing half written is left


def test_a_missing_frame_is_named(store: Store) -> None:
    selection = select(store, Split.TRAIN)
    store.path(selection.longs[0].path).unlink()
    with pytest.raises(RawError, match=r"long/00001_00_10s.DNG is missing"):
        FrameCache(store).fill(selection.shorts, selection.longs)


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


def test_undetermined_pairs_are_used_where_that_is_asked_for_and_only_they(store: Store) -> None:
    def spoil(scene: Any) -> Any:
        first, second = scene.pairs
        return scene.replace(
            pairs=(
                first.replace(alignment=tiny_raw.alignment(Verdict.UNDETERMINED)),
                second.replace(alignment=tiny_raw.alignment(Verdict.MISALIGNED)),
            )
        )

    store.change_scene(2, spoil)
    without, included = select(store, Split.TRAIN), select(store, Split.TRAIN, frozenset({"undetermined"}))
    assert (without.included, len(without.pairs), len(without.left_out)) == (0, 4, 2)
    assert (included.included, len(included.pairs), len(included.left_out)) == (1, 5, 1)
    assert included.left_out[0].verdict == "misaligned"
    assert without.fingerprint(TrainConfig()) != included.fingerprint(TrainConfig())
    with pytest.raises(UsageError, match="cannot include misaligned pairs: only undetermined ones"):
        select(store, Split.TRAIN, frozenset({"misaligned"}))


def test_a_dataset_of_undetermined_pairs_says_how_to_use_them(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", (1,), verdict=Verdict.UNDETERMINED)
    with pytest.raises(TrainingError, match=r"is aligned \(2 undetermined\): .*--include undetermined") as failure:
        select(store, Split.TRAIN)
    assert "\n" not in str(failure.value)
    assert select(store, Split.TRAIN, frozenset({"undetermined"})).included == 2


def test_the_fingerprint_of_pairs_changes_with_what_the_config_makes_of_them(store: Store) -> None:
    def measured(scene: Any) -> Any:
        pairs = [pair.replace(ratio=pair.ratio.replace(measured=99.0)) for pair in scene.pairs]
        return scene.replace(pairs=tuple(pairs))

    true, by_pixels = (TrainConfig.of_preset("study", ratio=ratio) for ratio in ("true", "measured"))
    before = {config: select(store, Split.TRAIN).fingerprint(config) for config in (true, by_pixels)}
    store.change_scene(1, measured)
    after = select(store, Split.TRAIN)
    assert before[true] == before[by_pixels] == after.fingerprint(true) != after.fingerprint(by_pixels)


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
