"""``sidcap export``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.leaks import leaks
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import (
    console,
    ended_like_ctrl_c,
    print_json,
    progress,
    warn,
    without_c_chatter,
)
from sidcap.data_manifest.errors import StoppedError, UsageError
from sidcap.data_manifest.words import Split, Verdict, counted

if TYPE_CHECKING:
    from sidcap.data_manifest.exporters.cargo import Cargo

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


class Including(StrEnum):
    """Pairs that are exported only where that is asked for."""

    UNDETERMINED = "undetermined"
    MISALIGNED = "misaligned"
    REJECTED = "rejected"
    NOT_VERIFIED = "not-verified"
    ALL = "all"


TargetArgument = Annotated[Path, typer.Argument(metavar="PATH", help="A new or empty folder.")]
SplitOption = Annotated[Split | None, typer.Option(show_default="all", help="Only the scenes of one split.")]
IncludeOption = Annotated[
    list[Including] | None,
    typer.Option(
        show_default="aligned and accepted pairs only",
        help="Pairs of this standing, too; may be given several times. Those whose files are missing never are.",
    ),
]
LinkOption = Annotated[
    bool,
    typer.Option("--link/--copy", help="Hard links to the raw files, which need no room and the same disk; or copies."),
]
CalibrationOption = Annotated[
    bool, typer.Option("--calibration/--no-calibration", help="Darks, flats and what follows from them, too.")
]
LicenceOption = Annotated[
    str, typer.Option("--licence", "--license", metavar="NAME", show_default="none", help="For example CC-BY-4.0.")
]
CreatorOption = Annotated[str, typer.Option(metavar="NAME", show_default="none", help="Who made the dataset.")]
DescriptionOption = Annotated[
    str, typer.Option(metavar="TEXT", show_default="what the records tell", help="What the dataset shows.")
]
CitationOption = Annotated[
    str, typer.Option(metavar="TEXT", show_default="none", help="How others should cite it, BibTeX for example.")
]


@app.callback()
def main() -> None:
    """Write a dataset, or its manifest, in the words of other programs.

    [bold]As See-in-the-Dark's folders, and its lists alone[/]
    sidcap export sid /data/for-the-original-code
    sidcap export sid-list --split train -o Sony_train_list.txt
    """


@app.command("sid-list")
def sid_list(
    split: SplitOption = None,
    verdict: Annotated[
        Verdict | None,
        typer.Option(
            show_default="all",
            help="Only pairs with this verdict. What a person decided outweighs it: accepted pairs count as aligned, "
            "rejected ones are left out.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", show_default="stdout", help="Where to write it.")
    ] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
) -> None:
    """List the pairs as See-in-the-Dark does: short, long, ISO and f-number, one pair a line.

    What `sidcap import sid` read from a list is written again as it stood there, byte for byte.

    sidcap export sid-list --split train -o Sony_train_list.txt
    """
    from sidcap.data_manifest.exporters.sid_list import sid_list as listed
    from sidcap.data_manifest.store import Store, write_atomic

    store = Store.open(dataset)
    rows = listed(store.scenes(split), verdict)
    if not rows:
        kind = " ".join(word for word in (verdict, "pair", f"in split {split}" if split else "") if word)
        raise UsageError(f"{dataset} has no {kind}: nothing was written")
    if out is None:
        sys.stdout.write(rows)
        return
    write_atomic(out, rows.encode())
    console.print(f"{rows.count(chr(10))} pairs in {out}", soft_wrap=True)


@app.command("sid")
def sid(
    target: TargetArgument,
    split: SplitOption = None,
    include: IncludeOption = None,
    link: LinkOption = False,
    calibration: CalibrationOption = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Folders long and short and the lists of pairs, as the original See-in-the-Dark code reads them.

    sidcap export sid /data/canon --link
    """
    from sidcap.data_manifest.exporters.sid import export_sid

    cargo = _cargo(dataset, split, include, calibration=calibration)
    with _shown() as on_step:
        export_sid(cargo, target, link=link, on_step=on_step)
    _tell(cargo, "sid", target, json=json)


