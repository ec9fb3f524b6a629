"""``sidcap recover``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption, dataset_suffix
from sidcap.cli.screen import console, print_json, status, warn, without_c_chatter
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from sidcap.capture.recover import Recovery, Report
    from sidcap.data_manifest.store import Store

_COLOURS = {"imported": "green", "restored": "green", "already there": "dim", "left alone": "yellow"}


def recover(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", show_default=False, help="The card's, such as /media/EOS_DIGITAL/DCIM."),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(metavar="PORT", help="Or the camera: usb:001,004 or ptpip:192.168.1.9, as `gphoto2` names them."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be imported; write nothing.")] = False,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Bring home frames that a session lost.

    From a card, or from the camera, into the scenes they belong to; a frame
    whose file is gone or damaged is put back. Nothing is overwritten or
    deleted: what is damaged moves to discarded/damaged. What the dataset has
    already, and what belongs to none of its brackets, is named.

    [bold]From the card in a reader[/]
    sidcap recover /media/EOS_DIGITAL/DCIM

    [bold]From the camera[/]; --dry-run only shows what would come
    sidcap recover --camera usb:001,004 --dry-run
    """
    from sidcap.data_manifest.store import Store

    if (folder is None) == (camera is None):
        raise UsageError("name the card's folder, sidcap recover /media/EOS_DIGITAL/DCIM, or the camera with --camera")
    store = Store.open(dataset)
    with without_c_chatter(), store.claimed(), status("comparing with the dataset"):
        report = _from_camera(store, camera, dry_run) if folder is None else _from_folder(store, folder, dry_run)
    _show(report, dataset, dry_run)
    if json:
        print_json(report)


def _from_folder(store: Store, folder: Path, dry_run: bool) -> Report:
    from sidcap.capture.recover import CardFolder
    from sidcap.capture.recover import recover as recover_from

    return recover_from(store, CardFolder(folder), dry_run=dry_run)


def _from_camera(store: Store, port: str | None, dry_run: bool) -> Report:
    from sidcap.capture import Camera
    from sidcap.capture.recover import CameraCard, scratch
    from sidcap.capture.recover import recover as recover_from

    with Camera(port) as camera, scratch(store) as folder:
        return recover_from(store, CameraCard(camera, Path(folder)), dry_run=dry_run)


def _show(report: Report, dataset: Path, dry_run: bool) -> None:
    from rich.table import Table

    table = Table("file", "taken", "", "where and why", box=None, padding=(0, 1), pad_edge=False)
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    names = Counter(Path(recovery.file).name for recovery in report.files)
    for recovery in report.files:
        path = Path(recovery.file)
        table.add_row(path.name if names[path.name] == 1 else "/".join(path.parts[-2:]), *_cells(recovery))
    if report.files:
        console.print(table)
    counts = Counter(recovery.outcome for recovery in report.files)
    found = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no raw files there"
    console.print(f"{found}{' (dry run: nothing was written)' if dry_run else ''}")
    for scene in report.completed:
        console.print(f"scene [bold]{scene:05d}[/] {'would be' if dry_run else 'is'} complete")
    for scene, count in report.missing.items():
        warn(f"scene {scene:05d} lacks {counted(count, 'frame')}: sidcap shoot --resume{dataset_suffix(dataset)}")


def _cells(recovery: Recovery) -> tuple[str, str, str]:
    taken = f"{recovery.taken:%Y-%m-%d %H:%M:%S}" if recovery.taken else ""
    settings = f"ISO {recovery.iso}, {_exposure(recovery.exposure_s)}" if recovery.iso else ""
    return (
        "\n".join(part for part in (taken, settings) if part),
        f"[{_COLOURS[recovery.outcome]}]{recovery.outcome}[/]",
        "\n".join(part for part in (recovery.path, recovery.note) if part),
    )


def _exposure(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:g} s" if seconds >= 0.3 else f"1/{1 / seconds:.0f} s"
