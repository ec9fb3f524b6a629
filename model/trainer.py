"""The trainer: SID's recipe as one loop.

    report = train(Store.open(Path("dataset")), TrainConfig(), Path("runs/first"))

A run is a folder:

    checkpoint.safetensors      all it takes to go on, see `sidcap.model.checkpoint`
    log.jsonl                   one line per event: start, epoch, sample, checkpoint, stop
    samples/epoch-00500.png     the same crops every time: amplified, network, reference
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor
from torch.nn import functional

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split
from sidcap.model.cache import FrameCache
from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, read_state, restore, save_checkpoint
from sidcap.model.config import TrainConfig
from sidcap.model.crops import Batch, TrainingData
from sidcap.model.data import select
from sidcap.model.events import (
    CheckpointSaved,
    Decoded,
    EpochDone,
    Event,
    SampleWritten,
    Started,
    StepDone,
    TrainReport,
)
from sidcap.model.inference import choose_device
from sidcap.model.samples import take_samples, write_samples
from sidcap.model.unet import UNet

_SAVE_EVERY_S = 600.0
"""A power cut costs at most this much, however long an epoch takes."""


def train(
    store: Store,
    config: TrainConfig,
    run: Path,
    *,
    resume: bool = False,
    on_event: Callable[[Event], None] = lambda _: None,
) -> TrainReport:
    """Train the SID network on the aligned pairs of the train split, into the folder ``run``.

    On a CPU, with the same number of threads, the weights after N and then, resumed, up to M epochs are those of M
    epochs at once, bit for bit. Ctrl-C and SIGTERM end it after the step in progress, with a checkpoint. Raises
    UsageError or TrainingError for what cannot be trained on or resumed, and TrainingError where the loss is no longer
    a number; the last good checkpoint is kept.
    """
    selection = select(store, Split.TRAIN)
    state = RunState(config=config, data_sha256=selection.fingerprint(config.input), scenes=len(selection.scenes))
    state = _resumed(run, state) if resume else _new(run, state)
    device = choose_device(config.device)
    network = UNet(config.depth, seed=config.seed).place(device)
    if config.patch % network.multiple:
        raise UsageError(f"--patch {config.patch} does not fit this network: give a multiple of {network.multiple}")
    cache = FrameCache(store)
    cache.fill(
        selection.shorts,
        selection.longs,
        lambda done, total: on_event(Decoded(done=done, total=total)),
        photons=config.shot_noise,
    )
    crops = TrainingData(cache, selection, config, device)
    samples = take_samples(store, crops, config) if config.sample_every <= config.epochs else []
    optimizer = torch.optim.Adam(network.parameters(), lr=config.lr)
    if resume:
        restore(run, network, optimizer)

    step, last_step = state.step, config.epochs * len(crops)
    loss: float | None = None
    sheets: list[Path] = []
    with _log(run, on_event) as tell, _stop_on_signal() as stop:
        tell(
            Started(
                device=str(device),
                parameters=sum(parameter.numel() for parameter in network.parameters()),
                scenes=len(crops),
                pairs=len(selection.pairs),
                left_out=selection.left_out,
                epoch=state.epoch,
                config=config,
            )
        )
        # From here on --resume works, and a disk without room says so now and not after the first epochs.
        _save(run, network, optimizer, state, tell)
        loss_sum = torch.tensor(state.loss_sum, device=device)
        started_s = saved_s = time.monotonic()
        while step < last_step and not stop.is_set():
            epoch = step // len(crops)
            loss_sum += _learn(network, optimizer, crops.batch([step]), config.lr_at(epoch))
            step += 1
            on_event(StepDone(step=step, steps=last_step))

            epoch_is_done = step % len(crops) == 0
            if epoch_is_done:
                loss = _finite(loss_sum, run) / len(crops)  # only here does the CPU wait for the GPU
                loss_sum.zero_()
                tell(
                    EpochDone(
                        epoch=epoch + 1,
                        epochs=config.epochs,
                        loss=loss,
                        lr=config.lr_at(epoch),
                        seconds=time.monotonic() - started_s,
                    )
                )
            sample_is_due = epoch_is_done and (epoch + 1) % config.sample_every == 0
            if sample_is_due or time.monotonic() - saved_s > _SAVE_EVERY_S:
                state = state.replace(step=step, loss_sum=_finite(loss_sum, run))
                _save(run, network, optimizer, state, tell)
                saved_s = time.monotonic()
            if sample_is_due:
                sheets.append(run / "samples" / f"epoch-{epoch + 1:05d}.png")
                write_samples(sheets[-1], network, samples)
                tell(SampleWritten(epoch=epoch + 1, path=sheets[-1]))
        if state.step != step:
            state = state.replace(step=step, loss_sum=_finite(loss_sum, run))
            _save(run, network, optimizer, state, tell)
        report = TrainReport(
            run=run,
            device=str(device),
            epochs=state.epoch,
            steps=step,
            interrupted=step < last_step,
            loss=loss,
            seconds=time.monotonic() - started_s,
            scenes=len(crops),
            pairs=len(selection.pairs),
            left_out=selection.left_out,
            checkpoint=run / CHECKPOINT_NAME,
            samples=tuple(sheets),
        )
        tell(report)
    return report


def _learn(network: UNet, optimizer: torch.optim.Adam, batch: Batch, lr: float) -> Tensor:
    """One step; gives its loss, on the network's device."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss = functional.l1_loss(network(batch.planes), batch.target)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


