"""The study's experiment as one call: networks of several depths trained on one dataset, and its two tables.

OUT/depth+0/, depth-2/, ...     a run each, see `sidcap.model.trainer`; those that are there are gone on with
OUT/study.json                  `Study`: all that the tables are made of
OUT/study.md                    both tables beside the study's own figures, and how to have them again
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import torch

from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.store import Store, program
from sidcap.data_manifest.words import Split, counted
from sidcap.model.checkpoint import CHECKPOINT_NAME, read_state
from sidcap.model.claim import LOG_NAME
from sidcap.model.config import TrainConfig
from sidcap.model.data import select
from sidcap.model.evaluation import evaluate
from sidcap.model.events import TrainReport
from sidcap.model.files import write_result
from sidcap.model.intervals import Interval, caution
from sidcap.model.report.runs import read_log
from sidcap.model.scores import AMPLIFIED, MEAN_SCALED, Evaluation, JudgedRun
from sidcap.model.trainer import train
from sidcap.model.unet import DEPTHS, multiple_of

PUBLISHED_AMPLIFIED_DB: Final = 7.40
"""Of the study: its Canon 6D test images, 12 of them, amplified."""
PUBLISHED_OTHER_SENSOR_DB: Final = 10.85
"""Of the study: those images through the network that SID's authors trained on a Sony."""
PUBLISHED_DB: Final[Mapping[int, float]] = {-2: 12.47, -1: 12.36, 0: 24.93, 1: 12.40}
"""Of the study, by depth: those images through networks trained on its own Canon 6D."""


class Published(Record):
    """What the study has in the place of a row: PSNR in dB of other pictures than these."""

    amplified_db: float
    network_db: float


class Row(Record):
    """One network on the test split."""

    run: str
    """Its name among `Study.evaluation`'s runs."""
    amplified_db: Interval
    mean_scaled_db: Interval
    network_db: Interval
    network_8bit_db: Interval
    """As the study computes it."""
    less_original_db: Interval | None
    """How much better it is than the network of depth 0 on the same pairs; None for that one, and without it."""
    published: Published


class Study(Record):
    """What came of it."""

    dataset: Path
    command: str
    """With which it was made; empty where it was called from Python."""
    train_sha256: str
    """`Selection.fingerprint` of the train split."""
    train_scenes: int
    train_pairs: int
    table_1: tuple[Row, ...]
    """The network trained on this camera, and networks trained elsewhere, on this camera's pictures."""
    table_2: tuple[Row, ...]
    """The networks of each depth."""
    training_s: Mapping[str, float]
    """Seconds that each run was trained, by its log."""
    machine: str
    evaluation: Evaluation
    made_with: str


class Fit(Protocol):
    """`train`, or what shows its progress."""

    def __call__(
        self, store: Store, config: TrainConfig, run: Path, *, resume: bool, include: frozenset[str]
    ) -> TrainReport: ...


class Judge(Protocol):
    """`evaluate`, or what shows its progress."""

    def __call__(self, store: Store, runs: Sequence[Path], split: Split, *, include: frozenset[str]) -> Evaluation: ...


