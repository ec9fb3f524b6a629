"""What high ISO leaves: each measure finds what was put into a residual, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.model import residue
from sidcap.model.high_iso import EDGES, Edge, glowing_edge, row_pattern

SIZE = (480, 640)


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    """A reference with bright and dark places, all within what can be added to without clipping."""
    rows, columns = np.mgrid[: size[0], : size[1]] / max(size)
    phases = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = np.sin(5 * rows + phases[0]) * np.sin(7 * columns + phases[1]) + np.sin(9 * (rows - columns) + phases[2])
    light = 0.25 + 0.25 * (waves + 2) / 4
    return np.stack([light, 0.9 * light, 0.8 * light], axis=2).astype(np.float32)


def noisy(picture: NDArray[np.float32], seed: int = 1, sigma: float = 0.03) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return (picture + noise).astype(np.float32)


def test_noise_alone_has_no_pattern_no_cast_and_no_glow() -> None:
    found = residue(noisy(scene()), scene())
    # Noise of 0.03 in three channels leaves row means with 0.0007; the pattern is told apart from that.
    assert found.row_pattern < 0.0003
    assert found.column_pattern < 0.0003
    assert np.hypot(found.dark_a, found.dark_b) < 0.1
    assert all(abs(glow) < 0.0005 for glow in found.glow.values())


@pytest.mark.parametrize("amplitude", [0.002, 0.01, 0.03])
def test_the_pattern_that_was_put_in_is_found_in_its_own_direction(amplitude: float) -> None:
    offsets = np.random.default_rng(3).normal(0, 1, SIZE[0])
    offsets *= amplitude / offsets.std()
    found = residue(noisy(scene()) + offsets[:, None, None].astype(np.float32), scene())
    assert found.row_pattern == pytest.approx(amplitude, rel=0.08)
    assert found.column_pattern < 0.0003
    turned = residue(
        np.swapaxes(noisy(scene()) + offsets[:, None, None].astype(np.float32), 0, 1), scene().swapaxes(0, 1)
    )
    assert turned.column_pattern == pytest.approx(found.row_pattern)


@given(seed=st.integers(0, 2**32), share=st.floats(0.05, 3))
@settings(max_examples=20)
def test_the_noise_of_the_pixels_does_not_count_as_pattern(seed: int, share: float) -> None:
    """Whatever the pattern is beside the noise of a row's mean, its square is found without bias."""
    random = np.random.default_rng(seed)
    mean_sigma = 0.05 / np.sqrt(SIZE[1])
    squares = []
    for _ in range(4):
        offsets = random.normal(0, share * mean_sigma, (SIZE[0], 1))
        squares.append(row_pattern((random.normal(0, 0.05, SIZE) + offsets).astype(np.float32)) ** 2)
    # Cutting at zero lifts a weak pattern a little.
    assert np.mean(squares) == pytest.approx((share * mean_sigma) ** 2, rel=0.2, abs=0.1 * mean_sigma**2)


def test_what_changes_slowly_is_no_pattern() -> None:
    slow = 0.05 * np.sin(np.arange(SIZE[0]) / SIZE[0] * 6)[:, None].astype(np.float32)
    assert row_pattern(np.broadcast_to(slow, SIZE)) < 0.002


def test_what_only_one_part_of_a_row_has_is_no_pattern_of_rows() -> None:
    stripe = np.zeros(SIZE, np.float32)
    stripe[:, :80] = np.random.default_rng(0).normal(0, 0.02, (SIZE[0], 1))
    assert row_pattern(stripe) < 0.02 / 8


def test_a_cast_in_the_dark_has_its_direction_in_the_colours_of_the_eye() -> None:
    light = scene().mean(axis=2, keepdims=True)
    dark = (light < np.quantile(light, 0.2)).astype(np.float32)
    for cast, red, yellow in (([0.03, 0, 0], 1, 1), ([0, 0.03, 0], -1, 1), ([0, 0, 0.03], 0, -1)):
        found = residue(noisy(scene() + dark * np.array(cast, np.float32)), scene())
        assert np.hypot(found.dark_a, found.dark_b) > 2
        assert red == 0 or np.sign(found.dark_a) == red
        assert np.sign(found.dark_b) == yellow


def test_a_cast_in_the_light_alone_is_none_in_the_dark() -> None:
    light = scene().mean(axis=2, keepdims=True)
    bright = (light > np.quantile(light, 0.8)).astype(np.float32)
    found = residue(noisy(scene() + bright * np.array([0.05, 0, 0], np.float32)), scene())
    assert np.hypot(found.dark_a, found.dark_b) < 0.2


@pytest.mark.parametrize("edge", EDGES)
def test_a_glow_is_found_at_its_edge_and_as_bright_as_it_is(edge: Edge) -> None:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    towards = {"left": columns, "right": SIZE[1] - 1 - columns, "top": rows, "bottom": SIZE[0] - 1 - rows}[edge]
    band = towards < (SIZE[1] if edge in ("left", "right") else SIZE[0]) / 8
    found = residue(noisy(scene()) + np.float32(0.02) * band[..., None], scene())
    assert found.glow[edge] == pytest.approx(0.02, rel=0.03)
    assert all(abs(found.glow[other]) < 0.001 for other in EDGES if other != edge)
    assert glowing_edge([found.glow]) == edge


def test_a_glow_that_fades_is_as_bright_as_it_is_on_average_near_the_edge() -> None:
    columns = np.arange(SIZE[1])[::-1]
    fading = 0.05 * np.exp(-columns / 40)
    found = residue(noisy(scene()) + fading[None, :, None].astype(np.float32), scene())
    assert found.glow["right"] == pytest.approx(fading[-80:].mean() - fading[:-80].mean(), rel=0.15)
    assert glowing_edge([found.glow]) == "right"


def test_a_picture_that_is_too_bright_by_a_factor_does_not_glow() -> None:
    brighter_on_one_side = scene() * np.linspace(0.6, 1.2, SIZE[1], dtype=np.float32)[None, :, None]
    found = residue(noisy(brighter_on_one_side * 1.1), brighter_on_one_side)
    assert all(abs(glow) < 0.001 for glow in found.glow.values())


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    for shapes in (((40, 41, 3), (41, 40, 3)), ((20, 200, 3), (20, 200, 3))):
        with pytest.raises(ValueError, match="cannot be compared"):
            residue(*(np.zeros(shape, np.float32) for shape in shapes))
