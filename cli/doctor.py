"""``sidcap doctor``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import NOT_USABLE, console, print_json, without_c_chatter

if TYPE_CHECKING:
    from sidcap.cli.diagnosis import Finding

_SIGNS = {"ok": "[green]ok    [/]", "look": "[yellow]look  [/]", "broken": "[red]broken[/]"}


def doctor(
    camera: Annotated[
        str | None,
        typer.Option(metavar="PORT", show_default="all on USB", help="A device on USB to look at, usb:001,004."),
    ] = None,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Look whether all that sidcap needs is there.

    And what to do where it is not: versions, libgphoto2, cameras and who may
    open them, programs that take cameras for themselves, GPU, disk, clock.
    Changes nothing, opens no camera. Each line is ok, look (it works, but see),
    or broken; ends with exit code 3 where one is broken.

    [bold]Everything[/]
    sidcap doctor

    [bold]For a report of a bug[/]
    sidcap doctor --json > doctor.json
    """
    from sidcap.capture.host import Places
    from sidcap.cli.diagnosis import Subject, examine

    findings = []
    with without_c_chatter():
        for finding in examine(Subject(dataset, Places(), camera)):
            _show(finding)
            findings.append(finding)
    counts = Counter(finding.state for finding in findings)
    console.print(f"{counts['ok']} ok, {counts['look']} to look at, {counts['broken']} broken")
    if json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    if counts["broken"]:
        raise typer.Exit(NOT_USABLE)


def _show(finding: Finding) -> None:
    console.print(f"{_SIGNS[finding.state]} [bold]{finding.name}[/]: {escape(finding.found)}", soft_wrap=True)
    for line in finding.remedy.splitlines():
        console.print(f"         {line}", soft_wrap=True, markup=False)
