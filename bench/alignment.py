"""How well shifts are measured: against the truth, the Cramer-Rao bound and the usual estimators, on the same arrays.

    python bench/alignment.py                  # the table
    python bench/alignment.py --quick          # a look at it, in a minute
    python bench/alignment.py --accepts 3000   # how often a misaligned, unrelated or dark short is called aligned
    python bench/alignment.py --rejects 1000   # how often an aligned one is called misaligned
    python bench/alignment.py --cases          # turned, a moving thing, flicker, defocus: what they are called
    python bench/alignment.py --time           # a full-size pair against LibRaw's decoding of its two files

Seeds are fixed. All frames are simulated (tests/shifted_scenes.py): textures with detail well beyond what a colour
plane resolves, lamps that clip in the long, noise in both frames. Trials run on all cores, each on one.

Columns: RMSE of the shift per axis; the standard deviation that was stated for it; the bound for a noise-free long, and
what noise of the long leaves of it (bench/alignment_bounds.py); efficiency, (bound / RMSE) squared; how often, per
axis, the truth lies within the stated three standard deviations; verdicts at the default tolerance of 0.5 px, where a
true shift within 0.05 px of it counts nowhere; mean and standard deviation of the error of the measured ratio; CPU time
of one pair; RMSE of the others, and how often they failed. Intervals are 95 %: bootstrap for efficiency, Clopper and
Pearson for shares.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import alignment_cases
import alignment_time
import numpy as np
from alignment_tables import campaign_tables, machine, tables
from alignment_trials import OUTCOMES, Fixed, Kind, Outcome, Trial, run
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

SIGNALS_E = (0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0, 20.0)
DISTANCES_PX = (0.0, 0.1, 0.5, 1.0, 3.0, 10.0)
_PAIRS_A_SHIFT = 4
"""Pairs of a campaign that share scene, shift and ratio: drawing those takes longer than measuring."""
RATIOS = (100.0, 200.0, 300.0)
AT_ONCE = 24
"""Trials that a process takes in one go."""


def main() -> None:
    arguments = _arguments()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # for the processes that are started
    print(f"    python {shlex.join(sys.orig_argv[1:])}\n\n{machine()}\n")
    if arguments.time:
        alignment_time.main()
    elif arguments.cases:
        alignment_cases.main(arguments.size)
    elif arguments.accepts or arguments.rejects:
        trials = list(_accepts(arguments) if arguments.accepts else _rejects(arguments))
        print(campaign_tables(_measured(trials, arguments)))
    else:
        print(tables(_measured(list(_table(arguments)), arguments)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help="a few signals and shifts, small frames, 3 trials each")
    mode.add_argument("--accepts", type=int, metavar="N", help="N misaligned pairs, and a tenth of each null")
    mode.add_argument("--rejects", type=int, metavar="N", help="N aligned pairs")
    mode.add_argument("--cases", action="store_true", help="what else may be wrong with a pair, at ISO 12800")
    mode.add_argument("--time", action="store_true", help="CPU time against LibRaw, and peak memory")
    parser.add_argument("--size", type=_size, help="of the frames (512x768; --cases: the full 3670x5496)")
    parser.add_argument("--trials", type=int, default=40, help="of each row of the table (%(default)s)")
    parser.add_argument("--signals", type=_numbers, default=SIGNALS_E, help="electrons a pixel, such as 0.3,1")
    parser.add_argument("--shifts", type=_numbers, default=DISTANCES_PX, help="pixels, in any direction, such as 0,3")
    parser.add_argument("--ratios", type=_numbers, default=RATIOS, help="the trials take turns; at random in campaigns")
    parser.add_argument("--scenes", type=int, default=8, help="different scenes (%(default)s)")
    parser.add_argument("--blur", type=float, default=0.7, help="spread of the lens, px (%(default)s; 0.5 is sharp)")
    parser.add_argument("--no-lamps", action="store_true", help="nothing that clips in the long")
    parser.add_argument("--no-peers", action="store_true", help="sidcap only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (all cores)")
    parser.add_argument("--json", type=Path, help="write all outcomes, for bench/alignment_plot.py")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size = arguments.size or (320, 480)
        arguments.signals, arguments.shifts = (0.3, 1.0, 10.0), (0.0, 0.1, 3.0)
        arguments.trials, arguments.scenes = 3, 3
    if not arguments.cases:
        arguments.size = arguments.size or (512, 768)
    return arguments


def _table(arguments: argparse.Namespace) -> Iterator[Trial]:
    """Trial by trial and shift by shift: its pattern and signals share a scene and a direction."""
    for seed in range(arguments.trials):
        for distance_px in arguments.shifts:
            angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
            for fixed in list(Fixed):
                for signal_e in arguments.signals:
                    yield Trial(
                        seed=seed,
                        scene=seed * arguments.scenes // arguments.trials,
                        shape=arguments.size,
                        blur_px=arguments.blur,
                        signal_e=signal_e,
                        ratio=arguments.ratios[seed % len(arguments.ratios)],
                        shift_px=_towards(angle, distance_px),
                        fixed=fixed,
                        lamps=not arguments.no_lamps,
                        peers=not arguments.no_peers,
                    )


def _accepts(arguments: argparse.Namespace) -> Iterator[Trial]:
    """Shifts from 0.75 to 10 px, at 0.1 to 3 e-, on bodies with a fixed pattern; and shorts of something else."""
    number = arguments.accepts
    for kind, trials in ((Kind.SHIFTED, number), (Kind.OTHER, number // 10), (Kind.DARK, number // 10)):
        yield from _random(arguments, trials, (0.75, 10), kind)


def _rejects(arguments: argparse.Namespace) -> Iterator[Trial]:
    yield from _random(arguments, arguments.rejects, (0, 0.2), Kind.SHIFTED)


def _random(
    arguments: argparse.Namespace, trials: int, distances_px: tuple[float, float], kind: Kind
) -> Iterator[Trial]:
    patterns = [fixed for fixed in list(Fixed) if fixed is not Fixed.OFF]
    signals = [signal_e for signal_e in arguments.signals if signal_e <= 3]
    for seed in range(trials):
        rng = np.random.default_rng((seed // _PAIRS_A_SHIFT, 1))
        shift_px = _towards(rng.uniform(0, 2 * np.pi), rng.uniform(*distances_px))
        yield Trial(
            seed=seed,
            scene=seed * arguments.scenes // trials,
            shape=arguments.size,
            blur_px=arguments.blur,
            signal_e=signals[seed % len(signals)],
            ratio=float(rng.uniform(min(arguments.ratios), max(arguments.ratios))),
            shift_px=shift_px,
            fixed=patterns[seed // len(signals) % len(patterns)],
            lamps=not arguments.no_lamps,
            kind=kind,
            bounds=False,
        )


def _towards(angle: float, distance_px: float) -> tuple[float, float]:
    return float(distance_px * np.cos(angle)), float(distance_px * np.sin(angle))


def _measured(trials: list[Trial], arguments: argparse.Namespace) -> list[Outcome]:
    """All trials, in a pool of processes; in the order of the trials."""
    portions = [trials[start : start + AT_ONCE] for start in range(0, len(trials), AT_ONCE)]
    fresh = multiprocessing.get_context("spawn")
    with (
        Progress(
            "trials", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
        ) as bar,
        ProcessPoolExecutor(arguments.jobs, mp_context=fresh) as pool,
    ):
        task = bar.add_task("trials", total=len(trials))
        futures = {pool.submit(run, portion): number for number, portion in enumerate(portions)}
        done: dict[int, list[Outcome]] = {}
        for future in as_completed(futures):
            done[futures[future]] = future.result()
            bar.advance(task, len(future.result()))
    outcomes = [outcome for number in sorted(done) for outcome in done[number]]
    if arguments.json:
        arguments.json.write_bytes(OUTCOMES.dump_json(outcomes))
    return outcomes


def _size(text: str) -> tuple[int, int]:
    height, width = (int(side) for side in text.split("x"))
    return height, width


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(","))


if __name__ == "__main__":
    main()
