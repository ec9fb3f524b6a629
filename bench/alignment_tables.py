"""The tables that bench/alignment.py prints, in Markdown; and on which machine."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Hashable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from alignment_statistics import Group
from alignment_trials import Fixed, Kind, Outcome

from sidcap.curate.registration import METHOD

ACCURACY = "RMSE px|stated σ px|bound px|noisy long px|efficiency|in 3σ|ratio error|no shift|CPU s".split("|")
VERDICTS = "verdicts|false accepts|false rejects|undetermined".split("|")
QUANTILES = (0.5, 0.9, 0.99, 0.999)
EFFICIENCY = {Fixed.OFF: 0.8, Fixed.CALIBRATED: 0.8, Fixed.UNKNOWN: 0.5}
"""What is asked for."""
FINE_PX = 0.02
"""An RMSE this small is good enough, however low the bound."""


def machine() -> str:
    """Processor and versions."""
    packages = "numpy", "scipy", "opencv-python-headless", "scikit-image"
    return f"{METHOD}; {os.cpu_count()} x {_processor()}, Python {platform.python_version()}, " + ", ".join(
        f"{package} {version(package)}" for package in packages
    )


def tables(outcomes: Sequence[Outcome]) -> str:
    """Accuracy and verdicts, over all shifts together and shift by shift; CPU time of the others; what is missed."""
    peers = tuple(outcomes[0].peer_errors_px)
    parts = []
    for title, keys, key in (
        ("all shifts together", ("e-/px", "pattern"), lambda one: (one.trial.signal_e, one.trial.fixed)),
        ("shift by shift", ("e-/px", "shift px", "pattern"), _case),
    ):
        groups = _groups(outcomes, key)
        parts.append(f"## Accuracy, {title}\n\n" + _table((*keys, *ACCURACY, *peers), groups, _accuracy))
        parts.append(f"## Verdicts, {title}\n\n" + _table((*keys, *VERDICTS), groups, _verdicts))
    return "\n".join((*parts, _cpu_of_peers(outcomes), "", _goals(outcomes)))


def campaign_tables(outcomes: Sequence[Outcome]) -> str:
    """Verdicts by kind of short and pattern; undetermined by signal; significance of what is no pair."""
    verdicts = [
        [kind, fixed, len(group.outcomes), group.verdicts, _accepted(group), str(group.false_rejects)]
        for (kind, fixed), group in _groups(outcomes, lambda one: (one.trial.kind, one.trial.fixed))
    ]
    by_signal = [
        [f"{signal_e:g}", fixed, group.verdicts, str(group.undetermined), _accepted(group), str(group.covered)]
        for (signal_e, fixed), group in _groups(
            [one for one in outcomes if one.trial.kind is Kind.SHIFTED],
            lambda one: (one.trial.signal_e, one.trial.fixed),
        )
    ]
    significance = [
        [kind, fixed, *(f"{value:.1f}" for value in _significance(group))]
        for (kind, fixed), group in _groups(outcomes, lambda one: (one.trial.kind, one.trial.fixed))
        if kind is not Kind.SHIFTED
    ]
    text = "\n" + markdown(("short shows", "pattern", "pairs", "verdicts", "false accepts", "false rejects"), verdicts)
    text += f"\nAll: {_accepted(Group(outcomes))}; shifted: " + _accepted(
        Group([one for one in outcomes if one.trial.kind is Kind.SHIFTED])
    )
    text += "\n\n" + markdown(("e-/px", "pattern", "verdicts", "undetermined", "false accepts", "in 3σ"), by_signal)
    if significance:
        quantiles = (f"{quantile:.1%}" for quantile in QUANTILES)
        text += "\nSignificance of what is no pair:\n\n"
        text += markdown(("short shows", "pattern", *quantiles, "largest"), significance)
    return text


def markdown(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that can be read as it is, too."""
    lines = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    texts = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join((texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:], ""))


def _goals(outcomes: Sequence[Outcome]) -> str:
    """Which rows of the table miss what is asked for."""
    groups = _groups(outcomes, _case)
    missed = [
        f"{signal_e:g} e-, {distance_px:g} px, {fixed}: {miss}"
        for (signal_e, distance_px, fixed), group in groups
        for miss in _misses(group)
    ]
    coverage = Group(outcomes).covered
    return "\n".join(
        (
            "## What is asked for\n",
            f"Within 3σ: {coverage} of all axes (asked for: 99%).",
            f"Rows that miss what is asked for: {len(missed)} of {len(groups)}.\n",
            *(f"- {miss}" for miss in missed),
        )
    )


