"""``sidcap enhance``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sidcap.cli.completion import runs
from sidcap.cli.options import JsonOption
from sidcap.cli.screen import console, print_json, progress, warn, without_c_chatter
from sidcap.cli.train import Device, DeviceOption


def enhance(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A raw file: CR2, ARW, RAF, DNG or whatever LibRaw opens.")
    ],
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="The run's folder, from `sidcap train` or `sidcap import-weights`.", autocompletion=runs
        ),
    ],
    ratio: Annotated[float, typer.Option(min=0, help="How many times brighter than exposed; 100, for example.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PICTURE", help="A .tiff, .tif or .png, 16 bits a colour.")
    ],
    dataset: Annotated[
        Path | None,
        typer.Option(
            envvar="SIDCAP_DATASET",
            metavar="PATH",
            help="A dataset with a calibration of this body, for runs that were trained with dark shading.",
        ),
    ] = None,
    device: DeviceOption = Device.AUTO,
    json: JsonOption = False,
) -> None:
    """Develop one dark raw file with a trained network.

    The file is treated as the frames that the run was trained on: levels,
    negatives, cap on the ratio, dark shading. The picture is sRGB, and not
    turned. Large frames are enhanced in tiles, with the result of the whole.

    [bold]A hundred times brighter[/]
    sidcap enhance IMG_0001.CR2 run --ratio 100 -o bright.tiff

    [bold]With the body's dark shading taken out[/]
    sidcap enhance IMG_0001.CR2 best --ratio 300 -o bright.png --dataset dataset
    """
    from sidcap.model.enhancement import enhance_file

    with without_c_chatter(), progress() as bar:
        task = bar.add_task("enhancing", total=None)
        enhanced = enhance_file(
            file,
            run,
            out,
            ratio,
            dataset=dataset,
            device=device.value,
            on_tile=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if enhanced.ratio < ratio:
        warn(f"the run caps the ratio at {enhanced.ratio:g}, as it did in training: {ratio:g} is not reached")
    if enhanced.dark_shading is False:
        warn(
            "the run was trained with dark shading subtracted, and no calibration of this body at this ISO was found: "
            "give --dataset with one, or expect its fixed pattern"
        )
    size = f"{enhanced.width_px} x {enhanced.height_px}"
    console.print(f"{out}: {size}, {file.name} times {enhanced.ratio:g}", soft_wrap=True)
    if json:
        print_json(enhanced)
