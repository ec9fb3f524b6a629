"""``sidcap calibrate``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import NOT_USABLE, complain, console, print_json, progress, warn, without_c_chatter
from sidcap.data_manifest.errors import SidcapError, UsageError
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from sidcap.data_manifest.calibration_frames import Kind
    from sidcap.data_manifest.schema import Measured, SensorRecord
    from sidcap.data_manifest.store import Store


def calibrate(
    darks: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", show_default="the dataset's", help="Dark frame or folder of them; repeat for more."
        ),
    ] = None,
    flats: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", show_default="the dataset's", help="Flat or folder of them; repeat for more."),
    ] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Learn what a body adds of its own, from darks and flats.

    For each body and ISO: gain, read noise, black, dark shading, hot pixels.
    What was found of the same frames before is not computed again. Files from
    elsewhere are copied into the dataset. Ends with exit code 3 where a body
    and ISO could not be calibrated.

    [bold]From what sidcap shoot-darks and shoot-flats shot[/]
    sidcap calibrate

    [bold]From frames that were shot by hand[/]
    sidcap calibrate --darks ~/darks --flats ~/flats
    """
    from sidcap.data_manifest.store import Store

    store = Store.create(dataset) if darks or flats else Store.open(dataset)
    with without_c_chatter():
        _bring_in(store, "dark", darks or [])
        _bring_in(store, "flat", flats or [])
        records, failures = _calibrated(store)
    if failures and not records:
        raise failures[0]
    show_sensors(records)
    for failure in failures:
        complain(str(failure))
    if json:
        print_json({"sensors": [record.model_dump(mode="json") for record in records]})
    if failures:
        raise typer.Exit(NOT_USABLE)


def _bring_in(store: Store, kind: Kind, paths: list[Path]) -> None:
    from sidcap.data_manifest.calibration_frames import bring_in

    files = [file for path in paths for file in _files_of(path)]
    with progress() as bar:
        brought = [bring_in(store, kind, file) for file in bar.track(files, description=f"bringing {kind}s in")]
    if files:
        new = sum(frame is not None for frame in brought)
        console.print(f"{counted(new, kind)} brought in, {len(files) - new} there already")


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
        if not files:
            raise UsageError(f"{path} holds no files: name the folder that the frames lie in")
        yield from files
    else:
        yield path


def _calibrated(store: Store) -> tuple[list[SensorRecord], list[SidcapError]]:
    from sidcap.curate.calibration import calibrate, current, groups

    records: list[SensorRecord] = []
    failures: list[SidcapError] = []
    found = groups(store)
    with progress() as bar:
        task = bar.add_task("calibrating", total=sum(len(group.frames) for group in found))
        for group in found:
            record = current(store, group)
            if record is not None:
                bar.advance(task, len(group.frames))
                records.append(record)
                continue
            try:
                records.append(calibrate(store, group, lambda: bar.advance(task)))
            except SidcapError as error:
                failures.append(error)
    return sorted(records, key=lambda record: (record.camera.model, record.camera.serial, record.iso)), failures


def show_sensors(records: list[SensorRecord]) -> None:
    """A table for each body, one row an ISO, uncertainties below their values; and what is missing."""
    from rich.box import SIMPLE
    from rich.table import Table

    for body, of_body in groupby(records, lambda record: f"{record.camera.model} {record.camera.serial}".strip()):
        headings = ("ISO", "gain e-/DN", "read e-", "black DN", "dark e-/s", "glow e-/s", "hot px")
        table = Table(*headings, title=body, box=SIMPLE, pad_edge=False, collapse_padding=True)
        for column in table.columns:
            column.justify = "right"
        for record in of_body:
            table.add_row(*_row(record))
        console.print(table)
    for record in records:
        name = f"{record.camera.model} at ISO {record.iso}"
        if record.maps is None:
            warn(f"{name}: no darks, so neither dark shading nor hot pixels: sidcap shoot-darks")
        elif len(record.dark_exposures_s) == 1:
            warn(f"{name}: darks of one exposure do not tell what grows with time: shoot a shorter and a longer one")
        if record.gain_source != "photon transfer":
            gain = f"the gain is that {record.gain_source}" if record.gain_source else "there is no gain"
            warn(f"{name}: no flats, so {gain}: sidcap shoot-flats")


def _row(record: SensorRecord) -> tuple[str, ...]:
    black = record.black_dn
    return (
        str(record.iso),
        _with_sigma(record.gain_e_per_dn),
        _with_sigma(record.read_noise_e) if record.gain_e_per_dn else _with_sigma(record.read_noise_dn, " DN"),
        "-" if black is None else f"{sum(plane.value for plane in black) / 4:.2f}",
        _with_sigma(record.dark_current_e_per_s),
        _with_sigma(record.glow_e_per_s),
        "-" if record.hot_pixels is None else str(record.hot_pixels),
    )


def _with_sigma(measured: Measured | None, unit: str = "") -> str:
    if measured is None:
        return "-"
    if not measured.sigma:
        return f"{measured.value:.3g}{unit}"
    digits = max(-floor(log10(measured.sigma)), 0)
    return f"{measured.value:.{digits}f}{unit}\n±{measured.sigma:.{digits}f}"
