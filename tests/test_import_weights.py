"""`sidcap import-weights`: what TensorFlow and PyTorch ports wrote gives the same network here, or is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensor_bundles
import tiny_raw
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.data_manifest.errors import SidcapError, WeightsError
from sidcap.model import load_network, read_state
from sidcap.model.weights import import_weights
from sidcap.model.weights.bundle import TensorBundle
from sidcap.model.weights.layers import Layer, natural_order, network_of

DATA = Path(__file__).parent / "data"
REAL_INDEX = DATA / "sid" / "Sony_model.ckpt.index"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The folder of a checkpoint that TensorFlow wrote: depth -2, two shards, with the variables of Adam."""
    folder = tmp_path / "tensorflow"
    with tarfile.open(DATA / "tensorflow" / "depth-2.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import-weights", *(str(argument) for argument in arguments)])


def error_line(result: Result) -> str:
    """The one line that a failed command leaves."""
    assert result.exit_code in (1, 2), result.output
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


def output_of(folder: Path, planes: Tensor) -> Tensor:
    with torch.inference_mode():
        return load_network(folder)(planes)


# What TensorFlow wrote


def test_every_tensor_is_equal_to_what_tensorflow_reads_back(bundle: Path) -> None:
    expected = json.loads((DATA / "tensorflow" / "depth-2.json").read_text())["sha256"]
    opened = TensorBundle(bundle / "model.ckpt")
    assert opened.shards == 2
    assert {name: hashlib.sha256(opened.tensor(name)).hexdigest() for name in opened.entries} == expected


def test_the_network_computes_what_tensorflow_computes(bundle: Path, tmp_path: Path) -> None:
    result = run(bundle, "-o", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["depth"] == -2
    with np.load(DATA / "tensorflow" / "depth-2.npz") as arrays:
        planes, expected = (torch.from_numpy(arrays[name]).permute(0, 3, 1, 2) for name in ("planes", "output"))
    output = output_of(tmp_path / "run", planes)
    assert float(expected.abs().max()) > 1
    assert float((output - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("name", ["", "model.ckpt", "model.ckpt.index", "model.ckpt.data-00001-of-00002"])
def test_a_checkpoint_is_found_by_any_of_its_names(bundle: Path, tmp_path: Path, name: str) -> None:
    assert import_weights(bundle / name, tmp_path / "run").parameters == 467_084
    state = read_state(tmp_path / "run")
    assert state.imported_from
    assert (state.config.preset, state.config.input.levels, state.config.depth) == ("sid-original", "sid", -2)


def test_the_authors_index_is_read_and_refused_without_its_data(tmp_path: Path) -> None:
    entries = TensorBundle(REAL_INDEX.with_suffix("")).entries
    assert len(entries) == 120
    assert entries["g_conv5_2/weights"].shape == (3, 3, 512, 512)
    assert [entries[name].shape[2] for name in ("Variable", "Variable_1", "Variable_2", "Variable_3")] == [
        256,
        128,
        64,
        32,
    ]
    line = error_line(run(REAL_INDEX, "-o", tmp_path / "run"))
    assert "Sony_model.ckpt.data-00000-of-00001" in line
    assert not (tmp_path / "run").exists()


# Files that are broken


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "model.ckpt.data-00000-of-00002").unlink(), "data-00000-of-00002"),
        (lambda folder: cut(folder / "model.ckpt.data-00001-of-00002", 10_000), "not copied whole"),
        (lambda folder: flip(folder / "model.ckpt.data-00001-of-00002", 100_000), "fails its checksum"),
        (lambda folder: cut(folder / "model.ckpt.index", 1_000), "broken"),
        (lambda folder: flip(folder / "model.ckpt.index", 100), "a block fails its checksum"),
        (lambda folder: (folder / "model.ckpt.index").unlink(), "0 TensorFlow checkpoints"),
        (lambda folder: shutil.copy(REAL_INDEX, folder), "2 TensorFlow checkpoints"),
    ],
)
def test_a_broken_checkpoint_is_one_line_and_leaves_no_run(
    bundle: Path, tmp_path: Path, harm: Callable[[Path], object], told: str
) -> None:
    harm(bundle)
    assert told in error_line(run(bundle, "-o", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_happens_to_an_index_it_is_read_right_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(REAL_INDEX.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "model.ckpt.index"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, 47]))])
    try:
        entries = TensorBundle(tmp_path / "model.ckpt").entries
    except WeightsError:
        return
    assert entries == TensorBundle(REAL_INDEX.with_suffix("")).entries


