"""The trainer: SID's recipe as one loop.

    report = train(Store.open(Path("dataset")), TrainConfig(), Path("runs/first"))

A run is a folder:

    checkpoint.safetensors      all it takes to go on, see `sidcap.model.checkpoint`
    log.jsonl                   one line per event: start, epoch, sample, checkpoint, stop
    samples/epoch-00500.png     the same crops every time: amplified, network, reference

Crop n of a run is the same whenever it is asked for, and step k learns from crops k * batch and the following. So the
number of steps done is all there is to know of where a run stands, and a run may stop anywhere and go on.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import FrameType

import torch

from sidcap.data_manifest.errors import SidcapError, TrainingError, UsageError
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split
from sidcap.model.cache import FrameCache
from sidcap.model.checkpoint import CHECKPOINT_NAME, RunState, restore, save_checkpoint
from sidcap.model.claim import LOG_NAME, claimed, resumed, unwritable
from sidcap.model.config import TrainConfig
from sidcap.model.crops import Batch, TrainingData
from sidcap.model.data import Selection, select
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
from sidcap.model.inference import choose_device, memory_told
from sidcap.model.learner import Learner, uses_bf16
from sidcap.model.processes import Processes, local_device, processes
from sidcap.model.samples import Sample, take_samples, write_samples
from sidcap.model.unet import UNet

_SAVE_EVERY_S = 600.0
"""A power cut costs at most this much, however long an epoch takes."""
_RUN_AWAY = 100.0
"""Mean loss, where white is 1, from which no network comes back."""
_AHEAD = 2
"""Batches that are cut while the network learns from another."""


def train(
    store: Store,
    config: TrainConfig,
    run: Path,
    *,
    resume: bool = False,
    anyway: bool = False,
    include: frozenset[str] = frozenset(),
    on_event: Callable[[Event], None] = lambda _: None,
) -> TrainReport:
    """Train the SID network on the aligned pairs of the train split, into the folder ``run``.

    ``resume`` goes on from the run's checkpoint; with ``anyway`` also with other pairs and settings than it was begun
    with, but for those that make another network of it, and whole epochs count as done. A run without any step may be
    begun anew.

    ``include`` may hold ``undetermined``: such pairs are used too, then. On a CPU, with the same number of threads, the
    weights after N and then, resumed, up to M epochs are those of M epochs at once, bit for bit. Ctrl-C and SIGTERM end
    it after the step in progress, with a checkpoint. Under torchrun every process takes its share of each batch.

    Raises UsageError or TrainingError for what cannot be trained on or resumed, and TrainingError where the loss is no
    longer a number (the last good checkpoint is kept), memory of the device or room on the disk runs out, or a frame
    can no longer be read.
    """
    device = local_device(choose_device(config.device))
    with ExitStack() as held, memory_told("give a lower --batch or --patch, or --precision bf16"):
        others = held.enter_context(processes(device))
        others.share(range(config.batch))  # or it is refused before anything is written
        selection = select(store, Split.TRAIN, include)
        unshaded = sum(not pair.shaded for pair in selection.pairs) if config.input.dark_shading else 0
        state = RunState(
            config=config,
            data_sha256=selection.fingerprint(config),
            learned_from=tuple(sorted({long.checksum for long in selection.longs})),
            include=tuple(sorted(include)),
            dark_shaded=unshaded < len(selection.pairs) if config.input.dark_shading else None,
            scenes=len(selection.scenes),
        )
        if others.first:
            held.enter_context(claimed(run, resume))
        if resume:
            state = resumed(run, state, anyway)
        data = _decoded(store, selection, config, device, others, on_event)
        if resume and data.cfa != state.cfa:
            raise UsageError(f"{run} takes {state.cfa} mosaics, these are {data.cfa}: give another --out")
        state = state.replace(cfa=data.cfa)
        learner = Learner(_placed(state, device), config, device, others)
        if resume:
            restore(run, learner.network, learner.optimizer, learner.averages)
        samples = take_samples(store, data, config) if others.first and config.sample_every <= config.epochs else []
        others.wait()  # until all have read what the first may now replace
        with _log(run if others.first else None, on_event) as tell, _stop_on_signal() as stop:
            tell(
                Started(
                    device=str(device),
                    processes=others.count,
                    precision="bf16" if uses_bf16(config, device) else "fp32",
                    on_device=data.on_device,
                    parameters=sum(parameter.numel() for parameter in learner.network.parameters()),
                    reach=learner.network.halo,
                    scenes=len(data),
                    pairs=len(selection.pairs),
                    included=selection.included,
                    unshaded=unshaded,
                    left_out=selection.left_out,
                    epoch=state.epoch,
                    config=config,
                )
            )
            course = _Course(run, data, learner, samples, others, tell, state)
            course.follow(stop)
            report = TrainReport(
                run=run,
                device=str(device),
                epochs=course.state.epoch,
                steps=course.state.step,
                interrupted=course.state.step < course.last_step,
                loss=course.loss,
                seconds=time.monotonic() - course.started_s,
                scenes=len(data),
                pairs=len(selection.pairs),
                left_out=selection.left_out,
                checkpoint=run / CHECKPOINT_NAME,
                samples=tuple(course.sheets),
            )
            tell(report)
    return report


class _Course:
    """The steps of a run, from where its state stands to the last."""

    def __init__(
        self,
        run: Path,
        data: TrainingData,
        learner: Learner,
        samples: Sequence[Sample],
        others: Processes,
        tell: Callable[[Event], None],
        state: RunState,
    ) -> None:
        self._run, self._data, self._learner, self._samples = run, data, learner, samples
        self._others, self._tell = others, tell
        self.state = state
        self.loss: float | None = None
        """Of the last whole epoch."""
        self.sheets: list[Path] = []
        # The last batch may reach into an epoch that no longer counts.
        self.last_step = -(-state.config.epochs * state.scenes // state.config.batch)
        self._loss_sum = torch.tensor(state.loss_sum, device=next(learner.network.parameters()).device)
        self.started_s = self._saved_s = self._told_s = time.monotonic()
        self._waited_s = 0.0
        self._saved_step: int | None = None

    def follow(self, stop: threading.Event) -> None:
        """To the last step, or until ``stop`` is set. What was learned is saved, whatever ends it, unless the loss is
        no longer a number.
        """
        # From here on --resume works, and a disk without room says so now and not after the first epochs.
        self._save()
        with _ahead(self._data, self._shares()) as batches:
            try:
                while self.state.step < self.last_step and not self._others.any(stop.is_set(), self.state.step):
                    asked_s = time.monotonic()
                    batch = next(batches)
                    self._waited_s += time.monotonic() - asked_s
                    self._learn(batch)
            except (SidcapError, RuntimeError):  # a frame that cannot be read any more, memory that ran out
                if math.isfinite(float(self._loss_sum)):
                    self._save()
                raise
        if self.state.step != self._saved_step:
            self._save()

    def _learn(self, batch: Batch) -> None:
        """One step, and what is due after it."""
        state, config = self.state, self.state.config
        rate = config.lr_at(state.step * config.batch / state.scenes)
        loss = self._learner.learn(batch.planes, batch.target, rate, state.step)
        self.state = state.replace(step=state.step + 1, loss_steps=state.loss_steps + 1)  # whatever comes now
        self._loss_sum += self._others.mean(loss)
        self._tell(StepDone(step=self.state.step, steps=self.last_step))
        if self.state.epoch > state.epoch:
            self._tell_epoch(rate)
            if self.state.epoch // config.sample_every > state.epoch // config.sample_every:
                self._save()
                self._sample()
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self._save()

    def _tell_epoch(self, rate: float) -> None:
        steps, now_s = self.state.loss_steps, time.monotonic()
        self.loss = self._finite() / steps  # only here does the CPU wait for the GPU
        took_s = max(now_s - self._told_s, 1e-9)
        self._tell(
            EpochDone(
                epoch=self.state.epoch,
                epochs=self.state.config.epochs,
                loss=self.loss,
                lr=rate,
                seconds=now_s - self.started_s,
                crops_per_s=steps * self.state.config.batch / took_s,
                data_wait=self._waited_s / took_s,
                utilisation=_utilisation(self._loss_sum.device),
            )
        )
        self._loss_sum.zero_()
        self.state = self.state.replace(loss_steps=0)
        self._told_s, self._waited_s = time.monotonic(), 0.0

    def _shares(self) -> Iterator[Sequence[int]]:
        """The crops that this process learns from in each step to come."""
        size = self.state.config.batch
        for step in range(self.state.step, self.last_step):
            yield self._others.share(range(step * size, (step + 1) * size))

    def _save(self) -> None:
        self.state = self.state.replace(loss_sum=self._finite())
        self._saved_s, self._saved_step = time.monotonic(), self.state.step
        if self._others.first:
            learner = self._learner
            path = save_checkpoint(self._run, learner.network, learner.optimizer, self.state, learner.averages)
            self._tell(CheckpointSaved(epoch=self.state.epoch, step=self.state.step, path=path))

    def _sample(self) -> None:
        if self._samples:
            self.sheets.append(self._run / "samples" / f"epoch-{self.state.epoch:05d}.png")
            with self._learner.averaged() as network:
                write_samples(self.sheets[-1], network, self._samples)
            self._tell(SampleWritten(epoch=self.state.epoch, path=self.sheets[-1]))

    def _finite(self) -> float:
        """The sum of the losses, if the network still learns anything."""
        value = float(self._loss_sum)
        if not value <= _RUN_AWAY * self.state.loss_steps:
            mean = value / self.state.loss_steps
            what = f"has run away to {mean:.3g}" if math.isfinite(mean) else "is no longer a number"
            raise TrainingError(
                f"the loss {what}: {self._run} keeps its last checkpoint; go on with --resume --anyway and a lower --lr"
            )
        return value


def _decoded(
    store: Store,
    selection: Selection,
    config: TrainConfig,
    device: torch.device,
    others: Processes,
    on_event: Callable[[Event], None],
) -> TrainingData:
    """The pairs, ready to be cut. The first process decodes what is not cached, then each machine's others look."""
    cache = FrameCache(store)
    for turn in (True, False):
        if others.first is turn:
            cache.fill(
                selection.shorts,
                selection.longs,
                lambda done, total: on_event(Decoded(done=done, total=total)),
                photons=config.shot_noise,
            )
        others.wait()
    return TrainingData(cache, selection, config, device)


