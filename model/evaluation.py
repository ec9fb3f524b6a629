"""Judge a run: PSNR of the amplified input and of the network on every aligned pair of a split, and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from sidcap.data_manifest.raw import develop, develop_amplified
from sidcap.data_manifest.schema import Record
from sidcap.data_manifest.store import Store, program
from sidcap.data_manifest.words import Split
from sidcap.model.cache import FrameCache, Progress
from sidcap.model.checkpoint import load_network, read_state
from sidcap.model.config import DeviceChoice, TrainConfig
from sidcap.model.data import AlignedPair, LeftOut, OpenPair, open_pair, select
from sidcap.model.files import write_result
from sidcap.model.inference import choose_device, enhance
from sidcap.model.metrics import psnr_db, to_unit
from sidcap.model.pictures import Panel, sheet, write_png
from sidcap.model.unet import UNet


class Score(Record):
    """One pair. PSNR in dB against the developed long, see `sidcap.model.metrics`."""

    # Equal pictures have an infinite PSNR.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    scene: str
    short: str
    """Path in the dataset."""
    long: str
    ratio: float
    """The true one."""
    amplified_db: float
    """Of the short's mosaic times the ratio, developed like the long."""
    mean_scaled_db: float
    """Of the developed short times the factor that gives it the long's mean: SID's and the study's "scaled" image. It
    is told how bright the answer is, so it is not a result that could be had without the long."""
    network_db: float
    picture: str
    """Path in the run: input, reference, amplified, network."""


class Evaluation(Record):
    """All pairs of a split; also written to ``evaluation/<split>.json`` in the run."""

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    run: Path
    split: Split
    epochs: int
    """Whole epochs that the network was trained."""
    config: TrainConfig
    simulated: bool
    """True where any of the frames comes from the simulated camera."""
    scores: tuple[Score, ...]
    amplified_db: float
    """Means over the pairs."""
    mean_scaled_db: float
    network_db: float
    left_out: tuple[LeftOut, ...]
    """Pairs of the split that are not aligned, and so cannot be judged."""
    made_with: str


def evaluate(
    store: Store,
    run: Path,
    split: Split = Split.TEST,
    *,
    device: DeviceChoice = "auto",
    on_decoded: Progress | None = None,
    on_score: Callable[[Score, int], None] = lambda _score, _total: None,
) -> Evaluation:
    """Judge the run's network on the aligned pairs of ``split``.

    Pairs come from the manifest alone, never from the order of files. Writes a four-up picture of every pair to
    ``evaluation/<split>/`` in the run. ``on_score`` is called after every pair, with how many there are.
    Raises TrainingError without a usable checkpoint, UsageError for an empty split, RawError for an unreadable frame.
    """
    state = read_state(run)
    selection = select(store, split)
    network = load_network(run, choose_device(device))
    cache = FrameCache(store)
    cache.fill(selection.shorts, selection.longs, on_decoded)
    scores: list[Score] = []
    for pair in selection.pairs:
        pictures = _pictures(store, open_pair(cache, pair), pair, network, state.config)
        scores.append(_score(pair, pictures, f"evaluation/{split}/{Path(pair.short.path).stem}.png"))
        write_png(run / scores[-1].picture, _four_up(pair, pictures, scores[-1]))
        on_score(scores[-1], len(selection.pairs))
    evaluation = Evaluation(
        run=run,
        split=split,
        epochs=state.epoch,
        config=state.config,
        simulated=any(frame.camera.simulated for frame in selection.shorts + selection.longs),
        scores=tuple(scores),
        amplified_db=float(np.mean([score.amplified_db for score in scores])),
        mean_scaled_db=float(np.mean([score.mean_scaled_db for score in scores])),
        network_db=float(np.mean([score.network_db for score in scores])),
        left_out=selection.left_out,
        made_with=program(),
    )
    write_result(run / "evaluation" / f"{split}.json", (evaluation.model_dump_json(indent=2) + "\n").encode())
    return evaluation


@dataclass(frozen=True)
class _Pictures:
    """Four (2 h, 2 w, 3) sRGB pictures of one pair, 16-bit or floating point."""

    input: NDArray[np.uint16]
    reference: NDArray[np.uint16]
    amplified: NDArray[np.uint16]
    network: NDArray[np.float32]


def _pictures(store: Store, pixels: OpenPair, pair: AlignedPair, network: UNet, config: TrainConfig) -> _Pictures:
    raw = store.path(pair.short.path)
    return _Pictures(
        input=pixels.mosaic.covered(develop(raw)),
        reference=pixels.target,
        amplified=pixels.mosaic.covered(develop_amplified(raw, pair.ratio, *pair.short.levels)),
        network=enhance(network, pixels.amplified(config.input)),
    )


def _score(pair: AlignedPair, pictures: _Pictures, picture: str) -> Score:
    brightness = float(pictures.reference.mean()) / max(float(pictures.input.mean()), 1e-9)
    return Score(
        scene=pair.scene,
        short=pair.short.path,
        long=pair.long.path,
        ratio=pair.ratio,
        amplified_db=psnr_db(pictures.amplified, pictures.reference),
        mean_scaled_db=psnr_db(to_unit(pictures.input) * np.float32(brightness), pictures.reference),
        network_db=psnr_db(pictures.network, pictures.reference),
        picture=picture,
    )


def _four_up(pair: AlignedPair, pictures: _Pictures, score: Score) -> NDArray[np.uint8]:
    origin = " (simulated camera)" if pair.short.camera.simulated else ""
    return sheet(
        [
            [
                Panel(pictures.input, f"input: scene {pair.scene}, {pair.short.exposure.nominal_s:.3g} s{origin}"),
                Panel(pictures.reference, f"reference: {pair.long.exposure.nominal_s:.3g} s, ISO {pair.long.iso.set}"),
            ],
            [
                Panel(pictures.amplified, f"input amplified x{pair.ratio:.4g}: {score.amplified_db:.2f} dB"),
                Panel(pictures.network, f"network: {score.network_db:.2f} dB"),
            ],
        ]
    )
