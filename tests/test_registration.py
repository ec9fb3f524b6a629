"""What registration measures on pairs whose shift, ratio and noise are known, and how honest its uncertainty is."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from shifted_scenes import Mosaic, Pair, Pattern, Scene, Shift, make_pair

from sidcap.curate import NoiseModel, Problem, Registration, judge, register
from sidcap.data_manifest.errors import RegistrationError
from sidcap.data_manifest.raw import Exif, RawFrame
from sidcap.data_manifest.schema import BlackLevel, WhiteLevel
from sidcap.data_manifest.words import Verdict

SHAPE = (320, 480)
NOISE = NoiseModel(gain_e_per_dn=0.5, read_noise_e=1.9)
SEEDS = range(4)


@cache
def scene(seed: int = 1, highlights: bool = False) -> Scene:
    return Scene(SHAPE, seed, highlights=highlights)


def registered(pair: Pair) -> Registration:
    return register(pair.long, pair.short, ratio=pair.ratio, noise=pair.noise)


def errors_px(found: Registration, shift_px: Shift) -> np.ndarray:
    assert found.shift_px is not None, found.problem
    return np.subtract(found.shift_px, shift_px)


def sigmas_px(found: Registration) -> np.ndarray:
    assert found.covariance_px2 is not None
    return np.sqrt(np.diag(found.covariance_px2))


@pytest.mark.parametrize("signal_e", [1.0, 3.0, 20.0])
@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (0.3, -0.2), (2.6, 1.3)])
def test_the_error_stays_near_the_cramer_rao_bound(signal_e: float, shift_px: Shift) -> None:
    pairs = [make_pair(scene(), signal_e=signal_e, shift_px=shift_px, ratio=300, seed=seed) for seed in SEEDS]
    rmse = np.sqrt(np.mean([errors_px(registered(pair), shift_px) ** 2 for pair in pairs]))
    assert rmse < 2 * scene().bound_px(pairs[0]) + 0.012  # the scene aliases, and no one can undo all of it


@pytest.mark.parametrize("signal_e", [0.5, 1.0, 3.0])
def test_the_stated_uncertainty_is_the_true_one(signal_e: float) -> None:
    shift_px = (0.2, 0.4)
    found = [
        registered(make_pair(scene(2), signal_e=signal_e, shift_px=shift_px, ratio=250, seed=seed)) for seed in range(8)
    ]
    deviations = [errors_px(one, shift_px) / np.hypot(sigmas_px(one), 0.01) for one in found]
    assert np.abs(deviations).max() < 4
    assert 0.6 < np.sqrt(np.mean(np.square(deviations))) < 1.5


@pytest.mark.parametrize(
    ("shift_px", "reason"),
    [
        ((3.0, 0.0), "to the right of"),
        ((-3.0, 0.0), "to the left of"),
        ((0.0, 3.0), "below"),
        ((0.0, -3.0), "above"),
    ],
)
def test_right_and_down_are_positive(shift_px: Shift, reason: str) -> None:
    found = registered(make_pair(scene(), signal_e=5, shift_px=shift_px))
    assert errors_px(found, shift_px) == pytest.approx((0, 0), abs=0.1)
    verdict, reasons = judge(found, true_ratio=100)
    assert verdict is Verdict.MISALIGNED
    assert reason in reasons[0]


@pytest.mark.parametrize("shift_px", [(31.0, -30.0), (-17.4, 24.2)])
def test_shifts_of_tens_of_pixels_are_found(shift_px: Shift) -> None:
    found = registered(make_pair(scene(), signal_e=3, shift_px=shift_px))
    assert errors_px(found, shift_px) == pytest.approx((0, 0), abs=0.15)


@pytest.mark.parametrize("true_ratio", [80.0, 100.0, 118.0])
def test_the_ratio_is_measured_within_its_uncertainty(true_ratio: float) -> None:
    pair = make_pair(scene(), signal_e=3, ratio=true_ratio, shift_px=(0.2, 0.1))
    found = register(pair.long, pair.short, ratio=100, noise=pair.noise)
    assert found.ratio is not None
    assert found.ratio_sigma is not None
    assert found.ratio_sigma < 0.015 * true_ratio
    assert abs(found.ratio - true_ratio) < 4 * found.ratio_sigma


def test_noise_of_the_long_biases_neither_shift_nor_ratio() -> None:
    shift_px = (0.4, -0.3)
    found = [registered(make_pair(scene(), signal_e=12, ratio=1, shift_px=shift_px, seed=seed)) for seed in range(8)]
    deviations = [errors_px(one, shift_px) / np.hypot(sigmas_px(one), 0.01) for one in found]
    assert np.sqrt(np.mean(np.square(deviations))) < 1.5
    # half a per cent of bias is left where both frames have as little light as this
    assert np.mean([one.ratio for one in found]) == pytest.approx(1, abs=0.015)


def test_a_black_level_that_is_off_shows_as_offset() -> None:
    pair = make_pair(scene(), signal_e=3)
    found = register(pair.long, pair.short + 5, ratio=pair.ratio, noise=pair.noise)
    assert found.offset_dn == pytest.approx(5, abs=0.5)
    assert errors_px(found, (0, 0)) == pytest.approx((0, 0), abs=0.1)
    assert found.ratio == pytest.approx(100, rel=0.03)


def test_a_wrong_noise_model_shows_in_chi2_and_leaves_the_uncertainty_honest() -> None:
    pair = make_pair(scene(), signal_e=3)
    right = registered(pair)
    wrong = register(
        pair.long, pair.short, ratio=100, noise=NoiseModel(pair.noise.gain_e_per_dn, pair.noise.read_noise_e / 1.5)
    )
    assert right.chi2 == pytest.approx(1, abs=0.05)
    assert wrong.chi2 is not None
    assert wrong.chi2 > 1.3
    assert wrong.sigma_px == pytest.approx(right.sigma_px, rel=0.1)


@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (1.0, 0.0), (1.5, -1.0)])
def test_strong_fixed_pattern_does_not_pull_the_shift(shift_px: Shift) -> None:
    body = Pattern.of_body(3, SHAPE)
    strong = Pattern(offset_e=3 * body.offset_e, hot_e=3 * body.hot_e)
    found = [
        registered(make_pair(scene(), signal_e=0.8, ratio=300, shift_px=shift_px, pattern=strong, seed=seed))
        for seed in SEEDS
    ]
    mean_error = np.mean([errors_px(one, shift_px) for one in found], axis=0)
    assert np.abs(mean_error).max() < 4 * sigmas_px(found[0]).max() / len(SEEDS) ** 0.5


def test_clipped_highlights_are_left_out() -> None:
    pair = make_pair(scene(highlights=True), signal_e=3, shift_px=(0.5, 0.2))
    found = registered(pair)
    assert 0.9 < found.usable < 1
    assert errors_px(found, (0.5, 0.2)) == pytest.approx((0, 0), abs=0.12)
    assert found.ratio == pytest.approx(100, rel=0.03)


def raw_frame(above_black: Mosaic, white_dn: float = 15000.0) -> RawFrame:
    """As a camera would have stored it, with another black for each plane."""
    black = (2048.0, 2050.0, 2046.0, 2048.0)
    mosaic = np.nan_to_num(above_black, nan=65535)
    for plane, level in enumerate(black):
        mosaic[plane // 2 :: 2, plane % 2 :: 2] += level
    return RawFrame(
        mosaic=np.clip(mosaic, 0, white_dn).astype(np.uint16),
        cfa=np.array(((0, 1), (3, 2)), np.uint8),
        black=BlackLevel(per_plane_dn=black, source="masked pixels"),
        white=WhiteLevel(dn=white_dn, source="test"),
        white_balance=(2.0, 1.0, 1.5),
        exif=Exif(),
    )


def test_a_raw_frame_gives_what_its_mosaic_gives() -> None:
    pair = make_pair(scene(highlights=True), signal_e=3, shift_px=(1.2, 0.0))
    from_raw = register(raw_frame(pair.long), raw_frame(pair.short), ratio=100, noise=pair.noise)
    from_mosaic = registered(pair)
    assert from_raw.usable == pytest.approx(from_mosaic.usable, abs=0.01)
    assert from_raw.shift_px == pytest.approx(from_mosaic.shift_px, abs=0.02)


def textureless(level_dn: float) -> Mosaic:
    noise = np.random.default_rng(1).normal(0, 20, SHAPE)
    return (level_dn + noise).astype(np.float32)


@pytest.mark.parametrize(
    ("long", "short", "problems"),
    [
        (np.full(SHAPE, 5000, np.float32), np.full(SHAPE, 50, np.float32), {Problem.FLAT}),
        (np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32), {Problem.FLAT}),
        (np.full(SHAPE, np.nan, np.float32), np.full(SHAPE, 50, np.float32), {Problem.CLIPPED}),
        (textureless(5000), np.full(SHAPE, np.nan, np.float32), {Problem.CLIPPED}),
        (textureless(1000), textureless(10)[::-1], {Problem.FLAT, Problem.DARK}),
    ],
)
def test_where_nothing_can_be_measured_nothing_is_claimed(long: Mosaic, short: Mosaic, problems: set[Problem]) -> None:
    found = register(long, short, ratio=100, noise=NOISE)
    assert found.shift_px is None
    assert found.problem in problems
    verdict, reasons = judge(found, true_ratio=100)
    assert verdict is Verdict.UNDETERMINED
    assert reasons[0]


def fence(shift_px: tuple[float, float], *, signal_e: float, seed: int, something_single: bool = False) -> Mosaic:
    """Bright and dark fields in turn, DN; with one soft lamp among them where asked for."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    x, y = x - shift_px[0], y - shift_px[1]
    light = 0.5 + 0.4 * np.tanh(4 * np.sin(2 * np.pi * x / 46)) * np.tanh(4 * np.sin(2 * np.pi * y / 38))
    if something_single:
        light += np.exp(-((x - 200) ** 2 + (y - 150) ** 2) / (2 * 25**2))
    rng = np.random.default_rng(seed)
    electrons = rng.poisson(light * signal_e) + rng.normal(0, NOISE.read_noise_e, SHAPE)
    return (electrons / NOISE.gain_e_per_dn).astype(np.float32)