def _misses(group: Group) -> Iterable[str]:
    signal_e, asked = group.outcomes[0].trial.signal_e, EFFICIENCY[group.outcomes[0].trial.fixed]
    judged = signal_e >= 0.3 and group.bound_px < 0.3
    if judged and not group.measured:
        yield "no shift measured at all"
    elif judged and group.rmse_px > FINE_PX and group.efficiency < asked:
        sure = "" if group.efficiency_interval[1] >= asked else ", surely"
        yield f"efficiency {group.efficiency:.2f} of {asked}{sure}"
    if signal_e >= 1 and group.undetermined.total and group.undetermined.count > 0.05 * group.undetermined.total:
        yield f"undetermined {group.undetermined}"
    if group.false_accepts.count:
        yield f"false accepts {group.false_accepts}"


def _case(outcome: Outcome) -> tuple[Hashable, ...]:
    return outcome.trial.signal_e, round(outcome.trial.distance_px, 6), outcome.trial.fixed


def _table(
    headings: Sequence[str],
    groups: list[tuple[tuple[Hashable, ...], Group]],
    cells: Callable[[Group], list[str]],
) -> str:
    return markdown(
        headings,
        [[*(f"{part:g}" if isinstance(part, float) else part for part in key), *cells(group)] for key, group in groups],
    )


def _accuracy(group: Group) -> list[str]:
    rmse, stated, efficiency = "-", "-", "-"
    if group.measured:
        rmse, stated = f"{group.rmse_px:.4f}", f"{group.stated_px:.4f}"
        efficiency = "{:.2f} ({:.2f}–{:.2f})".format(group.efficiency, *group.efficiency_interval)
    return [
        rmse,
        stated,
        f"{group.bound_px:.4f}",
        f"{group.noisy_bound_px:.4f}",
        efficiency,
        str(group.covered),
        "-" if group.ratio_errors is None else "{:+.2%} ± {:.2%}".format(*group.ratio_errors),
        f"{len(group.outcomes) - len(group.measured)} of {len(group.outcomes)}",
        f"{group.cpu_s:.2f}",
        *(_peer(group, name) for name in group.outcomes[0].peer_errors_px),
    ]


def _verdicts(group: Group) -> list[str]:
    return [group.verdicts, str(group.false_accepts), str(group.false_rejects), str(group.undetermined)]


def _peer(group: Group, name: str) -> str:
    rmse_px, failures = group.peer_rmse_px(name)
    shown = "-" if math.isnan(rmse_px) else f"{rmse_px:.3f}"
    return f"{shown} ({failures} failed)" if failures else shown


def _cpu_of_peers(outcomes: Sequence[Outcome]) -> str:
    group = Group(outcomes)
    seconds = {"sidcap": group.cpu_s} | {name: group.peer_cpu_s(name) for name in outcomes[0].peer_errors_px}
    return "CPU time of one pair, s: " + ", ".join(f"{name} {one:.3f}" for name, one in seconds.items())


def _accepted(group: Group) -> str:
    share = group.false_accepts
    return f"{share.count} of {share.total}, at most {share.upper_limit:.2%}" if share.total else "-"


def _significance(group: Group) -> list[float]:
    values = [outcome.significance for outcome in group.outcomes]
    return [*np.quantile(values, QUANTILES), max(values)]


def _groups(
    outcomes: Iterable[Outcome], key: Callable[[Outcome], tuple[Hashable, ...]]
) -> list[tuple[tuple[Hashable, ...], Group]]:
    """Sorted: numbers by value, words as their enumeration has them."""
    members: dict[tuple[Hashable, ...], list[Outcome]] = {}
    for outcome in outcomes:
        members.setdefault(key(outcome), []).append(outcome)
    ranks: dict[Hashable, int] = {word: rank for words in (Fixed, Kind) for rank, word in enumerate(words)}
    order = sorted(members, key=lambda parts: [ranks.get(part, part) for part in parts])
    return [(parts, Group(members[parts])) for parts in order]


def _processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
