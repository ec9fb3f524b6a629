"""The See-in-the-Dark network: a U-Net on packed planes, any number of levels.

Chen et al., "Learning to See in the Dark", CVPR 2018; the network is that of Ronneberger et al., MICCAI 2015, without
normalisation. The study's variants take away or add levels at the bottom.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Self

import torch
from torch import Tensor, nn

CHANNELS: Final = (32, 64, 128, 256, 512, 1024)
"""Filters of each level, from full packed resolution down."""
DEPTHS: Final = range(-2, 2)
"""Levels more or fewer than the original's five."""
_LEVELS_AT_DEPTH_0 = 5


def multiple_of(depth: int) -> int:
    """What the height and the width of the input of a network of that depth are multiples of."""
    return int(2 ** (_LEVELS_AT_DEPTH_0 + depth - 1))


class UNet(nn.Module):
    """(N, 4, h, w) amplified packed planes -> (N, 3, 2 h, 2 w) RGB, not clipped; h and w multiples of ``multiple``.

    An X-Trans mosaic has 9 ``planes`` and 3 ``subpixels``: (N, 9, h, w) -> (N, 3, 3 h, 3 w). ``upsampling_bias`` gives
    the transposed convolutions a bias, which imported weights of some ports have. ``depth`` 0 is the
    original, of 32 to 512 filters and 7.76 million parameters; -2, -1 and +1 are the study's
    figures 12, 11 and 13. The weights are drawn from ``seed``, as the original's TensorFlow code draws them: Glorot
    uniform for the convolutions with biases of zero, a normal distribution of 0.02, cut at two standard deviations,
    for the transposed convolutions, which have no bias.
    """

    def __init__(
        self, depth: int = 0, *, planes: int = 4, subpixels: int = 2, upsampling_bias: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth {depth} is not one of {', '.join(f'{known:+d}' for known in DEPTHS)}")
        self.planes, self.subpixels = planes, subpixels
        channels = CHANNELS[: _LEVELS_AT_DEPTH_0 + depth]
        steps = list(pairwise(channels))
        self.multiple = multiple_of(depth)
        """Height and width of the input are multiples of this."""
        self.halo = 6 * self.multiple
        """No output pixel depends on input further away than this, in packed pixels; a multiple of ``multiple``."""
        self.encoders = nn.ModuleList(_two_convolutions(*step) for step in [(planes, channels[0]), *steps])
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(low, high, kernel_size=2, stride=2, bias=upsampling_bias)
            for high, low in reversed(steps)
        )
        self.decoders = nn.ModuleList(_two_convolutions(low, high) for high, low in reversed(steps))
        self.to_subpixels = nn.Conv2d(channels[0], 3 * subpixels**2, kernel_size=1)
        self._initialise(torch.Generator().manual_seed(seed))

    def forward(self, planes: Tensor) -> Tensor:
        """See the class."""
        skipped: list[Tensor] = []
        features = self.encoders[0](planes)
        for encoder in self.encoders[1:]:
            skipped.append(features)
            features = encoder(nn.functional.max_pool2d(features, 2))
        for upsampler, decoder in zip(self.upsamplers, self.decoders, strict=True):
            features = decoder(torch.cat([upsampler(features), skipped.pop()], dim=1))
        last = self.to_subpixels
        with torch.autocast(features.device.type, enabled=False):  # the last layer is fp32 whatever the others are
            rgb: Tensor = nn.functional.pixel_shuffle(last(features.to(last.weight.dtype)), self.subpixels)
        return rgb

    def place(self, device: torch.device | str) -> Self:
        """Move to ``device``, with filters in the memory order in which convolutions are fastest."""
        return self.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _initialise(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.get_parameter("bias"))
            elif isinstance(module, nn.ConvTranspose2d):
                nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(outputs, outputs, kernel_size=3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
    )
