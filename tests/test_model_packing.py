"""Packing: every phase of a Bayer mosaic, X-Trans, and what a network is given of what is packed."""

from __future__ import annotations

import numpy as np
import pytest
import records
import tiny_raw
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sidcap.data_manifest.errors import RawError
from sidcap.data_manifest.schema import BlackLevel, Ratio, WhiteLevel
from sidcap.model import InputConfig, Levels, input_ratio, network_input, pack, unpack
from sidcap.model.packing import X_TRANS, layout_of

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
    assert np.moveaxis(network_input(planes, levels, 1, InputConfig()), 0, -1).flags.c_contiguous


@given(top=st.integers(0, 5), left=st.integers(0, 5), height=st.integers(12, 40), width=st.integers(12, 40))
def test_an_x_trans_mosaic_of_any_phase_packs_into_planes_of_one_colour_each(
    top: int, left: int, height: int, width: int
) -> None:
    cfa = np.roll(X_TRANS.pattern, (top, left), (0, 1))
    planes = pack(np.tile(cfa, (8, 8))[:height, :width], cfa)
    assert [np.unique(plane).tolist() for plane in planes] == [[0], [1], [2], [0], [2], [1], [1], [1], [1]]
    _, (first_row, first_column) = layout_of(cfa)
    mosaic = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    back = unpack(pack(mosaic, cfa))
    assert back.shape == ((height - first_row) // 3 * 3, (width - first_column) // 3 * 3)
    np.testing.assert_array_equal(back, mosaic[first_row:, first_column:][: back.shape[0], : back.shape[1]])


def test_x_trans_is_packed_as_sid_packs_a_fuji() -> None:
    """The first cells by hand, after SID's ``pack_raw`` for Fuji: red, green and blue, red, blue, then the greens."""
    mosaic = np.arange(36, dtype=np.uint16).reshape(6, 6)
    expected = {
        (0, 0): [(0, 0), (0, 2), (0, 1), (1, 2), (2, 2), (1, 0), (1, 1), (2, 0), (2, 1)],
        (0, 1): [(0, 4), (0, 5), (0, 3), (2, 5), (1, 5), (1, 3), (1, 4), (2, 3), (2, 4)],
        (1, 0): [(3, 1), (3, 2), (3, 0), (5, 2), (4, 2), (4, 0), (4, 1), (5, 0), (5, 1)],
        (1, 1): [(3, 3), (3, 5), (3, 4), (4, 5), (5, 5), (4, 3), (4, 4), (5, 3), (5, 4)],
    }
    planes = pack(mosaic, X_TRANS.pattern)
    for (row, column), sites in expected.items():
        assert planes[:, row, column].tolist() == [mosaic[site] for site in sites]


@pytest.mark.parametrize(
    "cfa",
    [np.zeros((6, 6), np.uint8), np.array([[0, 2], [1, 1]], np.uint8), np.array([[1, 1], [1, 1]], np.uint8)],
    ids=["all red", "red beside blue", "no red"],
)
def test_what_is_neither_bayer_nor_x_trans_is_refused(cfa: NDArray[np.uint8]) -> None:
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
    np.testing.assert_array_equal(network_input(pack(mosaic, PHASES[phase]), levels, 300, InputConfig()), 0)


def test_black_of_an_x_trans_mosaic_is_that_of_each_planes_photosites() -> None:
    cfa = np.roll(X_TRANS.pattern, (1, 2), (0, 1))
    by_colour = np.array([1020.0, 1024.0, 1030.0])[cfa]
    frame = records.frame("short/a.RAF", black=BlackLevel(per_plane_dn=tuple(by_colour.flat), source="file"))
    levels = Levels.of(frame, cfa)
    assert levels.black_dn == (1020, 1024, 1030, 1020, 1030, 1024, 1024, 1024, 1024)
    mosaic = np.tile(by_colour, (4, 4)).astype(np.uint16)
    np.testing.assert_array_equal(network_input(pack(mosaic, cfa), levels, 300, InputConfig()), 0)
    with pytest.raises(RawError, match="36 black levels do not fit a 2 x 2 mosaic"):
        Levels.of(frame, PHASES["RGGB"])


def flat(*numbers: int, planes: int = 4) -> NDArray[np.uint16]:
    """(P, 1, n): these DN in every plane."""
    return np.array(numbers, np.uint16).reshape(1, 1, -1).repeat(planes, axis=0)


CANON = Levels(black_dn=(2047, 2048, 2049, 2048), white_dn=15283)


def test_amplification_is_signal_over_range_times_ratio() -> None:
    levels = Levels(black_dn=(2048, 2048, 2048, 2048), white_dn=15283)
    planes = flat(2048, 2058, 2038, 15283)
    kept = network_input(planes, levels, 101.6, InputConfig())
    gain = 101.6 / (15283 - 2048)
    np.testing.assert_allclose(kept[0, 0], [0, 10 * gain, -10 * gain, 1], rtol=1e-6)
    assert kept.dtype == np.float32
    clipped = network_input(planes, levels, 101.6, InputConfig(keep_negatives=False))
    np.testing.assert_allclose(clipped[0, 0], [0, 10 * gain, 0, 1], rtol=1e-6)
    assert planes[0, 0].tolist() == [2048, 2058, 2038, 15283]


def test_a_ratio_above_300_is_capped_where_that_is_asked_for() -> None:
    levels = Levels(black_dn=(0, 0, 0, 0), white_dn=10000)
    np.testing.assert_allclose(network_input(flat(10), levels, 322.5, InputConfig()), 0.3225, rtol=1e-6)
    np.testing.assert_allclose(network_input(flat(10), levels, 322.5, InputConfig(ratio_cap=300)), 0.3, rtol=1e-6)
    np.testing.assert_allclose(network_input(flat(10), levels, 100.0, InputConfig(ratio_cap=300)), 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    ("measured", "black_dn"),
    [
        (CANON, 2048),
        (Levels((510, 512, 514, 512), 16300), 512),
        (Levels((1020,) * 9, 16000), 1024),
    ],
    ids=["Canon", "Sony", "Fuji"],
)
def test_sids_constants_are_those_of_the_make(measured: Levels, black_dn: float) -> None:
    planes = flat(3000, planes=len(measured.black_dn))
    given = network_input(planes, measured, 2, InputConfig(levels="sid"))
    np.testing.assert_allclose(given, (3000 - black_dn) / (16383 - black_dn) * 2, rtol=1e-6)


def test_the_ratio_is_the_one_that_was_asked_for() -> None:
    ratio = Ratio(nominal=300, true=322.5, measured=318.0)
    assert [input_ratio(ratio, InputConfig(ratio=kind)) for kind in ("nominal", "true", "measured")] == [
        300,
        322.5,
        318,
    ]
    assert input_ratio(Ratio(nominal=300, true=322.5), InputConfig(ratio="measured")) == 322.5


@given(seed=st.integers(0, 2**32 - 1), planes=st.sampled_from([4, 9]))
def test_dark_and_hot_photosites_are_taken_out_where_that_is_asked_for(seed: int, planes: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (planes, 7, 9)
    dark_dn = rng.uniform(-30, 300, shape).astype(np.float32)
    hot = rng.random(shape) < 0.05
    raw = 3000 + dark_dn + 5000 * hot
    levels = Levels((2000,) * planes, 12000)
    shaded = network_input(raw, levels, 5, InputConfig(dark_shading=True), dark_dn=dark_dn, hot=hot)
    np.testing.assert_allclose(shaded, 0.5, atol=1e-4)
    np.testing.assert_allclose(
        network_input(raw, levels, 5, InputConfig(), dark_dn=dark_dn, hot=hot),
        network_input(raw, levels, 5, InputConfig()),
    )


def test_a_hot_photosite_among_hot_ones_stays_as_it_is() -> None:
    hot = np.ones((4, 3, 3), np.bool_)
    levels = Levels((0, 0, 0, 0), 100)
    planes = np.arange(36, dtype=np.uint16).reshape(4, 3, 3)
    given = network_input(planes, levels, 1, InputConfig(dark_shading=True), hot=hot)
    np.testing.assert_allclose(given * 100, planes, rtol=1e-6)