def repeat_study(
    store: Store,
    config: TrainConfig,
    out: Path,
    *,
    depths: Sequence[int] = tuple(DEPTHS),
    others: Sequence[Path] = (),
    include: frozenset[str] = frozenset(),
    command: str = "",
    fit: Fit = train,
    judge: Judge | None = None,
) -> Study | None:
    """Train a network of each depth with otherwise the same settings, judge all on the test split, write both tables.

    ``others`` are runs that were trained elsewhere, as with imported Sony weights. Runs that are there already are gone
    on with, finished ones left as they are. None where Ctrl-C or SIGTERM ended a training: the same call goes on.
    Raises UsageError before anything is trained where depths, patch, splits or ``others`` cannot be used, and what
    `train` and `evaluate` raise.
    """
    runs = {depth: out / f"depth{depth:+d}" for depth in sorted(set(depths), key=lambda depth: (depth != 0, depth))}
    _must_be_free(out)
    _check(config, list(runs), others)
    selection = select(store, Split.TRAIN, include)
    select(store, Split.TEST, include)
    for depth, run in runs.items():
        resume = (run / CHECKPOINT_NAME).exists()
        if fit(store, config.replace(depth=depth), run, resume=resume, include=include).interrupted:
            return None
    judge = judge or partial(evaluate, device=config.device)
    evaluation = judge(store, [*runs.values(), *others], Split.TEST, include=include)
    own, foreign = evaluation.runs[: len(runs)], evaluation.runs[len(runs) :]
    done = Study(
        dataset=store.root,
        command=command,
        train_sha256=selection.fingerprint(config),
        train_scenes=len(selection.scenes),
        train_pairs=len(selection.pairs),
        table_1=(
            _row(evaluation, own[0], PUBLISHED_DB[own[0].config.depth]),
            *(_row(evaluation, run, PUBLISHED_OTHER_SENSOR_DB) for run in foreign),
        ),
        table_2=tuple(
            _row(evaluation, run, PUBLISHED_DB[run.config.depth])
            for run in sorted(own, key=lambda run: run.config.depth)
        ),
        training_s={judged.name: _trained_s(run) for judged, run in zip(own, runs.values(), strict=True)},
        machine=_machine(),
        evaluation=evaluation,
        made_with=program(),
    )
    write_result(out / "study.json", (done.model_dump_json(indent=2) + "\n").encode())
    write_result(out / "study.md", in_markdown(done).encode())
    return done


class Table(Record):
    """A table in words, for a terminal or a page."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def tables(done: Study) -> tuple[Table, Table]:
    """Both of the study's tables, its own figures beside."""
    psnr = done.evaluation.mean(AMPLIFIED).psnr_db
    simulated = ", simulated camera" if done.evaluation.simulated else ""
    on_what = f"PSNR in dB on {counted(psnr.pairs, 'pair')} of {counted(psnr.scenes, 'test scene')}{simulated}"
    about_intervals = tuple(filter(None, ("in brackets: 95% intervals, bootstrap over scenes", caution(psnr.scenes))))
    first = Table(
        title=f"Table 1: networks trained for various sensors. {on_what}",
        columns=("network", "amplified", "mean-scaled", "network out", "8 bit", "study: amplified, network"),
        rows=tuple(
            (
                _origin(done, row.run),
                row.amplified_db.in_words(),
                row.mean_scaled_db.in_words(),
                row.network_db.in_words(),
                f"{row.network_8bit_db.mean:.2f}",
                f"{row.published.amplified_db:.2f}, {row.published.network_db:.2f}",
            )
            for row in done.table_1
        ),
        notes=(
            *done.evaluation.doubts,
            *about_intervals,
            "mean-scaled is told the reference's mean: no result that could be had without it",
            "the study's figures are of 12 images of a real EOS 6D at ISO 200, not of these",
        ),
    )
    second = Table(
        title=f"Table 2: levels of the network. {on_what}",
        columns=("network", "parameters", "network out", "over the original", "8 bit", "trained", "study"),
        rows=tuple(
            (
                _depth_in_words(_run(done, row.run).config.depth),
                f"{_run(done, row.run).parameters / 1e6:.2f} M",
                row.network_db.in_words(),
                "" if row.less_original_db is None else row.less_original_db.in_words(),
                f"{row.network_8bit_db.mean:.2f}",
                _duration(done.training_s[row.run]),
                f"{row.published.network_db:.2f}",
            )
            for row in done.table_2
        ),
        notes=(
            *done.evaluation.doubts,
            *about_intervals,
            "the study paired files by their position in a folder: its three figures near 12.4 dB probably say more of "
            "that than of its networks",
        ),
    )
    return first, second


