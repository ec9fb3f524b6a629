"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from sidcap.cli.completion import datasets
from sidcap.data_manifest.errors import UsageError

DatasetOption = Annotated[
    Path,
    typer.Option(
        "--dataset",
        envvar="SIDCAP_DATASET",
        show_default="./dataset",
        help="The dataset's folder.",
        metavar="PATH",
        autocompletion=datasets,
    ),
]
DEFAULT_DATASET = Path("dataset")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def dataset_suffix(dataset: Path) -> str:
    """What a suggested next command needs after it, so that it finds the same dataset."""
    return "" if dataset == DEFAULT_DATASET else f" --dataset {dataset}"


def seconds_of(duration: str) -> float:
    """Seconds of ``90s``, ``10m`` or ``1h``; UsageError where it is none of these."""
    match = _DURATION.fullmatch(duration.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"{duration!r} is not a duration: write 90s, 10m or 1h")
    return float(match[1]) * _SECONDS[match[2]]
