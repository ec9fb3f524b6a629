"""Training runs: they learn, they go on where they stopped, they refuse what they cannot do."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import foreign_raw
import numpy as np
import pytest
import records
import tiny_raw
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from sidcap.data_manifest.errors import SidcapError, TrainingError, UsageError
from sidcap.data_manifest.raw import read_raw
from sidcap.data_manifest.schema import SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model import (
    CHECKPOINT_NAME,
    CheckpointSaved,
    EpochDone,
    Event,
    InputConfig,
    RunState,
    Started,
    StepDone,
    TrainConfig,
    UNet,
    evaluate,
    load_network,
    read_state,
    train,
)
from sidcap.model.cache import FrameCache
from sidcap.model.checkpoint import save_checkpoint
from sidcap.model.crops import TrainingData
from sidcap.model.data import select
from sidcap.model.learner import Learner
from sidcap.model.processes import Processes

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, ``set``, and a run of one epoch on it, ``finished``."""
    folder = tmp_path_factory.mktemp("template")
    train(tiny_raw.make_dataset(folder / "set", (1, 2, 3)), config(epochs=1), folder / "finished")
    return folder


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    """A dataset of three scenes with two aligned pairs each."""
    shutil.copytree(template / "set", tmp_path / "set")
    return Store.open(tmp_path / "set")


@pytest.fixture
def finished(template: Path, tmp_path: Path) -> Path:
    """A run of one epoch on ``store``."""
    shutil.copytree(template / "finished", tmp_path / "run")
    return tmp_path / "run"


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(epochs=4, patch=16, depth=-2, lr=1e-3, device="cpu").replace(**changes)


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / CHECKPOINT_NAME)