def in_markdown(done: Study) -> str:
    """Both tables, and all it takes to have them again."""
    text = ["# The study, repeated", ""]
    for table in tables(done):
        text += [f"## {table.title}", "", *_markdown(table), "", *(f"- {note}" for note in table.notes), ""]
    evaluation = done.evaluation
    settings = evaluation.runs[0].config.model_dump_json(indent=2, exclude={"depth"})
    text += [
        "## How it was made",
        "",
        *([f"    {done.command}", ""] if done.command else []),
        f"- {done.made_with}; {done.machine}",
        f"- dataset {done.dataset}: {done.train_pairs} pairs of {done.train_scenes} scenes to train on "
        f"(fingerprint {done.train_sha256}), {len(evaluation.scores)} pairs of {_scenes(evaluation)} scenes to test on "
        f"(fingerprint {evaluation.data_sha256})",
        f"- test pairs left out: {len(evaluation.left_out)}; undetermined ones used: {evaluation.included}",
        "- every network was judged as it was at the end of its training: nothing was chosen on the test split",
        *(f"- {run.name}: {run.run}, checkpoint SHA-256 {run.checkpoint_sha256}" for run in evaluation.runs),
        f"- pictures and all scores: {evaluation.folder}",
        "",
        "Settings of all depths:",
        "",
        "```json",
        settings,
        "```",
        "",
    ]
    return "\n".join(text)


def _must_be_free(out: Path) -> None:
    if out.is_file():
        raise UsageError(f"{out} is a file; a study is a folder: give another --out")
    for name, what in (("dataset.json", "dataset"), (CHECKPOINT_NAME, "run")):
        if (out / name).exists():
            raise UsageError(f"{out} holds a {what}: give a folder of its own as --out")


def _check(config: TrainConfig, depths: Sequence[int], others: Sequence[Path]) -> None:
    """What can be known to be wrong before hours of training."""
    if unknown := [depth for depth in depths if depth not in DEPTHS]:
        raise UsageError(f"depth {unknown[0]} is not one of {', '.join(f'{known:+d}' for known in DEPTHS)}")
    if not depths:
        raise UsageError("no depth to train: give some of -2,-1,0,1")
    multiple = multiple_of(max(depths))
    if config.patch % multiple:
        raise UsageError(f"--patch {config.patch} does not fit depth {max(depths):+d}: give a multiple of {multiple}")
    for run in others:
        read_state(run)


def _row(evaluation: Evaluation, run: JudgedRun, published_db: float) -> Row:
    original = evaluation.runs[0]
    compared = original.config.depth == 0 and run != original
    summary = evaluation.mean(run.name)
    return Row(
        run=run.name,
        amplified_db=evaluation.mean(AMPLIFIED).psnr_db,
        mean_scaled_db=evaluation.mean(MEAN_SCALED).psnr_db,
        network_db=summary.psnr_db,
        network_8bit_db=summary.psnr_8bit_db,
        less_original_db=evaluation.difference(run.name, original.name).psnr_db if compared else None,
        published=Published(amplified_db=PUBLISHED_AMPLIFIED_DB, network_db=published_db),
    )


def _machine() -> str:
    system, threads = f"{platform.system()} {platform.machine()}", torch.get_num_threads()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{system}{gpu}, torch {torch.__version__}, CPU threads: {threads}"


def _trained_s(run: Path) -> float:
    """The sum over all calls that trained it, as far as its log can be read."""
    return read_log(run / LOG_NAME).trained_s


def _run(done: Study, name: str) -> JudgedRun:
    return next(run for run in done.evaluation.runs if run.name == name)


def _origin(done: Study, name: str) -> str:
    run = _run(done, name)
    if name in done.training_s:
        return f"trained on this camera ({_depth_in_words(run.config.depth)})"
    weights = f"weights from {Path(run.imported_from).name}" if run.imported_from else counted(run.epochs, "epoch")
    return f"{name}, trained elsewhere ({weights})"


def _depth_in_words(depth: int) -> str:
    if depth == 0:
        return "original network"
    levels = "level" if abs(depth) == 1 else "levels"
    return f"original {'minus' if depth < 0 else 'plus'} {abs(depth)} {levels}"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _scenes(evaluation: Evaluation) -> int:
    return len({score.scene for score in evaluation.scores})


def _markdown(table: Table) -> list[str]:
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