def _new(run: Path, state: RunState) -> RunState:
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run} is a file; a run is a folder: give another --out")
    if (run / CHECKPOINT_NAME).exists():
        raise UsageError(f"{run} already holds a run: go on with it with --resume, or give another --out")
    if run.is_dir() and any(run.iterdir()):
        raise UsageError(f"{run} holds other files: give an empty or new folder as --out")
    return state


def _resumed(run: Path, wanted: RunState) -> RunState:
    """Where the run stands; UsageError where it was begun with other settings or other pairs."""
    saved = read_state(run)
    if name := saved.config.conflict_with(wanted.config):
        then, now = saved.config.settings[name], wanted.config.settings[name]
        raise UsageError(f"{run} was begun with {name} {then}, not {now}: resume with {then}, or give another --out")
    if saved.data_sha256 != wanted.data_sha256:
        raise UsageError(
            f"{run} was begun on other pairs than this dataset has now: give another --out to train on these"
        )
    if wanted.config.epochs < saved.epoch:
        raise UsageError(f"{run} already has {saved.epoch} epochs: give more than that as --epochs")
    return saved.replace(config=wanted.config)


def _save(
    run: Path, network: UNet, optimizer: torch.optim.Adam, state: RunState, tell: Callable[[Event], None]
) -> None:
    path = save_checkpoint(run, network, optimizer, state)
    tell(CheckpointSaved(epoch=state.epoch, step=state.step, path=path))


def _finite(loss_sum: Tensor, run: Path) -> float:
    value = float(loss_sum)
    if not math.isfinite(value):
        raise TrainingError(f"the loss is no longer a number: {run} keeps its last checkpoint; train with a lower --lr")
    return value


@contextmanager
def _log(run: Path, on_event: Callable[[Event], None]) -> Iterator[Callable[[Event], None]]:
    """Gives what tells an event to the caller and to the run's log."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        with (run / "log.jsonl").open("a", encoding="utf-8") as log:

            def tell(event: Event) -> None:
                line = {"utc": datetime.now(UTC).isoformat(timespec="seconds")} | event.model_dump(mode="json")
                print(json.dumps(line), file=log, flush=True)
                on_event(event)

            yield tell
    except OSError as error:
        raise TrainingError(f"cannot write to {run} ({error.strerror}): make room, or give another --out") from error


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Gives an event that Ctrl-C or SIGTERM sets. A second one ends the program as it would without this.

    Python lets only the main thread handle signals; in another one nothing sets the event.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
