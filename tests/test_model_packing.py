"""Packing: every phase of a Bayer mosaic, and the amplification of what is packed."""

from __future__ import annotations

import numpy as np
import pytest
import records
import tiny_raw
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.schema import BlackLevel, WhiteLevel
from sidcap.model import Levels, amplify, pack, unpack

PHASES = {name: np.array(pattern, np.uint8) for name, pattern in tiny_raw.PHASES.items()}
FIRST_RED = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}


def colours(cfa: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The colour of every photosite."""
    return np.tile(cfa, (height // 2 + 1, width // 2 + 1))[:height, :width]


@given(phase=st.sampled_from(sorted(PHASES)), height=st.integers(3, 12), width=st.integers(3, 12))
def test_unpacking_gives_back_the_mosaic_from_its_first_red_photosite_on(phase: str, height: int, width: int) -> None:
    mosaic = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    top, left = FIRST_RED[phase]
    back = unpack(pack(mosaic, PHASES[phase]))
    assert back.dtype == np.uint16
    assert back.shape == ((height - top) // 2 * 2, (width - left) // 2 * 2)
    np.testing.assert_array_equal(back, mosaic[top : top + back.shape[0], left : left + back.shape[1]])


@pytest.mark.parametrize("phase", PHASES)
def test_planes_are_red_green_of_reds_rows_blue_green_of_blues_rows(phase: str) -> None:
    planes = pack(colours(PHASES[phase], 9, 7), PHASES[phase])
    assert [np.unique(plane).tolist() for plane in planes] == [[0], [1], [2], [3]]


def test_both_greens_may_carry_the_same_number() -> None:
    mosaic = np.arange(16, dtype=np.uint16).reshape(4, 4)
    plain = np.array([[0, 1], [1, 2]], np.uint8)
    np.testing.assert_array_equal(pack(mosaic, plain), pack(mosaic, PHASES["RGGB"]))


def test_planes_lie_channels_last_in_memory() -> None:
    planes = pack(np.zeros((64, 64), np.uint16), PHASES["RGGB"])
    assert np.moveaxis(planes, 0, -1).flags.c_contiguous
    levels = Levels(black_dn=(0, 0, 0, 0), white_dn=1)
    assert np.moveaxis(amplify(planes, levels, 1), 0, -1).flags.c_contiguous


@pytest.mark.parametrize(
    "cfa",
    [np.zeros((6, 6), np.uint8), np.array([[0, 2], [1, 1]], np.uint8), np.array([[1, 1], [1, 1]], np.uint8)],
    ids=["x-trans", "red beside blue", "no red"],
)
def test_what_is_no_bayer_pattern_is_refused(cfa: NDArray[np.uint8]) -> None:
    with pytest.raises(RawError, match="cannot be packed"):
        pack(np.zeros((12, 12), np.uint16), cfa)


@pytest.mark.parametrize("phase", PHASES)
def test_black_of_each_photosite_goes_to_its_own_plane(phase: str) -> None:
    per_site = (100.0, 200.0, 300.0, 400.0)
    frame = records.frame(
        "short/a.CR2",
        black=BlackLevel(per_plane_dn=per_site, source="file"),
        white=WhiteLevel(dn=1100, source="test"),
    )
    mosaic = np.tile(np.array(per_site, np.uint16).reshape(2, 2), (4, 4))
    levels = Levels.of(frame, PHASES[phase])
    np.testing.assert_array_equal(amplify(pack(mosaic, PHASES[phase]), levels, 300), 0)


def test_amplification_is_signal_over_range_times_ratio() -> None:
    planes = np.array([2048, 2058, 2038, 15283], np.uint16).reshape(1, 1, 4).repeat(4, axis=0)
    levels = Levels(black_dn=(2048, 2048, 2048, 2048), white_dn=15283)
    kept = amplify(planes, levels, 101.6)
    gain = 101.6 / (15283 - 2048)
    np.testing.assert_allclose(kept[0, 0], [0, 10 * gain, -10 * gain, 1], rtol=1e-6)
    assert kept.dtype == np.float32
    clipped = amplify(planes, levels, 101.6, keep_negatives=False)
    np.testing.assert_allclose(clipped[0, 0], [0, 10 * gain, 0, 1], rtol=1e-6)


def test_a_ratio_above_300_is_not_capped() -> None:
    planes = np.full((4, 1, 1), 10, np.uint16)
    levels = Levels(black_dn=(0, 0, 0, 0), white_dn=10000)
    np.testing.assert_allclose(amplify(planes, levels, 322.5), 0.3225, rtol=1e-6)
