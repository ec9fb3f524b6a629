"""What a training run tells while it runs, and in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sidcap.data_manifest.schema import Record
from sidcap.model.config import TrainConfig
from sidcap.model.data import LeftOut


class Decoded(Record):
    """A frame was decoded into the cache. Not logged."""

    event: Literal["decode"] = "decode"
    done: int
    total: int


class Started(Record):
    """Everything is read; the first step follows."""

    event: Literal["start"] = "start"
    device: str
    processes: int
    """That learn together, see `sidcap.model.processes`."""
    precision: Literal["fp32", "bf16"]
    """In which the convolutions are computed."""
    on_device: bool
    """Whether all pairs lie in the device's memory and are cut there."""
    parameters: int
    """Of the network."""
    reach: int
    """How far around a packed pixel the network looks, at most. Crops smaller than that teach it borders."""
    scenes: int
    """Crops in an epoch."""
    pairs: int
    included: int
    """Of them, how many are used though their alignment is undetermined, since that was asked for."""
    unshaded: int
    """Of the pairs, how many have no dark subtracted though the config asks for it, since nobody calibrated."""
    left_out: tuple[LeftOut, ...]
    """Pairs that are not trained on."""
    epoch: int
    """Whole epochs that were done before; 0 for a new run."""
    config: TrainConfig


class StepDone(Record):
    """The network has learned from one more batch. Not logged."""

    event: Literal["step"] = "step"
    step: int
    steps: int
    """Of the whole run."""


class EpochDone(Record):
    """Every scene was shown once more."""

    event: Literal["epoch"] = "epoch"
    epoch: int
    """Whole epochs done."""
    epochs: int
    """Of the whole run."""
    loss: float
    """Mean L1 over the epoch's crops, of values in 0..1."""
    lr: float
    seconds: float
    """Since training began, or went on."""
    crops_per_s: float
    """Over this epoch, by all processes."""
    data_wait: float
    """Share of the epoch in which the network waited for its crops."""
    utilisation: float | None
    """Share of time in which the GPU computes, as NVIDIA's driver measures it; None where that is not to be had."""


class SampleWritten(Record):
    """A sheet of sample crops was written."""

    event: Literal["sample"] = "sample"
    epoch: int
    path: Path


class CheckpointSaved(Record):
    """The run's checkpoint was replaced."""

    event: Literal["checkpoint"] = "checkpoint"
    epoch: int
    step: int
    path: Path


class TrainReport(Record):
    """What a call of `train` came to; the last line of the log."""

    event: Literal["stop"] = "stop"
    run: Path
    device: str
    epochs: int
    """Whole epochs done, those before a resume included."""
    steps: int
    interrupted: bool
    """True where Ctrl-C or SIGTERM ended it early; ``--resume`` goes on from there."""
    loss: float | None
    """Of the last whole epoch; None where none was finished in this call."""
    seconds: float
    """Since training began, or went on."""
    scenes: int
    pairs: int
    left_out: tuple[LeftOut, ...]
    checkpoint: Path
    samples: tuple[Path, ...]
    """Sheets of sample crops that were written in this call."""


Event = Decoded | Started | StepDone | EpochDone | SampleWritten | CheckpointSaved | TrainReport
