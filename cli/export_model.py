"""``sidcap export-model``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sidcap.cli.completion import runs
from sidcap.cli.options import JsonOption
from sidcap.cli.screen import console, print_json, status


def export_model(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="The run's folder, from `sidcap train` or `sidcap import-weights`.", autocompletion=runs
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The .onnx file to write.")],
    json: JsonOption = False,
) -> None:
    """Write a run's network as ONNX.

    For programs without PyTorch. It takes packed planes of any height and
    width that are multiples of what the file's metadata say; they also say how
    a raw file becomes such planes. The file is written only if onnxruntime
    computes from it what PyTorch does.

    Needs pip install 'sidcap\\[onnx]'.

    [bold]Example[/]
    sidcap export-model run -o model.onnx
    """
    from sidcap.model.onnx import export_onnx

    with status("exporting, half a minute"):
        exported = export_onnx(run, out)
    console.print(
        f"{out}: {exported.size_bytes / 1e6:.1f} MB, opset {exported.opset}; onnxruntime differs from PyTorch by "
        f"{exported.largest_difference:.1g} at most",
        soft_wrap=True,
    )
    if json:
        print_json(exported)
