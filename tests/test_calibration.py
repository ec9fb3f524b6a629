"""Calibration of the simulated camera: what it was made with comes back from its darks, its flats, and its pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import foreign_raw
import numpy as np
import pytest
from calibrated_body import PARAMETERS, SHOT, CalibratedBody
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from simulated_frames import LONG_S
from tiny_raw import BLACK_DN, dng
from typer.testing import CliRunner, Result

from sidcap.capture.simulated.frame import FrameMaker
from sidcap.cli import app
from sidcap.curate import noise_of_pair
from sidcap.curate.calibration import METHOD, calibrate, current, groups, piled_up_dn
from sidcap.curate.dark_shading import DarkStack, glow_dn_per_s
from sidcap.curate.photon_transfer import Levels, photon_transfer
from sidcap.data_manifest.calibration_frames import bring_in, frame_record, free_path
from sidcap.data_manifest.errors import CalibrationError, ManifestError, RawError, RegistrationError
from sidcap.data_manifest.noise import NoiseModel
from sidcap.data_manifest.raw import Exif, RawFrame, read_raw
from sidcap.data_manifest.schema import (
    BlackLevel,
    Calibration,
    CameraBody,
    Exposure,
    Iso,
    Measured,
    SensorRecord,
    WhiteLevel,
)
from sidcap.data_manifest.sensor import DarkMaps, Sensor
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.validate import validate

ISO = 1600
DARKS_S = (1 / 32, 2.0, 32.0)
LEVELS = (0.04, 0.1, 0.25, 0.5, 4.0)
BODY = CalibratedBody("small")
CAPPED = replace(SHOT, iso=ISO)


def darks(folder: Path, exposures_s: tuple[float, ...] = DARKS_S, repeats: int = 3, iso: int = ISO) -> Path:
    assert list(BODY.darks(folder, iso, exposures_s, repeats))
    return folder


def flats(folder: Path, levels: tuple[float, ...] = LEVELS) -> Path:
    assert list(BODY.flats(folder, ISO, levels))
    return folder


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One body at one ISO, from darks and flats of any folder."""
    folder = tmp_path_factory.mktemp("calibrated")
    store = Store.create(folder / "set")
    for path in sorted(darks(folder / "darks").iterdir()):
        assert bring_in(store, "dark", path)
    for path in sorted(flats(folder / "flats").iterdir()):
        assert bring_in(store, "flat", path)
    (group,) = groups(store)
    calibrate(store, group)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "set")


def record_of(store: Store) -> SensorRecord:
    (record,) = store.calibration().sensors
    return record


def sensor_of(store: Store) -> Sensor:
    record = record_of(store)
    sensor = store.sensor(record.camera, record.iso)
    assert sensor is not None
    return sensor


def value(measured: Measured | None) -> float:
    assert measured is not None
    return measured.value


# What comes back out


def test_gain_read_noise_black_and_white_come_back(calibrated: Store) -> None:
    record = record_of(calibrated)
    assert value(record.gain_e_per_dn) == pytest.approx(PARAMETERS.gain_e_per_dn(ISO), rel=0.02)
    assert value(record.read_noise_e) == pytest.approx(PARAMETERS.read_noise_e(ISO), rel=0.02)
    assert record.black_dn is not None
    assert [plane.value for plane in record.black_dn] == pytest.approx([2048] * 4, abs=0.5)
    assert record.masked_black_dn is not None
    assert [plane.value for plane in record.masked_black_dn] == pytest.approx([2048] * 4, abs=0.5)
    assert record.white_dn == 15283
    assert (record.gain_source, record.read_noise_source) == ("photon transfer", "darks")


def test_the_stated_uncertainty_of_the_gain_is_small_and_not_too_small(calibrated: Store) -> None:
    gain = record_of(calibrated).gain_e_per_dn
    assert gain is not None
    assert gain.sigma is not None
    assert 0 < gain.sigma < 0.005 * gain.value
    assert abs(gain.value - PARAMETERS.gain_e_per_dn(ISO)) < 6 * gain.sigma


def test_dark_current_and_glow_come_back(calibrated: Store) -> None:
    record, sensor = record_of(calibrated), sensor_of(calibrated)
    assert sensor.hot is not None
    truth = BODY.truth(ISO, DARKS_S[-1], sensor.hot.shape)
    rate = truth.rate_e_per_s.astype(np.float16)
    assert value(record.dark_current_e_per_s) == pytest.approx(truth.dark_current_e_per_s, rel=0.1)
    assert value(record.glow_e_per_s) == pytest.approx(glow_dn_per_s(DarkMaps(rate, rate, truth.hot)), rel=0.1)


