"""``sidcap study``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sidcap.cli.completion import runs
from sidcap.cli.evaluate import end_doubted, evaluate_showing_progress
from sidcap.cli.options import DEFAULT_DATASET, DatasetOption, JsonOption
from sidcap.cli.screen import console, in_two_lines, narrow_table, print_json
from sidcap.cli.train import Device, DeviceOption, IncludeOption, PresetName, settings_named, train_showing_progress
from sidcap.data_manifest.errors import StoppedError, UsageError
from sidcap.data_manifest.words import Split

if TYPE_CHECKING:
    from sidcap.data_manifest.store import Store
    from sidcap.model import Evaluation, Study, TrainConfig, TrainReport

DEFAULT_OUT = Path("study")


def study(
    preset: Annotated[PresetName, typer.Option(help="Where the settings come from that are not given.")] = (
        PresetName.STUDY
    ),
    depths: Annotated[str, typer.Option(help="Levels more or fewer than SID's, comma-separated.")] = "-2,-1,0,1",
    epochs: Annotated[int | None, typer.Option(min=1, help="How often every scene is shown.")] = None,
    patch: Annotated[int | None, typer.Option(min=16, help="Side of a crop in packed pixels.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of `sidcap train`, such as lr=3e-4 or drop_lr_at=100. Repeatable.",
        ),
    ] = None,
    sony: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="A network trained elsewhere, such as SID's for a Sony (`sidcap import-weights`), for table 1. "
            "Repeatable.",
            autocompletion=runs,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="PATH", show_default="./study", help="Where the runs and tables go.")
    ] = DEFAULT_OUT,
    include: IncludeOption = None,
    device: DeviceOption = Device.AUTO,
    dataset: DatasetOption = DEFAULT_DATASET,
    json: JsonOption = False,
) -> None:
    """Repeat the study: four depths, and its tables 1 and 2.

    Ctrl-C saves; the same command goes on. In ./study: a run for each depth,
    study.md and study.json.

    [bold]The full recipe[/]: hours on a GPU
    sidcap study

    [bold]To see it run[/]: half an hour on two cores
    sidcap study --epochs 30 --patch 128 --set lr=5e-4 --set drop_lr_at=22

    [bold]With a network for another sensor beside[/], from sidcap import-weights
    sidcap study --sony sony
    """
    from sidcap.data_manifest.store import Store
    from sidcap.model import repeat_study

    given: dict[str, Any] = {"epochs": epochs, "patch": patch, "device": device.value}
    config = _config(preset, {name: value for name, value in given.items() if value is not None}, setting or ())

    def fit(store: Store, config: TrainConfig, run: Path, *, resume: bool, include: frozenset[str]) -> TrainReport:
        console.rule(f"[bold]depth {config.depth:+d}, {run}", align="left")
        return train_showing_progress(store, config, run, resume=resume, include=include)

    def judge(store: Store, runs: Sequence[Path], split: Split, *, include: frozenset[str]) -> Evaluation:
        return evaluate_showing_progress(store, runs, split, device, include)

    done = repeat_study(
        Store.open(dataset),
        config,
        out,
        depths=_depths(depths),
        others=sony or (),
        include=frozenset(include or ()),
        command=shlex.join(["sidcap", *sys.argv[1:]]),
        fit=fit,
        judge=judge,
    )
    if done is None:
        raise StoppedError("stopped; the same command goes on from there")
    _show(done)
    console.print(f"written to {out / 'study.md'} and {out / 'study.json'}", soft_wrap=True)
    if json:
        print_json(done)
    end_doubted(done.evaluation)


def _config(preset: PresetName, given: dict[str, Any], settings: Sequence[str]) -> TrainConfig:
    """UsageError for a setting that there is not, or a value it cannot have."""
    from sidcap.model import InputConfig, TrainConfig

    known = {*TrainConfig.model_fields, *InputConfig.model_fields} - {"preset", "input", "depth", "device"}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: give NAME=VALUE, such as lr=5e-4")
        if name not in known:
            raise UsageError(f"--set {setting}: there is no setting {name!r}; there are {', '.join(sorted(known))}")
        if name in given:
            raise UsageError(f"--set {setting}: {name} is given twice: give it once")
        given[name] = None if value == "none" else value
    with settings_named():
        return TrainConfig.of_preset(preset.value, **given)


def _depths(text: str) -> list[int]:
    try:
        return [int(depth) for depth in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--depths {text}: give some of -2,-1,0,1") from error


def _show(done: Study) -> None:
    from sidcap.model import tables

    for table in tables(done):
        shown = narrow_table(*table.columns)
        shown.title = table.title
        for column, cells in list(zip(shown.columns, zip(*table.rows, strict=True), strict=True))[1:]:
            column.justify = "right"
            column.no_wrap = any("(" in cell for cell in cells)  # an interval is not broken
        for row in table.rows:
            shown.add_row(row[0], *map(in_two_lines, row[1:]))
        console.print(shown)
        for note in table.notes:
            console.print(note)