def tensorflow_tensors(depth: int = -2, planes: int = 4, subpixels: int = 2) -> dict[str, NDArray[np.float32]]:
    """The variables of a network with the study's names, drawn at random."""
    random = np.random.default_rng(5 + depth)
    channels = [32, 64, 128, 256, 512, 1024][: 5 + depth]
    down = {-2: ["1", "2", "7"], -1: ["1", "2", "3", "6"], 1: ["1", "2", "3", "4", "5", "5_p1"]}[depth]
    up = {-2: ["8", "9"], -1: ["7", "8", "9"], 1: ["5_p1_2", "6", "7", "8", "9"]}[depth]
    shapes: dict[str, tuple[int, ...]] = {"g_conv10": (1, 1, 32, 3 * subpixels**2)}
    for inputs, outputs, name in zip([planes, *channels], channels, down, strict=False):
        shapes |= {f"g_conv{name}_1": (3, 3, inputs, outputs), f"g_conv{name}_2": (3, 3, outputs, outputs)}
    for low, name in zip(reversed(channels[:-1]), up, strict=True):
        shapes |= {f"g_conv{name}_1": (3, 3, 2 * low, low), f"g_conv{name}_2": (3, 3, low, low)}
    tensors = {f"{name}/weights": random.normal(0, 0.05, shape) for name, shape in shapes.items()}
    tensors |= {f"{name}/biases": random.normal(0, 0.05, shape[-1:]) for name, shape in shapes.items()}
    for number, low in enumerate(reversed(channels[:-1])):
        name = f"Variable_{number}" if number else "Variable"
        tensors[name] = random.normal(0, 0.05, (2, 2, low, 2 * low))
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def as_here(weights: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(weights).permute(3, 2, 0, 1)


def test_the_bottom_of_the_study_s_pruned_network_bears_the_name_of_a_layer_above(tmp_path: Path) -> None:
    tensors = tensorflow_tensors(depth=-1)
    tensor_bundles.write_bundle(tmp_path / "model.ckpt", tensors, shards=3)
    imported = import_weights(tmp_path, tmp_path / "run")
    assert (imported.depth, imported.names_known) == (-1, True)
    network = load_network(tmp_path / "run")
    assert torch.equal(network.encoders[3].get_parameter("0.weight"), as_here(tensors["g_conv6_1/weights"]))
    assert torch.equal(network.encoders[1].get_parameter("2.weight"), as_here(tensors["g_conv2_2/weights"]))
    assert torch.equal(network.decoders[1].get_parameter("2.weight"), as_here(tensors["g_conv8_2/weights"]))
    assert torch.equal(network.upsamplers[2].get_parameter("weight"), as_here(tensors["Variable_2"]))


def test_the_study_s_deeper_network_finds_its_layers_by_their_names() -> None:
    tensors = tensorflow_tensors(depth=1)
    names = sorted((name.removesuffix("/weights") for name in tensors if "biases" not in name), key=natural_order)
    layers = {
        name: Layer(as_here(tensors[name]), None)
        if name.startswith("Variable")
        else Layer(as_here(tensors[f"{name}/weights"]), torch.from_numpy(tensors[f"{name}/biases"]))
        for name in names
    }
    network, depth = network_of(layers, "depth-to-space")
    assert depth == 1
    for module, name in (
        (network.encoders[4].get_parameter("2.weight"), "g_conv5_2"),
        (network.encoders[5].get_parameter("2.weight"), "g_conv5_p1_2"),
        (network.decoders[0].get_parameter("0.weight"), "g_conv5_p1_2_1"),
        (network.decoders[0].get_parameter("2.weight"), "g_conv5_p1_2_2"),
    ):
        assert torch.equal(module, as_here(tensors[f"{name}/weights"]))


def test_weights_for_x_trans_take_nine_planes(tmp_path: Path) -> None:
    tensor_bundles.write_bundle(tmp_path / "model.ckpt", tensorflow_tensors(planes=9, subpixels=3))
    assert import_weights(tmp_path, tmp_path / "run").cfa == "x-trans"
    assert output_of(tmp_path / "run", torch.zeros(1, 9, 8, 12)).shape == (1, 3, 24, 36)


def test_layers_of_unknown_names_are_matched_and_said_to_be(tmp_path: Path) -> None:
    tensors = tensorflow_tensors()
    tensor_bundles.write_bundle(tmp_path / "known", tensors)
    tensor_bundles.write_bundle(tmp_path / "strange", {f"net/{name}": tensor for name, tensor in tensors.items()})
    variables = {name: tensors.pop(name) for name in ("Variable", "Variable_1")}
    renamed = {f"layer_{name[6:]}": tensor for name, tensor in tensors.items()}
    tensor_bundles.write_bundle(tmp_path / "unknown", renamed | variables)
    import_weights(tmp_path / "known", tmp_path / "run")
    result = run(tmp_path / "unknown", "-o", tmp_path / "same")
    assert result.exit_code == 0
    assert "names are not known" in result.stderr
    planes = torch.rand(1, 4, 8, 8)
    assert torch.equal(output_of(tmp_path / "run", planes), output_of(tmp_path / "same", planes))
    assert "transposed" in error_line(run(tmp_path / "strange", "-o", tmp_path / "none"))


def without(name: str) -> Callable[[dict[str, NDArray[np.float32]]], None]:
    def remove(tensors: dict[str, NDArray[np.float32]]) -> None:
        del tensors[name]

    return remove


def not_a_number(tensors: dict[str, NDArray[np.float32]]) -> None:
    tensors["g_conv2_1/weights"][0, 0, 0, 0] = np.nan


def of_two_axes(tensors: dict[str, NDArray[np.float32]]) -> None:
    tensors["g_conv2_1/weights"] = np.zeros((4, 4), np.float32)


def with_a_head(tensors: dict[str, NDArray[np.float32]]) -> None:
    tensors["head/weights"] = np.zeros((3, 3, 32, 8), np.float32)


def one_channel_less(tensors: dict[str, NDArray[np.float32]]) -> None:
    tensors["g_conv1_1/weights"] = tensors["g_conv1_1/weights"][:, :, :3]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("g_conv2_2/weights"), "a 3 x 3 convolution from 64 to 64 channels is missing"),
        (without("g_conv2_2/biases"), "g_conv2_2 has no bias"),
        (without("g_conv10/weights"), "no single 1 x 1 convolution"),
        (without("Variable_1"), "1 transposed 2 x 2 convolutions"),
        (one_channel_less, "a 3 x 3 convolution from 4 to 32 channels is missing"),
        (with_a_head, "head has no place"),
        (not_a_number, "g_conv2_1 holds values that are no finite numbers"),
        (of_two_axes, "g_conv2_1/weights"),
        (lambda tensors: tensors.clear(), "holds no g_conv1_1/weights"),
    ],
)
def test_a_checkpoint_of_another_network_is_one_line_and_leaves_no_run(
    tmp_path: Path, change: Callable[[dict[str, NDArray[np.float32]]], None], told: str
) -> None:
    tensors = tensorflow_tensors()
    change(tensors)
    tensor_bundles.write_bundle(tmp_path / "model.ckpt", tensors)
    assert told in error_line(run(tmp_path, "-o", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_bundles_that_tensorflow_could_but_does_not_write_are_refused(tmp_path: Path) -> None:
    tensors = tensorflow_tensors()
    tensor_bundles.write_bundle(tmp_path / "snappy", tensors, compression=1)
    tensor_bundles.write_bundle(tmp_path / "big", tensors, big_endian=True)
    tensor_bundles.write_bundle(tmp_path / "double", tensors, dtype=2)
    for name, told in (("snappy", "compressed"), ("big", "big-endian"), ("double", "float32")):
        assert told in error_line(run(tmp_path / name, "-o", tmp_path / "run"))


# PyTorch ports


class Port(nn.Module):
    """A network as PyTorch ports write it, with the names of two that are common; depth -2, to be small."""

    def __init__(self, *, like: str) -> None:
        super().__init__()
        self.like = like
        up = "upv" if like == "lavi135246" else "up"
        levels = {1: (4, 32), 2: (32, 64), 7: (64, 128), 8: (128, 64), 9: (64, 32)}
        for number, (inputs, outputs) in levels.items():
            self.add_module(f"conv{number}_1", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"conv{number}_2", nn.Conv2d(outputs, outputs, 3, padding=1))
        for number, inputs in ((8, 128), (9, 64)):
            self.add_module(
                f"{up}{number}", nn.ConvTranspose2d(inputs, inputs // 2, 2, stride=2, bias=like == "lavi135246")
            )
        self.add_module("conv10_1" if like == "lavi135246" else "conv10", nn.Conv2d(32, 12, 1))

    def forward(self, planes: Tensor) -> Tensor:
        def twice(x: Tensor, number: int) -> Tensor:
            for part in (1, 2):
                x = self.get_submodule(f"conv{number}_{part}")(x)
                x = torch.max(0.2 * x, x)
            return x

        lavi = self.like == "lavi135246"
        first = twice(planes, 1)
        second = twice(nn.functional.max_pool2d(first, 2), 2)
        bottom = twice(nn.functional.max_pool2d(second, 2), 7)
        x = twice(torch.cat([self.get_submodule("upv8" if lavi else "up8")(bottom), second], 1), 8)
        x = twice(torch.cat([self.get_submodule("upv9" if lavi else "up9")(x), first], 1), 9)
        x = self.get_submodule("conv10_1" if lavi else "conv10")(x)
        if lavi:
            return nn.functional.pixel_shuffle(x, 2)
        n, _, h, w = x.shape  # as TensorFlow's depth_to_space
        return x.reshape(n, 2, 2, 3, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, 3, 2 * h, 2 * w)


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Port:
    torch.manual_seed(5)
    return Port(like=getattr(request, "param", "lavi135246"))


@pytest.mark.parametrize("port", ["lavi135246", "cydonia999"], indirect=True)
def test_a_port_s_weights_compute_what_the_port_does(port: Port, tmp_path: Path) -> None:
    torch.save(port.state_dict(), tmp_path / "checkpoint.pth")
    imported = import_weights(tmp_path / "checkpoint.pth", tmp_path / "run")
    assert (imported.depth, imported.names_known) == (-2, True)
    assert imported.parameters == sum(parameter.numel() for parameter in port.parameters())
    planes = torch.rand(1, 4, 24, 32) * 4 - 1
    with torch.inference_mode():
        expected = port(planes)
    torch.testing.assert_close(output_of(tmp_path / "run", planes), expected, rtol=1e-5, atol=1e-6)


def nested(state: dict[str, Tensor], path: Path) -> Path:
    torch.save({"epoch": 4000, "model_state_dict": state, "loss": 0.01}, path)
    return path


def parallel(state: dict[str, Tensor], path: Path) -> Path:
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    return path


def before_zip(state: dict[str, Tensor], path: Path) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


def in_safetensors(state: dict[str, Tensor], path: Path) -> Path:
    save_file(state, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def in_double(state: dict[str, Tensor], path: Path) -> Path:
    torch.save({name: tensor.double() for name, tensor in state.items()}, path)
    return path


@pytest.mark.parametrize("written", [nested, parallel, before_zip, in_safetensors, in_double])
def test_a_state_dict_is_found_in_every_common_wrapping(
    port: Port, tmp_path: Path, written: Callable[[dict[str, Tensor], Path], Path]
) -> None:
    import_weights(written(port.state_dict(), tmp_path / "checkpoint.pth"), tmp_path / "run")
    assert torch.equal(load_network(tmp_path / "run").encoders[0].get_parameter("0.weight"), port.conv1_1.weight)


def test_where_names_do_not_tell_the_order_of_sub_pixels_it_is_asked_for(port: Port, tmp_path: Path) -> None:
    state = {f"unet.{name}": tensor for name, tensor in port.state_dict().items()}
    path = tmp_path / "other.pt"
    torch.save(state, path)
    result = run(path, "-o", tmp_path / "run")
    assert result.exit_code == 2
    assert "--subpixel-order" in error_line(result)
    for order in ("pixel-shuffle", "depth-to-space"):
        assert run(path, "-o", tmp_path / order, "--subpixel-order", order).exit_code == 0
    planes = torch.rand(1, 4, 8, 8)
    with torch.inference_mode():
        expected = port(planes)
    torch.testing.assert_close(output_of(tmp_path / "pixel-shuffle", planes), expected)
    other = output_of(tmp_path / "depth-to-space", planes)
    assert float((other - expected).abs().max()) > 0.01
    save_file(state, tmp_path / "other.safetensors")
    line = error_line(run(tmp_path / "other.safetensors", "-o", tmp_path / "run", "--subpixel-order", "pixel-shuffle"))
    assert "keeps no order" in line


class Harmful:
    """What a pickle could do."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_file_of_python_objects_is_refused_and_never_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Harmful(tmp_path / "ran")}, tmp_path / "model.pth")
    assert "never loaded" in error_line(run(tmp_path / "model.pth", "-o", tmp_path / "run"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"weights": 3}, "holds no state dict"),
        ([], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"conv1_1.weight": torch.zeros(3)}, "conv1_1.weight"),
        ({"conv1_1.weight": torch.zeros(32, 4, 3, 3), "bn1.running_mean": torch.zeros(32)}, "bn1.running_mean"),
        ({"conv1_1.weight": torch.zeros(32, 4, 3, 3), "conv1_1.scale": torch.zeros(32)}, "conv1_1.scale"),
    ],
)
def test_other_files_of_pytorch_are_one_line(tmp_path: Path, content: object, told: str) -> None:
    torch.save(content, tmp_path / "model.pth")
    assert told in error_line(run(tmp_path / "model.pth", "-o", tmp_path / "run"))


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "weights.ckpt"])
@pytest.mark.parametrize("content", [b"", b"no weights", bytes(1000), b"PK\x03\x04 torn"])
def test_files_that_are_nothing_of_the_kind_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in error_line(run(path, "-o", tmp_path / "run"))
    assert "does not exist" in error_line(run(tmp_path / f"no-{name}", "-o", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_what_is_not_there_or_a_run_already_is_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path / "no.pth", "-o", tmp_path / "run").exit_code == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "checkpoint.safetensors").touch()
    result = run(tmp_path / "mine", "-o", tmp_path / "run")
    assert "is a run of sidcap already" in error_line(result)
    assert result.exit_code == 2


def test_a_truncated_state_dict_is_one_line(port: Port, tmp_path: Path) -> None:
    torch.save(port.state_dict(), tmp_path / "model.pth")
    cut(tmp_path / "model.pth", 500_000)
    assert "copy it again" in error_line(run(tmp_path / "model.pth", "-o", tmp_path / "run"))


def test_a_run_that_is_there_is_not_written_over(bundle: Path, tmp_path: Path) -> None:
    import_weights(bundle, tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    with pytest.raises(SidcapError, match="holds a run already"):
        import_weights(bundle, tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before
