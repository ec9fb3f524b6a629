"""The measure by which somebody turns the focus: it follows the focus, and neither the noise nor the light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.capture.live.looking import Picture
from sidcap.capture.live.sharpness import Box, edges_in_focus, fine_detail, sharpness
from sidcap.data_manifest.errors import CameraError

Plane = NDArray[np.float32]


def scene(seed: int = 1) -> Plane:
    """Structures of all sizes, 20 to 200, as nature has them: amplitude falls with frequency."""
    rng = np.random.default_rng(seed)
    down, across = np.fft.fftfreq(240)[:, None], np.fft.fftfreq(320)[None, :]
    spectrum = np.fft.fft2(rng.standard_normal((240, 320))) / np.maximum(np.hypot(down, across), 1 / 320)
    plane = np.real(np.fft.ifft2(spectrum))
    return np.asarray(110 + 25 * np.clip(plane / plane.std(), -3.5, 3.5), np.float32)


def defocused(plane: Plane, radius_px: float) -> Plane:
    """Through a lens that is out of focus: each point is a disc."""
    if radius_px == 0:
        return plane
    reach = int(np.ceil(radius_px)) + 1
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius_px + 0.5 - np.hypot(down, across), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(plane, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT), np.float32)


def score(plane: Plane, noise: float = 0.0, seed: int = 0) -> float:
    """Of two pictures of it, each with its own noise."""
    rng = np.random.default_rng(seed)
    first, second = (plane + np.float32(noise) * rng.standard_normal(plane.shape, np.float32) for _ in range(2))
    found = sharpness(fine_detail(first), fine_detail(second), second)
    assert found is not None
    return found


@pytest.mark.parametrize("noise", [0.0, 5.0, 20.0])
def test_it_falls_with_every_step_out_of_focus_whatever_the_noise(noise: float) -> None:
    scores = [score(defocused(scene(), radius), noise) for radius in (0.0, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.2 * scores[0]


def test_noise_does_not_count_as_detail() -> None:
    for radius in (0.0, 1.0, 3.0):
        plane = defocused(scene(), radius)
        assert score(plane, noise=15.0) == pytest.approx(score(plane), rel=0.1, abs=0.1)
    grey = np.full((240, 320), 100, np.float32)
    noisy = grey + 15 * np.random.default_rng(3).standard_normal(grey.shape, np.float32)
    from_one_picture = sharpness(fine_detail(noisy), fine_detail(noisy), noisy)
    assert from_one_picture is not None
    assert score(grey, noise=15.0) < 0.1 * from_one_picture


@given(exposure=st.floats(0.1, 1.2), gamma=st.floats(0.9, 1.1), seed=st.integers(0, 5))
def test_it_hardly_moves_with_the_exposure(exposure: float, gamma: float, seed: int) -> None:
    plane = scene(seed)
    brighter = np.asarray(plane * exposure ** (gamma / 2.2), np.float32)
    assert score(brighter) == pytest.approx(score(plane), rel=1e-3)


@given(
    left=st.floats(0, 0.9),
    top=st.floats(0, 0.9),
    width=st.floats(0.001, 0.1),
    height=st.floats(0.001, 0.1),
)
def test_every_box_within_the_picture_has_pixels(left: float, top: float, width: float, height: float) -> None:
    part = Box(left, top, width, height).cut(scene())
    assert part.size > 0
    assert part.shape[0] <= 240 * height + 2
    assert part.shape[1] <= 320 * width + 2


@given(
    box=st.tuples(*[st.floats(0.05, 0.45)] * 4),
    at=st.integers(0, 3),
    wrong=st.sampled_from([-0.01, -5.0, 1.01, 1e9, float("nan"), float("inf"), float("-inf")]),
)
def test_a_box_that_leaves_the_picture_is_refused(
    box: tuple[float, float, float, float], at: int, wrong: float
) -> None:
    Box(*box)
    with pytest.raises(ValueError, match="no part of a picture"):
        Box(*(wrong if index == at else field for index, field in enumerate(box)))


def test_nothing_is_said_of_black_pictures_and_of_the_first_one() -> None:
    black = np.zeros((24, 32), np.float32)
    assert sharpness(fine_detail(black), fine_detail(black), black) is None
    look = Picture.of(jpeg_of(scene()), None).look(Box(0.2, 0.2, 0.5, 0.5))
    assert (look.sharpness, look.box_sharpness) == (None, None)


def test_edges_in_focus_are_those_of_the_sharp_half() -> None:
    stripes = np.where(np.arange(320) // 20 % 2, 180, 60).astype(np.float32) * np.ones((240, 1), np.float32)
    plane = np.hstack([stripes[:, :160], defocused(stripes, 5.0)[:, 160:]])
    rng = np.random.default_rng(2)
    first, second = (plane + 6 * rng.standard_normal(plane.shape, np.float32) for _ in range(2))
    edges = edges_in_focus(fine_detail(first), fine_detail(second), second)
    assert edges[:, 5:150].mean() > 0.1
    assert edges[:, 170:315].mean() < 0.01


def test_a_look_tells_what_is_white_and_black_and_counts_every_pixel() -> None:
    plane = np.full((100, 200), 128, np.float32)
    plane[:, :20], plane[:, 20:30] = 255, 0
    first = Picture.of(jpeg_of(plane), None)
    look = Picture.of(jpeg_of(plane), first).look(Box(0.5, 0.5, 0.25, 0.25))
    assert (look.width, look.height) == (200, 100)
    assert look.white_share == pytest.approx(0.1, abs=0.005)
    assert look.black_share == pytest.approx(0.05, abs=0.005)
    assert [sum(channel) for channel in look.histogram] == [20_000] * 3
    assert look.box_sharpness == pytest.approx(0, abs=0.01)
    assert look.sharpness is not None
    assert look.sharpness > 1


def test_a_picture_of_another_size_is_not_compared_with_the_one_before() -> None:
    large, small = Picture.of(jpeg_of(scene()), None), jpeg_of(scene()[:100, :100])
    assert Picture.of(small, large).look(Box(0, 0, 1, 1)).sharpness is None


@pytest.mark.parametrize("rubbish", [b"", b"\xff\xd8 no picture", b"0" * 100])
def test_what_is_no_picture_is_an_error_that_says_what_to_do(rubbish: bytes) -> None:
    with pytest.raises(CameraError, match="check the cable"):
        Picture.of(rubbish, None)


def jpeg_of(plane: Plane) -> bytes:
    _, jpeg = cv2.imencode(".jpg", np.clip(plane, 0, 255).astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, 95))
    return bytes(jpeg)
