"""What registration says beyond one shift: turning, things that move, blur, far shifts, darks; and how it reads."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shifted_scenes import Mosaic, Pair, Pattern, Scene, expose, in_front_of, make_pair

from sidcap.curate import NoiseModel, Registration, judge, register
from sidcap.curate.compiled import ALONG_X, ALONG_Y, BEND, INSTRUMENTS, SEEN, VALUE, read_terms
from sidcap.curate.instruments import Texture
from sidcap.curate.moments import Template, Tile, every_nth, texture_of
from sidcap.curate.planes import bayer_planes
from sidcap.curate.reading import WIDE_PX, WINDOW, Reading
from sidcap.curate.registration import Guard
from sidcap.data_manifest.errors import RegistrationError
from sidcap.data_manifest.words import Verdict

SHAPE = (700, 1050)
NOISE = NoiseModel(gain_e_per_dn=0.1, read_noise_e=1.9)


@cache
def scene(seed: int = 1, blur_px: float = 0.7, margin_px: int = 32) -> Scene:
    return Scene(SHAPE, seed, blur_px=blur_px, margin_px=margin_px)


def registered(pair: Pair) -> Registration:
    return register(pair.long, pair.short, ratio=pair.ratio, noise=pair.noise)


def exposed(long: Mosaic, short: Mosaic, signal_e: float = 3.0) -> Registration:
    pair = expose(long, short, signal_e=signal_e, ratio=100, noise=NOISE)
    return register(pair.long, pair.short, ratio=100, noise=NOISE)


def bars(shift_px: float) -> Mosaic:
    """Upright edges, and a tenth of texture: nearly all that could show a shift is common to whole columns."""
    x = np.arange(SHAPE[1])
    period = (np.sin((x - shift_px) / 7) + np.sin((x - shift_px) / 4.3 + 1)) * 0.3
    return np.asarray(1 + period + 0.12 * (scene().mosaic((shift_px, 0.0)) - 1), np.float32).clip(0.02)


@pytest.mark.parametrize("shift_px", [0.65, 1.0])
def test_upright_edges_do_not_make_a_shift_look_smaller_than_it_is(shift_px: float) -> None:
    found = exposed(bars(0.0), bars(shift_px), signal_e=10)
    assert judge(found, true_ratio=100)[0] is not Verdict.ALIGNED
    if found.shift_px is not None:
        assert found.shift_px[0] == pytest.approx(shift_px, abs=4 * (found.sigma_px or 0) + 0.02)


def test_a_clipped_sky_did_not_move() -> None:
    long, short = scene().mosaic().copy(), scene().mosaic((0.1, 0.0)).copy()
    long[:250], short[:250] = 50, 50
    found = exposed(long, short)
    assert found.moving == 0
    assert judge(found, true_ratio=100)[0] is Verdict.ALIGNED


def test_half_a_frame_of_something_else_is_never_aligned() -> None:
    short = scene().mosaic().copy()
    short[:, :480] = scene(2).mosaic()[:, :480]
    for signal_e in (1.0, 5.0):
        assert judge(exposed(scene().mosaic(), short, signal_e), true_ratio=100)[0] is not Verdict.ALIGNED


def test_every_part_of_a_wide_frame_is_looked_at() -> None:
    """Frames with as many tiles across as make a regular stride miss whole columns of them."""
    tiles = [Tile((slice(0), slice(0)), np.array((column, row), float)) for row in range(20) for column in range(20)]
    for nth in (2, 3, 4):
        seen = np.array([tile.place_px for tile in every_nth(nth, tiles)])
        assert len(set(seen[:, 0])) == len(set(seen[:, 1])) == 20


@pytest.mark.parametrize("turn_degrees", [0.1, -0.1])
def test_a_turned_camera_is_named_and_misaligned(turn_degrees: float) -> None:
    found = exposed(scene().mosaic(), scene().mosaic((0.1, 0.0), turn_degrees=turn_degrees))
    assert found.rotation_sigma_deg is not None
    assert found.rotation_deg == pytest.approx(turn_degrees, abs=4 * found.rotation_sigma_deg)
    assert found.corner_shift_px == pytest.approx(np.radians(0.1) * np.hypot(*SHAPE) / 2, abs=0.15)
    verdict, reasons = judge(found, true_ratio=100)
    assert verdict is Verdict.MISALIGNED
    assert f"degrees {'counter-clockwise' if turn_degrees > 0 else 'clockwise'}: its corners" in reasons[0]


def test_a_camera_that_did_not_turn_is_not_said_to() -> None:
    found = exposed(scene().mosaic(), scene().mosaic((0.3, 0.1)))
    assert found.rotation_deg == 0
    assert found.growth == 0
    assert found.corner_shift_px == pytest.approx(np.hypot(0.3, 0.1), abs=4 * (found.corner_sigma_px or 0))
    assert all(cell.shift_px == pytest.approx((0.3, 0.1), abs=5 * cell.sigma_px + 0.02) for cell in found.field)
    assert len(found.field) > 20


def test_a_thing_that_moved_on_its_own_is_named_and_biases_nothing() -> None:
    thing = scene(2)
    long = in_front_of(scene().mosaic(), thing.mosaic(), (250, 350), 0.08)
    short = in_front_of(scene().mosaic((0.1, 0.0)), thing.mosaic((8.0, 5.0)), (258, 355), 0.08)
    found = exposed(long, short)
    assert 0.02 < found.moving < 0.3
    assert found.moving_px == pytest.approx((250, 350), abs=120)
    assert found.shift_px == pytest.approx((0.1, 0.0), abs=0.05)
    verdict, reasons = judge(found, true_ratio=100)
    assert verdict is Verdict.MISALIGNED
    assert "on its own" in reasons[0]
    assert "on the left" in reasons[0]


def test_a_lamp_that_was_switched_on_is_named() -> None:
    short = scene().mosaic().copy()
    short[200:360, 600:900] *= 5
    verdict, reasons = judge(exposed(scene().mosaic(), short), true_ratio=100)
    assert verdict is Verdict.MISALIGNED
    assert "on its own" in reasons[0]


@pytest.mark.parametrize(("blur_px", "verdict"), [(0.9, Verdict.ALIGNED), (1.2, Verdict.UNDETERMINED)])
def test_blur_is_measured_and_told_whose_it_is(blur_px: float, verdict: Verdict) -> None:
    sharp, soft = scene().mosaic(), scene(1, blur_px).mosaic()
    added_px2 = blur_px**2 - 0.7**2
    of_short, of_long = exposed(sharp, soft), exposed(soft, sharp)
    assert of_short.blur_px2 == pytest.approx(added_px2, abs=0.15 + 0.1 * added_px2)
    assert of_long.blur_px2 == pytest.approx(-added_px2, abs=0.2 + 0.4 * added_px2)
    for found, words in (
        (of_short, "the short is softer than the long"),
        (of_long, "the long is softer than the short"),
    ):
        told, reasons = judge(found, true_ratio=100)
        assert told is verdict
        assert (words in " ".join(reasons)) == (abs(found.blur_px2 or 0) > 0.15 + 5 * (found.blur_sigma_px2 or 0))


@pytest.mark.parametrize("shift_px", [(120.0, -100.0), (-127.0, 64.3)])
def test_far_shifts_are_found(shift_px: tuple[float, float]) -> None:
    found = registered(make_pair(scene(margin_px=136), signal_e=3, shift_px=shift_px))
    assert found.shift_px == pytest.approx(shift_px, abs=0.1)


def test_darks_and_hot_pixels_are_taken_out_and_recorded() -> None:
    body = Pattern.of_body(3, SHAPE)
    strong = Pattern(offset_e=8 * body.offset_e, hot_e=2 * body.hot_e)
    pair = make_pair(scene(), signal_e=2, ratio=100, shift_px=(0.4, -0.2), pattern=strong, noise=NOISE)
    dark, hot = strong.calibrated(NOISE)
    plain = register(pair.long, pair.short, ratio=100, noise=NOISE)
    calibrated = register(pair.long, pair.short, ratio=100, noise=NOISE, dark=(dark, dark), mask=hot)
    assert plain.guard is Guard.PHOTOSITES
    assert calibrated.guard is Guard.DARKS
    assert calibrated.chi2 is not None
    assert plain.chi2 is not None
    assert calibrated.chi2 < plain.chi2
    for found in (plain, calibrated):
        assert found.shift_px == pytest.approx((0.4, -0.2), abs=4 * (found.sigma_px or 0) + 0.01)


@pytest.mark.parametrize(
    "given_wrong",
    [
        {"dark": np.zeros((10, 10), np.float32)},
        {"mask": np.zeros((10, 10), bool)},
        {"dark": np.full(SHAPE, np.nan, np.float32)},
    ],
)
def test_a_calibration_that_does_not_fit_is_refused_in_one_line(given_wrong: dict[str, np.ndarray]) -> None:
    frame = scene().mosaic() * 1000
    with pytest.raises(RegistrationError) as caught:
        register(frame, frame, ratio=1, noise=NOISE, **given_wrong)  # type: ignore[arg-type]
    assert "calibrate" in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=25)
@given(st.floats(-9, 9), st.floats(-9, 9))
def test_what_is_said_of_a_reading_is_what_it_reads(dx: float, dy: float) -> None:
    """The kernels, from which the noise of what is read follows, are those of the filters."""
    reading = Reading((dx, dy))
    instruments = texture().instruments(reading)
    white = np.random.default_rng(1).normal(1, 0.2, (120, 160)).astype(np.float32)
    planes = np.stack([white[plane // 2 :: 2, plane % 2 :: 2] for plane in range(4)])
    levels = np.array([2.0, 1.0, 0.5, 4.0])
    region = slice(25, 40), slice(30, 60)
    across = reading.across(planes * levels.astype(np.float32)[:, None, None], levels, region)
    assert reading.columns[2].sum() == pytest.approx(1)
    for plane in range(4):
        y, x = plane // 2, plane % 2
        seen_from = [
            2 * own + start + at for own, start, at in zip(reading.own, instruments.start, (y, x), strict=True)
        ]
        kernels = instruments.kernels[plane]
        for_dn = (kernels / levels[instruments.planes[plane]]).astype(np.float32)
        terms = read_terms(across, reading.lines, for_dn, tuple(seen_from), (15, 30), plane)
        window = around(white, (50 + y, 60 + x), reading.first, WINDOW.size)
        read = terms[0, (ALONG_X, ALONG_Y, VALUE), 0]
        assert read == pytest.approx((reading.columns[:3] * window).sum((1, 2)), abs=1e-4)
        assert terms[0, BEND, 0] == pytest.approx((reading.columns[3] * window).sum() * WIDE_PX**2, abs=1e-4)
        square = around(white, (50 + y, 60 + x), instruments.start, SEEN)
        assert terms[0, :INSTRUMENTS, 0] == pytest.approx((kernels * square).sum((1, 2)), abs=1e-3)


def around(white: Mosaic, site: tuple[int, int], start: tuple[int, int], size: int) -> Mosaic:
    top, left = site[0] + start[0], site[1] + start[1]
    return white[top : top + size, left : left + size]


@cache
def texture(signal_e: float = 1.0, ratio: float = 100) -> Texture:
    long = make_pair(scene(), signal_e=signal_e, ratio=ratio, noise=NOISE).long
    return texture_of(Template.of(bayer_planes(long, NOISE)), NOISE, 1 / ratio)


@settings(max_examples=25)
@given(st.floats(-9, 9), st.floats(-9, 9))
def test_no_instrument_holds_the_photosite_of_the_short_itself(dx: float, dy: float) -> None:
    instruments = texture().instruments(Reading((dx, dy)))
    rows, columns = (-start for start in instruments.start)
    if 0 <= rows < SEEN and 0 <= columns < SEEN:
        assert np.abs(instruments.kernels[:, :, rows, columns]).max() == 0
    assert np.abs(instruments.kernels).max((2, 3)).min() > 0


@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (0.5, -0.25), (1.0, 3.0)])
def test_instruments_are_the_best_prediction_of_the_slopes(shift_px: tuple[float, float]) -> None:
    """Beside least squares on the very photosites, with the truth at hand: they explain nearly as much of them."""
    pair = make_pair(scene(), signal_e=1, ratio=100, noise=NOISE)
    found = texture().instruments(Reading(shift_px))
    levels = [np.nanmean(pair.long[plane // 2 :: 2, plane % 2 :: 2]) for plane in range(4)]
    white = pair.long / np.tile(np.reshape(levels, (2, 2)), np.array(SHAPE) // 2)
    ahead = Scene(SHAPE, 1, blur_px=0.7)
    slopes = (ahead.mosaic((shift_px[0] - 0.05, shift_px[1])) - ahead.mosaic((shift_px[0] + 0.05, shift_px[1]))) / 0.1
    explained = []
    for plane in range(4):
        y, x = plane // 2 + 40, plane % 2 + 40
        sites = slice(y, -40, 2), slice(x, -40, 2)
        squares = np.stack(
            [
                np.roll(white, (-row - found.start[0], -column - found.start[1]), (0, 1))[sites].ravel()
                for row in range(SEEN)
                for column in range(SEEN)
            ]
        )
        squares -= squares.mean(1, keepdims=True)
        kept = np.array([(row, column) != (0, 0) for row, column in np.argwhere(np.ones((SEEN, SEEN))) + found.start])
        truth = slopes[sites].ravel() - slopes[sites].mean()
        best, *_ = np.linalg.lstsq(squares[kept].T, truth, rcond=None)
        correlations = [
            np.corrcoef(truth, prediction)[0, 1]
            for prediction in (found.kernels[plane, 0].ravel() @ squares, best @ squares[kept])
        ]
        explained.append((correlations[0] / correlations[1]) ** 2)
    assert np.mean(explained) > 0.93


def test_a_lit_window_in_the_dark_is_found_and_looked_at() -> None:
    """All that could show a shift is in a thousandth of the frame, which a few tiles at random would miss."""
    night = [np.full((1400, 2100), 0.01, np.float32) for _ in range(2)]
    for frame, (x, y) in zip(night, ((0, 0), (4, -2)), strict=True):
        frame[900 + y : 980 + y, 1500 + x : 1600 + x] = scene().mosaic()[100:180, 100:200]
    pair = expose(*night, signal_e=20, ratio=100, noise=NoiseModel(gain_e_per_dn=1, read_noise_e=1.9))
    found = register(pair.long, pair.short, ratio=100, noise=pair.noise)
    assert found.shift_px == pytest.approx((4, -2), abs=4 * (found.sigma_px or 0))
    assert found.sigma_px is not None
    assert found.sigma_px < 0.025


def test_the_long_is_read_without_aliasing() -> None:
    """A scene well beyond what a colour plane resolves, at the worst of shifts, in light that leaves no other error."""
    fine = Scene((512, 768), 3, blur_px=0.5)
    errors = [
        np.subtract(registered(make_pair(fine, signal_e=400, ratio=10, shift_px=shift_px)).shift_px, shift_px)
        for shift_px in ((0.5, -0.25), (1.5, -1.0), (0.3, 0.8))
    ]
    assert np.abs(errors).max() < 0.015
