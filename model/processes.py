"""The processes that train one network together: one by default, more under torchrun.

    torchrun --nproc-per-node 4 -m sidcap.cli train --batch 8

Each process learns from its share of every step's crops, and torch's DistributedDataParallel averages the gradients,
so that the result is that of one process with the same batch. Only the first one writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from sidcap.data_manifest.errors import UsageError

_AGREE_EVERY = {"cuda": 8}
"""Steps between two agreements on whether to stop; 1 where the device is not here. Asking takes a fraction of a fast
GPU's step, and torchrun kills after 30 s."""
_PATIENCE = timedelta(hours=24)
"""The others wait for the first, which decodes the dataset."""


@dataclass(frozen=True)
class Processes:
    """This process among those of a run."""

    rank: int = 0
    count: int = 1
    agree_every: int = 1
    """Steps between two agreements."""

    @property
    def first(self) -> bool:
        """Whether it is this process that writes files and reports."""
        return self.rank == 0

    def share(self, crops: Sequence[int]) -> Sequence[int]:
        """This process's part of a step's crops; UsageError where they cannot be shared equally."""
        each, left = divmod(len(crops), self.count)
        if left:
            raise UsageError(
                f"--batch {len(crops)} cannot be shared by {self.count} processes: give a multiple of {self.count}"
            )
        return crops[self.rank * each : (self.rank + 1) * each]

    def joined(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network, with gradients averaged over all processes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """The mean of a number over all processes."""
        if self.count == 1:
            return value
        mean = value.clone()
        distributed.all_reduce(mean)
        return mean / self.count

    def any(self, mine: bool, step: int) -> bool:
        """Whether any process says so; with more than one they agree on it only at some steps, all at the same."""
        if self.count == 1:
            return mine
        if step % self.agree_every:
            return False
        said: list[bool] = [False] * self.count
        distributed.all_gather_object(said, mine)
        return any(said)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """This process and those that torchrun started beside it, connected until the end of the block.

    ``device`` is that of `local_device`.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
        distributed.init_process_group("nccl", timeout=_PATIENCE, device_id=device)
    else:
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), _AGREE_EVERY.get(device.type, 1))
    finally:
        distributed.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process, where torchrun started one for each; else the device itself."""
    local_rank = os.environ.get("LOCAL_RANK")
    return torch.device("cuda", int(local_rank)) if device.type == "cuda" and local_rank else device
