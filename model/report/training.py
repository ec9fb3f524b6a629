"""How runs were set and how they went."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.pages.document import Badge, Block, Cell, Figure, Section, Table, Words, evenly
from sidcap.data_manifest.words import counted
from sidcap.model.config import InputConfig, TrainConfig
from sidcap.model.report.runs import Epoch, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_POINTS: Final = 400
"""Of a longer run, means over neighbouring epochs are drawn."""
_ROWS: Final = 25
"""Epochs of each run in the table beside the curves."""
NOTHING: Final = "–"
_SENSORS: Final = {"bayer": "for a Bayer sensor", "x-trans": "for an X-Trans sensor"}


def overview(runs: Sequence[Run]) -> Section:
    """One column for each run: what it is and how far it came."""
    facts: tuple[tuple[str, Callable[[Run], Cell]], ...] = (
        ("Settings from preset", lambda run: run.state.config.preset if run.state else NOTHING),
        ("Network", _network),
        ("State", _ended),
        ("Epochs and steps", _progress),
        ("Scenes and pairs", _data),
        ("Loss of the last epoch", lambda run: f"{run.log.epochs[-1].loss:.4f}" if run.log.epochs else NOTHING),
        ("Trained for", lambda run: _duration(run.log.trained_s) if run.log.trained_s else NOTHING),
        ("Sittings", lambda run: str(len(run.log.starts)) if run.log.starts else NOTHING),
        ("Device", lambda run: _machine(run.log.start)),
        ("Made with", lambda run: run.state.made_with if run.state else NOTHING),
    )
    rows = tuple((name, *(value(run) for run in runs)) for name, value in facts)
    blocks: list[Block] = [Table("Run by run", ("Run", *(run.name for run in runs)), rows)]
    blocks += [Words(f"{run.name}: {run.problem}", "bad") for run in runs if run.problem]
    return Section("runs-overview", "What was trained", tuple(blocks))


def _progress(run: Run) -> str:
    if run.state is None or run.state.imported_from:
        return NOTHING
    return f"{run.state.epoch:,} of {run.state.config.epochs:,} epochs, {counted(run.state.step, 'step')}"


def _network(run: Run) -> str:
    if run.state is None:
        return NOTHING
    depth = {0: "SID's U-Net"}.get(run.state.config.depth, f"SID's U-Net {run.state.config.depth:+d} levels")
    parameters = sum(parameter.numel() for parameter in run.state.network().parameters())
    return f"{depth}, {parameters / 1e6:.2f} M parameters, {_SENSORS[run.state.cfa]}"


def _ended(run: Run) -> Cell:
    if run.state is None:
        return Badge("no checkpoint", "bad")
    if run.state.imported_from:
        return f"weights imported from {run.state.imported_from}"
    if run.state.epoch >= run.state.config.epochs:
        return Badge("finished", "good")
    return Badge("stopped early" if run.log.stop else "not finished", "doubt")


def _data(run: Run) -> str:
    start = run.log.start
    if not start:
        return NOTHING
    words = f"{counted(start.get('scenes', 0), 'scene')}, {counted(start.get('pairs', 0), 'pair')}"
    included = start.get("included", 0)
    return f"{words}, {included} of them undetermined" if included else words


def _machine(start: dict[str, Any]) -> str:
    if not start:
        return NOTHING
    processes = start.get("processes", 1)
    words = f"{start.get('device', 'unknown')}, {start.get('precision', '')}".rstrip(", ")
    return f"{words}, {processes} processes" if processes > 1 else words


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def settings(runs: Sequence[Run]) -> Section:
    """What differs from the presets or between the runs, marked; the rest when asked for."""
    configured = [(run, run.state.config) for run in runs if run.state is not None]
    if not configured:
        return Section("settings", "Settings", (Words("No run has a checkpoint, which holds its settings.", "doubt"),))
    presets = {config.preset: TrainConfig.of_preset(config.preset).settings for _, config in configured}
    names = [name for name in configured[0][1].settings if name != "preset"]

    def row(name: str) -> tuple[Cell, ...]:
        values = (_setting(config.settings[name], presets[config.preset][name]) for _, config in configured)
        return (name, *values, _meaning(name))

    def matters(name: str) -> bool:
        values = [config.settings[name] for _, config in configured]
        changed = any(config.settings[name] != presets[config.preset][name] for _, config in configured)
        return changed or any(value != values[0] for value in values)

    columns = ("Setting", *(run.name for run, _ in configured), "What it is")
    changed = tuple(row(name) for name in names if matters(name))
    others = tuple(row(name) for name in names if not matters(name))
    blocks: list[Block] = []
    if changed:
        note = "A mark is a value that is not the preset's; unmarked ones are the preset's own and differ between runs."
        blocks.append(Table("Settings that differ from the preset, or between the runs", columns, changed, note=note))
    else:
        blocks.append(Words("All settings are the preset's."))
    blocks.append(Table("All other settings, which are the preset's", columns, others, folded=True))
    return Section("settings", "Settings", tuple(blocks))


def _setting(value: object, preset: object) -> Cell:
    if value == preset:
        return _shown(value)
    return Badge(f"{_shown(value)} (preset: {_shown(preset)})", "mark")


def _meaning(name: str) -> str:
    """The first sentence of what the setting's own documentation says."""
    field = TrainConfig.model_fields.get(name) or InputConfig.model_fields[name]
    text = " ".join((field.description or "").split()).replace("``", "").replace("`", "")
    return re.split(r"(?<=[.;])\s", text, maxsplit=1)[0].rstrip(".;")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def training(runs: Sequence[Run]) -> Section:
    """The curves of the logs."""
    logged = [run for run in runs if run.log.epochs]
    blocks: list[Block] = []
    for run in runs:
        if not run.log.epochs:
            imported = run.state is not None and run.state.imported_from
            why = "its weights were imported" if imported else "its log holds no whole epoch"
            blocks.append(Words(f"{run.name} has no curves: {why}."))
        lost = sum(not math.isfinite(epoch.loss) for epoch in run.log.epochs)
        if lost:
            blocks.append(
                Words(f"{run.name}: the loss of {counted(lost, 'epoch')} is no number; the curve has gaps.", "bad")
            )
        if run.log.unreadable:
            blocks.append(
                Words(f"{run.name}: {counted(run.log.unreadable, 'line')} of the log cannot be read.", "doubt")
            )
    if logged:
        blocks.append(_curves(logged))
    return Section("training", "Training", tuple(blocks))


