"""``sidcap import-weights``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sidcap.cli.options import JsonOption
from sidcap.cli.screen import console, print_json, warn


class Order(StrEnum):
    """How the last layer's channels become pixels."""

    PIXEL_SHUFFLE = "pixel-shuffle"
    DEPTH_TO_SPACE = "depth-to-space"


def import_weights(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="TensorFlow: the folder, or the .index file. PyTorch: a .pth, .pt or .safetensors file.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The run's folder, which it makes.")],
    subpixel_order: Annotated[
        Order | None,
        typer.Option(
            show_default="told by the layers' names",
            help="How the network's last channels become pixels: as PyTorch's pixel_shuffle or TensorFlow's "
            "depth_to_space reads them.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Bring in See-in-the-Dark weights that others trained.

    The authors', the study's, or those of a PyTorch port. Depth and kind of
    sensor are told by the weights' shapes. RUN then works with sidcap evaluate,
    enhance and export-model. A file that is not the whole of such a network is
    refused.

    [bold]TensorFlow[/]
    sidcap import-weights checkpoint/Sony -o sony

    [bold]PyTorch[/]
    sidcap import-weights model.pth -o sony --subpixel-order pixel-shuffle
    """
    from sidcap.model.weights import import_weights as bring_in

    imported = bring_in(checkpoint, out, None if subpixel_order is None else subpixel_order.value)
    if not imported.names_known:
        warn(
            "the layers' names are not known: they were told apart by shape and order, and activation and order of "
            "concatenation are taken to be SID's. Compare a picture with one of the code they come from"
        )
    console.print(
        f"{imported.format} weights of depth {imported.depth:+d}, {imported.parameters / 1e6:.2f} M parameters, "
        f"{imported.cfa}, are in {out}. Next: sidcap enhance FILE.CR2 --ratio 100 {out} -o out.tiff",
        soft_wrap=True,
    )
    if json:
        print_json(imported)
