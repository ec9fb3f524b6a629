"""PSNR by the study's equations, SSIM as scikit-image has it, on real values and on 8-bit ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from sidcap.model import mse, psnr_db, quality, ssim
from sidcap.model.metrics import brightness_gain


def pictures(seed: int, height: int = 300, width: int = 57) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A picture and its reference, correlated."""
    random = np.random.default_rng(seed)
    reference = random.random((height, width, 3)) ** 2 * 0.8
    picture = np.clip(reference * 0.7 + random.normal(0, 0.05, reference.shape), 0, 1)
    return picture.astype(np.float32), reference.astype(np.float32)


def test_mse_is_the_mean_of_the_squared_differences() -> None:
    picture = np.zeros((2, 2, 3), np.float32)
    picture[0, 0] = (0.5, 0.25, 0)
    assert mse(picture, np.zeros((2, 2, 3), np.float32)) == pytest.approx((0.25 + 0.0625) / 12)


@given(offset=st.floats(1e-3, 1.0), rows=st.integers(1, 600))
def test_psnr_of_a_constant_offset_is_minus_twenty_log_of_it(offset: float, rows: int) -> None:
    picture = np.full((rows, 2, 3), offset, np.float32)
    assert psnr_db(picture, np.zeros_like(picture)) == pytest.approx(-20 * math.log10(offset), abs=1e-4)


def test_psnr_of_16_bit_pictures_is_that_of_their_values_in_0_to_1() -> None:
    ints = np.random.default_rng(0).integers(0, 65536, (300, 7, 3), np.uint16)
    other = np.random.default_rng(1).integers(0, 65536, (300, 7, 3), np.uint16)
    expected = 10 * np.log10(1 / np.mean((ints / 65535 - other / 65535) ** 2))
    assert psnr_db(ints, other) == pytest.approx(expected, abs=1e-4)
    assert psnr_db((ints / 65535).astype(np.float32), other) == pytest.approx(expected, abs=1e-4)


def test_psnr_of_8_bit_pictures_is_that_of_files_with_a_peak_of_255() -> None:
    picture, reference = pictures(0)
    files = [np.rint(values * 255).astype(np.uint8).astype(float) for values in (picture, reference)]
    expected = 10 * np.log10(255**2 / np.mean((files[0] - files[1]) ** 2))
    assert psnr_db(picture, reference, eight_bit=True) == pytest.approx(expected, abs=1e-4)


def test_rounding_to_8_bit_limits_what_nearly_equal_pictures_can_reach() -> None:
    reference = np.full((20, 20, 3), 100 / 255, np.float32)
    assert psnr_db(reference + np.float32(0.4 / 255), reference) == pytest.approx(20 * math.log10(255 / 0.4), abs=0.01)
    assert psnr_db(reference + np.float32(0.4 / 255), reference, eight_bit=True) == math.inf
    assert psnr_db(reference + np.float32(0.6 / 255), reference, eight_bit=True) == pytest.approx(
        20 * math.log10(255), abs=0.01
    )


def test_values_outside_0_to_1_count_as_clipped() -> None:
    picture = np.array([[[-3.0, 0.5, 7.0]]], np.float32)
    assert psnr_db(picture, np.array([[[0, 0.5, 1]]], np.float32)) == math.inf


def test_pictures_of_different_shapes_are_not_compared() -> None:
    for measure in (mse, ssim, brightness_gain):
        with pytest.raises(ValueError, match="cannot be compared"):
            measure(np.zeros((22, 23, 3), np.float32), np.zeros((23, 23, 3), np.float32))


@pytest.mark.parametrize("height", [11, 128, 138, 139, 300], ids=lambda height: f"{height} rows")
@pytest.mark.parametrize("eight_bit", [False, True])
def test_ssim_is_that_of_scikit_image(height: int, eight_bit: bool) -> None:
    picture, reference = pictures(height, height)
    files = [np.rint(values * 255.0) / 255 if eight_bit else values.astype(float) for values in (picture, reference)]
    expected = structural_similarity(
        *files, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=2
    )
    assert ssim(picture, reference, eight_bit=eight_bit) == pytest.approx(expected, abs=2e-5)


def test_ssim_of_equal_pictures_is_one_and_of_a_picture_without_detail_far_less() -> None:
    _, reference = pictures(1)
    assert ssim(reference, reference) == pytest.approx(1, abs=1e-6)
    assert ssim(np.full_like(reference, reference.mean()), reference) < 0.1


def test_ssim_needs_a_picture_that_holds_its_window() -> None:
    with pytest.raises(ValueError, match="smaller than SSIM's window"):
        ssim(np.zeros((10, 30, 3), np.float32), np.zeros((10, 30, 3), np.float32))


def test_the_brightness_gain_is_the_one_that_leaves_the_least_error() -> None:
    picture, reference = pictures(2)
    gain = brightness_gain(picture, reference)
    assert gain == pytest.approx(np.vdot(picture, reference) / np.vdot(picture, picture), rel=1e-5)
    assert all(mse(picture, reference, gain=gain) < mse(picture, reference, gain=gain * off) for off in (0.98, 1.02))
    found = quality(picture, reference)
    assert found.gain == pytest.approx(gain)
    assert found.aligned_psnr_db == pytest.approx(psnr_db(picture * np.float32(gain), reference), abs=1e-3)
    assert found.aligned_psnr_db > found.psnr_db


def test_one_gain_for_all_channels_leaves_a_colour_cast_where_it_is() -> None:
    _, reference = pictures(3)
    yellow = reference * np.array([1, 1, 0.5], np.float32)
    assert quality(yellow, reference).aligned_psnr_db < 25


def test_what_is_white_in_the_reference_has_no_say_in_the_gain() -> None:
    picture, reference = pictures(4)
    clipped = reference.copy()
    clipped[:50], picture[:50] = 1, 0.3
    assert brightness_gain(picture, clipped) == pytest.approx(brightness_gain(picture[50:], reference[50:]), rel=1e-5)


def test_a_black_picture_has_a_gain_of_one() -> None:
    assert brightness_gain(np.zeros((20, 20, 3)), np.full((20, 20, 3), 0.5)) == 1


def test_a_scaled_picture_is_judged_as_scaled_and_its_gain_counted_from_there() -> None:
    picture, reference = pictures(5)
    found = quality(picture, reference, scale=1.2)
    assert found.psnr_db == pytest.approx(psnr_db(np.clip(picture * np.float32(1.2), 0, 1), reference), abs=1e-4)
    assert found.gain == pytest.approx(brightness_gain(picture, reference) / 1.2)
