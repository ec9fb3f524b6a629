"""What the simulated camera sees and writes, checked from its files through LibRaw and EXIF readers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import exifread
import numpy as np
import pytest
import rawpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.capture.simulated import cr2, ljpeg, optics, scenes, sensor
from sidcap.capture.simulated.frame import FrameMaker, Shot
from sidcap.data_manifest.errors import UsageError

LONG_S, SHORT_S = 2 ** (10 / 3), 2 ** (-10 / 3)
DARK_EV = -60.0
SMALL = sensor.SMALL_SENSOR
TAKEN = datetime(2024, 11, 5, 21, 30, 7, 450000, tzinfo=UTC)
SHOT = Shot(
    iso=12800,
    shutter_s=LONG_S,
    nominal_shutter=Fraction(10),
    aperture=2.8,
    scene=1,
    start_s=12.0,
    taken=TAKEN,
    frame_number=1,
    lens="EF50mm f/1.8 II",
)


def small_maker(serial: str = "012345678901", light_ev: float = 0.0) -> FrameMaker:
    return FrameMaker(serial=serial, size="small", light_ev=light_ev)


def mosaic_of(file: bytes) -> NDArray[np.uint16]:
    with rawpy.imread(io.BytesIO(file)) as raw:
        return np.array(raw.raw_image, np.uint16)


def lit(mosaic: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The part that sees light, black subtracted."""
    masked = mosaic[SMALL.top :, : SMALL.left]
    return np.asarray(mosaic[SMALL.top :, SMALL.left :] - masked.mean(dtype=np.float64))


def exif_of(file: bytes) -> dict[str, str]:
    return {key: str(value) for key, value in exifread.process_file(io.BytesIO(file), details=False).items()}


@pytest.fixture(scope="module")
def maker() -> FrameMaker:
    return small_maker()


@pytest.fixture(scope="module")
def dark_maker() -> FrameMaker:
    return small_maker(light_ev=DARK_EV)


@pytest.fixture(scope="module")
def dim_maker() -> FrameMaker:
    return small_maker(light_ev=-2)


@pytest.fixture(scope="module")
def bright_maker() -> FrameMaker:
    return small_maker(light_ev=12)


@cache
def image_of(scene: int) -> NDArray[np.float32]:
    """Electrons per second on the part of the sensor that sees light."""
    image = optics.mosaic(scenes.render(scene, SMALL), SMALL, (0.0, 0.0))
    return image[SMALL.top :, SMALL.left :]


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


