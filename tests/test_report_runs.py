"""Reports of runs: settings, curves, evaluations and data, and what is said where a run has none of them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_raw
import torch
from report_pages import Page, report, written

from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Verdict
from sidcap.model import RunState, TrainConfig, UNet, evaluate, train
from sidcap.model.checkpoint import save_checkpoint

EPOCHS = 2


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset ``set``; runs ``one`` and ``two`` on it, judged side by side; the report of all three."""
    folder = tmp_path_factory.mktemp("runs")
    store = tiny_raw.make_dataset(folder / "set", (1, 2, 10001, 10002))
    for name, seed in (("one", 0), ("two", 1)):
        config = TrainConfig(epochs=EPOCHS, patch=24, depth=-2, lr=2e-3, seed=seed, sample_every=EPOCHS, device="cpu")
        train(store, config, folder / name)
    evaluate(store, [folder / "one"], device="cpu")
    evaluate(store, [folder / "one", folder / "two"], device="cpu")
    report(folder / "one", folder / "two", "--dataset", folder / "set", "-o", folder / "report.html")
    return folder


@pytest.fixture(scope="module")
def told(template: Path) -> Page:
    return written(template / "report.html")


@pytest.fixture
def run(template: Path, tmp_path: Path) -> Path:
    """A copy of a run that a test may spoil."""
    return Path(shutil.copytree(template / "one", tmp_path / "run"))


def reported(*arguments: str | Path) -> Page:
    result = report(*arguments)
    assert result.exit_code == 0, result.output
    return written(Path("report.html"))


def test_settings_that_differ_from_the_preset_are_marked(told: Page) -> None:
    text = told.section("settings")
    assert "epochs 2 (preset: 4000) 2 (preset: 4000) How often every scene is shown" in text
    assert "seed 0 1 (preset: 0)" in text
    assert "schedule step step" in text  # among the others


def test_runs_are_told_with_how_far_they_came(told: Page) -> None:
    text = told.section("runs-overview")
    assert "Epochs and steps 2 of 2 epochs, 4 steps 2 of 2 epochs, 4 steps" in text
    assert "finished" in text
    assert "2 scenes, 4 pairs" in text


def test_the_curves_have_every_epoch_of_the_log(told: Page, template: Path) -> None:
    text = told.section("training")
    lines = (template / "one/log.jsonl").read_text().splitlines()
    losses = [event["loss"] for event in map(json.loads, lines) if event["event"] == "epoch"]
    assert len(losses) == EPOCHS
    for epoch, loss in enumerate(losses, 1):
        assert f"one {epoch} {loss:.5f}" in text
    assert "Sample crops, after the last epochs" in text


def test_an_evaluation_side_by_side_stands_for_the_single_ones(told: Page, template: Path) -> None:
    text = told.section("evaluation")
    assert text.count("Means over pairs, with intervals over scenes") == 1
    evaluation = json.loads((template / "one/evaluation/test-beside-two.json").read_text())
    for row in evaluation["summaries"]:
        if row["group"] == "all":
            assert f"all pairs {row['picture']} {row['psnr_db']['mean']:.2f}" in text
    for score in evaluation["scores"]:
        for judged in score["pictures"]:
            assert f"{Path(score['short']).stem} {judged['picture']}" in text
    assert "Whole pictures: 4 of 4 pairs" in text
    assert "two over one" in text


def test_what_high_iso_leaves_has_its_own_section(told: Page) -> None:
    text = told.section("high-iso")
    assert "ISO 12800 amplified" in text
    assert "Pattern, cast and glow" in text


def test_data_and_command_of_a_run_are_told(told: Page) -> None:
    text = told.section("runs-reproduce")
    assert (
        "sidcap train --out two --preset study --epochs 2 --patch 24 --lr 0.002 --sample-every 2 --depth -2 --seed 1"
        in text
    )
    assert "sidcap evaluate one two --split test" in text
    assert text.count("the very pairs that set has now") == 2
    assert "The 4 pairs that one was trained on" in text
    assert "00001 00001_00_0.1s.DNG 00001_00_10s.DNG 100.00" in text


def test_a_dataset_that_changed_since_is_named(template: Path, run: Path, tmp_path: Path) -> None:
    store = Store.open(Path(shutil.copytree(template / "set", tmp_path / "set")))
    store.change_scene(
        1, lambda scene: scene.with_pairs(lambda pair: pair.replace(alignment=tiny_raw.alignment(Verdict.MISALIGNED)))
    )
    text = reported(run, "--dataset", store.root).section("runs-reproduce")
    assert "other pairs, or other values of them, than set has now" in text
    assert "pairs that run was trained on" not in text


