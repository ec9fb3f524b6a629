"""Raw files of other makers than Canon: X-Trans mosaics, Fuji's RAF and Sony's ARW. All files are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import foreign_raw
import numpy as np
import pytest
import tiny_raw
from numpy.typing import NDArray

from sidcap.curate import NoiseModel, register
from sidcap.data_manifest.errors import RawError, RegistrationError
from sidcap.data_manifest.raw import develop, develop_amplified, read_exif, read_raw
from sidcap.data_manifest.schema import BlackLevel
from sidcap.model.packing import pack

# What LibRaw calls the colours of `foreign_raw.X_TRANS`.
X_TRANS = [[{"R": 0, "G": 1, "B": 2}[letter] for letter in foreign_raw.X_TRANS[i : i + 6]] for i in range(0, 36, 6)]
EXIF = foreign_raw.exif(1000, (1, 30), f_number=3.5, shutter_speed=(5, 1))


@pytest.fixture
def x_trans_mosaic() -> NDArray[np.uint16]:
    """LibRaw develops no X-Trans mosaic whose sides are shorter than 512."""
    return np.random.default_rng(1).integers(900, 9000, (516, 528)).astype(np.uint16)


@pytest.mark.parametrize("container", ["RAF", "DNG"])
def test_an_x_trans_mosaic_is_read_with_its_pattern_black_and_exif(
    container: str, tmp_path: Path, x_trans_mosaic: NDArray[np.uint16]
) -> None:
    path = tmp_path / f"00001_00_0.033s.{container}"
    if container == "RAF":
        path.write_bytes(foreign_raw.raf(x_trans_mosaic, EXIF))
    else:
        path.write_bytes(tiny_raw.dng(x_trans_mosaic, foreign_raw.X_TRANS, make="FUJIFILM", model="X-T2", exif=EXIF))
    black_dn = {"RAF": foreign_raw.FUJI_BLACK_DN, "DNG": tiny_raw.BLACK_DN}[container]

    frame = read_raw(path)

    assert not frame.is_bayer
    assert frame.cfa.tolist() == X_TRANS
    assert np.array_equal(frame.mosaic, x_trans_mosaic)
    assert frame.black.per_plane_dn == (black_dn,) * 36
    assert frame.white.dn == 16383
    assert np.array_equal(frame.signal(), x_trans_mosaic.astype(np.float32) - black_dn)
    assert (frame.exif.make, frame.exif.model, frame.exif.iso) == ("FUJIFILM", "X-T2", 1000)
    assert frame.exif.exposure_s == pytest.approx(1 / 30)
    assert frame.exif.shutter_speed_s == 1 / 32
    assert frame.exif.aperture == 3.5
    assert develop(path).shape == (516, 528, 3)


def test_each_photosite_of_an_x_trans_mosaic_has_its_own_black(tmp_path: Path) -> None:
    path = tmp_path / "flat.dng"
    path.write_bytes(tiny_raw.dng(np.full((24, 36), 1000, np.uint16), foreign_raw.X_TRANS))
    frame = read_raw(path)
    levels = tuple(float(level) for level in range(36))

    signal = replace(frame, black=BlackLevel(per_plane_dn=levels, source="file")).signal()

    assert np.array_equal(signal[6:12, 12:18], 1000 - np.arange(36, dtype=np.float32).reshape(6, 6))


def test_an_amplified_x_trans_mosaic_is_developed_like_one_that_got_more_light(tmp_path: Path) -> None:
    mosaic = np.random.default_rng(0).integers(600, 4000, (520, 526), dtype=np.uint16)
    path, brighter = tmp_path / "dark.dng", tmp_path / "bright.dng"
    path.write_bytes(tiny_raw.dng(mosaic, foreign_raw.X_TRANS))
    brighter.write_bytes(tiny_raw.dng(tiny_raw.BLACK_DN + 3 * (mosaic - tiny_raw.BLACK_DN), foreign_raw.X_TRANS))
    frame = read_raw(path)
    amplified, expected = develop_amplified(path, 3, frame.black, frame.white), develop(brighter)
    # LibRaw's interpolation of X-Trans does not give the same twice near the lower and right edges.
    np.testing.assert_array_equal(amplified[:480, :480], expected[:480, :480])
    four_levels = BlackLevel(per_plane_dn=(512,) * 4, source="file")
    with pytest.raises(RawError, match="its black level is not that of a 6 x 6 mosaic: import it again"):
        develop_amplified(path, 1, four_levels, frame.white)


def test_what_needs_a_bayer_mosaic_refuses_x_trans(tmp_path: Path, x_trans_mosaic: NDArray[np.uint16]) -> None:
    path = tmp_path / "00001_00_0.1s.RAF"
    path.write_bytes(foreign_raw.raf(x_trans_mosaic, EXIF))
    frame = read_raw(path)

    assert pack(frame.mosaic, frame.cfa).shape[0] == 9
    with pytest.raises(RegistrationError):
        register(frame, frame, ratio=100, noise=NoiseModel(1, 3))


def test_a_compressed_arw_is_read_with_black_and_exif(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(96)) * 2  # a block spans less than 254
    mosaic = (foreign_raw.SONY_BLACK_DN + smooth).astype(np.uint16)
    path = tmp_path / "00001_00_10s.ARW"
    path.write_bytes(foreign_raw.arw(mosaic, foreign_raw.exif(200, (10, 1))))

    frame = read_raw(path)

    assert frame.is_bayer
    assert frame.cfa.tolist() == [[0, 1], [3, 2]]
    assert np.array_equal(frame.mosaic, mosaic)
    assert frame.black.per_plane_dn == (foreign_raw.SONY_BLACK_DN,) * 4
    assert (frame.exif.make, frame.exif.model, frame.exif.iso) == ("SONY", "ILCE-7SM2", 200)
    assert frame.exif.shutter_speed_s is None


def test_a_raf_that_ends_in_its_header_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "00001_00_10s.RAF"
    path.write_bytes(b"FUJIFILMCCD-RAW 0201FF383501X-T2")
    with pytest.raises(RawError, match="EXIF is broken"):
        read_exif(path)
    with pytest.raises(RawError, match="LibRaw cannot open it"):
        read_raw(path)


def test_a_truncated_raf_or_arw_is_one_line(tmp_path: Path, x_trans_mosaic: NDArray[np.uint16]) -> None:
    bayer = np.full((64, 96), foreign_raw.SONY_BLACK_DN, np.uint16)
    for name, content in (("a.RAF", foreign_raw.raf(x_trans_mosaic, EXIF)), ("a.ARW", foreign_raw.arw(bayer, EXIF))):
        for length in (len(content) - 1, len(content) * 3 // 4):
            (tmp_path / name).write_bytes(content[:length])
            with pytest.raises(RawError, match="truncated"):
                read_raw(tmp_path / name)
