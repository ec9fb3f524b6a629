"""Judge runs: every usable pair of a split, each network beside the amplified input, with scores and pictures.

    evaluation = evaluate(Store.open(Path("dataset")), [Path("run"), Path("sony")])

In every run, and for several runs once more, with all of them, in the first:

    evaluation/test.json        `Evaluation`
    evaluation/test.csv         one row for every picture of every pair
    evaluation/test/*.png       the pictures of each pair side by side; crops.png: crops of the darkest shorts
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.raw import develop, develop_amplified
from sidcap.data_manifest.store import Store, program, sha256_of
from sidcap.data_manifest.words import Split
from sidcap.model.cache import FrameCache, Progress
from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, load_network, read_state
from sidcap.model.config import DeviceChoice
from sidcap.model.data import AlignedPair, OpenPair, Selection, open_pair, select
from sidcap.model.files import write_result
from sidcap.model.high_iso import residue
from sidcap.model.inference import choose_device, enhance, memory_told
from sidcap.model.metrics import quality
from sidcap.model.pictures import Panel, detailed_place, reduced, sheet, write_png
from sidcap.model.scores import (
    AMPLIFIED,
    MEAN_SCALED,
    Evaluation,
    Judged,
    JudgedRun,
    Score,
    compare,
    csv_of,
    summarise,
    summarise_residues,
)
from sidcap.model.unet import UNet

_CROP_PX = 256
_CROPS = 8
"""Scenes on the sheet of crops."""
_INPUT, _REFERENCE = "input", "reference"


def evaluate(
    store: Store,
    runs: Sequence[Path],
    split: Split = Split.TEST,
    *,
    include: frozenset[str] = frozenset(),
    device: DeviceChoice = "auto",
    on_decoded: Progress | None = None,
    on_score: Callable[[Score, int], None] = lambda _score, _total: None,
) -> Evaluation:
    """Judge the networks of ``runs`` on the usable pairs of ``split``, all on the same ones.

    Pairs come from the manifest alone, never from the order of files; ``include`` may hold ``undetermined``.
    ``on_score`` is called after every pair, with how many there are. Raises TrainingError without a usable checkpoint,
    UsageError for an empty split or a run that is named twice, RawError for an unreadable frame.
    """
    selection = select(store, split, include)
    networks = _loaded(runs, choose_device(device), selection)
    cache = FrameCache(store)
    cache.fill(selection.shorts, selection.longs, on_decoded)
    books = [_Book(split, [network.run]) for network in networks]
    if len(networks) > 1:
        books.append(_Book(split, [network.run for network in networks]))
    darkest = {_darkest(scene) for scene in selection.scenes[:_CROPS]}
    for pair in selection.pairs:
        judged = _judge(store, open_pair(cache, pair), pair, networks)
        for book in books:
            book.enter(pair, judged, with_crop=pair.short.path in darkest)
        on_score(books[-1].scores[-1], len(selection.pairs))
    return [book.close(selection) for book in books][-1]


@dataclass(frozen=True)
class _Network:
    """A network, and the run it is from."""

    run: JudgedRun
    network: UNet


def _loaded(runs: Sequence[Path], device: torch.device, selection: Selection) -> list[_Network]:
    if len({run.resolve() for run in runs}) < len(runs) or not runs:
        raise UsageError("give every run once: " + " ".join(str(run) for run in dict.fromkeys(runs)))
    loaded = []
    for run in runs:
        state, network = read_state(run), load_network(run, device)
        namesakes = [other for other in runs if other.resolve().name == run.resolve().name]
        clear = len(namesakes) == 1 and run.resolve().name not in (AMPLIFIED, MEAN_SCALED)
        judged = JudgedRun(
            name=run.resolve().name if clear else str(run),
            run=run,
            epochs=state.epoch,
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            imported_from=state.imported_from,
            checkpoint_sha256=sha256_of(run / CHECKPOINT_NAME),
            config=state.config,
            dark_shaded=state.dark_shaded,
            seen=_seen(selection, state),
        )
        loaded.append(_Network(judged, network))
    return loaded


def _seen(selection: Selection, state: RunState) -> tuple[str, ...]:
    """The scenes whose long the run has learned from."""
    learned_from = set(state.learned_from)
    return tuple(dict.fromkeys(pair.scene for pair in selection.pairs if pair.long.checksum in learned_from))


@dataclass(frozen=True)
class _Shown:
    """What is kept of a full-size picture for the sheets."""

    small: NDArray[np.float32]
    crop: NDArray[Any]


@dataclass
class _JudgedPair:
    """The scores of a pair's pictures and what is shown of them, by the picture's name."""

    scores: dict[str, Judged] = field(default_factory=dict)
    shown: dict[str, _Shown] = field(default_factory=dict)


def _judge(store: Store, pixels: OpenPair, pair: AlignedPair, networks: Sequence[_Network]) -> _JudgedPair:
    """Judge one picture after the other: of full frames, no more than two fit in little memory."""
    raw, reference = store.path(pair.short.path), pixels.target
    place = detailed_place(reference, _CROP_PX)
    judged = _JudgedPair()

    def keep(name: str, picture: NDArray[Any]) -> None:
        judged.shown[name] = _Shown(reduced(picture), picture[place].copy())

    def judge(name: str, picture: NDArray[Any]) -> None:
        keep(name, picture)
        judged.scores[name] = Judged(
            picture=name, quality=quality(picture, reference), residue=residue(picture, reference)
        )

    keep(_REFERENCE, reference)
    given = pixels.mosaic.covered(develop(raw))
    keep(_INPUT, given)
    brightness = float(reference.mean()) / max(float(given.mean()), 1e-9)
    judge(AMPLIFIED, pixels.mosaic.covered(develop_amplified(raw, pair.ratio, *pair.short.levels)))
    judged.scores[MEAN_SCALED] = Judged(
        picture=MEAN_SCALED, quality=quality(given, reference, scale=brightness), residue=None
    )
    for network in networks:
        with memory_told("give --device cpu"):
            judge(network.run.name, _enhanced(network, pixels))
    return judged


def _enhanced(network: _Network, pixels: OpenPair) -> NDArray[np.float32]:
    planes = pixels.amplified(network.run.input)
    if len(planes) != network.network.planes:
        raise TrainingError(
            f"{network.run.run} takes {network.network.planes} planes, this dataset's frames have {len(planes)}: "
            "judge it on frames of the kind of sensor it was trained for"
        )
    return enhance(network.network, planes)


class _Book:
    """The evaluation of one run, or of several side by side: grows by a pair at a time, and is written in the end."""

    def __init__(self, split: Split, runs: Sequence[JudgedRun]) -> None:
        self.runs = tuple(runs)
        self.split = split
        self.folder = runs[0].run / "evaluation"
        beside = [Path(run.name).name for run in runs[1:]]
        self.stem = f"{split}-beside-{'-'.join(beside)}" if beside else str(split)
        self.scores: list[Score] = []
        self.crops: list[list[Panel]] = []

    def enter(self, pair: AlignedPair, judged: _JudgedPair, *, with_crop: bool) -> None:
        """Add a pair, and write its sheet."""
        names = [run.name for run in self.runs]
        score = Score(
            scene=pair.scene,
            short=pair.short.path,
            long=pair.long.path,
            iso=pair.short.iso.set,
            nominal_ratio=pair.ratios.nominal,
            ratio=pair.ratio,
            pictures=tuple(judged.scores[name] for name in (AMPLIFIED, MEAN_SCALED, *names)),
            sheet=f"{self.stem}/{Path(pair.short.path).stem}.png",
        )
        self.scores.append(score)
        labels = _labels(pair, score)
        panels = [Panel(judged.shown[name].small, labels[name]) for name in (_INPUT, _REFERENCE, AMPLIFIED, *names)]
        columns = 2 if len(panels) == 4 else 3
        rows = [panels[first : first + columns] for first in range(0, len(panels), columns)]
        write_png(self.folder / score.sheet, sheet(rows))
        if with_crop:
            order = (AMPLIFIED, *names, _REFERENCE)
            self.crops.append([Panel(judged.shown[name].crop, labels[name]) for name in order])

    def close(self, selection: Selection) -> Evaluation:
        """What the pairs come to, written."""
        crops = f"{self.stem}/crops.png"
        write_png(self.folder / crops, sheet(self.crops))
        names = [run.name for run in self.runs]
        evaluation = Evaluation(
            runs=self.runs,
            folder=self.folder,
            split=self.split,
            included=selection.included,
            simulated=any(frame.camera.simulated for frame in selection.shorts + selection.longs),
            data_sha256=selection.fingerprint(),
            scores=tuple(self.scores),
            crops=crops,
            summaries=summarise(self.scores, (AMPLIFIED, MEAN_SCALED, *names)),
            differences=compare(self.scores, names),
            residues=summarise_residues(self.scores, (AMPLIFIED, *names)),
            left_out=selection.left_out,
            made_with=program(),
        )
        write_result(self.folder / f"{self.stem}.csv", csv_of(self.scores).encode())
        write_result(self.folder / f"{self.stem}.json", (evaluation.model_dump_json(indent=2) + "\n").encode())
        return evaluation


def _darkest(scene: Sequence[AlignedPair]) -> str:
    return min(scene, key=lambda pair: pair.short.exposure.true_s).short.path


def _labels(pair: AlignedPair, score: Score) -> dict[str, str]:
    origin = " (simulated camera)" if pair.short.camera.simulated else ""
    labels = {
        _INPUT: f"input: scene {pair.scene}, {pair.short.exposure.nominal_s:.3g} s{origin}",
        _REFERENCE: f"reference: {pair.long.exposure.nominal_s:.3g} s, ISO {pair.long.iso.set}",
        AMPLIFIED: f"input amplified x{score.ratio:.4g}: {score.of(AMPLIFIED).psnr_db:.2f} dB",
    }
    for judged in score.pictures[2:]:
        labels[judged.picture] = f"{judged.picture}: {judged.quality.psnr_db:.2f} dB"
    return labels
