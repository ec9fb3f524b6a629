"""A run's state in one file: weights, optimiser, settings, and how far it has come.

One safetensors file, so that it is replaced in one step and never unpickled. Its tensors are ``network.<parameter>``,
``average.<parameter>`` where the run averages its weights, and ``adam.<parameter>.<exp_avg|exp_avg_sq|step>``; its
metadata hold a `RunState` as JSON under ``sidcap``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.store import program
from sidcap.model.config import InputConfig, TrainConfig
from sidcap.model.files import write_result
from sidcap.model.unet import UNet

CHECKPOINT_NAME = "checkpoint.safetensors"


class RunState(Record):
    """How far a run has come, and on what."""

    config: TrainConfig
    data_sha256: str
    """`Selection.fingerprint` of the pairs it is trained on; empty for weights that were imported."""
    learned_from: tuple[str, ...] = ()
    """SHA-256 of the longs of these pairs, ascending, by which a scene is known wherever it is moved to; empty for
    weights that were imported, or trained by a version that did not keep it."""
    include: tuple[str, ...] = ()
    """What else than aligned pairs it was asked to learn from."""
    dark_shaded: bool | None = None
    """Whether the sensor's dark was subtracted from anything it learned from; None where the config does not ask for
    it, or a version trained that did not keep it."""
    scenes: int = Field(ge=0)
    """Crops in an epoch; 0 for weights that were imported."""
    step: int = Field(default=0, ge=0)
    """Batches the network has learned from."""
    imported_from: str = ""
    """The file that the weights come from, where sidcap did not train them."""
    cfa: Literal["bayer", "x-trans"] = "bayer"
    """What the network takes: 4 planes of a Bayer mosaic, or 9 of an X-Trans mosaic."""
    upsampling_bias: bool = False
    """Whether the transposed convolutions have a bias: SID's have none, but those of a port may."""
    loss_sum: float = 0.0
    """Sum of the losses since the last whole epoch, and of how many steps."""
    loss_steps: int = Field(default=0, ge=0)
    made_with: str = Field(default_factory=program)

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        done = self.step * self.config.batch // self.scenes if self.scenes else 0
        return min(done, self.config.epochs)

    @property
    def input(self) -> InputConfig:
        """See `TrainConfig.input_met`."""
        return self.config.input_met(self.dark_shaded)

    def network(self) -> UNet:
        """A network of this state's kind, with its first weights."""
        planes, subpixels = (4, 2) if self.cfa == "bayer" else (9, 3)
        return UNet(
            self.config.depth,
            planes=planes,
            subpixels=subpixels,
            upsampling_bias=self.upsampling_bias,
            seed=self.config.seed,
        )


def save_checkpoint(
    run: Path,
    network: UNet,
    optimizer: torch.optim.Adam | None,
    state: RunState,
    averages: Mapping[str, Tensor] = MappingProxyType({}),
) -> Path:
    """Replace the run's checkpoint. TrainingError where a weight is not a finite number, or nothing can be written.

    Weights that were imported have no ``optimizer``.
    """
    tensors = {f"average.{name}": value.contiguous() for name, value in averages.items()}
    for name, parameter in network.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise TrainingError(
                f"the weights are no longer numbers: {run} keeps its last checkpoint; train with a lower --lr"
            )
        tensors[f"network.{name}"] = parameter.detach().contiguous()
        for key, value in optimizer.state[parameter].items() if optimizer is not None else ():
            tensors[f"adam.{name}.{key}"] = value.contiguous()
    write_result(run / CHECKPOINT_NAME, save(tensors, metadata={"sidcap": state.model_dump_json()}))
    return run / CHECKPOINT_NAME


def read_state(run: Path) -> RunState:
    """What the run's checkpoint says of itself; UsageError where there is none, TrainingError where it is broken."""
    path = run / CHECKPOINT_NAME
    try:
        with safe_open(path, framework="pt") as file:
            return RunState.model_validate_json((file.metadata() or {}).get("sidcap", ""))
    except (FileNotFoundError, NotADirectoryError) as error:
        if run.is_file():
            folder = "its folder" if run.name != CHECKPOINT_NAME else str(run.parent)
            raise UsageError(f"{run} is a file; a run is a folder: give {folder}") from error
        raise UsageError(f"{run} holds no checkpoint: train one with `sidcap train --out {run}`") from error
    except (OSError, SafetensorError, ValidationError) as error:
        raise _broken(path) from error


def load_network(run: Path | str, device: torch.device | str = "cpu") -> UNet:
    """The run's network, ready for use: (N, 4, h, w) amplified packed planes -> (N, 3, 2 h, 2 w) sRGB.

    With the average of its weights where the run keeps one. UsageError where there is no checkpoint, TrainingError
    where it does not fit the depth it names; never random weights.
    """
    run = Path(run)
    network = read_state(run).network()
    path = run / CHECKPOINT_NAME
    tensors = _tensors(path)
    _load(path, network, _named(tensors, "average.") or _named(tensors, "network."))
    network.eval()
    return network.place(device)


def restore(run: Path, network: UNet, optimizer: torch.optim.Adam, averages: Mapping[str, Tensor]) -> None:
    """Load the run's weights, their averages, and the state of its optimiser. Errors as in `load_network`."""
    path = run / CHECKPOINT_NAME
    tensors = _tensors(path)
    _load(path, network, _named(tensors, "network."))
    averaged = _named(tensors, "average.")
    if averaged.keys() != averages.keys():
        raise _broken(path)
    for name, average in averages.items():
        average.copy_(averaged[name])
    for name, parameter in network.named_parameters():
        for key in ("exp_avg", "exp_avg_sq", "step"):
            if (value := tensors.get(f"adam.{name}.{key}")) is not None:
                # The layout of the parameter: another one would change the order of sums, and the last bits.
                slot = value if key == "step" else torch.empty_like(parameter).copy_(value)
                optimizer.state[parameter][key] = slot.detach().to(parameter.device)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _broken(path) from error


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _load(path: Path, network: UNet, weights: Mapping[str, Tensor]) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise TrainingError(
            f"{path} does not hold the weights of the depth it names: train again into another --out"
        ) from error


def _broken(path: Path) -> TrainingError:
    return TrainingError(f"{path} is not a checkpoint of sidcap, or broken: restore it, or train into another --out")
