"""The network applied to whole frames, in tiles where a frame is large."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise, product

import numpy as np
import torch
from numpy.typing import NDArray

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.model.config import DeviceChoice
from sidcap.model.unet import UNet

TILE = 768
"""Side of the largest tile in packed pixels, without its halo. On a CPU, at depth 0, it takes 0.7 GB."""


def choose_device(choice: DeviceChoice) -> torch.device:
    """The device to compute on; for ``auto`` the first there is of cuda, mps, cpu. UsageError where it is not there.

    From then on fp32 is fp32 on CUDA, too, and not TF32.
    """
    torch.backends.cudnn.allow_tf32 = False
    available = [
        name
        for name, is_there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
        if is_there
    ]
    if choice == "auto":
        return torch.device([*available, "cpu"][0])
    if choice not in (*available, "cpu"):
        raise UsageError(f"this machine or this torch has no {choice}: give --device auto")
    return torch.device(choice)


@contextmanager
def memory_told(advice: str) -> Iterator[None]:
    """Makes of memory that ran out, on whichever device, a TrainingError that gives the advice."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).lower()
        if not any(words in said for words in ("out of memory", "can't allocate memory", "alloc_failed")):
            raise
        raise TrainingError(f"the device has not enough memory: {advice}") from error


def enhance(
    network: UNet,
    planes: NDArray[np.float32],
    tile: int = TILE,
    *,
    on_tile: Callable[[int, int], None] = lambda _done, _total: None,
) -> NDArray[np.float32]:
    """(P, h, w) amplified packed planes of any size -> (s h, s w, 3) RGB as the network gives it, not clipped.

    s is 2 for a Bayer sensor's 4 planes, 3 for an X-Trans sensor's 9. The frame is mirrored at its lower and right
    edges up to the multiple that the network needs, and that part is cut off again. Every tile begins on a multiple and
    is given a halo wider than the network's reach, so the result is that of the whole frame at once; on a CPU bit for
    bit, unless tiles are so small that torch computes them in another way. ``on_tile`` is told how many tiles are done,
    and of how many.
    """
    device = next(network.parameters()).device
    scale, halo = network.subpixels, network.halo
    _, height, width = planes.shape
    filled = np.pad(planes, ((0, 0), (0, -height % network.multiple), (0, -width % network.multiple)), mode="reflect")
    picture = np.empty((scale * filled.shape[1], scale * filled.shape[2], 3), np.float32)
    spans = [list(_spans(length, tile, network.multiple)) for length in filled.shape[1:]]
    places = list(product(*spans))
    for done, ((top, bottom), (left, right)) in enumerate(places, start=1):
        first_row, first_column = max(0, top - halo), max(0, left - halo)
        given = torch.from_numpy(filled[:, first_row : bottom + halo, first_column : right + halo])[None]
        with torch.inference_mode():
            result = network(given.to(device, memory_format=torch.channels_last))[0]
        core = result[
            :,
            scale * (top - first_row) : scale * (bottom - first_row),
            scale * (left - first_column) : scale * (right - first_column),
        ]
        picture[scale * top : scale * bottom, scale * left : scale * right] = core.permute(1, 2, 0).cpu().numpy()
        on_tile(done, len(places))
    return picture[: scale * height, : scale * width]


def _spans(length: int, tile: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Where the tiles of one direction begin and end: as few as can be, of nearly one size, all on multiples."""
    steps = length // multiple
    count = math.ceil(length / max(tile, multiple))
    return pairwise(multiple * (number * steps // count) for number in range(count + 1))
