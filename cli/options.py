"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DatasetOption = Annotated[
    Path,
    typer.Option(
        "--dataset", envvar="SIDCAP_DATASET", show_default="./dataset", help="The dataset's folder.", metavar="PATH"
    ),
]
DEFAULT_DATASET = Path("dataset")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def dataset_suffix(dataset: Path) -> str:
    """What a suggested next command needs after it, so that it finds the same dataset."""
    return "" if dataset == DEFAULT_DATASET else f" --dataset {dataset}"
