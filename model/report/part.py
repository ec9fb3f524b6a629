"""The report's part about runs: its sections in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sidcap.data_manifest.pages.document import Block, Part, Section, Words
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import counted
from sidcap.model.report.evaluations import high_iso, judged
from sidcap.model.report.provenance import provenance
from sidcap.model.report.runs import Judgement, Run, read_evaluations, read_runs
from sidcap.model.report.sheets import evaluation_sheets, sample_sheets
from sidcap.model.report.training import overview, settings, training

_MOST_EVALUATIONS = 6
_SAMPLES_SHARE = 0.3
"""Of what pictures may add to a report."""


def runs_part(folders: Sequence[Path], store: Store | None, *, picture_bytes: int) -> Part:
    """The report's part about runs, side by side.

    ``store`` is the dataset that they are compared with, if any; ``picture_bytes`` what pictures may add to the report.
    UsageError where a folder is not there or named twice; what cannot be read in one is said in its place.
    """
    runs = read_runs(folders)
    judgements, problems = read_evaluations(runs)
    if (left_out := len(judgements) - _MOST_EVALUATIONS) > 0:
        names = ", ".join(str(one.path) for one in judgements[_MOST_EVALUATIONS:])
        problems += (
            f"{counted(left_out, 'more evaluation')} left out ({names}): judge runs side by side, `sidcap evaluate`",
        )
        judgements = judgements[:_MOST_EVALUATIONS]
    for_samples = round(_SAMPLES_SHARE * picture_bytes)
    samples = sample_sheets(runs, for_samples)
    trained = training(runs)
    sections = (
        overview(runs),
        settings(runs),
        Section(trained.anchor, trained.title, (*trained.blocks, *samples)),
        _evaluation(runs, judgements, problems, picture_bytes - (for_samples if samples else 0)),
        high_iso(judgements),
        provenance(runs, judgements, store),
    )
    names = ", ".join(run.name for run in runs)
    return Part("The runs" if len(runs) > 1 else "The run", names, f"{counted(len(runs), 'run')}: {names}", sections)


def _evaluation(
    runs: Sequence[Run], judgements: Sequence[Judgement], problems: Sequence[str], picture_bytes: int
) -> Section:
    blocks: list[Block] = [Words(problem, "bad") for problem in problems]
    if not judgements:
        blocks.append(Words("No run was judged yet: run `sidcap evaluate`.", "doubt"))
    for number, judgement in enumerate(judgements, 1):
        blocks += judged(number, judgement, runs)
        blocks += evaluation_sheets(judgement, picture_bytes // len(judgements))
    return Section("evaluation", "Evaluation", tuple(blocks))
