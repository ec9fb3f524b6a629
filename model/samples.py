"""Sample crops: the same places of training scenes at every stage of training, as in the study's figure 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.raw import develop_amplified
from sidcap.data_manifest.store import Store
from sidcap.model.config import TrainConfig
from sidcap.model.crops import SampleCrop, TrainingData
from sidcap.model.inference import enhance
from sidcap.model.pictures import Panel, sheet, write_png
from sidcap.model.unet import UNet

_SCENES = 4
_MAX_SIZE = 256
"""In packed pixels."""


@dataclass(frozen=True)
class Sample:
    """One place of one pair."""

    title: str
    crop: SampleCrop
    """What the network is given, and the reference."""
    amplified: NDArray[np.uint16]
    """(2 size, 2 size, 3) sRGB: the same place of the short, amplified and developed by LibRaw."""


def take_samples(store: Store, data: TrainingData, config: TrainConfig) -> list[Sample]:
    """One place of the darkest short of each of the first few scenes. RawError where one cannot be developed."""
    size = min(config.patch, _MAX_SIZE)
    samples = []
    for scene in range(min(len(data), _SCENES)):
        crop = data.sample(scene, size)
        pair, mosaic, side = crop.pixels.pair, crop.pixels.mosaic, data.layout.subpixels
        developed = develop_amplified(store.path(pair.short.path), pair.ratio, *pair.short.levels)
        rows, columns = (slice(side * first, side * (first + size)) for first in (crop.place.top, crop.place.left))
        samples.append(
            Sample(
                title=f"scene {pair.scene}, x{pair.ratio:.4g}",
                crop=crop,
                amplified=mosaic.covered(developed)[rows, columns].copy(),
            )
        )
    return samples


def write_samples(path: Path, network: UNet, samples: Sequence[Sample]) -> None:
    """A sheet with one row for each sample: amplified, network, reference. TrainingError where it cannot be written."""
    rows = [
        [
            Panel(sample.amplified, f"{sample.title}: amplified"),
            Panel(enhance(network, sample.crop.planes), "network"),
            Panel(sample.crop.target, "reference"),
        ]
        for sample in samples
    ]
    write_png(path, sheet(rows))
