"""From a file of weights to a run that `load_network`, ``sidcap evaluate`` and ``sidcap enhance`` take."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sidcap.data_manifest.errors import UsageError, WeightsError
from sidcap.data_manifest.schema import Record
from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, save_checkpoint
from sidcap.model.config import TrainConfig
from sidcap.model.weights.layers import SubpixelOrder, network_of
from sidcap.model.weights.sources import FileFormat, read_source


class Imported(Record):
    """What an import found."""

    checkpoint: Path
    run: Path
    format: FileFormat
    depth: int
    cfa: Literal["bayer", "x-trans"]
    parameters: int
    subpixel_order: SubpixelOrder
    """Of the file; the run's is PyTorch's."""
    names_known: bool
    """False: the layers were told apart by their shapes and order alone."""


def import_weights(checkpoint: Path, run: Path, subpixel_order: SubpixelOrder | None = None) -> Imported:
    """Make a run of the weights in ``checkpoint``, with the settings of the preset ``sid-original`` and their depth.

    ``subpixel_order`` is told by the layers' names where it is None. WeightsError where the file is absent, broken, or
    not the whole of a SID network; UsageError where ``run`` holds a checkpoint, or the order cannot be told.
    """
    if (run / CHECKPOINT_NAME).exists():
        raise UsageError(f"{run} holds a run already: give another folder")
    source = read_source(checkpoint)
    order = subpixel_order or source.subpixel_order
    try:
        network, depth = network_of(source.layers, order or "pixel-shuffle")
    except WeightsError as error:
        raise WeightsError(f"{checkpoint}: {error}") from error
    if order is None:
        raise UsageError(
            f"{checkpoint} does not tell how its last channels become pixels: give --subpixel-order pixel-shuffle "
            "where its code calls pixel_shuffle, --subpixel-order depth-to-space where it does as TensorFlow does"
        )
    state = RunState(
        config=TrainConfig.of_preset("sid-original", depth=depth),
        data_sha256="",
        scenes=0,
        imported_from=checkpoint.name,
        cfa="bayer" if network.subpixels == 2 else "x-trans",
        upsampling_bias=network.upsamplers[0].bias is not None,
    )
    save_checkpoint(run, network, None, state)
    return Imported(
        checkpoint=checkpoint,
        run=run,
        format=source.format,
        depth=depth,
        cfa=state.cfa,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        subpixel_order=order,
        names_known=source.names_known,
    )
