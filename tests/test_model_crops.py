"""The crops of a run: cut where, turned how, the same whenever and wherever they are asked for."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path
from typing import Any

import cached_frames
import numpy as np
import psutil
import pytest
import tiny_raw
import torch
from cached_frames import PATTERNS, Cached
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.data_manifest.errors import ManifestError, TrainingError, UsageError
from sidcap.data_manifest.schema import CameraBody, Measured, Ratio, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split
from sidcap.model import TrainConfig, pack, unpack
from sidcap.model.cache import FrameCache
from sidcap.model.crops import TrainingData
from sidcap.model.cutting import ByTorch, Compiled
from sidcap.model.data import AlignedPair, open_pair, select
from sidcap.model.packing import BAYER, X_TRANS, Layout
from sidcap.model.turns import ALL_TURNS, Turn, offset_of, turns_of

CPU = torch.device("cpu")
BODY = CameraBody(model="Canon EOS 6D", serial="1")


def config(**changes: Any) -> TrainConfig:
    return TrainConfig.of_preset("study", **({"patch": 16, "depth": -2, "device": "cpu"} | changes))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tiny_raw.make_dataset(tmp_path / "set", (1, 2, 3))


def data_of(store: Store, *, resident: bool | None = None, **changes: Any) -> TrainingData:
    selection = select(store, Split.TRAIN)
    cache = FrameCache(store)
    cache.fill(selection.shorts, selection.longs, photons=True)
    return TrainingData(cache, selection, config(**changes), CPU, resident=resident)


def of_mosaic(mosaic: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """Turned, the plain way."""
    mosaic = mosaic[:: -1 if turn.flip_rows else 1, :: -1 if turn.flip_columns else 1]
    return mosaic.swapaxes(0, 1) if turn.transpose else mosaic


@given(
    layout=st.sampled_from([BAYER, X_TRANS]),
    turn=st.sampled_from(ALL_TURNS),
    cells=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_packed_crop_of_a_turned_mosaic_is_the_turned_mosaic_packed(
    layout: Layout, turn: Turn, cells: int, seed: int
) -> None:
    period = len(layout.pattern)
    side, offset = cells * period, offset_of(layout, turn)
    assert offset is not None
    mosaic = np.random.default_rng(seed).integers(-(2**15), 2**15, (side + period, side + period), dtype=np.int16)
    colours = np.tile(layout.pattern, (cells + 1, cells + 1))
    window = np.s_[offset[0] : offset[0] + side, offset[1] : offset[1] + side]
    np.testing.assert_array_equal(of_mosaic(colours[window], turn), colours[:side, :side])
    expected = np.moveaxis(pack(of_mosaic(mosaic[window], turn), layout.pattern), 0, -1)
    for cutter in (ByTorch(layout), Compiled(layout)):
        photosites = torch.from_numpy(mosaic)[window]
        np.testing.assert_array_equal(cutter.packed(photosites, turn, turn).numpy(), expected)


def test_a_turn_that_makes_another_pattern_of_a_pattern_is_not_used() -> None:
    slanted = Layout("bayer", 2, ("RG", "RB"), BAYER.sites)  # red above red, nothing is the same when transposed
    assert all(offset_of(slanted, turn) is None for turn in ALL_TURNS if turn.transpose)
    assert turns_of(slanted, "mosaic") == tuple(turn for turn in ALL_TURNS if not turn.transpose)
    assert turns_of(slanted, "planes") == turns_of(X_TRANS, "mosaic") == ALL_TURNS
    assert turns_of(BAYER, "none") == (Turn(),)


@pytest.mark.parametrize("resident", [False, True], ids=["mapped", "resident"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_photosite_of_a_crop_lies_on_its_own_pixel_of_the_target(
    pattern: str, resident: bool, tmp_path: Path
) -> None:
    cached = Cached(tmp_path / "set", pattern)
    mosaic, picture = cached_frames.numbered(79, 95)
    selection = cached_frames.selection(cached.scene(1, [mosaic], picture))
    data = TrainingData(cached.cache, selection, config(), CPU, resident=resident)
    batch = data.batch(range(96))
    for planes, target in zip(batch.planes.numpy(), batch.target.numpy(), strict=True):
        for channel in target:
            np.testing.assert_array_equal(np.rint(unpack(planes) * 65535), np.rint(channel * 65535))
    assert {data.shown(crop).place.turn for crop in range(96)} == set(ALL_TURNS)
    assert len({data.shown(crop).place for crop in range(96)}) > 60


@pytest.mark.parametrize("pattern", ["BGGR", "X-Trans, shifted"])
def test_a_turned_crop_is_still_a_mosaic_of_the_same_pattern(pattern: str, tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set", pattern, white_dn=3)
    repeats = 96 // len(cached.cfa)
    colours = np.tile(np.where(cached.cfa == 3, 1, cached.cfa), (repeats, repeats)).astype(np.uint16)
    scene = cached.scene(1, [colours], np.zeros((96, 96, 3), np.uint16))
    planes = TrainingData(cached.cache, cached_frames.selection(scene), config(), CPU).batch(range(32)).planes * 3
    assert [np.unique(np.rint(plane)).tolist() for plane in planes.numpy().swapaxes(0, 1)] == (
        [[0], [1], [2], [1]] if pattern == "BGGR" else [[0], [1], [2], [0], [2], [1], [1], [1], [1]]
    )


def test_turns_of_planes_are_those_of_sid_and_none_are_none(tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set", "GRBG")
    mosaic, picture = cached_frames.numbered(70, 90)
    selection = cached_frames.selection(cached.scene(1, [mosaic], picture))
    whole = pack(mosaic, cached.cfa)
    for turns in ("planes", "none"):
        data = TrainingData(cached.cache, selection, config(turns=turns), CPU)
        seen = set()
        for crop in range(96):
            place = data.shown(crop).place
            seen.add(place.turn)
            window = whole[:, place.top : place.top + 16, place.left : place.left + 16]
            expected = of_mosaic(np.moveaxis(window, 0, -1), place.turn)
            batch = data.batch([crop])
            np.testing.assert_array_equal(np.rint(batch.planes[0].permute(1, 2, 0).numpy() * 65535), expected)
            top, left = 2 * place.top, 1 + 2 * place.left
            expected = of_mosaic(picture[top : top + 32, left : left + 32], place.turn)
            np.testing.assert_array_equal(np.rint(batch.target[0].permute(1, 2, 0).numpy() * 65535), expected)
        assert seen == (set(ALL_TURNS) if turns == "planes" else {Turn()})


def test_a_crop_does_not_depend_on_which_were_taken_before_nor_on_its_batch(store: Store) -> None:
    forwards, backwards = data_of(store, shot_noise=True, turns="mosaic"), data_of(store, shot_noise=True)
    first = {crop: forwards.batch([crop]) for crop in range(12)}
    for crop in reversed(range(0, 12, 3)):
        again = backwards.batch([crop, crop + 1, crop + 2])
        for index in range(3):
            assert torch.equal(first[crop + index].planes[0], again.planes[index])
            assert torch.equal(first[crop + index].target[0], again.target[index])
    assert len({batch.target.numpy().tobytes() for batch in first.values()}) == 12
    assert not torch.equal(data_of(store, seed=1).batch([0]).target, first[0].target)


def test_a_batch_may_be_cut_into_the_memory_of_another(store: Store) -> None:
    data = data_of(store, shot_noise=True)
    room = data.batch([0, 1])
    again, new = data.batch([2, 3], room), data.batch([2, 3])
    assert again.planes.data_ptr() == room.planes.data_ptr() != new.planes.data_ptr()
    assert torch.equal(again.planes, new.planes)
    assert torch.equal(again.target, new.target)


def test_an_epoch_shows_every_scene_once_and_all_shorts_get_their_turn(store: Store) -> None:
    data = data_of(store)
    assert len(data) == 3
    shown = [data.shown(crop).pair for crop in range(36)]
    for epoch in range(12):
        scenes = [pair.scene for pair in shown[3 * epoch : 3 * epoch + 3]]
        assert sorted(scenes) == ["00001", "00002", "00003"]
    assert len({pair.short.path for pair in shown}) == 6


def test_batches_lie_channels_last_as_the_network_takes_them(store: Store) -> None:
    batch = data_of(store).batch([0, 1, 2])
    assert batch.planes.shape == (3, 4, 16, 16)
    assert batch.target.shape == (3, 3, 32, 32)
    for tensor in (batch.planes, batch.target):
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= batch.target.min() < batch.target.max() <= 1


@pytest.mark.parametrize("turns", ["mosaic", "planes", "none"])
def test_frames_kept_on_the_device_give_the_crops_that_mapped_ones_give(turns: str, store: Store) -> None:
    mapped, resident = (data_of(store, resident=on, turns=turns, shot_noise=True) for on in (None, True))
    assert (mapped.on_device, resident.on_device) == (False, True)
    here, there = mapped.batch(range(24)), resident.batch(range(24))
    assert torch.equal(here.planes, there.planes)
    assert torch.equal(here.target, there.target)
    np.testing.assert_array_equal(mapped.sample(1, 12).planes, resident.sample(1, 12).planes)


def test_a_sample_is_the_same_place_of_the_darkest_short_every_time(store: Store) -> None:
    data = data_of(store)
    first, again = data.sample(1, 12), data.sample(1, 12)
    assert first.pixels.pair.ratio == 300
    np.testing.assert_array_equal(first.planes, again.planes)
    whole = first.pixels.amplified(config().input)
    top, left = first.place.top, first.place.left
    np.testing.assert_allclose(first.planes, whole[:, top : top + 12, left : left + 12], atol=1e-6)
    target = first.pixels.target[2 * top : 2 * top + 24, 2 * left : 2 * left + 24]
    np.testing.assert_allclose(first.target, target / 65535, atol=1e-6)


SWITCHES: dict[str, dict[str, Any]] = {
    "measured levels": {},
    "SID's levels": {"levels": "sid"},
    "clipped negatives": {"keep_negatives": False},
    "nominal ratio": {"ratio": "nominal"},
    "measured ratio": {"ratio": "measured"},
    "capped ratio": {"ratio_cap": 20.0},
}


@pytest.mark.parametrize("resident", [False, True], ids=["mapped", "resident"])
def test_a_crop_is_a_part_of_what_the_whole_frame_is_made_with_every_switch(resident: bool, tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set", black_dn=2048, white_dn=15283)
    mosaic = np.random.default_rng(5).integers(1900, 2900, (101, 141), dtype=np.uint16)
    ratios = Ratio(nominal=25, true=26.5, measured=24)
    scene = cached.scene(1, [mosaic], np.zeros((101, 141, 3), np.uint16), ratios=ratios)
    seen = set()
    for switch in SWITCHES.values():
        settings = config(turns="none", **switch)
        whole = open_pair(cached.cache, scene[0]).amplified(settings.input)
        data = TrainingData(cached.cache, cached_frames.selection(scene), settings, CPU, resident=resident)
        for crop in range(4):
            place = data.shown(crop).place
            expected = whole[:, place.top : place.top + 16, place.left : place.left + 16]
            np.testing.assert_allclose(data.batch([crop]).planes[0].numpy(), expected, atol=1e-6)
        seen.add(whole.tobytes())
    assert len(seen) == len(SWITCHES), "each makes something else of it"


# What a sensor adds


def sensor_record(**changes: Any) -> SensorRecord:
    fields: dict[str, Any] = {
        "camera": BODY,
        "iso": 12800,
        "measured_utc": "2026-01-02T03:04:05Z",
        "method": "test",
        "frames": (),
    }
    return SensorRecord(**(fields | changes))


def dark_maps(shape: tuple[int, int]) -> DarkMaps:
    """Stripes, glow towards one edge, and one photosite in 200 hot, which its own current tells too little of."""
    rng = np.random.default_rng(7)
    hot = rng.random(shape) < 0.005
    offset = rng.normal(0, 20, (shape[0], 1)) + rng.normal(0, 20, (1, shape[1]))
    rate = np.linspace(0, 400, shape[1])[None] + 20_000 * hot
    return DarkMaps(offset.astype(np.float16), rate.astype(np.float16), hot)


def dark_pair(
    cached: Cached, maps: DarkMaps, shape: tuple[int, int] = (101, 141), **changes: Any
) -> tuple[AlignedPair, ...]:
    """A short of an even grey, with all that the sensor adds."""
    record = cached.store.save_sensor(sensor_record(**changes), maps)
    exposure_s = 0.0992
    rng = np.random.default_rng(3)
    short = (
        2048 + 300 + maps.offset_dn[: shape[0], : shape[1]] + exposure_s * maps.rate_dn_per_s[: shape[0], : shape[1]]
    )
    short += rng.normal(0, 3, shape) + 4000 * maps.hot[: shape[0], : shape[1]]
    return cached.scene(
        1,
        [np.rint(short).astype(np.uint16)],
        np.zeros((*shape, 3), np.uint16),
        ratios=Ratio(nominal=10, true=10),
        sensor=record,
    )


@pytest.mark.parametrize("resident", [False, True], ids=["mapped", "resident"])
@pytest.mark.parametrize("pattern", ["GBRG", "X-Trans, shifted"])
def test_dark_shading_takes_fixed_pattern_and_hot_photosites_out_of_crops_and_whole_frames(
    pattern: str, resident: bool, tmp_path: Path
) -> None:
    cached = Cached(tmp_path / "set", pattern, black_dn=2048, white_dn=15283)
    scene = dark_pair(cached, dark_maps((101, 141)))
    unit_dn = (15283 - 2048) / 10
    spread_dn = {}
    for dark_shading in (False, True):
        settings = config(dark_shading=dark_shading)
        whole = open_pair(cached.cache, scene[0]).amplified(settings.input) * unit_dn
        data = TrainingData(cached.cache, cached_frames.selection(scene), settings, CPU, resident=resident)
        planes = data.batch(range(48)).planes.numpy() * unit_dn
        spread_dn[dark_shading] = float(planes.std())
        assert abs(spread_dn[dark_shading] - float(whole.std())) < 0.15 * spread_dn[dark_shading]
        for crop in range(48):
            place = data.shown(crop).place
            if place.turn == Turn():
                window = np.s_[:, place.top : place.top + 16, place.left : place.left + 16]
                np.testing.assert_allclose(planes[crop], whole[window], atol=0.51)  # hot ones are kept as whole DN
    assert spread_dn[False] > 50  # stripes, glow and hot photosites
    assert spread_dn[True] < 3.3  # the noise of 3 DN is all that is left
    assert abs(planes.mean() - 300) < 1


def test_dark_maps_of_another_size_or_broken_ones_are_not_used(tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set", black_dn=2048)
    scene = dark_pair(cached, dark_maps((103, 141)))
    with pytest.raises(
        TrainingError, match=r"dark maps of Canon EOS 6D are not of the size of short/00001_00"
    ) as failure:
        TrainingData(cached.cache, cached_frames.selection(scene), config(dark_shading=True), CPU)
    assert "\n" not in str(failure.value)
    TrainingData(cached.cache, cached_frames.selection(scene), config(dark_shading=False), CPU)
    next((tmp_path / "set" / "calibration" / "maps").iterdir()).write_bytes(b"")
    with pytest.raises(ManifestError, match="fails its checksum"):
        open_pair(FrameCache(cached.store), scene[0]).amplified(config(dark_shading=True).input)


GAIN_E_PER_DN, READ_DN, SIGNAL_DN, RATIO = 0.05, 20.0, 400.0, 30.0


def grey_pair(
    cached: Cached, *, long_dn: float, short_dn: float, gain: float = GAIN_E_PER_DN
) -> tuple[AlignedPair, ...]:
    """An even grey with the noise of photons and reading."""
    shape = (260, 260)
    rng = np.random.default_rng(5)
    short = 2048 + rng.poisson(short_dn * gain, shape) / gain + rng.normal(0, READ_DN, shape)
    return cached.scene(
        1,
        [np.rint(short).astype(np.uint16)],
        np.zeros((*shape, 3), np.uint16),
        long=np.full(shape, round(2048 + long_dn), np.uint16),
        ratios=Ratio(nominal=RATIO, true=RATIO),
        sensor=sensor_record(
            gain_e_per_dn=Measured(value=gain), read_noise_e=Measured(value=READ_DN * gain), gain_source="test"
        ),
    )


def test_added_light_leaves_the_mean_and_takes_from_the_noise_what_photons_take(tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set", black_dn=2048, white_dn=62048)
    scene = grey_pair(cached, long_dn=RATIO * SIGNAL_DN, short_dn=SIGNAL_DN)
    settings = config(shot_noise=True, patch=64)
    data = TrainingData(cached.cache, cached_frames.selection(scene), settings, CPU)
    planes = data.batch(range(96)).planes.numpy() * 60000 / RATIO
    lights = np.array([data.shown(crop).light for crop in range(96)])
    assert 30 < (lights == 1).sum() < 66
    assert lights.max() <= 4
    assert np.median(lights[lights > 1]) == pytest.approx(2, rel=0.25)  # log-uniform from 1 to 4
    np.testing.assert_allclose(planes.mean(axis=(1, 2, 3)), SIGNAL_DN, rtol=0.02)
    shot_dn2 = SIGNAL_DN / GAIN_E_PER_DN
    expected = (lights * shot_dn2 + READ_DN**2) / lights**2
    np.testing.assert_allclose(planes.var(axis=(1, 2, 3)), expected, rtol=0.06)


def test_where_the_long_is_clipped_the_short_tells_how_much_light_to_add(tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set", black_dn=2048, white_dn=15283)
    clipped_dn = 15283 - 2048
    scene = grey_pair(cached, long_dn=clipped_dn, short_dn=5 * clipped_dn / RATIO, gain=5.0)
    data = TrainingData(cached.cache, cached_frames.selection(scene), config(shot_noise=True, ratio_cap=4.0), CPU)
    lit = [crop for crop in range(64) if data.shown(crop).light > 2]
    assert lit
    np.testing.assert_allclose(data.batch(lit).planes.mean(), 4 * 5 / RATIO, rtol=0.01)


def test_shot_noise_needs_the_gain_of_the_body(tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set")
    grey = np.full((60, 60), 3000, np.uint16)
    known, unknown = (
        cached.scene(
            number, [grey], np.zeros((60, 60, 3), np.uint16), long=grey, camera=CameraBody(model=model, serial="1")
        )
        for number, model in enumerate(("Canon EOS 6D", "Nobody's"), start=1)
    )
    TrainingData(cached.cache, cached_frames.selection(known), config(shot_noise=True), CPU)
    with pytest.raises(TrainingError, match="nothing tells the gain of Nobody's at ISO 12800") as failure:
        TrainingData(cached.cache, cached_frames.selection(known, unknown), config(shot_noise=True), CPU)
    assert "\n" not in str(failure.value)


# What cannot be used


def test_bayer_and_x_trans_in_one_run_are_refused(tmp_path: Path) -> None:
    mosaic, picture = cached_frames.numbered(60, 60)
    bayer = Cached(tmp_path / "set")
    scenes = bayer.scene(1, [mosaic], picture), Cached(tmp_path / "set", "X-Trans").scene(2, [mosaic], picture)
    with pytest.raises(
        UsageError, match=r"short/00001_\S+ is a Bayer mosaic and short/00002_\S+ an X-Trans"
    ) as failure:
        TrainingData(bayer.cache, cached_frames.selection(*scenes), config(), CPU)
    assert "\n" not in str(failure.value)
    assert TrainingData(bayer.cache, cached_frames.selection(scenes[1]), config(), CPU).cfa == "x-trans"
    assert TrainingData(bayer.cache, cached_frames.selection(scenes[0]), config(), CPU).cfa == "bayer"


def test_a_patch_that_a_frame_cannot_hold_is_refused(store: Store) -> None:
    assert len(data_of(store, patch=16).batch([0]).planes) == 1
    selection, cache = select(store, Split.TRAIN), FrameCache(store)
    assert TrainingData(cache, selection, config(patch=49), CPU).batch([0]).planes.shape[-1] == 49
    with pytest.raises(UsageError, match=r"--patch 50 is too large for .*70 x 50 packed pixels, .*: give 48 or less"):
        TrainingData(cache, selection, config(patch=50), CPU)


def test_frames_that_were_developed_turned_are_refused(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", (1,))
    scene = store.scene(1)
    turned = tiny_raw.make_dataset(tmp_path / "turned", (1,), size=(141, 101)).scene(1).frames[0]
    store.path(scene.frames[0].path).write_bytes((tmp_path / "turned" / turned.path).read_bytes())
    store.save_scene(scene.replace(frames=(turned, *scene.frames[1:])))
    with pytest.raises(TrainingError, match="differ in size or orientation: shoot scene 00001 again"):
        data_of(store)


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_frame_that_cannot_be_read_any_more_is_named_and_made_again(harm: str, store: Store) -> None:
    data, selection = data_of(store), select(store, Split.TRAIN)
    before = data.batch(range(6)).target
    long = data.shown(4).pair.long
    path = FrameCache(store).developed_path(long)
    content = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(content[:-4096])
    with pytest.raises(
        TrainingError, match=rf"^{long.path}, decoded as .* delete that file, it is made again"
    ) as failure:
        data.batch(range(6))
    assert "\n" not in str(failure.value)
    path.unlink(missing_ok=True)
    FrameCache(store).fill(selection.shorts, selection.longs)
    assert torch.equal(data.batch(range(6)).target, before)


def test_memory_does_not_grow_with_the_scenes(tmp_path: Path) -> None:
    cached = Cached(tmp_path / "set")
    mosaic = np.zeros((600, 900), np.uint16)
    scenes = [cached.scene(1 + n, [mosaic] * 3, np.zeros((600, 900, 3), np.uint16)) for n in range(24)]
    held = []
    for count in (4, 24):
        data = TrainingData(cached.cache, cached_frames.selection(*scenes[:count]), config(patch=128), CPU)
        seen = Counter(data.shown(crop).pair.scene for crop in range(6 * count))
        for crop in range(6 * count):
            data.batch([crop])
        assert len(seen) == count
        gc.collect()
        held.append(psutil.Process().memory_full_info().uss)
    of_frames = 20 * (3 * mosaic.nbytes + 3 * mosaic.nbytes)
    assert held[1] - held[0] < 0.05 * of_frames
