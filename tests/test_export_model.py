"""`sidcap export-model`: the network in ONNX, of any size, computing what PyTorch computes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny_raw
import torch
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.model import InputConfig, RunState, TrainConfig, load_network
from sidcap.model.checkpoint import save_checkpoint
from sidcap.model.onnx import TOLERANCE, difference_from_torch


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of depth -2, as it is imported, with the bias that some ports have."""
    state = RunState(
        config=TrainConfig.of_preset("sid-original", depth=-2),
        data_sha256="",
        scenes=0,
        imported_from="model.pth",
        upsampling_bias=True,
    )
    network = state.network()
    for upsampler in network.upsamplers:
        torch.nn.init.constant_(upsampler.get_parameter("bias"), 0.3)
    path = tmp_path_factory.mktemp("runs") / "run"
    save_checkpoint(path, network, None, state)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["export-model", *(str(argument) for argument in arguments)])


def error_line(result: Result) -> str:
    """The one line that a failed command leaves."""
    assert result.exit_code in (1, 2), result.output
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    file = folder.parent / "model.onnx"
    result = run(folder, "-o", file, "--json")
    assert result.exit_code == 0, result.stderr
    assert 0 < json.loads(result.stdout)["largest_difference"] < 1e-4
    return file


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (3, 4, 12, 100), (1, 4, 264, 36)])
def test_frames_of_any_size_and_number_give_what_pytorch_gives(
    folder: Path, exported: Path, shape: tuple[int, ...]
) -> None:
    planes = np.random.default_rng(0).normal(0.3, 0.3, shape).astype(np.float32)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"planes": planes})
    with torch.inference_mode():
        wanted = load_network(folder)(torch.from_numpy(planes)).numpy()
    assert result.shape == (shape[0], 3, 2 * shape[2], 2 * shape[3])
    np.testing.assert_allclose(result, wanted, atol=1e-5)


def test_the_file_says_what_it_takes(exported: Path) -> None:
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert (told["sidcap.planes"], told["sidcap.pattern"], told["sidcap.multiple"]) == ("R G B G2", "RG GB", "4")
    assert told["sidcap.imported_from"] == "model.pth"
    assert InputConfig.model_validate_json(told["sidcap.input"]).ratio_cap == 300
    assert [given.name for given in model.graph.input] == ["planes"]
    assert [given.name for given in model.graph.output] == ["rgb"]


def test_a_missing_package_is_one_line_that_tells_how_to_get_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    line = error_line(run(folder, "-o", tmp_path / "model.onnx"))
    assert "pip install 'sidcap[onnx]'" in line


def test_another_network_s_file_would_not_pass_for_this_one_s(folder: Path, exported: Path) -> None:
    network = load_network(folder)
    assert difference_from_torch(network, exported.read_bytes()) < TOLERANCE
    for parameter in network.upsamplers[0].parameters():
        parameter.data += 0.01
    assert difference_from_torch(network, exported.read_bytes()) > TOLERANCE


def test_wrong_input_is_one_line(folder: Path, tmp_path: Path) -> None:
    assert "end it in .onnx" in error_line(run(folder, "-o", tmp_path / "model.pt"))
    assert "holds no checkpoint" in error_line(run(tmp_path, "-o", tmp_path / "model.onnx"))
