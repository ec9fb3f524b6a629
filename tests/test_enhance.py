"""`sidcap enhance`: one raw file through a run's network, whole or in tiles, to a 16-bit picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import foreign_raw
import numpy as np
import pytest
import records
import tiny_raw
import torch
from numpy.typing import NDArray
from simulated_frames import SHOT, small_maker
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.data_manifest.schema import CameraBody, SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store
from sidcap.model import RunState, TrainConfig, UNet, enhance, load_network, pack
from sidcap.model.checkpoint import save_checkpoint

SIZE = (48, 72)
RATIO = 50.0
BLACK_DN, WHITE_DN = tiny_raw.BLACK_DN, tiny_raw.WHITE_DN


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(autouse=True)
def _no_default_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)


def make_run(folder: Path, cfa: str = "bayer", **settings: Any) -> Path:
    """A run of random weights that are large enough to make a picture of something."""
    config = TrainConfig.of_preset("study", depth=-2, **settings)
    state = RunState.model_validate({"config": config, "data_sha256": "", "scenes": 0, "cfa": cfa})
    network = state.network()
    for parameter in network.to_subpixels.parameters():
        parameter.data = parameter.data.abs() * 4
    save_checkpoint(folder, network, None, state)
    return folder


def short(path: Path, *, phase: str = "RGGB", pattern_dn: NDArray[np.float64] | None = None, seed: int = 1) -> Path:
    """A dark frame of 1/8 s at ISO 800, of which a calibration may know; ``pattern_dn`` is added to it."""
    signal = tiny_raw.radiance(seed, SIZE) * 150 + BLACK_DN + np.random.default_rng(seed).normal(0, 5, SIZE)
    mosaic = np.rint(signal + (0 if pattern_dn is None else pattern_dn)).astype(np.uint16)
    tags = sorted([*foreign_raw.exif(800, (1, 8)), (42033, tiny_raw.ASCII, b"12345\0")])
    path.write_bytes(tiny_raw.dng(mosaic, phase, model="sidcap tiny", exif=tags))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["enhance", *(str(argument) for argument in arguments)])


def error_line(result: Result) -> str:
    """The one line that a failed command leaves."""
    assert result.exit_code in (1, 2), result.output
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


def written(path: Path) -> NDArray[np.uint16]:
    """(H, W, 3) RGB of a picture file."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.dtype == np.uint16
    return picture[..., ::-1].astype(np.uint16)


def expected(file: Path, folder: Path, ratio: float, *, keep_negatives: bool = True) -> NDArray[np.uint16]:
    """The picture by arithmetic of its own: black, white and ratio as the file has them."""
    mosaic = tiny_raw_mosaic(file)
    amplified = np.minimum((mosaic - BLACK_DN) / (WHITE_DN - BLACK_DN) * ratio, 1)
    if not keep_negatives:
        amplified = np.maximum(amplified, 0)
    planes = pack(amplified.astype(np.float32), np.array([[0, 1], [3, 2]], np.uint8))
    with torch.inference_mode():
        result = load_network(folder)(torch.from_numpy(planes.copy())[None])[0].permute(1, 2, 0).numpy()
    return np.rint(np.clip(result, 0, 1) * 65535).astype(np.uint16)


def tiny_raw_mosaic(file: Path) -> NDArray[np.float64]:
    """The mosaic of a tiny DNG: it begins at byte 8."""
    return np.frombuffer(file.read_bytes(), "<u2", SIZE[0] * SIZE[1], 8).reshape(SIZE).astype(np.float64)


# Tiles


@pytest.mark.parametrize(("depth", "size"), [(-2, (129, 130)), (-2, (260, 391)), (0, (250, 330))])
def test_tiles_give_the_whole_frame_bit_for_bit(depth: int, size: tuple[int, int]) -> None:
    network = UNet(depth).place("cpu").eval()
    planes = np.random.default_rng(0).normal(0.2, 0.1, (4, *size)).astype(np.float32)
    tiles: list[tuple[int, int]] = []
    tiled = enhance(network, planes, tile=128, on_tile=lambda done, total: tiles.append((done, total)))
    assert len(tiles) >= 4
    assert tiles == [(number, len(tiles)) for number in range(1, len(tiles) + 1)]
    assert np.array_equal(tiled, enhance(network, planes, tile=4096))


