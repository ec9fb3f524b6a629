"""What the shell offers at TAB where a value is not one of a few words: ISOs, scenes, pairs, runs, datasets.

The shell waits for it: file names are looked at and nothing else, and nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

_ISOS = (
    *(50, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 5000, 6400),
    *(8000, 10000, 12800, 16000, 20000, 25600),
)
"""A Canon EOS 6D's, in third stops; other cameras have much the same."""


def isos(incomplete: str) -> list[str]:
    """Sensitivities; the last one of a list that commas separate."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{iso}" for iso in _ISOS if str(iso).startswith(last)]


def scenes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Numbers of the dataset's scenes."""
    return _that_begin(incomplete, _scenes(ctx))


def pairs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Numbers of the dataset's scenes, and names of its shorts."""
    shorts = sorted(file.stem for file in (_dataset(ctx) / "short").glob("*_*_*s.*"))
    return _that_begin(incomplete, (*_scenes(ctx), *shorts))


def runs(incomplete: str) -> list[str]:
    """Folders of training runs."""
    return _folders_with("checkpoint.safetensors", incomplete)


def datasets(incomplete: str) -> list[str]:
    """Folders of datasets."""
    return _folders_with("dataset.json", incomplete)


def _dataset(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("dataset") or "dataset")


def _scenes(ctx: typer.Context) -> Iterator[str]:
    files = sorted((_dataset(ctx) / "scenes").glob("*.json"))
    return (str(int(file.stem)) for file in files if file.stem.isdecimal())


def _that_begin(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _folders_with(name: str, incomplete: str) -> list[str]:
    """Folders at the place that was begun, and one level below, that hold such a file."""
    typed = Path(incomplete)
    above, begun = (typed, "") if incomplete.endswith("/") else (typed.parent, typed.name)
    found = (file.parent for pattern in (f"*/{name}", f"*/*/{name}") for file in above.glob(pattern))
    return sorted(str(folder) for folder in found if folder.relative_to(above).parts[0].startswith(begun))
