"""What the simulated camera sees and writes, checked from its files through LibRaw and EXIF readers."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rawpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from simulated_frames import LONG_S, SHORT_S, SHOT, SMALL, TAKEN, exif_of, lit, mosaic_of, small_maker

from sidcap.capture.simulated import cr2, ljpeg, mechanics, optics, scenes, sensor
from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.capture.simulated.surroundings import Flicker, Knock, Surroundings
from sidcap.data_manifest.errors import UsageError


@pytest.fixture(scope="module")
def maker() -> FrameMaker:
    return small_maker()


def image(scene: scenes.Scene, shift_px: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
    """Electrons per second at f/2.8 on the part of the sensor that sees light."""
    path = mechanics.shift_path(
        Surroundings(), frame_number=1, start_s=0.0, exposure_s=1.0, mirror_up_s=None, rest_px=shift_px
    )
    spread = optics.point_spread(path, aperture=2.8, focus_steps=0)
    return optics.mosaic(scene, SMALL, spread, 2.8)[SMALL.top :, SMALL.left :]


@cache
def image_of(scene: int) -> NDArray[np.float32]:
    return image(scenes.render(scene, SMALL))


@pytest.fixture(scope="module")
def long_file(maker: FrameMaker) -> bytes:
    return maker.make(SHOT)


# The file


def samples(kind: str, rows: int, columns: int, seed: int) -> NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    patterns: dict[str, Callable[[], NDArray[np.generic]]] = {
        "anything": lambda: rng.integers(0, 1 << 14, (rows, columns)),
        "extremes": lambda: rng.choice([0, (1 << 14) - 1], (rows, columns)),
        "constant": lambda: np.full((rows, columns), rng.integers(0, 1 << 14)),
        "quiet": lambda: 2048 + rng.integers(-3, 4, (rows, columns)),
        "ones": lambda: np.where(rng.random((rows, columns)) < 0.01, 16383, 8192),
    }
    return patterns[kind]().astype(np.uint16)


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["anything", "extremes", "constant", "quiet", "ones"]),
    rows=st.integers(40, 90),
    columns=st.integers(12, 40).map(lambda n: 4 * n),  # LibRaw folds what is more than four times as wide as high
    seed=st.integers(0, 1 << 32),
)
def test_libraw_decodes_every_mosaic_bit_for_bit(kind: str, rows: int, columns: int, seed: int) -> None:
    mosaic = samples(kind, rows, columns, seed)
    geometry = sensor.Geometry(columns=columns, rows=rows, crop=(8, 4, columns, rows), label="test", left=8, top=4)
    shooting = cr2.ShootingData(
        iso=100, shutter_s=1.0, nominal_shutter=Fraction(1), aperture=2.8, taken=TAKEN, frame_number=1,
        serial="1", lens="", sensor_c=20.0, white_balance=(2.0, 1.0, 1.5), white_dn=15283,
    )  # fmt: skip
    assert np.array_equal(mosaic_of(cr2.pack(mosaic, geometry, shooting)), mosaic)


@pytest.mark.parametrize(
    ("mosaic", "precision"),
    [
        (np.zeros((4, 5), np.uint16), 14),
        (np.full((4, 4), 1 << 14, np.uint16), 14),
        (np.zeros((4, 4), np.uint16), 16),
        (np.zeros((0, 4), np.uint16), 14),
    ],
)
def test_what_does_not_fit_into_the_jpeg_is_refused(mosaic: NDArray[np.uint16], precision: int) -> None:
    with pytest.raises(UsageError, match="fit"):
        ljpeg.encode(mosaic, precision)


def test_libraw_opens_a_full_frame_as_a_6d() -> None:
    file = FrameMaker(serial="1", size="full").make(replace(SHOT, scene=3))
    with rawpy.imread(io.BytesIO(file)) as raw:
        sizes = raw.sizes
        assert (sizes.raw_height, sizes.raw_width) == (3708, 5568)
        assert (sizes.top_margin, sizes.left_margin, sizes.height, sizes.width) == (38, 72, 3670, 5496)
        assert raw.raw_image.shape == (3708, 5568)
        assert np.array_equal(np.asarray(raw.raw_pattern), [[0, 1], [3, 2]])
        assert raw.white_level == 15490  # LibRaw's own number for "EOS 6D"
        assert raw.camera_white_level_per_channel == [15283] * 4
        assert raw.black_level_per_channel == pytest.approx([2048 + 11] * 4, abs=3)  # with 0.5 e- of dark current
        assert raw.raw_image_visible.mean() > 2048 + 500


def test_libraw_reports_margins_black_white_and_white_balance_of_a_small_frame(long_file: bytes) -> None:
    red, _, blue = scenes.render(SHOT.scene, SMALL).white_balance
    with rawpy.imread(io.BytesIO(long_file)) as raw:
        sizes = raw.sizes
        assert (sizes.top_margin, sizes.left_margin, sizes.height, sizes.width) == (38, 72, 1024, 1536)
        assert np.array_equal(np.asarray(raw.raw_pattern), [[0, 1], [3, 2]])
        masked = raw.raw_image[SMALL.top :, : SMALL.left]
        assert raw.black_level_per_channel == pytest.approx([masked.mean()] * 4, abs=1.5)
        assert raw.camera_white_level_per_channel == [15283] * 4
        assert raw.camera_whitebalance == pytest.approx([1024 * red, 1024, 1024 * blue, 1024], abs=1)
        thumbnail = raw.extract_thumb()
    preview = cv2.imdecode(np.frombuffer(thumbnail.data, np.uint8), cv2.IMREAD_COLOR)
    assert preview is not None
    assert preview.shape == (1024, 1536, 3)
    assert preview.std() > 20


def test_exif_states_nominal_and_true_shutter_and_who_took_it(maker: FrameMaker) -> None:
    exif = exif_of(maker.make(replace(SHOT, shutter_s=SHORT_S, nominal_shutter=Fraction(1, 10))))
    assert exif["EXIF ExposureTime"] == "1/10"
    assert 2 ** -float(Fraction(exif["EXIF ShutterSpeedValue"])) == pytest.approx(SHORT_S, rel=1e-4)
    assert exif["EXIF FNumber"] == "14/5"
    assert exif["EXIF ISOSpeedRatings"] == exif["EXIF RecommendedExposureIndex"] == "12800"
    assert exif["EXIF DateTimeOriginal"] == "2024:11:05 21:30:07"
    assert (exif["EXIF SubSecTimeOriginal"], exif["EXIF OffsetTimeOriginal"]) == ("45", "+00:00")
    assert exif["EXIF BodySerialNumber"] == "012345678901"
    assert exif["EXIF LensModel"] == "EF50mm f/1.8 II"
    assert (exif["Image Make"], exif["Image Model"]) == ("Canon", "Canon EOS 6D")


def test_file_says_that_it_is_simulated_and_small(long_file: bytes) -> None:
    exif = exif_of(long_file)
    assert exif["Image Software"] == "sidcap simulated camera"
    assert exif["Image ImageDescription"] == "sidcap simulated camera, small sensor"


def directories(file: bytes) -> list[dict[int, tuple[int, int, int]]]:
    """The chained directories of a TIFF file: for each tag its type, count and value or offset."""
    found = []
    at = struct.unpack_from("<I", file, 4)[0]
    while at:
        (count,) = struct.unpack_from("<H", file, at)
        entries = [struct.unpack_from("<HHII", file, at + 2 + 12 * i) for i in range(count)]
        found.append({tag: (type_, n, value) for tag, type_, n, value in entries})
        (at,) = struct.unpack_from("<I", file, at + 2 + 12 * count)
    return found


def test_file_holds_the_four_images_of_a_body_s_file(long_file: bytes) -> None:
    preview, thumbnail, small, raw = directories(long_file)
    start, length = preview[0x0111][2], preview[0x0117][2]
    picture = cv2.imdecode(np.frombuffer(long_file[start : start + length], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (preview[0x0101][2], preview[0x0100][2], 3) == (1024, 1536, 3)
    start, length = thumbnail[0x0201][2], thumbnail[0x0202][2]
    icon = cv2.imdecode(np.frombuffer(long_file[start : start + length], np.uint8), cv2.IMREAD_COLOR)
    assert icon is not None
    assert icon.shape == (120, 160, 3)
    columns, rows = small[0x0100][2], small[0x0101][2]
    assert small[0x0117][2] == columns * rows * 3 * 2
    rgb = np.frombuffer(long_file, "<u2", columns * rows * 3, small[0x0111][2]).reshape(rows, columns, 3)
    shrunk = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(rgb[..., ::-1].ravel(), shrunk.ravel())[0, 1] > 0.99
    assert long_file[raw[0x0111][2] :][:4] == b"\xff\xd8\xff\xc4"
    assert struct.unpack_from("<4sI", long_file, 8)[0] == b"CR\x02\0"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("kind", ["cr2", "jpg"])
def test_exiftool_reads_what_a_body_states_without_a_warning(kind: str, tmp_path: Path) -> None:
    maker = small_maker(serial="000000006001")
    shot = replace(SHOT, shutter_s=SHORT_S, nominal_shutter=Fraction(1, 10), sensor_c=31.4)
    path = tmp_path / f"frame.{kind}"
    path.write_bytes(maker.make(shot) if kind == "cr2" else maker.jpeg(shot, (768, 512)))
    asked = ["exiftool", "-json", "-validate", "-warning", "-error", "-all", "-a", path]
    (tags,) = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)
    assert tags["Validate"] == "OK"
    assert "Warning" not in tags
    expected = {
        "FileType": {"cr2": "CR2", "jpg": "JPEG"}[kind],
        "Make": "Canon",
        "Model": "Canon EOS 6D",
        "CanonModelID": "EOS 6D",
        "LensModel": "EF50mm f/1.8 II",
        "LensType": "Canon EF 50mm f/1.8",
        "FocalLength": "50.0 mm",
        "ExposureTime": "1/10",
        "ISO": 12800,
        "BaseISO": 12800,
        "FNumber": 2.8,
        "DateTimeOriginal": "2024:11:05 21:30:07",
        "CameraTemperature": "31 C",
        "FileNumber": "100-0001",
        "FileIndex": 1,
        "DirectoryIndex": 100,
        "CanonFirmwareVersion": "Firmware Version 1.1.2",
        "FirmwareVersion": "1.1.2",
        "InternalSerialNumber": "SC0006001",
        "CanonExposureMode": "Manual",
    }
    assert {name: tags.get(name) for name in expected} == expected
    assert int(tags["SerialNumber"]) == 6001


def test_exif_can_be_made_to_state_a_wrong_exposure(maker: FrameMaker) -> None:
    wrong = replace(SHOT, recorded_iso=200, recorded_shutter=Fraction(1, 30), recorded_aperture=8.0)
    exif = exif_of(maker.make(wrong))
    assert (exif["EXIF ISOSpeedRatings"], exif["EXIF ExposureTime"], exif["EXIF FNumber"]) == ("200", "1/30", "8")
    assert np.array_equal(mosaic_of(maker.make(wrong)), mosaic_of(maker.make(SHOT)))


@settings(max_examples=25)
@given(
    iso=st.integers(50, 102400),
    shutter_s=st.floats(1 / 8000, 3600),
    aperture=st.sampled_from([1.0, 1.2, 1.8, 2.8, 9.0, 22.0, 45.0, 91.0]),
    frame_number=st.integers(1, 1 << 32),
    sensor_c=st.floats(-60, 120),
    serial=st.text("0123456789", min_size=1, max_size=12),
)
def test_every_exposure_can_be_stated(
    iso: int, shutter_s: float, aperture: float, frame_number: int, sensor_c: float, serial: str
) -> None:
    geometry = sensor.Geometry(columns=48, rows=40, crop=(8, 4, 47, 39), label="test", left=8, top=4)
    shooting = cr2.ShootingData(
        iso=iso, shutter_s=shutter_s, nominal_shutter=Fraction(shutter_s).limit_denominator(8000), aperture=aperture,
        taken=TAKEN, frame_number=frame_number, serial=serial, lens="", sensor_c=sensor_c,
        white_balance=(2.0, 1.0, 1.5), white_dn=15283,
    )  # fmt: skip
    assert len(directories(cr2.pack(np.full(geometry.shape, 2048, np.uint16), geometry, shooting))) == 4


# The camera's own pictures


def test_the_jpeg_shows_what_the_raw_frame_shows(maker: FrameMaker, long_file: bytes) -> None:
    picture = cv2.imdecode(np.frombuffer(maker.jpeg(SHOT, (768, 512)), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (512, 768)
    with rawpy.imread(io.BytesIO(long_file)) as raw:
        developed = cv2.cvtColor(raw.postprocess(half_size=True), cv2.COLOR_RGB2GRAY)
    assert np.corrcoef(picture.ravel(), cv2.resize(developed, (768, 512)).ravel())[0, 1] > 0.9


def live_view(maker: FrameMaker, **changes: float) -> NDArray[np.uint8]:
    view = {"iso": 12800, "shutter_s": LONG_S, "aperture": 2.8, "focus_steps": 0, "at_s": 1.0} | changes
    data = maker.live_view(scene=1, **view)  # type: ignore[arg-type]
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def contrast(picture: NDArray[np.uint8]) -> float:
    """Of details a little coarser than the noise."""
    fine, coarse = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma) for sigma in (2, 6))
    return float(np.std(fine - coarse))


def test_live_view_is_as_bright_as_the_frame_would_be(maker: FrameMaker) -> None:
    reference = live_view(maker)
    assert reference.shape == (640, 960)
    assert live_view(maker, shutter_s=LONG_S / 4).mean() < 0.75 * reference.mean()
    assert live_view(maker, aperture=5.6).mean() < 0.75 * reference.mean()
    assert live_view(maker, iso=3200).mean() < 0.75 * reference.mean()


def test_live_view_sharpens_towards_the_focus(maker: FrameMaker) -> None:
    far, near, sharp = (contrast(live_view(maker, focus_steps=steps)) for steps in (300, 100, 0))
    assert 1.2 * far < near < 0.9 * sharp


def test_live_view_changes_from_picture_to_picture_by_its_noise_only(maker: FrameMaker) -> None:
    first, second = live_view(maker, at_s=1.0), live_view(maker, at_s=1.1)
    assert np.mean(first != second) > 0.5
    assert abs(first.mean() - second.mean()) < 1


# The scenes


@pytest.mark.parametrize("number", range(12))
def test_a_long_exposure_of_every_scene_is_well_exposed(number: int) -> None:
    electrons = image_of(number) * LONG_S
    saturation_e = (15283 - 2048) * 0.047
    green = np.minimum(electrons[::2, 1::2], saturation_e)
    assert 0.09 < green.mean() / saturation_e < 0.35
    assert (electrons > saturation_e).mean() < 0.01
    assert green.std() > 0.5 * green.mean()


def detail(number: int) -> NDArray[np.float32]:
    """Green, without what varies slowly."""
    green = np.log(image_of(number)[::2, 1::2] + 1)
    return np.asarray(green - cv2.GaussianBlur(green, (0, 0), 6), np.float32)


def test_scenes_of_different_number_are_unrelated() -> None:
    pictures = [detail(number).ravel() for number in range(13)]
    correlation = np.asarray(np.corrcoef(pictures))
    assert np.abs(correlation[~np.eye(len(pictures), dtype=bool)]).max() < 0.15


@pytest.mark.parametrize("far", [-optics.MAX_SHIFT_PX, optics.MAX_SHIFT_PX])
def test_the_scene_reaches_as_far_as_the_largest_shift(far: float) -> None:
    moved = image(scenes.render(5, SMALL), (far, far))
    assert min(edge.mean() for edge in (moved[:8], moved[-8:], moved[:, :8], moved[:, -8:])) > 0.1 * moved.mean()


@pytest.mark.parametrize("shift", [(1000.0, 0.0), (0.0, -200.0), (0.0, float("nan"))])
def test_a_shift_off_the_painted_scene_is_refused(maker: FrameMaker, shift: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="displacement"):
        maker.make(replace(SHOT, shift_px=shift))


@pytest.mark.parametrize("missing", [-1, "round"])
def test_a_scene_that_does_not_exist_is_refused(maker: FrameMaker, missing: Any) -> None:
    with pytest.raises(UsageError, match="from 0 on, flat or capped"):
        maker.make(replace(SHOT, scene=missing))


# The maker


def test_the_same_shot_gives_the_same_file_and_another_frame_other_noise(long_file: bytes) -> None:
    fresh = small_maker()
    assert fresh.make(SHOT) == long_file
    first, second = (lit(mosaic_of(f)) for f in (long_file, fresh.make(replace(SHOT, frame_number=2))))
    assert np.mean(first != second) > 0.9
    assert first.mean() == pytest.approx(second.mean(), rel=0.01)


def test_threads_get_the_frames_they_asked_for(maker: FrameMaker) -> None:
    shots = [replace(SHOT, scene=scene, frame_number=n) for n, scene in enumerate((1, 1, 3, 3))]
    alone = small_maker()
    expected = [alone.make(shot) for shot in shots]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(maker.make, shots)) == expected


def test_a_shot_survives_a_way_through_json() -> None:
    shot = replace(SHOT, mirror_up_s=0.05, sensor_c=25.5, recorded_shutter=Fraction(1, 3), shift_px=(0.5, -1.0))
    for original in (SHOT, shot, replace(shot, scene="capped")):
        assert Shot.from_dict(json.loads(json.dumps(original.to_dict()))) == original


def test_surroundings_survive_a_way_through_json() -> None:
    room = Surroundings(
        tripod_creep_px_per_s=(0.1, 0.0), knocks=(Knock(2, (1.0, 2.0), 0.5),), flicker=Flicker(60.0, 0.2), ambient_c=5.0
    )
    for original in (Surroundings(), room):
        assert Surroundings.from_dict(json.loads(json.dumps(asdict(original)))) == original