def test_hot_pixels_are_found_and_no_others(calibrated: Store) -> None:
    found = sensor_of(calibrated).hot
    assert found is not None
    hot = BODY.truth(ISO, DARKS_S[-1], found.shape).hot
    assert hot.sum() > 200
    assert (found & hot).sum() >= 0.95 * hot.sum()
    assert (found & hot).sum() >= 0.95 * found.sum()
    assert record_of(calibrated).hot_pixels == found.sum()


def test_rows_and_columns_come_back(calibrated: Store) -> None:
    record, gain = record_of(calibrated), PARAMETERS.gain_e_per_dn(ISO)
    column_dn = np.hypot(PARAMETERS.column_offset_rms_e / gain, PARAMETERS.column_offset_rms_dn)
    row_dn = np.sqrt(
        (PARAMETERS.row_noise_rms_e / gain) ** 2 + PARAMETERS.row_noise_rms_dn**2 + PARAMETERS.banding_rms_dn**2
    )
    assert record.column_offset_rms_dn == pytest.approx(column_dn, rel=0.1)
    assert record.row_noise_dn == pytest.approx(row_dn, rel=0.2)
    assert record.row_offset_rms_dn == pytest.approx(PARAMETERS.row_offset_rms_e / gain, abs=0.1)


@pytest.mark.parametrize("exposure_s", [1 / 32, 10.0, 32.0])
def test_the_dark_map_is_nearer_to_the_truth_than_the_mean_of_the_darks(calibrated: Store, exposure_s: float) -> None:
    sensor = sensor_of(calibrated)
    dark = sensor.dark_dn(exposure_s)
    assert dark is not None
    assert sensor.hot is not None
    truth = BODY.truth(ISO, DARKS_S[-1], dark.shape)
    ordinary = ~(truth.hot | sensor.hot)
    true_dn = truth.offset_dn + truth.rate_e_per_s / PARAMETERS.gain_e_per_dn(ISO) * exposure_s
    left = (dark - true_dn)[ordinary].std()
    assert left < 0.9 * true_dn[ordinary].std()
    assert left < 0.5 * PARAMETERS.read_noise_e(ISO) / PARAMETERS.gain_e_per_dn(ISO) / np.sqrt(3)


def test_a_calibrated_frame_has_no_dark_shading_left(calibrated: Store, tmp_path: Path) -> None:
    sensor = sensor_of(calibrated)
    frame = read_raw(BODY.write(tmp_path, replace(CAPPED, shutter_s=32.0, frame_number=77)))
    dark = sensor.dark_dn(32.0)
    assert dark is not None
    assert sensor.hot is not None

    def edge_dn(signal: NDArray[np.float32]) -> float:
        return float(np.median(signal[300:700, -30:]) - np.median(signal[300:700, :600]))

    assert edge_dn(frame.signal()) > 15
    assert abs(edge_dn(frame.signal() - dark)) < 1.5
    beyond_dn = 15 * PARAMETERS.read_noise_e(ISO) / PARAMETERS.gain_e_per_dn(ISO)
    assert np.abs(frame.signal()).max() > 10 * beyond_dn
    assert np.abs(frame.signal() - dark)[~sensor.hot].max() < beyond_dn


# What is kept, and what is done again


def test_what_was_found_of_the_same_frames_is_current_until_the_frames_differ(calibrated: Store) -> None:
    (group,) = groups(calibrated)
    assert current(calibrated, group) == record_of(calibrated)
    assert current(calibrated, replace(group, darks=group.darks[1:])) is None


def test_the_same_file_is_brought_in_once(calibrated: Store, tmp_path: Path) -> None:
    again = BODY.write(tmp_path, replace(CAPPED, shutter_s=DARKS_S[0], frame_number=1))
    assert bring_in(calibrated, "dark", again) is None


def test_a_frame_brought_in_replaces_no_file(store: Store, tmp_path: Path) -> None:
    first, second = sorted(darks(tmp_path / "darks", (1 / 32,), 2).iterdir())
    stray = free_path(store, "dark", ISO, 1 / 30, first.suffix)
    stray.write_bytes(b"somebody's")
    with store.claimed(), pytest.raises(ManifestError, match="another sidcap"):
        bring_in(store, "dark", first)
    brought_in = [bring_in(store, "dark", path) for path in (first, second)]
    assert stray.read_bytes() == b"somebody's"
    assert [frame and store.path(frame.path).read_bytes() for frame in brought_in] == [
        first.read_bytes(),
        second.read_bytes(),
    ]
    assert len(list(stray.parent.iterdir())) == 3