def test_runs_alone_need_no_dataset(run: Path) -> None:
    page = reported(run)
    assert "not compared: no dataset was given to this report" in page.section("runs-reproduce")
    assert 'id="alignment"' not in page.html


def test_a_run_without_evaluation_says_so(run: Path) -> None:
    shutil.rmtree(run / "evaluation")
    page = reported(run)
    assert "No run was judged yet: run sidcap evaluate" in page.section("evaluation")
    assert "Nothing was judged yet" in page.section("high-iso")


def test_an_evaluation_of_earlier_weights_says_so(run: Path, template: Path) -> None:
    shutil.copy(template / "two/checkpoint.safetensors", run)
    evaluation = run / "evaluation/test.json"
    evaluation.write_text(evaluation.read_text().replace('"name": "one"', '"name": "run"').replace('"one"', '"run"'))
    (run / "evaluation/test-beside-two.json").unlink()
    assert "run has changed since it was judged" in reported(run).section("evaluation")


def test_an_evaluation_or_picture_that_cannot_be_read_is_named(run: Path) -> None:
    (run / "evaluation/test-beside-two.json").write_text("{}")
    shutil.rmtree(run / "evaluation/test")
    text = reported(run).section("evaluation")
    assert "test-beside-two.json cannot be read by this sidcap: run sidcap evaluate" in text
    assert "The pictures of the evaluation in" in text
    assert "Means over pairs" in text


def test_losses_that_are_no_numbers_and_broken_lines_are_named(run: Path) -> None:
    log = run / "log.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    epochs[0]["loss"], epochs[1]["lr"] = math.nan, None
    log.write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "epo')
    text = reported(run).section("training")
    assert "the loss of 1 epoch is no number; the curve has gaps" in text
    assert "1 line of the log cannot be read" in text


def test_a_run_that_went_on_has_one_point_of_each_epoch_and_all_its_time(run: Path) -> None:
    log = run / "log.jsonl"
    first = log.read_text()
    again = [json.loads(line) for line in first.splitlines()]
    for event in again:
        if event["event"] == "epoch":
            event["loss"] = 0.125
        if "seconds" in event:
            event["seconds"] = 3600.0
    log.write_text(first + "".join(json.dumps(event) + "\n" for event in again))
    page = reported(run)
    assert page.section("training").count("run 2 0.12500") == 1
    assert "Trained for 1 h 0 min" in page.section("runs-overview")
    assert "Sittings 2" in page.section("runs-overview")


def test_imported_weights_are_called_that(tmp_path: Path) -> None:
    (tmp_path / "sony").mkdir()
    network = UNet(-2)
    config = TrainConfig.of_preset("sid-original", depth=-2)
    state = RunState(config=config, data_sha256="", scenes=0, imported_from="<b>sony.pth</b>")
    save_checkpoint(tmp_path / "sony", network, torch.optim.Adam(network.parameters()), state)
    page = reported("sony")
    assert "weights imported from <b>sony.pth</b>" in page.section("runs-overview")
    assert "sony has no curves: its weights were imported" in page.section("training")
    assert "sidcap import-weights <b>sony.pth</b> --out sony" in page.section("runs-reproduce")
    assert "not compared: nothing: sidcap did not train it" not in page.text


def test_a_folder_without_a_checkpoint_is_reported_as_such(run: Path) -> None:
    (run / "checkpoint.safetensors").write_bytes(b"nothing")
    assert report(run).exit_code == 3
    page = written(Path("report.html"))
    assert "no checkpoint" in page.section("runs-overview")
    assert "is not a checkpoint of sidcap, or broken" in page.section("runs-overview")
    assert "No run has a checkpoint, which holds its settings" in page.section("settings")
    assert "Training curves" in page.section("training")


def test_a_run_that_cannot_be_read_is_exit_code_3(run: Path) -> None:
    assert report(run).exit_code == 0
    (run / "checkpoint.safetensors").write_bytes(b"nothing")
    result = report(run)
    assert result.exit_code == 3
    assert "is not a checkpoint of sidcap, or broken" in " ".join(result.stderr.split())


def test_folders_that_are_not_there_or_named_twice_are_refused(run: Path) -> None:
    assert report("nowhere").exit_code == 2
    refused = report(run, run)
    assert refused.exit_code == 2
    assert "give every run once" in refused.stderr
    assert not Path("report.html").exists()