@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (46.0, 0.0), (3.0, 1.0)])
@pytest.mark.parametrize("signal_e", [1.0, 10.0])
def test_a_scene_that_repeats_itself_is_never_called_aligned(shift_px: tuple[float, float], signal_e: float) -> None:
    long = fence((0, 0), signal_e=100 * signal_e, seed=1)
    found = register(long, fence(shift_px, signal_e=signal_e, seed=2), ratio=100, noise=NOISE)
    assert (found.shift_px, found.problem) == (None, Problem.REPEATING)
    verdict, (reason,) = judge(found, true_ratio=100)
    assert (verdict, "repeats itself" in reason) == (Verdict.UNDETERMINED, True)


def test_one_single_thing_among_many_alike_tells_where_the_short_lies() -> None:
    long = fence((0, 0), signal_e=1000, seed=1, something_single=True)
    short = fence((1, 0), signal_e=10, seed=2, something_single=True)
    assert register(long, short, ratio=100, noise=NOISE).shift_px == pytest.approx((1, 0), abs=0.05)


@pytest.mark.parametrize("signal_e", [0.005, 0.02])
def test_too_dark_a_short_is_called_too_dark(signal_e: float) -> None:
    pair = make_pair(scene(), signal_e=signal_e, ratio=5000, pattern=Pattern.of_body(1, SHAPE))
    verdict, reasons = judge(registered(pair), true_ratio=5000)
    assert verdict is Verdict.UNDETERMINED
    assert "too dark to tell" in reasons[0]


