"""From the layers of any SID network, however they are called, to sidcap's.

The shapes tell nearly everything: how deep the network is, what it takes, and where each layer belongs. Only the second
convolutions of a level have the same shape on the way down as on the way up; of these the first in the given order is
the one on the way down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from sidcap.data_manifest.errors import WeightsError
from sidcap.model.unet import DEPTHS, UNet

SubpixelOrder = Literal["pixel-shuffle", "depth-to-space"]
"""How the last layer's channels become pixels. pixel-shuffle, PyTorch's own: all places of red, then of green, of blue.
depth-to-space, TensorFlow's: red, green and blue of the first place, then of the next."""

_UPSAMPLERS_AT_DEPTH_0 = 4
_SUBPIXELS: Final = {12: 2, 27: 3}
"""Channels of the last layer -> sub-pixels: Bayer, X-Trans."""
_PLANES: Final = {2: 4, 3: 9}


@dataclass(frozen=True)
class Layer:
    """One convolution in PyTorch's layout: (out, in, h, w), and (in, out, h, w) of a transposed one."""

    weight: Tensor
    bias: Tensor | None


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sorts g_conv2_1 before g_conv10."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def network_of(layers: Mapping[str, Layer], subpixel_order: SubpixelOrder) -> tuple[UNet, int]:
    """The network of these layers, which come in order, and its depth.

    WeightsError where a layer is missing, left over, without its bias, or not finite.
    """
    depth, subpixels = _kind(layers)
    network = UNet(
        depth,
        planes=_PLANES[subpixels],
        subpixels=subpixels,
        upsampling_bias=any(_is_upsampler(layer) and layer.bias is not None for layer in layers.values()),
    )
    left = dict(layers)
    state: dict[str, Tensor] = {}
    for module, convolution in network.named_modules():
        if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d):
            layer = _take(left, convolution, depth)
            if subpixel_order == "depth-to-space" and convolution is network.to_subpixels:
                layer = _shuffled(layer, subpixels)
            state[f"{module}.weight"] = layer.weight
            if layer.bias is not None:
                state[f"{module}.bias"] = layer.bias
    if left:
        raise WeightsError(f"{next(iter(left))} has no place in a SID network of depth {depth:+d}")
    network.load_state_dict(state)
    return network, depth


def _take(left: dict[str, Layer], convolution: nn.Conv2d | nn.ConvTranspose2d, depth: int) -> Layer:
    """The first layer that is left of the convolution's shape, taken out of ``left``."""
    shape = convolution.weight.shape
    name = next((name for name, layer in left.items() if layer.weight.shape == shape), None)
    if name is None:
        inputs, outputs, size = convolution.in_channels, convolution.out_channels, shape[-1]
        raise WeightsError(
            f"a {size} x {size} convolution from {inputs} to {outputs} channels is missing: "
            f"this is no whole SID network of depth {depth:+d}"
        )
    layer = left.pop(name)
    if (convolution.bias is None) != (layer.bias is None):
        raise WeightsError(f"{name} has no bias, the layers beside it have: this is no whole SID network")
    for tensor in (layer.weight, layer.bias):
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{name} holds values that are no finite numbers: its training went wrong")
    return layer


def _shuffled(layer: Layer, subpixels: int) -> Layer:
    """The last layer with its channels as pixel_shuffle reads them instead of TensorFlow's depth_to_space.

    Channel ``place * 3 + colour`` becomes ``colour * subpixels**2 + place``.
    """
    order = torch.arange(3 * subpixels**2).reshape(subpixels**2, 3).T.flatten()
    return Layer(layer.weight[order], None if layer.bias is None else layer.bias[order])


def _kind(layers: Mapping[str, Layer]) -> tuple[int, int]:
    """Depth and sub-pixels, told by the shapes."""
    upsamplers = [layer for layer in layers.values() if _is_upsampler(layer)]
    depth = len(upsamplers) - _UPSAMPLERS_AT_DEPTH_0
    if depth not in DEPTHS:
        raise WeightsError(
            f"{len(upsamplers)} transposed 2 x 2 convolutions are none of SID's networks, which have 2 to 5"
        )
    last = [layer.weight.shape[0] for layer in layers.values() if layer.weight.shape[2:] == (1, 1)]
    if len(last) != 1 or last[0] not in _SUBPIXELS:
        raise WeightsError(f"no single 1 x 1 convolution to 12 or 27 channels, as every SID network has: found {last}")
    return depth, _SUBPIXELS[last[0]]


def _is_upsampler(layer: Layer) -> bool:
    return layer.weight.shape[2:] == (2, 2)