def test_a_calibrated_dataset_is_sound(calibrated: Store) -> None:
    assert validate(calibrated).findings == ()


def tiny_maps(shape: tuple[int, int] = (4, 10)) -> DarkMaps:
    rng = np.random.default_rng(1)
    offset, rate = (rng.normal(0, 5, shape).astype(np.float16) for _ in range(2))
    return DarkMaps(offset, rate, rng.random(shape) < 0.2)


CAMERA = CameraBody(model="Canon EOS 6D", serial="0042", firmware="1.1.6")


def tiny_record(**changes: object) -> SensorRecord:
    facts: dict[str, object] = {
        "camera": CAMERA,
        "iso": 200,
        "measured_utc": SHOT.taken,
        "method": METHOD,
        "frames": ("0" * 64,),
        "gain_e_per_dn": Measured(value=3.0),
        "gain_source": "photon transfer",
        "read_noise_e": Measured(value=14.0),
        "read_noise_source": "darks",
    }
    return SensorRecord.model_validate(facts | changes)


@given(st.integers(1, 20), st.integers(1, 40))
@settings(max_examples=20)
def test_maps_of_any_size_survive_the_file(height: int, width: int) -> None:
    maps = tiny_maps((height, width))
    again = DarkMaps.unpacked(maps.packed(), (height, width))
    for name in ("offset_dn", "rate_dn_per_s", "hot"):
        assert np.array_equal(getattr(again, name), getattr(maps, name))


def test_a_sensor_is_found_by_body_and_iso_whatever_its_firmware(store: Store) -> None:
    store.save_sensor(tiny_record(), tiny_maps())
    found = store.sensor(CAMERA.replace(firmware="1.1.8", serial="42"), 200)
    assert found is not None
    assert found.noise == NoiseModel(3.0, 14.0, source="calibrated: photon transfer and darks")
    assert store.sensor(CAMERA, 400) is None
    assert store.sensor(CAMERA.replace(serial="43"), 200) is None


def test_new_maps_replace_the_old_ones(store: Store) -> None:
    store.save_sensor(tiny_record(), tiny_maps())
    store.save_sensor(tiny_record(), tiny_maps((6, 6)))
    assert len(list((store.root / "calibration/maps").iterdir())) == 1
    found = store.sensor(CAMERA, 200)
    assert found is not None
    assert found.dark_dn(1.0) is not None
    assert validate(store).findings == ()


def test_without_darks_or_gain_a_sensor_says_none(store: Store) -> None:
    store.save_sensor(tiny_record(gain_e_per_dn=None), None)
    found = store.sensor(CAMERA, 200)
    assert found is not None
    assert (found.noise, found.hot, found.dark_dn(1.0)) == (None, None, None)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("harm", "words"), [(truncate, "fails its checksum"), (Path.unlink, "cannot be read")], ids=["cut", "gone"]
)
def test_a_broken_map_is_never_used(store: Store, harm: Callable[[Path], None], words: str) -> None:
    record = store.save_sensor(tiny_record(), tiny_maps())
    assert record.maps is not None
    harm(store.root / record.maps.path)
    with pytest.raises(ManifestError, match=f"{words}.*sidcap calibrate"):
        store.sensor(CAMERA, 200)
    (finding,) = validate(store).findings
    assert words in finding.problem


def test_a_map_that_is_not_finite_is_never_used(store: Store) -> None:
    maps = tiny_maps()
    maps.offset_dn[1, 2] = np.nan
    store.save_sensor(tiny_record(), maps)
    with pytest.raises(ManifestError, match="not finite"):
        store.sensor(CAMERA, 200)


def test_a_map_of_another_size_is_never_used(store: Store) -> None:
    record = store.save_sensor(tiny_record(), tiny_maps())
    assert record.maps is not None
    other = record.maps.replace(shape_px=(4, 12))
    store.change_calibration(lambda calibration: calibration.with_sensor(record.replace(maps=other)))
    with pytest.raises(ManifestError, match="instead of float16 of"):
        store.sensor(CAMERA, 200)


