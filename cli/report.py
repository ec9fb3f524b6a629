"""``sidcap report``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidcap.cli.options import DEFAULT_DATASET, JsonOption
from sidcap.cli.screen import NOT_USABLE, console, print_json, progress, warn, without_c_chatter
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.words import counted

if TYPE_CHECKING:
    from sidcap.data_manifest.pages.document import Document, Part

_PICTURE_BYTES = 2_000_000
"""What photographs may add to a report, shared by the dataset and the runs."""


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...", show_default=False, help="Folders of runs, as `sidcap train --out` made them."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to; an earlier report there is replaced.")
    ] = Path("report.html"),
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset",
            envvar="SIDCAP_DATASET",
            metavar="PATH",
            show_default="./dataset, where there is one",
            help="The dataset's folder.",
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write every plot there, too, as SVG and PNG, with its numbers as CSV."),
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print it to a PDF beside it, with Chromium or Chrome where one is installed.")
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Read every file of the dataset and compare it with its checksum.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write all there is to know of a dataset and of runs into one HTML file.

    The file needs no network and nothing beside it, stays under 5 MB, and can be
    printed. What cannot be read is said in its place. Ends with exit code 3
    where records or files of the dataset, or the checkpoint of a run, are missing
    or damaged.

    [bold]The dataset in ./dataset[/]
    sidcap report

    [bold]With two runs, the plots as files, and a PDF[/]
    sidcap report run best -o report.html --plots plots --pdf
    """
    from sidcap.data_manifest.pages.document import html
    from sidcap.data_manifest.pages.plots import write_plots

    _must_be_replaceable(output)
    made = _made(_dataset(dataset, runs or []), runs or [], checksums=checksums)
    _write(output, html(made.document).encode())
    console.print(f"report: {output}", soft_wrap=True)
    for problem in made.unreadable:
        warn(problem)
    if plots is not None:
        written = write_plots(made.document, plots)
        if made.checksums:
            _write(plots / "checksums.sha256", made.checksums.encode())
        console.print(f"plots: {counted(len(written), 'file')} in {plots}", soft_wrap=True)
    printed = _printed(output) if pdf else None
    if json:
        print_json(
            {
                "report": str(output),
                "bytes": output.stat().st_size,
                "pdf": None if printed is None else str(printed),
                "sections": [section.anchor for part in made.document.parts for section in part.sections],
                "figures": [figure.name for figure in made.document.figures],
                "damaged": made.damaged,
            }
        )
    if made.damaged or made.unreadable:
        raise typer.Exit(NOT_USABLE)


def write_report(output: Path, dataset: Path, runs: Sequence[Path]) -> None:
    """Write the report of a dataset and runs, and name it; for other commands."""
    from sidcap.data_manifest.pages.document import html

    _write(output, html(_made(dataset, runs, checksums=False).document).encode())
    console.print(f"report: {output}", soft_wrap=True)


@dataclass(frozen=True)
class _Made:
    """A report, and what there is to say of it beside."""

    document: Document
    checksums: str = ""
    """Of every file of the dataset, for ``sha256sum --check``."""
    damaged: int = 0
    """Files and records of the dataset that are missing, damaged or incomplete."""
    unreadable: tuple[str, ...] = ()
    """Why the checkpoint of a run cannot be read, for every such run."""


def _made(dataset: Path | None, runs: Sequence[Path], *, checksums: bool) -> _Made:
    from sidcap.curate.report import Contents, checksums_of, dataset_part, problems_of
    from sidcap.data_manifest.pages.document import Document
    from sidcap.data_manifest.store import Store

    parts: list[Part] = []
    made = _Made(Document("", "", "", ()))
    store = None if dataset is None else Store.open(dataset)
    with without_c_chatter(), progress() as bar:
        task = bar.add_task("reading", total=None)

        def say(step: str) -> None:
            bar.update(task, description=step)

        if store is not None:
            contents = Contents.of(store)
            say("files")
            problems = problems_of(contents, checksums=checksums)
            share = _PICTURE_BYTES // 2 if runs else _PICTURE_BYTES
            parts.append(dataset_part(contents, problems, checksums=checksums, picture_bytes=share, on_step=say))
            made = replace(made, checksums=checksums_of(contents), damaged=len(problems))
        if runs:
            from sidcap.model.report import runs_part
            from sidcap.model.report.runs import read_runs

            say("runs")
            share = _PICTURE_BYTES // 2 if parts else _PICTURE_BYTES
            parts.append(runs_part(runs, store, picture_bytes=share))
            made = replace(made, unreadable=tuple(run.problem for run in read_runs(runs) if run.state is None))
    titles = [part.title for part in parts]
    document = Document(" and ".join(titles), "; ".join(part.subtitle for part in parts), _written(), tuple(parts))
    return replace(made, document=document)


def _written() -> str:
    """When and with what: SOURCE_DATE_EPOCH is heeded, as reproducible builds have it."""
    from sidcap.data_manifest.store import program

    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return f"Written {moment:%Y-%m-%d %H:%M} UTC with {program()}."


def _dataset(given: Path | None, runs: Sequence[Path]) -> Path | None:
    """The dataset to report on; none where only runs were named, and there is none in its usual place."""
    if given is None and runs and not (DEFAULT_DATASET / "dataset.json").is_file():
        return None
    return given or DEFAULT_DATASET


def _must_be_replaceable(output: Path) -> None:
    """UsageError where a folder, or a file that is no report, would be overwritten."""
    from sidcap.data_manifest.pages.document import GENERATOR

    if output.is_dir():
        raise UsageError(f"{output} is a folder: give a file with --output, such as {output / 'report.html'}")
    if output.is_file() and output.stat().st_size:
        with output.open("rb") as file:
            if f'name="generator" content="{GENERATOR}"'.encode() not in file.read(4096):
                raise UsageError(f"{output} is there and no report of sidcap: give another file with --output")


def _write(path: Path, content: bytes) -> None:
    from sidcap.data_manifest.store import write_atomic

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)


def _printed(output: Path) -> Path | None:
    """The report as PDF; None, and how to have it, where no browser is installed."""
    from sidcap.data_manifest.pages.printing import installed_browser, print_pdf

    browser, pdf = installed_browser(), output.with_suffix(".pdf")
    if browser is None:
        warn(f"no Chromium or Chrome is installed: open {output} in any browser, and print it to a file")
        return None
    if (problem := print_pdf(output, pdf, browser)) is not None:
        warn(f"not printed, {problem}: open {output} in any browser, and print it to a file")
        return None
    console.print(f"PDF: {pdf}", soft_wrap=True)
    return pdf
