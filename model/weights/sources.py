"""The files that weights come in: TensorFlow's checkpoints, PyTorch's state dicts, safetensors."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sidcap.data_manifest.errors import UsageError, WeightsError
from sidcap.model.checkpoint import CHECKPOINT_NAME
from sidcap.model.weights.bundle import INDEX_SUFFIX, TensorBundle
from sidcap.model.weights.layers import Layer, SubpixelOrder, natural_order

FileFormat = Literal["TensorFlow", "PyTorch", "safetensors"]

_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")
_VARIABLE = re.compile(r"Variable(_\d+)?")
"""Transposed convolutions, which have no name in the authors' code."""
_TENSORFLOW_NAME = re.compile(r"g_conv\d+(_p1)?(_2)?(_[12])?|Variable(_\d+)?")
"""Layers of the authors' code and of the study's depth variants, which leave some out (-1 has no 4 and 5, -2 no 3 to 6
either) or add g_conv5_p1_1, g_conv5_p1_2 at the bottom, g_conv5_p1_2_1 and g_conv5_p1_2_2 above it (+1).
Source: github.com/jconenna/Canon-6D-Datasets-For-Learning-to-See-in-the-Dark, train_Canon_*.py."""
_PORT_NAME = re.compile(r"conv\d+_[12]|conv10|upv?\d+")
_CONTAINERS: Final = ("state_dict", "model_state_dict", "model", "network", "net", "params")
"""Keys under which training scripts keep the weights beside other things."""
_PREFIXES: Final = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""


@dataclass(frozen=True)
class Source:
    """The layers of one file."""

    format: FileFormat
    layers: Mapping[str, Layer]
    """In an order in which the way down comes before the way up."""
    names_known: bool
    """Whether the names are those of code that is known; otherwise only shapes and order tell what a layer is."""
    subpixel_order: SubpixelOrder | None
    """None where the names do not tell."""


def read_source(path: Path) -> Source:
    """The layers in ``path``: a TensorFlow checkpoint's index, data, prefix or folder, or one file of tensors.

    UsageError where there is nothing of the kind, WeightsError where it is broken.
    """
    if (prefix := _bundle_prefix(path)) is not None:
        return _of_tensorflow(TensorBundle(prefix))
    if not path.is_file():
        raise UsageError(f"{path} does not exist: give a TensorFlow checkpoint, a .pth or a .safetensors file")
    if path.suffix == ".safetensors":
        return _of_state_dict(_safetensors(path), path, "safetensors")
    return _of_state_dict(_unpickled(path), path, "PyTorch")


def _bundle_prefix(path: Path) -> Path | None:
    """The common beginning of a TensorFlow checkpoint's files; None where ``path`` is of no such checkpoint."""
    if path.is_dir():
        if (path / CHECKPOINT_NAME).exists():
            raise UsageError(f"{path} is a run of sidcap already: evaluate, enhance and export-model take it as it is")
        indices = sorted(path.glob(f"*{INDEX_SUFFIX}"))
        if len(indices) != 1:
            raise WeightsError(f"{path} holds {len(indices)} TensorFlow checkpoints: give the .index file of one")
        path = indices[0]
    if path.suffix == INDEX_SUFFIX:
        return path.with_suffix("")
    prefix = path.with_name(_SHARD.sub("", path.name))
    return prefix if prefix != path or Path(f"{path}{INDEX_SUFFIX}").exists() else None


def _of_tensorflow(bundle: TensorBundle) -> Source:
    """Weights are (h, w, in, out), of transposed convolutions (h, w, out, in): both turn round to PyTorch's order.

    Everything else, the optimiser's variables above all, is left alone.
    """
    layers: dict[str, Layer] = {}
    for name in sorted(bundle.entries, key=natural_order):
        scope, _, kind = name.rpartition("/")
        if kind == "weights" or (_VARIABLE.fullmatch(name) and len(bundle.entries[name].shape) == 4):
            biases = f"{scope}/biases"
            layers[scope or name] = Layer(
                weight=_turned(bundle, name),
                bias=torch.from_numpy(bundle.tensor(biases)) if biases in bundle.entries else None,
            )
    if not layers:
        found = ", ".join(list(bundle.entries)[:3])
        raise WeightsError(f"{bundle.prefix} holds no g_conv1_1/weights or the like, but {found}: no SID checkpoint")
    return Source(
        format="TensorFlow",
        layers=layers,
        names_known=all(_TENSORFLOW_NAME.fullmatch(name) for name in layers),
        subpixel_order="depth-to-space",
    )


def _turned(bundle: TensorBundle, name: str) -> Tensor:
    weight = torch.from_numpy(bundle.tensor(name))
    if weight.ndim != 4:
        raise WeightsError(f"{name} in {bundle.prefix} has {weight.ndim} axes, a convolution's weights have 4")
    return weight.permute(3, 2, 0, 1)


def _of_state_dict(tensors: Mapping[str, Tensor], path: Path, file_format: FileFormat) -> Source:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in tensors))
    names_known = all(_PORT_NAME.fullmatch(module) for module in modules)
    if names_known:
        modules.sort(key=natural_order)
    elif file_format == "safetensors":
        raise WeightsError(
            f"the layers of {path} have names that are not known, {modules[0]} for one, and such a file keeps no order "
            "that would tell what they are: save them with torch.save"
        )
    layers = {module: _layer(tensors, module, path) for module in modules}
    return Source(file_format, layers, names_known, _port_subpixel_order(set(modules)) if names_known else None)


def _layer(tensors: Mapping[str, Tensor], module: str, path: Path) -> Layer:
    weight, bias = tensors.get(f"{module}.weight"), tensors.get(f"{module}.bias")
    own = [name for name in tensors if name.rpartition(".")[0] == module]
    strange = [name for name in own if name.rpartition(".")[2] not in ("weight", "bias")]
    if weight is None or weight.ndim != 4 or not weight.is_floating_point() or strange:
        raise WeightsError(
            f"{path} holds {[*strange, *own][0]}, and a SID network has nothing but convolutions: "
            "save its state_dict() alone"
        )
    return Layer(weight.float(), None if bias is None else bias.float())


def _port_subpixel_order(names: set[str]) -> SubpixelOrder | None:
    """How the ports that are known make pixels: conv10_1 and upv6 go with pixel_shuffle, as in lavi135246's; conv10 and
    up6 with depth_to_space, as in cydonia999's."""
    ups = {name.rstrip("0123456789") for name in names if name.startswith("up")}
    if ups == {"upv"} and "conv10_1" in names:
        return "pixel-shuffle"
    if ups == {"up"} and "conv10" in names:
        return "depth-to-space"
    return None


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is no safetensors file, or broken: copy it again") from error


def _unpickled(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that ``torch.save`` wrote; nothing but tensors is unpickled."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is no PyTorch file, or holds Python objects, which are never loaded: "
            "save its state_dict() alone with torch.save"
        ) from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        AssertionError,
    ) as error:
        raise WeightsError(f"{path} is no PyTorch file, or broken: copy it again") from error
    while isinstance(content, dict) and (key := next((key for key in _CONTAINERS if key in content), None)):
        content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(it, Tensor) for it in content.values()):
        raise WeightsError(f"{path} holds no state dict: save the network's state_dict() with torch.save")
    return {str(name): value for name, value in content.items()}