def test_a_map_that_nobody_names_is_told(store: Store) -> None:
    store.save_sensor(tiny_record(), tiny_maps())
    (store.root / "calibration/maps/old.npz").write_bytes(b"x")
    (finding,) = validate(store).findings
    assert finding.problem == "belongs to no calibration: delete it"


# Where something is missing


def brought(store: Store, *, dark: Path | None = None, flat: Path | None = None) -> Store:
    for kind, folder in (("dark", dark), ("flat", flat)):
        for path in sorted(folder.iterdir()) if folder else ():
            bring_in(store, "dark" if kind == "dark" else "flat", path)
    return store


def calibrated_record(store: Store) -> SensorRecord:
    (group,) = groups(store)
    return calibrate(store, group)


def test_with_darks_alone_the_gain_is_the_published_one_and_says_so(store: Store, tmp_path: Path) -> None:
    record = calibrated_record(brought(store, dark=darks(tmp_path / "darks", (1 / 32, 8.0), repeats=2)))
    assert record.gain_source == "published for the EOS 6D"
    assert value(record.read_noise_dn) == pytest.approx(
        PARAMETERS.read_noise_e(ISO) / PARAMETERS.gain_e_per_dn(ISO), rel=0.02
    )
    assert sensor_of(store).noise is not None


def test_with_flats_alone_there_is_a_gain_and_a_rough_read_noise(store: Store, tmp_path: Path) -> None:
    record = calibrated_record(brought(store, flat=flats(tmp_path / "flats", (0.01, 0.05, 0.2, 0.5))))
    assert value(record.gain_e_per_dn) == pytest.approx(PARAMETERS.gain_e_per_dn(ISO), rel=0.02)
    assert value(record.read_noise_e) == pytest.approx(PARAMETERS.read_noise_e(ISO), rel=0.15)
    assert record.read_noise_source == "photon transfer without darks"
    assert (record.maps, record.hot_pixels, record.dark_current_e_per_s) == (None, None, None)


def test_darks_of_one_exposure_tell_no_dark_current(store: Store, tmp_path: Path) -> None:
    record = calibrated_record(brought(store, dark=darks(tmp_path / "darks", (8.0,), repeats=2)))
    assert record.dark_current_dn_per_s is None
    sensor = sensor_of(store)
    assert np.array_equal(sensor.dark_dn(0.1), sensor.dark_dn(8.0))  # type: ignore[arg-type]


def test_darks_without_a_pair_are_refused(store: Store, tmp_path: Path) -> None:
    brought(store, dark=darks(tmp_path / "darks", (1 / 32, 8.0), repeats=1))
    with pytest.raises(CalibrationError, match=r"Canon EOS 6D 0000.* at ISO 1600: every dark is of another exposure"):
        calibrated_record(store)


def test_clipped_flats_are_refused(store: Store, tmp_path: Path) -> None:
    brought(store, flat=flats(tmp_path / "flats", (4.0,)))
    with pytest.raises(CalibrationError, match="no two flats of one exposure are below 70% of white"):
        calibrated_record(store)


def test_a_dataset_without_any_says_what_to_shoot(store: Store) -> None:
    with pytest.raises(CalibrationError, match="sidcap shoot-darks"):
        groups(store)


@pytest.mark.parametrize(("kind", "scene"), [("dark", "flat"), ("flat", "capped")])
def test_a_dark_with_light_and_a_flat_without_are_refused(store: Store, tmp_path: Path, kind: str, scene: str) -> None:
    path = BODY.write(tmp_path, replace(CAPPED, scene=scene, shutter_s=LONG_S, frame_number=1))
    with pytest.raises(RawError, match=f"is no {kind}"):
        bring_in(store, "dark" if kind == "dark" else "flat", path)
    assert store.calibration().frames == ()


def x_trans(path: Path, seed: int) -> Path:
    """A dark of a camera with another filter array than Bayer's."""
    mosaic = np.random.default_rng(seed).normal(BLACK_DN, 5, (132, 132)).astype(np.uint16)
    exif = foreign_raw.exif(ISO, (1, 30), f_number=3.5, shutter_speed=(5, 1))
    path.write_bytes(dng(mosaic, foreign_raw.X_TRANS, make="FUJIFILM", model="X-T2", exif=exif))
    return path


def test_an_x_trans_dark_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RawError, match="is no Bayer mosaic, which calibration needs"):
        bring_in(store, "dark", x_trans(tmp_path / "x.dng", 1))
    assert store.calibration().frames == ()


