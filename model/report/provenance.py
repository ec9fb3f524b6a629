"""On which data and with which command each run rests."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from sidcap.data_manifest.errors import SidcapError
from sidcap.data_manifest.pages.document import Badge, Block, Cell, Facts, Listing, Section, Table, Words
from sidcap.data_manifest.store import Store, program
from sidcap.data_manifest.words import Split
from sidcap.model.config import TrainConfig
from sidcap.model.data import Selection, select
from sidcap.model.input import input_ratio
from sidcap.model.report.runs import Judgement, Run

_SWITCHES = {
    "shot_noise": ("--shot-noise", "--no-shot-noise"),
    "freeze_upsampling": ("--freeze-upsampling", "--train-upsampling"),
    "keep_negatives": ("--keep-negatives", "--clip-negatives"),
    "dark_shading": ("--dark-shading", "--no-dark-shading"),
    "compiled": ("--compile", "--no-compile"),
}


def provenance(runs: Sequence[Run], judgements: Sequence[Judgement], store: Store | None) -> Section:
    """Commands, checksums and pairs of every run."""
    blocks: list[Block] = [Listing("Commands", "\n".join(_commands(runs, judgements)))]
    for run in runs:
        selection = _selection(run, store)
        blocks.append(Facts(run.name, tuple(_facts(run, store, selection))))
        blocks += _pairs(run, selection)
    blocks.append(
        Facts(
            "Report written with",
            (
                ("Program", f"{program()}, Python {platform.python_version()}"),
                (
                    "Libraries",
                    ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "rawpy", "safetensors")),
                ),
            ),
        )
    )
    return Section("runs-reproduce", "Data, and how to reproduce it", tuple(blocks))


def _commands(runs: Sequence[Run], judgements: Sequence[Judgement]) -> Iterator[str]:
    for run in runs:
        if run.state is None:
            continue
        if run.state.imported_from:
            yield f"sidcap import-weights {run.state.imported_from} --out {run.name}"
        else:
            include = " --include undetermined" if run.log.start.get("included") else ""
            yield f"sidcap train --out {run.name}{_options(run.state.config)}{include}"
    for judgement in judgements:
        names = " ".join(run.name for run in judgement.evaluation.runs)
        yield f"sidcap evaluate {names} --split {judgement.evaluation.split}"


def _options(config: TrainConfig) -> str:
    """The options of `sidcap train` that give these settings."""
    presets = TrainConfig.of_preset(config.preset).settings
    words = f" --preset {config.preset}"
    for name, value in config.settings.items():
        if value == presets[name]:
            continue
        if name in _SWITCHES:
            words += f" {_SWITCHES[name][0 if value else 1]}"
        else:
            words += f" --{name.replace('_', '-')} {0 if value is None else value}"
    return words


def _selection(run: Run, store: Store | None) -> Selection | str:
    """The pairs that the run would be trained on today; why they cannot be told, where they cannot."""
    if run.state is None or run.state.imported_from:
        return "nothing: sidcap did not train it"
    if store is None:
        return "no dataset was given to this report"
    include = frozenset({"undetermined"} if run.log.start.get("included") else ())
    try:
        return select(store, Split.TRAIN, include)
    except SidcapError as error:
        return str(error)


def _facts(run: Run, store: Store | None, selection: Selection | str) -> Iterator[tuple[str, Cell]]:
    yield "Checkpoint, SHA-256", run.checkpoint_sha256 or "there is none"
    if run.state is None:
        return
    if run.state.imported_from:
        yield "Weights from", run.state.imported_from
        return
    yield "Seed", str(run.state.config.seed)
    yield "Training pairs, SHA-256", run.state.data_sha256
    if isinstance(selection, str):
        yield "Beside the dataset", f"not compared: {selection}"
    elif store is not None:
        same = selection.fingerprint(run.state.config) == run.state.data_sha256
        name = store.dataset().name
        yield (
            "Beside the dataset",
            Badge(f"the very pairs that {name} has now", "good")
            if same
            else Badge(f"other pairs, or other values of them, than {name} has now", "doubt"),
        )


def _pairs(run: Run, selection: Selection | str) -> Iterator[Block]:
    if run.state is None:
        return
    if isinstance(selection, Selection) and selection.fingerprint(run.state.config) == run.state.data_sha256:
        config = run.state.config.input
        rows = tuple(
            (
                pair.scene,
                Path(pair.short.path).name,
                Path(pair.long.path).name,
                f"{input_ratio(pair.ratios, config):.2f}",
            )
            for pair in selection.pairs
        )
        columns = ("Scene", "Short", "Long", "Amplified by")
        title = f"The {len(rows):,} pairs that {run.name} was trained on"
        yield Table(title, columns, rows, frozenset({"Amplified by"}), folded=True)
    left_out = [one for one in run.log.start.get("left_out", []) if isinstance(one, dict)]
    if left_out:
        unused = tuple(
            (Path(str(one.get("frame", ""))).stem, str(one.get("verdict", "")), str(one.get("reason", "")))
            for one in left_out
        )
        yield Table(f"What {run.name} was not trained on", ("Pair", "Stands at", "Why"), unused, folded=True)
    elif run.log.starts:
        yield Words(f"No pair of the train split was left out of {run.name}.")
