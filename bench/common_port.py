"""The common PyTorch port of See-in-the-Dark, as a peer to measure against.

Written anew from the description of lavi135246/pytorch-Learning-to-See-in-the-Dark: its network (leaky ReLU as the
maximum of two tensors, transposed convolutions with a bias, channels first), its loop (batch 1, float32 frames kept
in memory once they were decoded, crops cut by numpy, plain Adam, the loss read back in every step). Its files are
taken from the manifest here; black is the frame's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import rawpy
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

Image = NDArray[np.float32]


class PortNetwork(nn.Module):
    """(1, 4, h, w) -> (1, 3, 2 h, 2 w)."""

    def __init__(self) -> None:
        super().__init__()
        channels = (4, 32, 64, 128, 256, 512)
        self.down = nn.ModuleList(_two(channels[level], channels[level + 1]) for level in range(5))
        self.up = nn.ModuleList(nn.ConvTranspose2d(channels[n], channels[n - 1], 2, stride=2) for n in (5, 4, 3, 2))
        self.joined = nn.ModuleList(_two(channels[n], channels[n - 1]) for n in (5, 4, 3, 2))
        self.last = nn.Conv2d(32, 12, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, features: Tensor) -> Tensor:
        kept = []
        for level, pair in enumerate(self.down):
            features = _both(pair, functional.max_pool2d(features, 2) if level else features)
            kept.append(features)
        for up, pair, beside in zip(self.up, self.joined, kept[-2::-1], strict=True):
            features = _both(pair, torch.cat([up(features), beside], 1))
        return functional.pixel_shuffle(self.last(features), 2)


def _two(inputs: int, outputs: int) -> nn.ModuleList:
    return nn.ModuleList([nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)])


def _both(pair: nn.Module, features: Tensor) -> Tensor:
    for convolution in pair.children():
        features = convolution(features)
        features = torch.max(0.2 * features, features)
    return features


def port_crops(store: Store, patch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Its crops, without end: frames are decoded when they are first met, and kept."""
    random = np.random.default_rng(0)
    scenes = list(store.scenes(Split.TRAIN))
    inputs: dict[str, Image] = {}
    targets: dict[str, Image] = {}
    while True:
        for index in random.permutation(len(scenes)):
            pair = scenes[index].pairs[random.integers(len(scenes[index].pairs))]
            if pair.frame not in inputs:
                inputs[pair.frame] = _packed(store, pair.frame) * np.float32(pair.ratio.nominal)
            if pair.reference not in targets:
                targets[pair.reference] = _developed(store, pair.reference)
            planes, target = inputs[pair.frame], targets[pair.reference]
            y, x = (random.integers(side - patch) for side in planes.shape[:2])
            planes = planes[y : y + patch, x : x + patch]
            target = target[2 * y : 2 * (y + patch), 2 * x : 2 * (x + patch)]
            for axis in (0, 1):
                if random.integers(2):
                    planes, target = np.flip(planes, axis), np.flip(target, axis)
            if random.integers(2):
                planes, target = planes.transpose(1, 0, 2), target.transpose(1, 0, 2)
            planes = np.minimum(planes, np.float32(1))
            yield (
                torch.from_numpy(planes[None].copy()).permute(0, 3, 1, 2),
                torch.from_numpy(target[None].copy()).permute(0, 3, 1, 2),
            )


def port_step(network: nn.Module, optimizer: torch.optim.Optimizer, planes: Tensor, target: Tensor) -> float:
    """One step; the mean absolute difference."""
    network.zero_grad()
    loss = torch.abs(network(planes) - target).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _packed(store: Store, path: str) -> Image:
    with rawpy.imread(str(store.path(path))) as raw:
        mosaic = raw.raw_image_visible.astype(np.float32)
        black = float(np.mean(raw.black_level_per_channel))
        mosaic = np.maximum(mosaic - black, 0) / (16383 - black)
    sites = [mosaic[y::2, x::2] for y, x in ((0, 0), (0, 1), (1, 1), (1, 0))]
    return np.stack(sites, -1)


def _developed(store: Store, path: str) -> Image:
    with rawpy.imread(str(store.path(path))) as raw:
        picture = raw.postprocess(use_camera_wb=True, half_size=False, no_auto_bright=True, output_bps=16)
    return np.float32(picture / 65535.0)
