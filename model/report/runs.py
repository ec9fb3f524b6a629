"""What of a run a report is made from: checkpoint, log, samples and evaluations, as far as they can be read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.store import sha256_of
from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, read_state
from sidcap.model.claim import LOG_NAME
from sidcap.model.scores import Evaluation

NAN = math.nan


@dataclass(frozen=True)
class Epoch:
    """A line of the log about one epoch; NaN where it tells no number."""

    epoch: int
    loss: float
    lr: float
    crops_per_s: float
    data_wait: float
    utilisation: float
    seconds: float


@dataclass(frozen=True)
class Log:
    """What ``log.jsonl`` tells. Events are kept as they were written: an earlier sidcap's had other fields."""

    starts: tuple[dict[str, Any], ...] = ()
    epochs: tuple[Epoch, ...] = ()
    """One of each epoch, ascending: where a run went on from an earlier checkpoint, the later one."""
    stop: dict[str, Any] | None = None
    trained_s: float = 0.0
    """In all its sittings together."""
    unreadable: int = 0
    """Lines that are no events, as a power cut leaves them."""

    @property
    def start(self) -> dict[str, Any]:
        """The last sitting's first event; empty where there is none."""
        return self.starts[-1] if self.starts else {}


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    name: str
    folder: Path
    state: RunState | None
    problem: str
    """Why there is no state."""
    checkpoint_sha256: str
    log: Log
    sample: Path | None
    """The last sheet of sample crops."""


@dataclass(frozen=True)
class Judgement:
    """An evaluation and where it lies."""

    path: Path
    evaluation: Evaluation

    def file(self, relative: str) -> Path:
        """A picture of it; the folder may have been moved since."""
        return self.path.parent / relative


def read_runs(folders: Sequence[Path]) -> tuple[Run, ...]:
    """The runs; UsageError where a folder is not there, or named twice."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("give every run once: " + " ".join(str(folder) for folder in dict.fromkeys(folders)))
    names = [folder.resolve().name for folder in folders]
    return tuple(
        _run(folder, name if names.count(name) == 1 else str(folder))
        for folder, name in zip(folders, names, strict=True)
    )


def _run(folder: Path, name: str) -> Run:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name runs that `sidcap train --out` made")
    state, problem, checksum = None, "", ""
    try:
        state = read_state(folder)
        checksum = sha256_of(folder / CHECKPOINT_NAME)
    except (TrainingError, UsageError) as error:
        problem = str(error)
    samples = sorted((folder / "samples").glob("*.png"))
    return Run(name, folder, state, problem, checksum, read_log(folder / LOG_NAME), samples[-1] if samples else None)


def read_log(path: Path) -> Log:
    """What a log tells; an empty one where there is none."""
    if not path.is_file():
        return Log()
    lines = path.read_text("utf-8", errors="replace").splitlines()
    events = [event for line in lines if (event := _event(line)) is not None]
    epochs = [_epoch(event) for event in events if event["event"] == "epoch"]
    stops = [event for event in events if event["event"] == "stop"]
    return Log(
        starts=tuple(event for event in events if event["event"] == "start"),
        epochs=tuple(sorted({one.epoch: one for one in epochs if one.epoch > 0}.values(), key=lambda one: one.epoch)),
        stop=stops[-1] if stops else None,
        trained_s=sum(_sittings_s(events)),
        unreadable=sum(bool(line.strip()) for line in lines) - len(events),
    )


def _sittings_s(events: Sequence[dict[str, Any]]) -> Iterator[float]:
    """How long each sitting was: the seconds of its last event that has some."""
    last = 0.0
    for event in events:
        if event["event"] == "start":
            yield last
            last = 0.0
        seconds = _number(event, "seconds")
        last = seconds if math.isfinite(seconds) else last
    yield last


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _epoch(event: dict[str, Any]) -> Epoch:
    number = _number(event, "epoch")
    return Epoch(
        epoch=int(number) if math.isfinite(number) else 0,
        **{name: _number(event, name) for name in ("loss", "lr", "crops_per_s", "data_wait", "utilisation", "seconds")},
    )


def _number(event: dict[str, Any], name: str) -> float:
    value = event.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else NAN


def read_evaluations(runs: Sequence[Run]) -> tuple[tuple[Judgement, ...], tuple[str, ...]]:
    """The evaluations in the runs' folders, and what is wrong with those that cannot be read.

    Where several runs were judged side by side, what each one has by itself says nothing more and is left out.
    """
    found: list[Judgement] = []
    problems: list[str] = []
    for run in runs:
        for path in sorted((run.folder / "evaluation").glob("*.json")):
            try:
                found.append(Judgement(path, Evaluation.model_validate_json(path.read_bytes())))
            except (OSError, ValidationError):
                problems.append(f"{path} cannot be read by this sidcap: run `sidcap evaluate {run.folder}` again")
    found.sort(key=lambda one: (-len(one.evaluation.runs), str(one.path)))
    kept: list[Judgement] = []
    for one in found:
        if not any(_says_all_of(other.evaluation, one.evaluation) for other in kept):
            kept.append(one)
    return tuple(kept), tuple(problems)


def _says_all_of(evaluation: Evaluation, other: Evaluation) -> bool:
    weights, others = ({run.checkpoint_sha256 for run in each.runs} for each in (evaluation, other))
    same_pairs = (evaluation.split, evaluation.data_sha256) == (other.split, other.data_sha256)
    return same_pairs and others <= weights