def assert_same_state(first: Path, second: Path) -> None:
    """Weights and optimiser, to the last bit."""
    left, right = tensors(first), tensors(second)
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def stop_at(step: int, number: int) -> Callable[[Event], None]:
    """Sends this process a signal after the step, as a person at the keyboard would."""

    def on_event(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == step:
            os.kill(os.getpid(), number)

    return on_event


def test_a_run_that_went_on_is_bit_for_bit_the_run_that_never_stopped(store: Store, tmp_path: Path) -> None:
    whole = train(store, config(drop_lr_at=3), tmp_path / "whole")
    train(store, config(epochs=2, drop_lr_at=3), tmp_path / "halves")
    halves = train(store, config(drop_lr_at=3), tmp_path / "halves", resume=True)
    assert_same_state(tmp_path / "whole", tmp_path / "halves")
    assert whole.loss == halves.loss
    assert (whole.epochs, halves.epochs, halves.steps) == (4, 4, 12)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_an_epoch_saves_a_run_that_goes_on_exactly(
    number: int, store: Store, tmp_path: Path
) -> None:
    handler = signal.getsignal(number)
    stopped = train(store, config(), tmp_path / "run", on_event=stop_at(4, number))
    assert (stopped.interrupted, stopped.epochs, stopped.steps) == (True, 1, 4)
    assert read_state(tmp_path / "run").step == 4
    assert signal.getsignal(number) is handler
    finished = train(store, config(), tmp_path / "run", resume=True)
    assert (finished.interrupted, finished.steps) == (False, 12)
    train(store, config(), tmp_path / "whole")
    assert_same_state(tmp_path / "run", tmp_path / "whole")
    losses, expected = ([line["loss"] for line in log(run, "epoch")] for run in (tmp_path / "run", tmp_path / "whole"))
    assert losses == pytest.approx(expected)


def test_two_cannot_train_into_one_run_at_a_time(store: Store, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def intrude(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 2:
            with pytest.raises(UsageError, match=f"another sidcap is training into {run}: wait for it"):
                train(store, config(), run, resume=True)
        elif isinstance(event, Started):  # nothing is saved yet
            with pytest.raises(UsageError, match=f"another sidcap is training into {run}: wait for it"):
                train(store, config(), run)

    train(store, config(epochs=1), run, on_event=intrude)
    assert [path.name for path in sorted(run.iterdir())] == [CHECKPOINT_NAME, "log.jsonl"]
    assert len(log(run, "start")) == 1


def test_a_start_that_failed_for_want_of_room_can_be_made_again(store: Store, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").touch()
    assert train(store, config(epochs=1), tmp_path / "run").epochs == 1


def test_the_second_ctrl_c_ends_it_at_once(store: Store, tmp_path: Path) -> None:
    def twice(event: Event) -> None:
        if isinstance(event, StepDone):
            signal.raise_signal(signal.SIGINT)  # to this thread: two at once to the process may arrive as one
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(store, config(), tmp_path / "run", on_event=twice)
    assert read_state(tmp_path / "run").step == 0


def test_a_run_learns_from_its_crops_one_batch_after_the_other(store: Store, tmp_path: Path) -> None:
    wanted = config(epochs=8, batch=2)
    train(store, wanted, tmp_path / "run")
    data = TrainingData(FrameCache(store), select(store, Split.TRAIN), wanted, CPU)
    network = read_state(tmp_path / "run").network().place(CPU)
    learner = Learner(network, wanted, CPU, Processes())
    for step in range(12):
        batch = data.batch([2 * step, 2 * step + 1])
        learner.learn(batch.planes, batch.target, wanted.lr, step)
    learned = load_network(tmp_path / "run").state_dict()
    assert [name for name, weight in network.state_dict().items() if not torch.equal(weight, learned[name])] == []


def test_resuming_a_finished_run_changes_nothing(store: Store, finished: Path, template: Path) -> None:
    report = train(store, config(epochs=1), finished, resume=True)
    assert (report.steps, report.interrupted, report.loss) == (3, False, None)
    assert_same_state(finished, template / "finished")


def test_training_learns(store: Store, tmp_path: Path) -> None:
    losses: list[float] = []

    def keep(event: Event) -> None:
        if isinstance(event, EpochDone):
            losses.append(event.loss)

    report = train(store, config(epochs=30, patch=32), tmp_path / "run", on_event=keep)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert report.loss == losses[-1]


def test_after_the_drop_the_weights_move_a_tenth_as_far(store: Store, finished: Path, tmp_path: Path) -> None:
    train(store, config(epochs=2), tmp_path / "steady")
    train(store, config(epochs=2, drop_lr_at=1), tmp_path / "dropped")
    assert [line["lr"] for line in log(tmp_path / "dropped", "epoch")] == [1e-3, pytest.approx(1e-4)]
    before = tensors(finished)  # after the first epoch
    steady, dropped = (
        sum(
            float((value - before[name]).abs().sum())
            for name, value in tensors(tmp_path / run).items()
            if name.startswith("network.")
        )
        for run in ("steady", "dropped")
    )
    assert dropped == pytest.approx(steady / 10, rel=0.2)


def log(run: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def test_the_log_tells_the_run(store: Store, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(store, config(epochs=2), run)
    train(store, config(epochs=3), run, resume=True)
    first, second = log(run, "start")
    assert (first["epoch"], second["epoch"]) == (0, 2)
    assert first["config"]["seed"] == 0
    assert (first["scenes"], first["pairs"], first["parameters"]) == (3, 6, 467_084)
    assert [line["epoch"] for line in log(run, "epoch")] == [1, 2, 3]
    assert all(line["utc"].endswith("+00:00") for line in log(run, "epoch"))
    assert log(run, "stop")[-1]["epochs"] == 3


def test_samples_show_the_same_places_at_every_stage(store: Store, tmp_path: Path) -> None:
    report = train(store, config(epochs=5, sample_every=2), tmp_path / "run")
    assert [path.name for path in report.samples] == ["epoch-00002.png", "epoch-00004.png"]
    early, late = (np.asarray(cv2.imread(str(path)), int) for path in report.samples)
    assert early.shape == late.shape
    # Three panels side by side: amplified and reference stay, the network's changes.
    third = early.shape[1] // 3
    changed = np.abs(early - late).max(axis=(0, 2)) > 0
    assert not changed[:third].any()
    assert changed[third : 2 * third].any()
    assert not changed[2 * third + 6 :].any()


def test_what_is_left_out_is_told(store: Store, tmp_path: Path) -> None:
    spoiled = tiny_raw.alignment(Verdict.UNDETERMINED)
    store.change_scene(
        2, lambda scene: scene.replace(pairs=tuple(pair.replace(alignment=spoiled) for pair in scene.pairs))
    )
    started: list[Started] = []
    report = train(
        store,
        config(epochs=1),
        tmp_path / "run",
        on_event=lambda event: started.append(event) if isinstance(event, Started) else None,
    )
    assert (report.scenes, report.pairs) == (2, 4)
    assert [left.frame for left in started[0].left_out] == ["short/00002_00_0.1s.DNG", "short/00002_00_0.0333s.DNG"]
    assert started[0].left_out == report.left_out


def test_a_loss_that_has_run_away_ends_the_run(store: Store, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss has run away to \S+: .* keeps its last checkpoint; go on"):
        train(store, config(lr=3.0, epochs=40), tmp_path / "run")
    assert read_state(tmp_path / "run").epoch < 40


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_checkpoint(store: Store, finished: Path) -> None:
    # As if the rate were far too high from the second epoch on.
    state = read_state(finished).replace(config=config(lr=1e30))
    network = load_network(finished)
    save_checkpoint(finished, network, torch.optim.Adam(network.parameters()), state)
    before = tensors(finished)
    with pytest.raises(TrainingError, match=r"no longer a number: .* keeps its last checkpoint"):
        train(store, config(lr=1e30), finished, resume=True)
    assert read_state(finished).step == state.step
    assert all(torch.equal(before[name], value) for name, value in tensors(finished).items())


REFUSED_ON_RESUME: dict[str, tuple[dict[str, Any], str]] = {
    "depth": ({"depth": -1}, "begun with depth -2, not -1: resume with -2, go on --anyway, or give another --out"),
    "patch": ({"patch": 32}, "begun with patch 16, not 32"),
    "rate": ({"lr": 1e-4}, "begun with lr 0.001, not 0.0001"),
    "schedule": ({"drop_lr_at": 7}, "begun with drop_lr_at 2000, not 7"),
    "seed": ({"seed": 1}, "begun with seed 0, not 1"),
    "negatives": ({"input": InputConfig(keep_negatives=False)}, "begun with keep_negatives True, not False"),
}


@pytest.mark.parametrize("case", REFUSED_ON_RESUME)
def test_a_run_is_not_resumed_with_other_settings(case: str, store: Store, finished: Path) -> None:
    changes, message = REFUSED_ON_RESUME[case]
    before = (finished / CHECKPOINT_NAME).read_bytes()
    with pytest.raises(UsageError, match=message):
        train(store, config(**changes), finished, resume=True)
    assert (finished / CHECKPOINT_NAME).read_bytes() == before


def test_a_run_is_not_resumed_on_other_pairs(store: Store, finished: Path) -> None:
    store.change_scene(3, lambda scene: scene.replace(pairs=scene.pairs[:1]))
    with pytest.raises(UsageError, match="begun on other pairs"):
        train(store, config(), finished, resume=True)


def test_a_run_goes_on_anyway_with_other_settings_and_pairs(store: Store, finished: Path) -> None:
    before = read_state(finished)
    tiny_raw.make_dataset(store.root.parent / "more", (1, 2, 3, 4))
    more = Store.open(store.root.parent / "more")
    with pytest.raises(UsageError, match="other pairs"):
        train(more, config(), finished, resume=True)
    report = train(more, config(lr=1e-4, batch=2, epochs=3), finished, resume=True, anyway=True)
    state = read_state(finished)
    assert (before.step, before.epoch) == (3, 1)
    assert (report.steps, state.epoch, state.config.lr, state.scenes) == (6, 3, 1e-4, 4)
    assert set(before.learned_from) < set(state.learned_from)
    assert [line["epoch"] for line in log(finished, "epoch")] == [1, 2, 3]
    for changes, what in (({"depth": -1}, "depth"), ({"ema": 0.9}, "ema")):
        with pytest.raises(UsageError, match=f"cannot go on with another {what}"):
            train(more, config(epochs=4, **changes), finished, resume=True, anyway=True)


def test_a_run_that_never_made_a_step_may_be_begun_anew(store: Store, tmp_path: Path) -> None:
    state = RunState(config=config(), data_sha256="", scenes=3)
    save_checkpoint(tmp_path / "run", state.network(), None, state)
    assert train(store, config(epochs=1), tmp_path / "run").epochs == 1


def test_a_run_is_not_resumed_with_another_calibration(store: Store, tmp_path: Path) -> None:
    asked = config(epochs=1, input=InputConfig(dark_shading=True))
    train(store, asked, tmp_path / "run")
    short = store.scene(1).frames[1]
    record = SensorRecord(camera=short.camera, iso=short.iso.set, measured_utc=records.MOMENT, method="test", frames=())
    nothing_dn = np.zeros(read_raw(store.path(short.path)).mosaic.shape, np.float16)
    store.save_sensor(record, DarkMaps(nothing_dn, nothing_dn, nothing_dn > 0))
    with pytest.raises(UsageError, match="or with another calibration of them"):
        train(store, asked.replace(epochs=2), tmp_path / "run", resume=True)


def test_an_x_trans_run_is_trained_resumed_and_judged(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(
        tmp_path / "set", (1, 10001), ratios=(100.0,), size=(521, 535), phase=foreign_raw.X_TRANS
    )
    train(store, config(epochs=1), tmp_path / "run")
    train(store, config(epochs=2), tmp_path / "run", resume=True)
    assert (read_state(tmp_path / "run").cfa, read_state(tmp_path / "run").epoch) == ("x-trans", 2)
    assert load_network(tmp_path / "run").planes == 9
    assert np.isfinite(evaluate(store, [tmp_path / "run"], device="cpu").mean("run").psnr_db.mean)


def test_a_run_is_saved_every_ten_minutes_however_long_an_epoch_takes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    now_s = iter(range(0, 10**9, 301))
    monkeypatch.setattr("sidcap.model.trainer.time.monotonic", lambda: float(next(now_s)))

    def keep(event: Event) -> None:
        saved.extend([event.step] if isinstance(event, CheckpointSaved) else [])

    train(store, config(epochs=3), tmp_path / "run", on_event=keep)
    assert len(saved) > 4, "time flies here"


def test_a_run_is_not_resumed_to_fewer_epochs_than_it_has(store: Store, tmp_path: Path) -> None:
    train(store, config(epochs=2), tmp_path / "run")
    with pytest.raises(UsageError, match="already has 2 epochs"):
        train(store, config(epochs=1), tmp_path / "run", resume=True)


def a_run(folder: Path, template: Path) -> None:
    shutil.copytree(template / "finished", folder)


def a_file(folder: Path, _template: Path) -> None:
    folder.write_text("")


def other_files(folder: Path, _template: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")


REFUSED_FOLDERS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "a run": (a_run, "already holds a run: go on with it with --resume, or give another --out"),
    "a file": (a_file, "is a file; a run is a folder"),
    "other files": (other_files, "holds other files"),
}


def snapshot(run: Path) -> list[tuple[Path, int]]:
    """What is there, and when it was last written."""
    return [(path, path.stat().st_mtime_ns) for path in [run, *sorted(run.rglob("*"))]]


@pytest.mark.parametrize("case", REFUSED_FOLDERS)
def test_a_new_run_does_not_touch_what_is_there(case: str, store: Store, template: Path, tmp_path: Path) -> None:
    prepare, message = REFUSED_FOLDERS[case]
    prepare(tmp_path / "run", template)
    before = snapshot(tmp_path / "run")
    with pytest.raises(UsageError, match=message):
        train(store, config(), tmp_path / "run")
    assert snapshot(tmp_path / "run") == before


def truncated(run: Path) -> None:
    path = run / CHECKPOINT_NAME
    path.write_bytes(path.read_bytes()[:-100])


def not_ours(run: Path) -> None:
    (run / CHECKPOINT_NAME).write_bytes(b"PK\x03\x04 a pickle")


def of_another_depth(run: Path) -> None:
    network = UNet(-1)
    save_checkpoint(run, network, torch.optim.Adam(network.parameters()), read_state(run))


BROKEN_CHECKPOINTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (truncated, "is not a checkpoint of sidcap, or broken"),
    "not ours": (not_ours, "is not a checkpoint of sidcap, or broken"),
    "another depth": (of_another_depth, "does not hold the weights of the depth it names"),
}


@pytest.mark.parametrize("case", BROKEN_CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit_is_refused_and_never_replaced_by_random_weights(
    case: str, store: Store, finished: Path
) -> None:
    spoil, message = BROKEN_CHECKPOINTS[case]
    spoil(finished)
    with pytest.raises(TrainingError, match=message):
        train(store, config(), finished, resume=True)
    with pytest.raises(TrainingError, match=message):
        load_network(finished)


def test_without_a_checkpoint_there_is_nothing_to_resume(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no checkpoint: train one with"):
        train(store, config(), tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 64}, "--patch 64 is too large"),
        ({"patch": 18}, "--patch 18 does not fit this network: give a multiple of 4"),
    ],
)
def test_a_patch_that_cannot_be_cut_is_refused_before_anything_is_written(
    changes: dict[str, Any], message: str, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        train(store, config(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"patch": 8}, {"lr": 0}, {"lr": float("nan")}, {"depth": 2}, {"seed": -1}, {"device": "tpu"}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainConfig(**wrong)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has the device that is asked for")
def test_a_device_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no mps: give --device auto"):
        train(store, config(device="mps"), tmp_path / "run")


def test_every_refusal_is_one_line(store: Store, finished: Path, tmp_path: Path) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: train(store, config(patch=64), tmp_path / "a"),
        lambda: train(store, config(), finished),
        lambda: train(store, config(seed=5), finished, resume=True),
        lambda: load_network(tmp_path / "none"),
    ]
    for attempt in attempts:
        with pytest.raises(SidcapError) as failure:
            attempt()
        assert "\n" not in str(failure.value)


def test_the_checkpoint_holds_all_it_takes_to_go_on(store: Store, tmp_path: Path) -> None:
    train(store, config(epochs=2), tmp_path / "run")
    state = read_state(tmp_path / "run")
    assert isinstance(state, RunState)
    assert state.config == config(epochs=2)
    assert (state.step, state.scenes, state.epoch) == (6, 3, 2)
    names = set(tensors(tmp_path / "run"))
    parameters = {name for name, _ in UNet(-2).named_parameters()}
    slots = {f"adam.{name}.{slot}" for name in parameters for slot in ("exp_avg", "exp_avg_sq", "step")}
    assert names == {f"network.{name}" for name in parameters} | slots