def test_an_x_trans_dark_that_is_recorded_already_is_one_line(store: Store) -> None:
    folder = store.root / "calibration/darks"
    folder.mkdir(parents=True)
    for seed in (1, 2):
        path = x_trans(folder / f"{seed}.dng", seed)
        exposure = Exposure(requested_s=None, nominal_s=1 / 30, true_s=1 / 32)
        record = frame_record(
            "dark",
            read_raw(path),
            path=f"calibration/darks/{path.name}",
            size_bytes=path.stat().st_size,
            sha256=sha256_of(path),
            camera=CameraBody(model="X-T2", serial="1"),
            iso=Iso(requested=None, set=ISO),
            exposure=exposure,
            start_utc=datetime(2026, 1, 2, tzinfo=UTC),
        )
        store.change_calibration(partial(Calibration.with_frame, frame=record))
    (group,) = groups(store)
    with pytest.raises(RawError, match=r"darks/1\.dng is no Bayer mosaic"):
        calibrate(store, group)


def test_a_file_that_does_not_say_how_it_was_shot_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.dng"
    path.write_bytes(dng(np.full((128, 128), 512, np.uint16)))
    with pytest.raises(RawError, match="does not say with which camera, ISO and exposure"):
        bring_in(store, "dark", path)


def test_bodies_and_isos_are_kept_apart(store: Store, tmp_path: Path) -> None:
    for iso in (200, 1600):
        brought(store, dark=darks(tmp_path / f"darks{iso}", (1 / 32,), repeats=2, iso=iso))
    assert [(group.iso, len(group.frames)) for group in groups(store)] == [(200, 2), (1600, 2)]


def raw(mosaic: NDArray[np.uint16]) -> RawFrame:
    return RawFrame(
        mosaic,
        np.array([[0, 1], [3, 2]], np.uint8),
        BlackLevel(per_plane_dn=(0, 0, 0, 0), source="file"),
        WhiteLevel(dn=16383, source="test"),
        (1.0, 1.0, 1.0),
        Exif(),
    )


def test_a_camera_that_cuts_off_at_black_is_refused() -> None:
    noise = np.random.default_rng(1).normal(0, 10, (128, 128)).clip(0).astype(np.uint16)
    with pytest.raises(CalibrationError, match="cuts noise off at black"):
        DarkStack().add(raw(noise), 1.0)


def test_darks_without_noise_are_refused() -> None:
    stack = DarkStack()
    for _ in range(2):
        stack.add(raw(np.full((128, 128), 512, np.uint16)), 1.0)
    with pytest.raises(CalibrationError, match="no raw frames of a camera"):
        stack.read_noise_dn()


def test_frames_too_small_for_a_block_are_refused() -> None:
    stack = DarkStack()
    stack.add(raw(np.full((32, 32), 512, np.uint16)), 1.0)
    with pytest.raises(CalibrationError, match="32 x 32 px are too small"):
        stack.add(raw(np.full((32, 32), 512, np.uint16)), 1.0)


# Photon transfer by itself


@given(
    gain=st.floats(0.02, 8),
    read_noise_dn=st.floats(1, 40),
    brightest_dn=st.floats(2000, 9000),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30)
def test_photon_transfer_gives_back_any_gain_within_its_own_uncertainty(
    gain: float, read_noise_dn: float, brightest_dn: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0, brightest_dn, 2000)
    variance = (read_noise_dn**2 + mean / gain) * rng.chisquare(1023, mean.size) / 1023
    variance[::100] *= 3  # where a pixel flickered
    found = photon_transfer(Levels(mean, variance)).gain_e_per_dn
    assert found.sigma is not None
    assert abs(found.value - gain) < 6 * found.sigma
    assert found.sigma < 0.05 * gain


def test_flats_of_one_level_tell_no_gain() -> None:
    with pytest.raises(CalibrationError, match="level"):
        photon_transfer(Levels(np.full(100, 500.0), np.full(100, 900.0)))


@pytest.mark.parametrize(("share", "expected"), [(0.2, 15283), (0.01, None)])
def test_white_is_where_an_overexposed_frame_piles_up(share: float, expected: int | None) -> None:
    mosaic = np.random.default_rng(1).integers(2048, 15000, (200, 200)).astype(np.uint16)
    mosaic.ravel()[: int(share * mosaic.size)] = 15283
    assert piled_up_dn(mosaic, 2048) == expected


# From the pair alone


