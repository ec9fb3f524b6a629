"""``sidcap import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption, dataset_suffix
from sidcap.cli.screen import (
    NOT_USABLE,
    console,
    ended_like_ctrl_c,
    print_json,
    progress,
    warn,
    without_c_chatter,
)
from sidcap.data_manifest.errors import StoppedError
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from sidcap.data_manifest.importers.sid import ImportReport


class _Imports(TyperGroup):
    """What is no command here is the path of an export."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["export", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Imports, no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def main() -> None:
    """Make a dataset of what others shot, or of an export.

    [bold]In the layout of See-in-the-Dark[/]
    sidcap import sid /data/SID

    [bold]What `sidcap export` wrote[/]
    sidcap import /archive/2026-01-night --dataset night
    """


@app.command("export")
def import_export(
    source: Annotated[
        Path, typer.Argument(metavar="PATH", help="A folder that `sidcap export` wrote, or its croissant.json.")
    ],
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Make a dataset of an export: a bag, a SID or Hugging Face folder, WebDataset shards, or Croissant.

    The scenes come back as they were exported, verdicts and decisions too; every file is proved by its checksum. The
    dataset is made new: nothing is added to one that is there.

    sidcap import /archive/2026-01-night --dataset night
    """
    from sidcap.data_manifest.importers.exported import import_export as import_from

    try:
        with ended_like_ctrl_c(), progress() as bar:
            task = bar.add_task("importing", total=None)
            report = import_from(source, dataset, lambda done, total: bar.update(task, completed=done, total=total))
    except KeyboardInterrupt:
        raise StoppedError("interrupted: nothing was imported") from None
    console.print(
        f"{counted(report.scenes, 'scene')}, {counted(report.pairs, 'pair')}, {counted(report.frames, 'frame')} "
        f"of a {report.format} export in {dataset}",
        soft_wrap=True,
        markup=False,
    )
    if json:
        print_json(report)


@app.command("sid")
def import_sid(
    folder: Annotated[
        Path, typer.Argument(metavar="PATH", help="Holds Sony/long and Sony/short, or long and short, or SID's lists.")
    ],
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET",
            show_default="PATH itself",
            help="Make the dataset elsewhere, on the same disk: its raw files are hard links to those in PATH.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Import a dataset in the layout of See-in-the-Dark, without copying its raw files.

    dataset.json and scenes/ are written into PATH, which thereby becomes the dataset. Pairs are those of SID's lists
    (Sony_train_list.txt and so on, in PATH or beside it); without lists, every short of a scene is paired with its
    long. Files that a list names and that are not there are marked missing.

    Import again when files were added: what came new is read, all else stays as it is, verdicts too. Links that lead
    out of the dataset are not followed. Ends with exit code 3 where a file is broken, or its name is none of SID's.

    sidcap import sid /data/SID
    """
    from sidcap.data_manifest.importers.sid import import_sid as import_from

    with without_c_chatter(), progress() as bar:
        task = bar.add_task("reading frames", total=None)
        report = import_from(folder, dataset, lambda done, total: bar.update(task, completed=done, total=total))
    _show(report)
    if json:
        print_json(report)
    if report.findings:
        raise typer.Exit(NOT_USABLE)


def _show(report: ImportReport) -> None:
    for finding in report.findings:
        warn(f"{finding.path}: {finding.problem}")
    if report.missing:
        warn(f"{counted(report.missing, 'frame')} missing: put the files there and import again")
    if report.unlisted:
        warn(f"{counted(report.unlisted, 'file')} left alone: no list names them")
    console.print(
        f"{counted(report.scenes, 'scene')}, {counted(report.pairs, 'pair')}, {counted(report.frames, 'frame')}, "
        f"{report.read} of them read now"
    )
    if report.frames > report.missing:
        console.print(f"Next: sidcap verify-alignment{dataset_suffix(report.dataset)}", soft_wrap=True)