@pytest.mark.parametrize("signal_e", [1.0, 20.0])
def test_another_scene_is_never_aligned(signal_e: float) -> None:
    pair, other = (make_pair(scene(seed), signal_e=signal_e) for seed in (1, 2))
    verdict, reasons = judge(
        register(pair.long, other.short, ratio=100, noise=pair.noise), true_ratio=100, tolerance_px=10
    )
    assert verdict is Verdict.UNDETERMINED
    assert "in the long" in reasons[0] or "does not show what the long shows" in reasons[0]


@pytest.mark.parametrize("ratio", [0.0, -3.0, float("nan"), float("inf")])
def test_an_impossible_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(RegistrationError, match="impossible"):
        register(textureless(100), textureless(1), ratio=ratio, noise=NOISE)


def test_frames_that_cannot_be_compared_are_refused() -> None:
    frame = textureless(100)
    with pytest.raises(RegistrationError, match="480 x 320 and 480 x 318"):
        register(frame, frame[:318], ratio=1, noise=NOISE)
    with pytest.raises(RegistrationError, match="too small"):
        register(frame[:100], frame[:100], ratio=1, noise=NOISE)
    with pytest.raises(RegistrationError, match="only Bayer"):
        register(np.stack([frame] * 3, axis=-1), frame, ratio=1, noise=NOISE)


def test_frames_of_different_colour_filter_arrays_are_refused() -> None:
    long, short = raw_frame(textureless(100)), raw_frame(textureless(1))
    turned = RawFrame(**{**vars(short), "cfa": np.array(((2, 3), (1, 0)), np.uint8)})
    with pytest.raises(RegistrationError, match="colour filter arrays"):
        register(long, turned, ratio=100, noise=NOISE)
    x_trans = RawFrame(**{**vars(short), "cfa": np.zeros((6, 6), np.uint8)})
    with pytest.raises(RegistrationError, match="only Bayer"):
        register(long, x_trans, ratio=100, noise=NOISE)