def pair_noise(folder: Path, scene: int, iso: int, light_ev: float, ratio: float, shift_px: float = 0.0) -> NoiseModel:
    maker = FrameMaker(serial=BODY.serial, size="small", light_ev=light_ev)
    shot = replace(SHOT, iso=iso, scene=scene, shutter_s=LONG_S)
    short = replace(shot, frame_number=2, shutter_s=LONG_S / ratio, shift_px=(shift_px, -shift_px))
    frames = [read_raw(BODY.write(folder, one, maker)) for one in (shot, short)]
    return noise_of_pair(frames[0], frames[1], ratio=ratio)


@pytest.mark.parametrize(
    ("scene", "iso", "light_ev", "ratio", "shift_px"),
    [(1, 12800, 2, 101.6, 0), (2, 12800, 2, 322.5, 1.5), (3, 1600, 5, 322.5, 0), (5, 200, 8, 101.6, 0)],
)
def test_a_pair_tells_its_own_noise(
    tmp_path: Path, scene: int, iso: int, light_ev: float, ratio: float, shift_px: float
) -> None:
    found = pair_noise(tmp_path, scene, iso, light_ev, ratio, shift_px)
    assert found.gain_e_per_dn == pytest.approx(PARAMETERS.gain_e_per_dn(iso), rel=0.15)
    assert found.read_noise_e == pytest.approx(PARAMETERS.read_noise_e(iso), rel=0.15)
    assert found.source == "estimated from the pair"


def test_a_pair_without_light_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match="too little light"):
        pair_noise(tmp_path, 1, 12800, -8, 322.5)


# Through the command line


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_from_the_simulated_camera_to_a_calibration(tmp_path: Path) -> None:
    simulated = ("--camera", "simulated", "--sensor", "small", "--time-scale", "100", "--yes")
    shared = ("--dataset", tmp_path / "set")
    options = ("--iso", "12600", *simulated, *shared)
    assert run("shoot-darks", "--exposures", "8,0.033", "--repeats", "2", *options).exit_code == 0
    result = run("shoot-flats", *options, "--json")
    assert result.exit_code == 0, result.stderr
    shot = json.loads(result.stdout)
    assert shot["missing"] == 0
    assert len(shot["flats"]) == 2 * len(shot["plan"]["settings"])

    result = run("calibrate", *shared, "--json")
    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)["sensors"]
    aperture_scaling = 1.01  # the body's at f/2.8
    assert record["gain_e_per_dn"]["value"] == pytest.approx(0.047 / aperture_scaling, rel=0.02)
    assert record["read_noise_e"]["value"] == pytest.approx(PARAMETERS.read_noise_e(12800), rel=0.02)
    assert record["white_dn"] == pytest.approx(2048 + 13235 * aperture_scaling, abs=2)
    assert record["hot_pixels"] > 200

    maps = tmp_path / "set" / record["maps"]["path"]
    before = maps.stat().st_mtime_ns
    again = json.loads(run("calibrate", *shared, "--json").stdout)["sensors"]
    assert again == [record]
    assert maps.stat().st_mtime_ns == before
    assert run("validate", *shared).exit_code == 0


def test_files_of_any_folder_are_calibrated_with_and_what_fails_is_one_line(tmp_path: Path) -> None:
    good = darks(tmp_path / "good", (1 / 32, 8.0), repeats=2)
    lone = darks(tmp_path / "lone", (1 / 32,), repeats=1, iso=200)
    result = run("calibrate", "--darks", good, "--darks", lone, "--dataset", tmp_path / "set", "--json")
    assert result.exit_code == 3
    assert [record["iso"] for record in json.loads(result.stdout)["sensors"]] == [ISO]
    assert "at ISO 200: every dark is of another exposure: shoot at least two of each" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ((), 2, "no dataset at"),
        (("--darks", "nowhere"), 1, "nowhere is missing"),
        (("--flats", "empty"), 2, "holds no files"),
    ],
)
def test_wrong_paths_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    result = run("calibrate", "--dataset", "set", *arguments)
    assert result.exit_code == exit_code
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr


def test_a_dry_run_of_flats_cannot_meter(tmp_path: Path) -> None:
    options = ("--iso", "200", "--dry-run", "--camera", "simulated", "--sensor", "small", "--dataset", tmp_path / "set")
    result = run("shoot-flats", *options)
    assert result.exit_code == 2
    assert "give --exposures to a --dry-run" in result.stderr
    assert not (tmp_path / "set").exists()
