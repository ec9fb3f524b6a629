"""A network while it learns: its weights, their running average, and the optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional

from sidcap.model.config import TrainConfig
from sidcap.model.processes import Processes
from sidcap.model.unet import UNet


class Learner:
    """Learns from one batch at a time. Everything stays on the device; nothing here waits for it."""

    def __init__(self, network: UNet, config: TrainConfig, device: torch.device, others: Processes) -> None:
        """``network`` is on ``device`` already; ``others`` are the processes that learn with this one."""
        if config.freeze_upsampling:
            network.upsamplers.requires_grad_(False)
        self.network = network
        self.optimizer = torch.optim.Adam(
            (parameter for parameter in network.parameters() if parameter.requires_grad),
            lr=config.lr,
            fused=device.type in ("cuda", "cpu"),
        )
        self._weights: Mapping[str, Tensor] = dict(network.named_parameters())
        self.averages = {name: weight.detach().clone() for name, weight in self._weights.items() if config.ema}
        self._ema = config.ema
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(config, device))
        joined = others.joined(network, device)
        self._forward = torch.compile(joined, mode="reduce-overhead") if compiles(config, device) else joined

    def learn(self, planes: Tensor, target: Tensor, lr: float, step: int) -> Tensor:
        """One step on (N, P, p, p) planes and their (N, 3, s p, s p) target; gives the mean loss, on the device.

        ``step`` counts those that were done before. L1 loss in fp32.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with self._autocast:
            picture = self._forward(planes)
        loss = functional.l1_loss(picture, target)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.averages:
            self._average(step)
        return loss.detach()

    @contextmanager
    def averaged(self) -> Iterator[UNet]:
        """Gives the network with its averaged weights, where there are any; learning goes on without them."""
        learned = {name: self._weights[name].detach().clone() for name in self.averages}
        _assign(self._weights, self.averages)
        try:
            yield self.network
        finally:
            _assign(self._weights, learned)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # While the run is young the average follows faster, or it would remember the first weights for long.
        share = 1 - min(self._ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.averages.values()), [self._weights[name] for name in self.averages], share)


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the convolutions are computed in bf16: where the device is made for it, unless the config decides."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def compiles(config: TrainConfig, device: torch.device) -> bool:
    """Whether torch compiles the network: on CUDA, where single small kernels would leave the device waiting, if its
    compiler is there.
    """
    if config.compiled is not None:
        return config.compiled
    return device.type == "cuda" and find_spec("triton") is not None


@torch.no_grad()
def _assign(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        weights[name].copy_(value)
