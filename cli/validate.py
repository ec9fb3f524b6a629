"""``sidcap validate``."""

from __future__ import annotations

from sidcap.cli.leaks import leaks
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import NOT_USABLE, console, print_json, progress, without_c_chatter
from sidcap.data_manifest.words import counted

_MISSING_SHOWN = 20
"""A dataset of lists without files has thousands."""


def validate(dataset: DatasetOption = DEFAULT_DATASET, json: JsonOption = False) -> None:
    """Check a dataset: structure, checksums, frames.

    Reads and decodes every file, and changes nothing; names scenes of different
    splits that show one composition. Ends with exit code 3 where something
    cannot be used.

    [bold]The one in ./dataset[/]
    sidcap validate

    [bold]Another one, for a program[/]
    sidcap validate --dataset /data/SID --json
    """
    import typer

    from sidcap.data_manifest.store import Store
    from sidcap.data_manifest.validate import validate as check

    store = Store.open(dataset)
    with without_c_chatter(), progress() as bar:
        task = bar.add_task("checking frames", total=None)
        report = check(store, lambda done, total: bar.update(task, completed=done, total=total))
    missing = [finding for finding in report.findings if finding.missing]
    for finding in [finding for finding in report.findings if not finding.missing] + missing[:_MISSING_SHOWN]:
        console.print(f"[red]✗[/] {finding.path}: {finding.problem}", soft_wrap=True, markup=True)
    if len(missing) > _MISSING_SHOWN:
        console.print(f"[red]✗[/] and {counted(len(missing) - _MISSING_SHOWN, 'frame')} more missing; --json names all")
    outcome = "all sound" if report.sound else counted(len(report.findings), "finding")
    console.print(f"{counted(report.scenes, 'scene')}, {counted(report.frames, 'frame')}: {outcome}")
    found = leaks(store, store.scenes(on_broken=lambda _: None))
    if json:
        print_json(report.model_dump(mode="json") | {"leaks": [[one.first, one.second] for one in found]})
    if not report.sound:
        raise typer.Exit(NOT_USABLE)