def _placed(state: RunState, device: torch.device) -> UNet:
    network = state.network().place(device)
    if state.config.patch % network.multiple:
        raise UsageError(
            f"--patch {state.config.patch} does not fit this network: give a multiple of {network.multiple}"
        )
    return network


@contextmanager
def _ahead(data: TrainingData, shares: Iterator[Sequence[int]]) -> Iterator[Iterator[Batch]]:
    """Gives the batches one after the other, the next ones being cut in another thread meanwhile.

    A batch is good until the next is asked for. Not so where the pairs lie on the device: cutting is its own work then.
    """
    if data.on_device:
        yield map(data.batch, shares)
        return
    pool = ThreadPoolExecutor(1, thread_name_prefix="crops")
    rooms: deque[Batch] = deque()
    """Of batches that were learned from."""

    def submitted(steps: int) -> list[Future[Batch]]:
        return [
            pool.submit(data.batch, share, rooms.popleft() if rooms else data.room(len(share)))
            for share in islice(shares, steps)
        ]

    try:
        coming = deque(submitted(_AHEAD))

        def batches() -> Iterator[Batch]:
            while coming:
                batch = coming.popleft().result()
                coming.extend(submitted(1))
                yield batch
                rooms.append(batch)

        yield batches()
    finally:
        pool.shutdown(cancel_futures=True)


def _utilisation(device: torch.device) -> float | None:
    """Share of the last moment in which the GPU was at work; None where NVIDIA's driver cannot be asked, or the extra
    ``gpu`` is not installed.
    """
    if device.type != "cuda":
        return None
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        return torch.cuda.utilization(device) / 100
    except (RuntimeError, pynvml.NVMLError):  # without the driver's leave, or on a part of a GPU
        return None


@contextmanager
def _log(run: Path | None, on_event: Callable[[Event], None]) -> Iterator[Callable[[Event], None]]:
    """Gives what tells an event to the caller and to the run's log; to nobody where there is no run to write to."""
    if run is None:
        yield lambda _event: None
        return
    try:
        with (run / LOG_NAME).open("a", encoding="utf-8") as log:

            def tell(event: Event) -> None:
                if isinstance(event, StepDone):  # too many to be logged
                    on_event(event)
                    return
                line = {"utc": datetime.now(UTC).isoformat(timespec="seconds")} | event.model_dump(mode="json")
                print(json.dumps(line), file=log, flush=True)
                on_event(event)

            yield tell
    except OSError as error:
        raise unwritable(run, error) from error


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