_PANELS: Final = (
    ("loss", "loss (mean L1, 0 to 1)", 1.0),
    ("lr", "learning rate", 1.0),
    ("crops_per_s", "images (crops) a second", 1.0),
    ("data_wait", "time spent waiting for data, %", 100.0),
)


def _curves(runs: Sequence[Run]) -> Figure:
    with_gpu = any(math.isfinite(epoch.utilisation) for run in runs for epoch in run.log.epochs)
    panels = (*_PANELS, ("utilisation", "GPU at work, %", 100.0)) if with_gpu else _PANELS
    widest = max(_step(run.log.epochs) for run in runs)

    def draw(canvas: Canvas) -> None:
        from sidcap.data_manifest.pages.plots import LINES, SERIES, legend, log_axis, whole_numbers

        rows = math.ceil(len(panels) / 2)
        grid = canvas.subplots(rows, 2, squeeze=False)
        for axes, (name, title, factor) in zip(grid.flat, panels, strict=False):
            for series, run in enumerate(runs):
                numbers, values = _curve(run.log.epochs, name)
                axes.plot(
                    numbers,
                    values * factor,
                    color=SERIES[series % len(SERIES)],
                    linestyle=LINES[series % len(LINES)],
                    linewidth=1.2,
                    marker="o" if len(numbers) == 1 else None,
                    label=run.name,
                )
            axes.set_title(title)
            if name in ("loss", "lr") and _positive(runs, name):
                log_axis(axes, "y")
            else:
                axes.set_ylim(bottom=0)
            whole_numbers(axes.xaxis)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        legend(canvas, grid[0, 0])

    averaged = f" Each point is a mean over {widest} epochs." if widest > 1 else ""
    return Figure(
        name="training-curves",
        title="Training curves",
        caption="Loss: mean absolute difference from the long's picture, on crops. Waiting for data: when it is high, "
        f"the disk or the processor is too slow, not the network.{averaged}",
        draw=draw,
        numbers=_epochs_table(runs),
        size_in=(7.4, 2.4 * math.ceil(len(panels) / 2) + 0.4),
    )


def _positive(runs: Sequence[Run], name: str) -> bool:
    values = [getattr(epoch, name) for run in runs for epoch in run.log.epochs]
    return all(value > 0 for value in values if math.isfinite(value)) and any(map(math.isfinite, values))


def _step(epochs: Sequence[Epoch]) -> int:
    return math.ceil(len(epochs) / _POINTS)


def _curve(epochs: Sequence[Epoch], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Epochs and values, thinned by means over neighbours; a mean of what is no number is none."""
    step = _step(epochs)
    numbers = np.array([epoch.epoch for epoch in epochs], np.float64)
    values = np.array([getattr(epoch, name) for epoch in epochs], np.float64)
    parts = [slice(first, first + step) for first in range(0, len(epochs), step)]
    return np.array([numbers[part].mean() for part in parts]), np.array([values[part].mean() for part in parts])


def _epochs_table(runs: Sequence[Run]) -> Table:
    def number(value: float, form: str) -> str:
        return format(value, form) if math.isfinite(value) else NOTHING

    rows = tuple(
        (
            run.name,
            f"{epoch.epoch:,}",
            number(epoch.loss, ".5f"),
            number(epoch.lr, ".3g"),
            number(epoch.crops_per_s, ".3g"),
            number(100 * epoch.data_wait, ".2f"),
            number(100 * epoch.utilisation, ".0f"),
        )
        for run in runs
        for epoch in _chosen(run.log.epochs)
    )
    columns = ("Run", "Epoch", "Loss", "Learning rate", "Crops a second", "Waiting for data, %", "GPU at work, %")
    note = f"Up to {_ROWS} epochs of each run, evenly spread, and its last; log.jsonl in the run's folder has all."
    return Table("The numbers of these plots", columns, rows, frozenset(columns[1:]), note=note)


def _chosen(epochs: Sequence[Epoch]) -> list[Epoch]:
    chosen = evenly(epochs, _ROWS)
    return chosen if chosen[-1] == epochs[-1] else [*chosen, epochs[-1]]