def test_no_tile_is_larger_than_asked_for_so_that_memory_has_a_bound() -> None:
    network = UNet(-2, planes=9, subpixels=3).eval()
    given: list[torch.Size] = []
    network.register_forward_pre_hook(lambda _module, arguments: given.append(arguments[0].shape))
    result = enhance(network, np.zeros((9, 300, 211), np.float32), tile=100)
    assert result.shape == (900, 633, 3)
    assert len(given) == 9
    assert max(max(shape[2:]) for shape in given) <= 100 + 2 * network.halo
    assert min(min(shape[2:]) for shape in given) >= 70


# The command


@pytest.mark.parametrize("ending", ["tiff", "tif", "png", "PNG"])
def test_the_picture_is_the_network_s_of_the_amplified_frame(tmp_path: Path, ending: str) -> None:
    folder, file = make_run(tmp_path / "run"), short(tmp_path / "short.dng")
    result = run(file, "--ratio", "50", folder, "-o", tmp_path / f"out.{ending}", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["width_px"], told["height_px"], told["ratio"], told["dark_shading"]) == (72, 48, 50.0, None)
    picture = written(tmp_path / f"out.{ending}")
    assert picture.shape == (*SIZE, 3)
    assert picture.std() > 1000
    assert np.abs(picture.astype(int) - expected(file, folder, RATIO)).max() <= 1