@app.command("croissant")
def croissant(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", show_default="croissant.json in the dataset", help="In a folder above it."
        ),
    ] = None,
    split: SplitOption = None,
    include: IncludeOption = None,
    licence: LicenceOption = "",
    creator: CreatorOption = "",
    description: DescriptionOption = "",
    citation: CitationOption = "",
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Describe the dataset where it lies: croissant.json, which search engines and data loaders read.

    sidcap export croissant --licence CC-BY-4.0 --creator "Anna Ferreira"
    """
    from sidcap.data_manifest.exporters.about import About
    from sidcap.data_manifest.exporters.croissant import export_croissant

    cargo = _cargo(dataset, split, include, calibration=True)
    about = About(description, creator, licence, citation)
    with _shown() as on_step:
        written = export_croissant(cargo, out, about, on_step=on_step)
    _tell(cargo, "croissant", written, json=json)


@app.command("hugging-face")
def hugging_face(
    target: TargetArgument,
    split: SplitOption = None,
    include: IncludeOption = None,
    link: LinkOption = False,
    calibration: CalibrationOption = False,
    preview_px: Annotated[int, typer.Option(min=16, max=16384, help="Width of the previews.")] = 1024,
    licence: LicenceOption = "",
    creator: CreatorOption = "",
    description: DescriptionOption = "",
    citation: CitationOption = "",
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """A folder that Hugging Face's datasets loads: previews as pictures, a row for each pair, the raw files beside.

    sidcap export hugging-face /data/hub --licence CC-BY-4.0
    """
    from sidcap.data_manifest.exporters.about import About
    from sidcap.data_manifest.exporters.hugging_face import export_hugging_face

    cargo = _cargo(dataset, split, include, calibration=calibration)
    about = About(description, creator, licence, citation)
    with _shown() as on_step:
        export_hugging_face(cargo, target, about, link=link, preview_px=preview_px, on_step=on_step)
    _tell(cargo, "hugging-face", target, json=json)


@app.command("webdataset")
def webdataset(
    target: TargetArgument,
    split: SplitOption = None,
    include: IncludeOption = None,
    calibration: CalibrationOption = False,
    shard_mb: Annotated[int, typer.Option(min=1, help="Largest size of a shard, megabytes.")] = 1000,
    licence: LicenceOption = "",
    creator: CreatorOption = "",
    description: DescriptionOption = "",
    citation: CitationOption = "",
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Tar shards for the webdataset library: each sample a long, a short and their values. Same input, same bytes.

    sidcap export webdataset /data/shards --shard-mb 500
    """
    from sidcap.data_manifest.exporters.about import About
    from sidcap.data_manifest.exporters.web_dataset import export_webdataset

    cargo = _cargo(dataset, split, include, calibration=calibration)
    about = About(description, creator, licence, citation)
    with _shown() as on_step:
        export_webdataset(cargo, target, about, shard_bytes=shard_mb * 1_000_000, on_step=on_step)
    _tell(cargo, "webdataset", target, json=json)


@app.command("bagit")
def bagit(
    target: TargetArgument,
    split: SplitOption = None,
    include: Annotated[
        list[Including] | None,
        typer.Option(show_default="all", help="Only aligned and accepted pairs, and those of this standing."),
    ] = None,
    licence: LicenceOption = "",
    creator: CreatorOption = "",
    description: DescriptionOption = "",
    citation: CitationOption = "",
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """A BagIt bag for archives: the whole dataset with calibration and journal, every file proved by its checksum.

    With --split or --include only the scenes and pairs that these choose, and the calibration.

    sidcap export bagit /archive/2026-01-night
    """
    from sidcap.data_manifest.exporters.about import About
    from sidcap.data_manifest.exporters.bag import export_bag
    from sidcap.data_manifest.exporters.cargo import whole_dataset
    from sidcap.data_manifest.store import Store

    is_whole = split is None and not include
    cargo = whole_dataset(Store.open(dataset)) if is_whole else _cargo(dataset, split, include, calibration=True)
    about = About(description, creator, licence, citation)
    with _shown() as on_step:
        export_bag(cargo, target, about, whole=is_whole, on_step=on_step)
    _tell(cargo, "bagit", target, json=json)


def _cargo(dataset: Path, split: Split | None, include: list[Including] | None, *, calibration: bool) -> Cargo:
    from sidcap.data_manifest.exporters.cargo import STANDINGS, load_cargo
    from sidcap.data_manifest.store import Store

    asked = [word.value.replace("-", " ") for word in include or ()]
    standings = STANDINGS if Including.ALL in asked else asked
    return load_cargo(Store.open(dataset), split=split, include=standings, calibration=calibration)


@contextmanager
def _shown() -> Iterator[Callable[[int, int], None]]:
    try:
        with ended_like_ctrl_c(), without_c_chatter(), progress() as bar:
            task = bar.add_task("exporting", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    except KeyboardInterrupt:
        raise StoppedError("interrupted: nothing was exported") from None


def _tell(cargo: Cargo, kind: str, written: Path, *, json: bool) -> None:
    from sidcap.data_manifest.exporters.about import simulation

    if cargo.left_out:
        warn(f"{counted(len(cargo.left_out), 'pair')} left out: {cargo.left_out_in_words}")
    if words := simulation(cargo):
        warn(words)
    found = leaks(cargo.store, cargo.scenes)
    scenes, pairs = len(cargo.scenes), len(cargo.pairs)
    console.print(f"{counted(scenes, 'scene')}, {counted(pairs, 'pair')} in {written}", soft_wrap=True, markup=False)
    if json:
        left_out = [pair.model_dump(mode="json") for pair in cargo.left_out]
        print_json(
            {
                "format": kind,
                "path": str(written),
                "scenes": scenes,
                "pairs": pairs,
                "left_out": left_out,
                "leaks": [[one.first, one.second] for one in found],
            }
        )
