"""The settings of a run, each by what it changes; several processes; what goes wrong on the way."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tiny_raw
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Verdict
from sidcap.model import (
    CHECKPOINT_NAME,
    PRESETS,
    EpochDone,
    Event,
    Started,
    StepDone,
    TrainConfig,
    UNet,
    load_network,
    read_state,
    tensorboard_of,
    train,
)
from sidcap.model.learner import Learner
from sidcap.model.processes import Processes


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three scenes with two aligned pairs each; nothing here changes it but its cache."""
    return tiny_raw.make_dataset(tmp_path_factory.mktemp("recipes") / "set", (1, 2, 3))


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(epochs=2, patch=16, depth=-2, lr=1e-3, device="cpu", precision="fp32").changed(**changes)


def tensors(run: Path, kind: str) -> dict[str, torch.Tensor]:
    loaded = load_file(run / CHECKPOINT_NAME)
    return {name.removeprefix(kind): value for name, value in loaded.items() if name.startswith(kind)}


def log(run: Path, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def assert_close(first: Path, second: Path, tolerance: float) -> None:
    left, right = tensors(first, "network."), tensors(second, "network.")
    assert left.keys() == right.keys()
    assert max(float((left[name] - right[name]).abs().max()) for name in left) <= tolerance


def test_the_original_is_the_study_with_its_quirks() -> None:
    study, original = (TrainConfig.of_preset(preset).settings for preset in ("study", "sid-original"))
    assert {name: (study[name], original[name]) for name in study if study[name] != original[name]} == {
        "preset": ("study", "sid-original"),
        "levels": ("measured", "sid"),
        "keep_negatives": (True, False),
        "ratio": ("true", "nominal"),
        "ratio_cap": (None, 300.0),
        "turns": ("mosaic", "planes"),
        "freeze_upsampling": (False, True),
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_a_setting_that_is_given_goes_before_the_preset(preset: Any) -> None:
    changed = TrainConfig.of_preset(preset, ratio_cap=200.0, lr=5e-5)
    expected = TrainConfig.of_preset(preset).settings | {"ratio_cap": 200.0, "lr": 5e-5}
    assert changed.settings == expected


@given(
    epochs=st.integers(1, 5000),
    lr=st.floats(1e-6, 1e-2),
    parts=st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
def test_a_cosine_falls_from_the_full_rate_to_a_hundredth(epochs: int, lr: float, parts: list[float]) -> None:
    cosine = TrainConfig(epochs=epochs, lr=lr, schedule="cosine")
    assert cosine.lr_at(0) == pytest.approx(lr)
    assert cosine.lr_at(epochs) == pytest.approx(lr / 100)
    rates = [cosine.lr_at(part * epochs) for part in sorted(parts)]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(rates))


def test_a_cosine_follows_the_steps_of_an_epoch(store: Store, tmp_path: Path) -> None:
    train(store, config(schedule="cosine", epochs=4), tmp_path / "run")
    rates = [line["lr"] for line in log(tmp_path / "run", "epoch")]
    # An epoch tells the rate of its last step: of 12 steps the third, the sixth, the ninth, the twelfth.
    expected = [1e-3 * (0.01 + 0.99 * (1 + math.cos(math.pi * step / 12)) / 2) for step in (2, 5, 8, 11)]
    assert rates == pytest.approx(expected)


def test_frozen_upsampling_stays_as_it_was_drawn_and_all_else_learns(store: Store, tmp_path: Path) -> None:
    train(store, config(freeze_upsampling=True), tmp_path / "run")
    drawn, learned = UNet(-2).state_dict(), tensors(tmp_path / "run", "network.")
    same = {name for name in drawn if torch.equal(drawn[name], learned[name])}
    assert same == {name for name in drawn if name.startswith("upsamplers.")}


def test_the_average_of_the_weights_is_what_is_used(store: Store, tmp_path: Path) -> None:
    train(store, config(ema=0.9), tmp_path / "run")
    averaged, learned = tensors(tmp_path / "run", "average."), tensors(tmp_path / "run", "network.")
    used = load_network(tmp_path / "run").state_dict()
    assert all(torch.equal(used[name], averaged[name]) for name in used)
    assert not torch.equal(averaged["to_subpixels.weight"], learned["to_subpixels.weight"])


def test_the_average_is_that_of_its_formula() -> None:
    network, settings = UNet(-2), config(ema=0.5)
    learner = Learner(network, settings, torch.device("cpu"), Processes())
    expected = network.to_subpixels.weight.detach().clone()
    random = torch.Generator().manual_seed(0)
    for step in range(12):
        planes, target = torch.rand(1, 4, 16, 16, generator=random), torch.rand(1, 3, 32, 32, generator=random)
        learner.learn(planes, target, 1e-2, step)
        keeps = min(0.5, (1 + step) / (10 + step))
        expected = keeps * expected + (1 - keeps) * network.to_subpixels.weight.detach()
    assert torch.allclose(learner.averages["to_subpixels.weight"], expected, atol=1e-6)
    before = network.to_subpixels.weight.detach().clone()
    with learner.averaged() as smooth:
        assert torch.allclose(smooth.to_subpixels.weight, expected, atol=1e-6)
    assert torch.equal(network.to_subpixels.weight, before)


def stop_at(step: int) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == step:
            os.kill(os.getpid(), 2)

    return on_event


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_goes_on_bit_for_bit_where_it_was_stopped(preset: Any, store: Store, tmp_path: Path) -> None:
    settings = TrainConfig.of_preset(preset, epochs=4, patch=16, depth=-2, device="cpu", precision="fp32")
    train(store, settings, tmp_path / "whole")
    stopped = train(store, settings, tmp_path / "halves", on_event=stop_at(2))
    assert (stopped.interrupted, stopped.steps) == (True, 2)
    train(store, settings, tmp_path / "halves", resume=True)
    whole, halves = (load_file(tmp_path / run / CHECKPOINT_NAME) for run in ("whole", "halves"))
    assert whole.keys() == halves.keys()
    assert [name for name in whole if not torch.equal(whole[name], halves[name])] == []


def test_a_batch_takes_the_crops_in_their_order(store: Store, tmp_path: Path) -> None:
    report = train(store, config(batch=2, epochs=3), tmp_path / "run")
    assert (report.steps, report.epochs) == (5, 3)  # 9 crops: the last batch has one of the epoch after
    assert [line["epoch"] for line in log(tmp_path / "run", "epoch")] == [1, 2, 3]


def test_bf16_convolutions_give_nearly_the_picture_of_fp32_and_in_fp32() -> None:
    network = UNet(-1).place("cpu")
    planes = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = network(planes)
        with torch.autocast("cpu", torch.bfloat16):
            coarse = network(planes)
    assert coarse.dtype == torch.float32
    assert 0 < float((coarse - exact).abs().max()) < 0.02 * float(exact.abs().max()) + 0.01


def test_bf16_learns_what_fp32_learns(store: Store, tmp_path: Path) -> None:
    started: list[Started] = []

    def keep(event: Event) -> None:
        started.extend([event] if isinstance(event, Started) else [])

    losses = [
        train(store, config(epochs=8, precision=precision), tmp_path / precision, on_event=keep).loss
        for precision in ("fp32", "bf16")
    ]
    assert [event.precision for event in started] == ["fp32", "bf16"]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[1] != losses[0]


TWO_PROCESSES = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def in_two_processes(store: Store, epochs: int, out: Path) -> subprocess.Popen[str]:
    options = ["--dataset", str(store.root), "--preset", "best", "--batch", "2", "--epochs", str(epochs)]
    options += ["--patch", "16", "--depth", "-2", "--device", "cpu", "--precision", "fp32", "--out", str(out), "--json"]
    return subprocess.Popen(
        [*TWO_PROCESSES, "sidcap.cli", "train", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def losses(run: Path) -> list[float]:
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["event"] == "epoch"]


def test_two_processes_learn_what_one_learns(store: Store, tmp_path: Path) -> None:
    run = in_two_processes(store, 4, tmp_path / "two")
    shown, said = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert "in 2 processes" in said
    assert said.count("Next: sidcap evaluate") == 1
    assert json.loads(shown)["epochs"] == 4
    settings = TrainConfig.of_preset("best", batch=2, epochs=4, patch=16, depth=-2, device="cpu", precision="fp32")
    train(store, settings, tmp_path / "one")
    assert_close(tmp_path / "one", tmp_path / "two", 1e-5)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert read_state(tmp_path / "two") == read_state(tmp_path / "one").replace(
        loss_sum=read_state(tmp_path / "two").loss_sum
    )


def test_two_processes_that_are_told_to_stop_save(store: Store, tmp_path: Path) -> None:
    run = in_two_processes(store, 10**6, tmp_path / "two")
    try:
        until_s = time.monotonic() + 200
        while not (tmp_path / "two/log.jsonl").is_file() or not losses(tmp_path / "two"):
            assert run.poll() is None, run.communicate()[1]
            assert time.monotonic() < until_s
            time.sleep(0.2)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    finally:
        run.kill()
    assert read_state(tmp_path / "two").step > 0


def test_the_average_is_what_sample_sheets_show(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, torch.Tensor]] = []

    def look(_sheet: Path, network: UNet, _samples: object) -> None:
        shown.append({name: weight.clone() for name, weight in network.state_dict().items()})

    monkeypatch.setattr("sidcap.model.trainer.write_samples", look)
    train(store, config(epochs=2, sample_every=2, ema=0.9), tmp_path / "run")
    used = load_network(tmp_path / "run").state_dict()
    assert [name for name in used if not torch.equal(used[name], shown[0][name])] == []


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert Processes(rank=1, count=2).share(range(4, 8)) == range(6, 8)
    with pytest.raises(UsageError, match="--batch 3 cannot be shared by 2 processes: give a multiple of 2"):
        Processes(rank=0, count=2).share(range(3))


def test_undetermined_pairs_are_used_where_that_is_asked_for_and_it_is_told(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", (1, 2))
    doubtful = tiny_raw.alignment(Verdict.UNDETERMINED)
    store.change_scene(
        2, lambda scene: scene.replace(pairs=tuple(pair.replace(alignment=doubtful) for pair in scene.pairs))
    )
    started: list[Started] = []

    def keep(event: Event) -> None:
        started.extend([event] if isinstance(event, Started) else [])

    train(store, config(), tmp_path / "without", on_event=keep)
    train(store, config(), tmp_path / "with", include=frozenset({"undetermined"}), on_event=keep)
    assert [(event.pairs, event.included) for event in started] == [(2, 0), (4, 2)]
    with pytest.raises(UsageError, match="begun on other pairs"):
        train(store, config(epochs=3), tmp_path / "with", resume=True)


def test_a_frame_that_cannot_be_read_any_more_ends_the_run_and_what_was_learned_is_kept(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", (1, 2, 3))

    def lose(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 4:
            for cached in store.cache_dir.rglob("*.npy"):
                cached.unlink()

    with pytest.raises(TrainingError, match=r"decoded as .* cannot be read"):
        train(store, config(epochs=9), tmp_path / "run", on_event=lose)
    assert read_state(tmp_path / "run").step >= 4
    train(store, config(epochs=9), tmp_path / "run", resume=True)
    train(store, config(epochs=9), tmp_path / "whole")
    assert_close(tmp_path / "run", tmp_path / "whole", 0)


def test_a_device_without_memory_says_what_to_lower(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = Learner.learn

    def run_out(learner: Learner, *batch: Any) -> torch.Tensor:
        if batch[-1] == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return learn(learner, *batch)

    monkeypatch.setattr(Learner, "learn", run_out)
    with pytest.raises(TrainingError, match="not enough memory: give a lower --batch or --patch") as failure:
        train(store, config(), tmp_path / "run")
    assert "\n" not in str(failure.value)
    assert read_state(tmp_path / "run").step == 3


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(store: Store, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:  # as far as the program can tell
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))

    try:
        with pytest.raises(TrainingError, match="make room"):
            train(store, config(epochs=4, sample_every=2), tmp_path / "run", on_event=fill_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_state(tmp_path / "run").step == 0
    train(store, config(epochs=4), tmp_path / "run", resume=True)
    assert read_state(tmp_path / "run").epoch == 4


def test_tensorboard_gets_what_the_log_gets(store: Store, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses: list[float] = []
    with tensorboard_of(tmp_path / "run") as write:

        def told(event: Event) -> None:
            write(event)
            losses.extend([event.loss] if isinstance(event, EpochDone) else [])

        train(store, config(), tmp_path / "run", on_event=told)
    written = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert [scalar.value for scalar in written.Scalars("loss")] == pytest.approx(losses)
    assert [scalar.step for scalar in written.Scalars("loss")] == [1, 2]
