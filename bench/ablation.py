"""What each part of the preset `best` brings: it is trained whole, and with one part after the other switched off.

    python bench/ablation.py --dataset DATASET --out FOLDER --epochs 160 --seeds 0,1

Off is what `study` has, or, where that has the part too, `sid-original`. Every run sees the same number of crops; those
with the same batch and seed begin with the same weights and see the same crops. The step schedule drops the rate
half-way, as the published one does. The average of the weights does not touch what is learned, so the run without it
is the whole one's last weights. One thread; runs that are in FOLDER already are not trained again, an evaluation of
the same runs neither.

What a part brings is the PSNR of the whole less that without it, paired by picture; 95% intervals by scene
(`sidcap.model.intervals`). With several seeds the differences of a pair are averaged over them first: the interval says
what other scenes would change, and the columns of the seeds what other first weights and crops would. ``--repeat``
names the parts that all seeds but the first are spent on; the others are told from the first seed alone.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch

from sidcap.data_manifest.store import Store
from sidcap.model import TrainConfig, UNet
from sidcap.model.checkpoint import CHECKPOINT_NAME, load_network, read_state, restore, save_checkpoint
from sidcap.model.evaluation import evaluate
from sidcap.model.intervals import Interval, caution, mean_by_scene
from sidcap.model.scores import AMPLIFIED, Evaluation, Score, groups
from sidcap.model.trainer import train

WHOLE: Final = "best"
OFF: Final[Mapping[str, Mapping[str, Any]]] = {
    "levels": {"levels": "sid"},
    "keep-negatives": {"keep_negatives": False},
    "turns": {"turns": "planes"},
    "ratio": {"ratio": "true"},
    "dark-shading": {"dark_shading": False},
    "shot-noise": {"shot_noise": False},
    "schedule": {"schedule": "step"},
    "ema": {"ema": 0.0},
    "batch": {"batch": 1},
    "lr": {"lr": 1e-4},
    "batch-and-lr": {"batch": 1, "lr": 1e-4},
    "batch-and-shot-noise": {"batch": 1, "shot_noise": False},
}


@dataclass(frozen=True)
class Plan:
    """What all runs have in common."""

    dataset: Path
    out: Path
    epochs: int
    patch: int

    def config(self, part: str, seed: int) -> TrainConfig:
        """Of the whole, or of the whole without a part."""
        common = {"epochs": self.epochs, "drop_lr_at": -(-self.epochs // 2), "patch": self.patch, "seed": seed}
        return TrainConfig.of_preset("best", **common, sample_every=self.epochs + 1, device="cpu", **OFF.get(part, {}))

    def run(self, part: str, seed: int) -> Path:
        """Its folder."""
        return self.out / f"seed-{seed}" / part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--seeds", default="0", help="separated by commas")
    parser.add_argument("--parts", default=",".join(OFF), help="separated by commas; all without")
    parser.add_argument("--repeat", help="of these, those that further seeds are spent on; all without")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = Plan(given.dataset, given.out, given.epochs, given.patch)
    parts, seeds = given.parts.split(","), [int(seed) for seed in given.seeds.split(",")]
    repeated = given.repeat.split(",") if given.repeat else parts
    evaluations = []
    for seed in seeds:
        of_seed = parts if seed == seeds[0] else repeated
        for part in (WHOLE, *of_seed):
            trained(plan, part, seed)
        evaluations.append(judged(plan, of_seed, seed))
    print(f"\n{platform.processor() or platform.machine()}, one thread, torch {torch.__version__}")
    for line in table(evaluations, parts, seeds):
        print(line)


def trained(plan: Plan, part: str, seed: int) -> None:
    run, began_s = plan.run(part, seed), time.monotonic()
    if (run / CHECKPOINT_NAME).exists() and read_state(run).epoch == plan.epochs:
        return
    if part == "ema":
        without_average(plan, run, seed)
    else:
        report = train(Store.open(plan.dataset), plan.config(part, seed), run, resume=(run / CHECKPOINT_NAME).exists())
        if report.interrupted:
            raise SystemExit("interrupted; the same command goes on")
    print(f"{run}: {time.monotonic() - began_s:.0f} s", flush=True)


def without_average(plan: Plan, run: Path, seed: int) -> None:
    """The whole's last weights."""
    whole, config = plan.run(WHOLE, seed), plan.config("ema", seed)
    state = read_state(whole)
    network: UNet = state.network()
    averages = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    restore(whole, network, torch.optim.Adam(network.parameters()), averages)
    save_checkpoint(run, network, None, state.replace(config=config))
    average = load_network(whole).state_dict()
    if all(torch.equal(average[name], weight) for name, weight in network.state_dict().items()):
        raise SystemExit(f"{whole} has no average")


def judged(plan: Plan, parts: Sequence[str], seed: int) -> Evaluation:
    runs = [plan.run(part, seed) for part in (WHOLE, *parts)]
    kept = plan.out / f"seed-{seed}" / "evaluation.json"
    if kept.exists():
        evaluation = Evaluation.model_validate_json(kept.read_bytes())
        if [run.name for run in evaluation.runs] == [WHOLE, *parts]:
            return evaluation
    evaluation = evaluate(Store.open(plan.dataset), runs, device="cpu")
    kept.write_text(evaluation.model_dump_json(indent=2))
    return evaluation


def table(evaluations: Sequence[Evaluation], parts: Sequence[str], seeds: Sequence[int]) -> Iterator[str]:
    """As Markdown."""
    first = evaluations[0]
    members = {group: [score.short for score in scores] for group, scores in groups(first.scores).items()}
    names = [*(group for group in members if group != "all"), "all"]
    if first.simulated:
        yield "simulated camera; " + caution(len({score.scene for score in first.scores}))
    yield "| | " + " | ".join([*names, "SSIM", *(f"seed {seed}" for seed in seeds)]) + " |"
    yield "|---" * (len(names) + len(seeds) + 2) + "|"
    for picture, than in ((AMPLIFIED, ""), (WHOLE, ""), *((WHOLE, part) for part in parts)):
        told = [each for each in evaluations if not than or than in each.pictures]
        cells = [over(told, members[name], picture, than).in_words() for name in names]
        cells.append(over(told, members["all"], picture, than, measure="ssim").in_words(3))
        cells += [
            f"{over([each], members['all'], picture, than).mean:.2f}" if each in told else "" for each in evaluations
        ]
        yield f"| {than or picture} | " + " | ".join(cells) + " |"


def over(
    evaluations: Sequence[Evaluation], shorts: Sequence[str], picture: str, than: str, measure: str = "psnr_db"
) -> Interval:
    """The mean of a picture's measure over pairs and seeds, or of by how much it is better than another's."""

    def of(score: Score) -> float:
        value = float(getattr(score.of(picture), measure))
        return value - float(getattr(score.of(than), measure)) if than else value

    scores = [{score.short: score for score in evaluation.scores} for evaluation in evaluations]
    values = [float(np.mean([of(each[short]) for each in scores])) for short in shorts]
    return mean_by_scene(values, [scores[0][short].scene for short in shorts])


if __name__ == "__main__":
    main()