@settings(max_examples=40, deadline=None)
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
        serial="1", lens="", white_balance=(2.0, 1.0, 1.5), white_dn=15283,
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
    assert preview.shape == (512, 768, 3)
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


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_the_file_without_a_warning(long_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "frame.cr2"
    path.write_bytes(long_file)
    result = subprocess.run(
        ["exiftool", "-json", "-validate", "-all", path], capture_output=True, check=True, text=True
    )
    (tags,) = json.loads(result.stdout)
    assert tags["Validate"] == "OK"
    assert (tags["FileType"], tags["ISO"], tags["LensModel"]) == ("CR2", 12800, "EF50mm f/1.8 II")
    assert tags["SerialNumber"] in ("012345678901", 12345678901)


# The sensor


@pytest.mark.parametrize("iso", [200, 1600, 12800])
def test_photon_transfer_gives_back_gain_and_read_noise(maker: FrameMaker, dark_maker: FrameMaker, iso: int) -> None:
    shots = [replace(SHOT, iso=iso, frame_number=n) for n in (1, 2, 3)]
    first, second, chooser = (lit(mosaic_of(maker.make(shot))) for shot in shots)
    bias = [lit(mosaic_of(dark_maker.make(replace(shot, shutter_s=1 / 4096)))) for shot in shots[:2]]

    dark_variance = np.var(bias[0] - bias[1]) / 2
    # Choosing pixels by a third frame leaves the means and the differences of the other two unbiased.
    usable = (chooser > np.quantile(chooser, 0.3)) & (chooser < 0.6 * chooser.max())
    variance = np.var((first - second)[usable]) / 2 - dark_variance
    gain = ((first + second)[usable] / 2).mean() / variance

    parameters = sensor.SensorParameters()
    assert gain == pytest.approx(parameters.gain_e_per_dn(iso), rel=0.03)
    assert np.sqrt(dark_variance) * gain == pytest.approx(parameters.read_noise_e(iso), rel=0.03)


def test_read_noise_is_what_has_been_measured_on_the_body() -> None:
    parameters = sensor.SensorParameters()
    assert parameters.read_noise_e(100) == pytest.approx(26, rel=0.01)
    assert parameters.read_noise_e(6400) == pytest.approx(1.7, rel=0.01)


def test_noise_is_distributed_as_poisson_plus_normal() -> None:
    pattern = sensor.fixed_pattern("flat", SMALL, sensor.SensorParameters(
        photo_response_rms=0, offset_rms_e=0, column_offset_rms_e=0, row_offset_rms_e=0, hot_pixel_fraction=0,
        dark_current_e_per_s=0,
    ))  # fmt: skip
    flat = np.full(SMALL.shape, 3.0, np.float32)
    raw = sensor.expose(flat, pattern, light=1, iso=12800, shutter_s=1, rng=np.random.default_rng(1))
    rng, parameters = np.random.default_rng(2), pattern.parameters
    electrons = rng.poisson(3.0, flat.shape) + rng.normal(0, parameters.read_noise_e(12800), flat.shape)
    exact = np.rint(electrons / parameters.gain_e_per_dn(12800) + 2048)
    difference = [(raw < edge).mean() - (exact < edge).mean() for edge in np.quantile(exact, np.linspace(0, 1, 40))]
    assert np.abs(difference).max() < 0.003


def test_mean_is_proportional_to_shutter_aperture_and_gain(dim_maker: FrameMaker) -> None:
    def mean_e(**changes: object) -> float:
        shot = replace(SHOT, **changes)  # type: ignore[arg-type]
        return float(lit(mosaic_of(dim_maker.make(shot))).mean()) * sensor.SensorParameters().gain_e_per_dn(shot.iso)

    reference = mean_e()
    assert mean_e(shutter_s=LONG_S / 8) == pytest.approx(reference / 8, rel=0.02)
    assert mean_e(aperture=5.6) == pytest.approx(reference / 4, rel=0.02)
    assert mean_e(iso=3200) == pytest.approx(reference, rel=0.02)


def test_light_ev_counts_in_stops(maker: FrameMaker, dim_maker: FrameMaker) -> None:
    shot = replace(SHOT, iso=1600)  # far from clipping
    reference, darker = (lit(mosaic_of(m.make(shot))).mean() for m in (maker, dim_maker))
    assert darker == pytest.approx(reference / 4, rel=0.02)


@pytest.mark.parametrize(("iso", "white"), [(160, 13225), (200, 15283), (12800, 15283), (20000, 13225)])
def test_highlights_clip_at_the_white_level_of_the_iso(bright_maker: FrameMaker, iso: int, white: int) -> None:
    file = bright_maker.make(replace(SHOT, iso=iso))
    mosaic = mosaic_of(file)
    assert mosaic.max() == white
    assert (mosaic[SMALL.top :, SMALL.left :] == white).mean() > 0.5
    with rawpy.imread(io.BytesIO(file)) as raw:
        assert raw.camera_white_level_per_channel == [white] * 4


def test_masked_pixels_see_no_light(bright_maker: FrameMaker, dark_maker: FrameMaker) -> None:
    bright, dark = (mosaic_of(m.make(SHOT)) for m in (bright_maker, dark_maker))
    for masked in (np.s_[:, : SMALL.left], np.s_[: SMALL.top, :]):
        assert np.array_equal(bright[masked], dark[masked])
    assert bright[:, : SMALL.left].mean() == pytest.approx(2048 + 0.05 * LONG_S / 0.047, abs=3)


def test_fixed_pattern_belongs_to_the_serial_number(dark_maker: FrameMaker) -> None:
    def dark_frame(body: FrameMaker, frame_number: int) -> NDArray[np.float64]:
        return lit(mosaic_of(body.make(replace(SHOT, frame_number=frame_number)))).ravel()

    another_body = small_maker("999", DARK_EV)
    first, again, other = dark_frame(dark_maker, 1), dark_frame(dark_maker, 2), dark_frame(another_body, 3)
    assert np.corrcoef(first, again)[0, 1] > 0.2
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.01


def test_hot_pixels_grow_with_the_exposure(dark_maker: FrameMaker) -> None:
    frames = [lit(mosaic_of(dark_maker.make(replace(SHOT, shutter_s=s)))) for s in (5.0, 10.0)]
    hot = frames[0] > 20 / 0.047  # 4 e- per second, far above the noise
    assert 20 < hot.sum() < 2000
    unclipped = hot & (frames[1] < 12000)
    assert np.median(frames[1][unclipped] / frames[0][unclipped]) == pytest.approx(2, rel=0.05)


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


def test_a_shift_by_whole_pixels_moves_the_image_unchanged() -> None:
    scene = scenes.render(4, SMALL)
    still, moved = (optics.mosaic(scene, SMALL, shift) for shift in ((0.0, 0.0), (6.0, -4.0)))
    rows, columns = still[SMALL.top :, SMALL.left :].shape
    assert np.allclose(
        moved[SMALL.top : SMALL.top + rows - 4, SMALL.left + 6 :],
        still[SMALL.top + 4 :, SMALL.left : SMALL.left + columns - 6],
        rtol=1e-4,
        atol=1e-4,
    )


@given(fraction=st.floats(-0.5, 0.5))
def test_point_spread_moves_every_spatial_frequency_by_the_same_distance(fraction: float) -> None:
    frequency = np.linspace(0.05, np.pi / 2, 20)  # up to the Nyquist frequency of a Bayer plane
    still, moved = (
        np.exp(1j * np.outer(frequency, np.arange(-4, 5))) @ optics.point_spread(f) for f in (0.0, fraction)
    )
    displacement = np.angle(still / moved) / frequency
    assert np.abs(displacement - fraction).max() < 0.01


def measured_shift(reference: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Displacement in pixels by least squares on gradients (Lucas and Kanade), for small shifts."""
    smooth = [
        cv2.GaussianBlur(f[0::2, 0::2] + f[0::2, 1::2] + f[1::2, 0::2] + f[1::2, 1::2], (0, 0), 5.0)
        for f in (reference, moved)
    ]
    gy, gx = (np.asarray(np.gradient((smooth[0] + smooth[1]) / 2, axis=axis)) for axis in (0, 1))
    inside = np.s_[20:-20, 20:-20]
    jacobian = np.stack((gx[inside].ravel(), gy[inside].ravel()), axis=1)
    change = (smooth[1] - smooth[0])[inside].ravel()
    return np.asarray(-2 * np.linalg.lstsq(jacobian, change)[0])


@pytest.mark.parametrize("shift", [(0.5, -0.25), (-0.9, 0.1), (0.3, 0.8)])
def test_frames_are_displaced_by_the_shift_asked_for(dim_maker: FrameMaker, shift: tuple[float, float]) -> None:
    shots = [replace(SHOT, iso=800, shift_px=s, frame_number=n) for n, s in enumerate(((0.0, 0.0), shift))]
    still, moved = (lit(mosaic_of(dim_maker.make(shot))) for shot in shots)
    assert measured_shift(still, moved) == pytest.approx(shift, abs=0.02)


@pytest.mark.parametrize("far", [-optics.MAX_SHIFT_PX, optics.MAX_SHIFT_PX])
def test_the_scene_reaches_as_far_as_the_largest_shift(far: float) -> None:
    scene = scenes.render(5, SMALL)
    image = optics.mosaic(scene, SMALL, (far, far))[SMALL.top :, SMALL.left :]
    assert min(edge.mean() for edge in (image[:8], image[-8:], image[:, :8], image[:, -8:])) > 0.1 * image.mean()


@pytest.mark.parametrize("shift", [(1000.0, 0.0), (0.0, -200.0), (0.0, float("nan"))])
def test_a_shift_off_the_painted_scene_is_refused(maker: FrameMaker, shift: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="displacement"):
        maker.make(replace(SHOT, shift_px=shift))


def test_scenes_are_numbered_from_zero(maker: FrameMaker) -> None:
    with pytest.raises(UsageError, match="from 0"):
        maker.make(replace(SHOT, scene=-1))


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