def test_the_run_s_own_input_is_used_and_its_cap_said(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", ratio_cap=20.0, keep_negatives=False)
    file = short(tmp_path / "short.dng")
    result = run(file, "--ratio", "50", folder, "-o", tmp_path / "out.png", "--json")
    assert "caps the ratio at 20" in result.stderr
    assert json.loads(result.stdout)["ratio"] == 20
    picture = written(tmp_path / "out.png").astype(int)
    assert np.abs(picture - expected(file, folder, 20, keep_negatives=False)).max() <= 1


def calibrated(folder: Path, pattern_dn: NDArray[np.float64], shape: tuple[int, int] = SIZE) -> Store:
    """A dataset that knows the body's pattern at ISO 800: half of it at 0 s, the other half after 1/8 s."""
    store = Store.create(folder)
    half = (pattern_dn / 2).astype(np.float16)
    maps = DarkMaps(np.resize(half, shape), np.resize((half * 8).astype(np.float16), shape), np.zeros(shape, np.bool_))
    record = SensorRecord(
        camera=CameraBody(model="sidcap tiny", serial="12345"),
        iso=800,
        measured_utc=records.MOMENT,
        method="test",
        frames=(),
    )
    store.save_sensor(record, maps)
    return store


def test_dark_shading_is_subtracted_where_the_run_and_the_calibration_have_it(tmp_path: Path) -> None:
    pattern_dn = 40.0 * (np.indices(SIZE).sum(axis=0) // 8 % 2)
    clean, shaded = short(tmp_path / "clean.dng"), short(tmp_path / "shaded.dng", pattern_dn=pattern_dn)
    store = calibrated(tmp_path / "dataset", pattern_dn)
    folder, plain = make_run(tmp_path / "run", dark_shading=True), make_run(tmp_path / "plain")

    def picture(file: Path, folder: Path, *options: str | Path) -> tuple[NDArray[np.int64], Result]:
        result = run(file, "--ratio", "50", folder, "-o", tmp_path / "out.tiff", "--json", *options)
        assert result.exit_code == 0, result.stderr
        return written(tmp_path / "out.tiff").astype(np.int64), result

    wanted, _ = picture(clean, plain)
    corrected, told = picture(shaded, folder, "--dataset", store.root)
    assert json.loads(told.stdout)["dark_shading"] is True
    assert np.abs(corrected - wanted).max() <= 2
    uncorrected, told = picture(shaded, folder)
    assert json.loads(told.stdout)["dark_shading"] is False
    assert "no calibration of this body" in told.stderr
    assert np.abs(uncorrected - wanted).max() > 500
    without, told = picture(shaded, plain, "--dataset", store.root)
    assert json.loads(told.stdout)["dark_shading"] is None
    assert np.array_equal(without, uncorrected)


def test_maps_of_another_size_than_the_frame_are_refused(tmp_path: Path) -> None:
    store = calibrated(tmp_path / "dataset", np.ones(SIZE), (50, 72))
    folder, file = make_run(tmp_path / "run", dark_shading=True), short(tmp_path / "short.dng")
    result = run(file, "--ratio", "50", folder, "-o", tmp_path / "out.png", "--dataset", store.root)
    assert "another size" in error_line(result)


def test_an_x_trans_file_goes_through_an_x_trans_run_and_through_no_other(tmp_path: Path) -> None:
    file = short(tmp_path / "fuji.dng", phase=foreign_raw.X_TRANS)
    folder, bayer = make_run(tmp_path / "run", "x-trans"), make_run(tmp_path / "bayer")
    assert run(file, "--ratio", "50", folder, "-o", tmp_path / "out.png").exit_code == 0
    height, width, _ = written(tmp_path / "out.png").shape
    assert (height % 3, width % 3) == (0, 0)
    assert height > SIZE[0] - 9
    assert "x-trans mosaic" in error_line(run(file, "--ratio", "50", bayer, "-o", tmp_path / "no.png"))
    other = short(tmp_path / "short.dng")
    assert "takes x-trans" in error_line(run(other, "--ratio", "50", folder, "-o", tmp_path / "no.png"))
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"file": "absent.dng"}, "absent.dng is not there: give a raw file"),
        ({"file": "text.CR2"}, "LibRaw cannot open it"),
        ({"run": "no-run"}, "holds no checkpoint"),
        ({"run": "broken"}, "not a checkpoint of sidcap"),
        ({"out": "out.jpg"}, "no TIFF or PNG"),
        ({"out": "out"}, "no TIFF or PNG"),
        ({"ratio": "0"}, "--ratio"),
        ({"ratio": "-3"}, "--ratio"),
        ({"ratio": "inf"}, "--ratio"),
        ({"ratio": "nan"}, "--ratio"),
        ({"out": "short.dng/out.png"}, "short.dng is a file, no folder: write elsewhere"),
        ({"out": "folder.png"}, "it is a folder: write elsewhere"),
        ({"out": "folder.png", "run": "broken"}, "it is a folder: write elsewhere"),  # before anything is read
        ({"run": "short.dng"}, "short.dng is a file; a run is a folder: give its folder"),
        ({"run": "run/checkpoint.safetensors"}, "is a file; a run is a folder: give"),
    ],
)
def test_wrong_input_is_one_line(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    make_run(tmp_path / "run")
    short(tmp_path / "short.dng")
    (tmp_path / "text.CR2").write_text("no raw file")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "checkpoint.safetensors").write_bytes(b"torn")
    (tmp_path / "folder.png").mkdir()
    given = {"file": "short.dng", "run": "run", "out": "out.png", "ratio": "50"} | changes
    result = run(
        tmp_path / given["file"], tmp_path / given["run"], "-o", tmp_path / given["out"], "--ratio", given["ratio"]
    )
    assert told in error_line(result)
    assert not (tmp_path / "out.png").exists()


def test_of_a_truncated_raw_file_libraw_says_nothing_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, file = make_run(tmp_path / "run"), tmp_path / "short.CR2"
    file.write_bytes(small_maker().make(SHOT)[:500_000])
    result = run(file, folder, "-o", tmp_path / "out.png", "--ratio", "50")
    assert "truncated or broken" in error_line(result)
    assert capfd.readouterr().err == ""


def test_the_ratio_must_be_given(tmp_path: Path) -> None:
    folder, file = make_run(tmp_path / "run"), short(tmp_path / "short.dng")
    assert "--ratio" in error_line(run(file, folder, "-o", tmp_path / "out.png"))
