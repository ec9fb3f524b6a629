"""Judging runs: pairs by the manifest alone, baselines that can be had again, runs side by side, pictures."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import records
import tiny_raw
import torch
from typer.testing import CliRunner

from sidcap.cli import app
from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.raw import develop, develop_amplified, read_raw
from sidcap.data_manifest.schema import SensorRecord
from sidcap.data_manifest.sensor import DarkMaps
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model import (
    AMPLIFIED,
    MEAN_SCALED,
    Evaluation,
    Event,
    InputConfig,
    RunState,
    Score,
    Started,
    TrainConfig,
    UNet,
    evaluate,
    psnr_db,
    train,
)
from sidcap.model.checkpoint import save_checkpoint


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tiny_raw.make_dataset(tmp_path / "set", (1, 2, 3, 10001, 10002))


def make_run(run: Path, **state: Any) -> Path:
    """A run that has not begun, at depth -2."""
    run.mkdir(parents=True)
    config = TrainConfig(depth=-2, seed=state.pop("seed", 0))
    network = UNet(-2, seed=config.seed)
    save_checkpoint(
        run,
        network,
        torch.optim.Adam(network.parameters()),
        RunState(config=config, data_sha256="0" * 64, scenes=1, **state),
    )
    return run


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def test_a_little_training_beats_the_amplified_input_on_scenes_it_has_not_seen(store: Store, tmp_path: Path) -> None:
    config = TrainConfig(epochs=40, patch=24, depth=-2, lr=2e-3, drop_lr_at=30, device="cpu")
    train(store, config, tmp_path / "run")
    evaluation = evaluate(store, [tmp_path / "run"], device="cpu")
    assert evaluation.runs[0].epochs == 40
    assert {score.scene for score in evaluation.scores} == {"10001", "10002"}
    better = evaluation.difference("run", AMPLIFIED).psnr_db
    assert better.mean > 3
    assert better.mean == pytest.approx(evaluation.mean("run").psnr_db.mean - evaluation.mean(AMPLIFIED).psnr_db.mean)


def test_every_pair_is_judged_against_its_own_long(store: Store, untrained: Path) -> None:
    told: list[tuple[str, int]] = []
    evaluation = evaluate(
        store, [untrained], device="cpu", on_score=lambda score, total: told.append((score.short, total))
    )
    assert [(score.short, score.long) for score in evaluation.scores] == [
        ("short/10001_00_0.1s.DNG", "long/10001_00_10s.DNG"),
        ("short/10001_00_0.0333s.DNG", "long/10001_00_10s.DNG"),
        ("short/10002_00_0.1s.DNG", "long/10002_00_10s.DNG"),
        ("short/10002_00_0.0333s.DNG", "long/10002_00_10s.DNG"),
    ]
    assert told == [(score.short, 4) for score in evaluation.scores]
    # The scores can be had from LibRaw and numpy alone. Even height and width: 101 x 141 pack to 50 x 70.
    short = store.scene(10002).frames[2]
    reference = develop(store.path("long/10002_00_10s.DNG"))[:100, :140] / 65535
    amplified = develop_amplified(store.path(short.path), 300, short.black, short.white)[:100, :140] / 65535
    score = evaluation.scores[3]
    assert score.of(AMPLIFIED).psnr_db == pytest.approx(10 * np.log10(1 / np.mean((amplified - reference) ** 2)))
    scaled = develop(store.path(short.path))[:100, :140] / 65535
    scaled = np.clip(scaled * reference.mean() / scaled.mean(), 0, 1)
    assert score.of(MEAN_SCALED).psnr_db == pytest.approx(10 * np.log10(1 / np.mean((scaled - reference) ** 2)))
    assert (score.nominal_ratio, score.ratio, score.iso) == (300, 300, 12800)


def test_a_network_that_never_met_dark_shading_is_judged_without_though_the_body_was_calibrated_since(
    store: Store, tmp_path: Path
) -> None:
    asked = TrainConfig(epochs=1, patch=16, depth=-2, device="cpu", input=InputConfig(dark_shading=True))
    started: list[Event] = []
    train(store, asked, tmp_path / "run", on_event=started.append)
    (start,) = (event for event in started if isinstance(event, Started))
    assert (start.pairs, start.unshaded) == (6, 6)
    before = evaluate(store, [tmp_path / "run"], device="cpu")
    assert (before.runs[0].config.input.dark_shading, before.runs[0].input.dark_shading) == (True, False)
    short = store.scene(1).frames[1]
    record = SensorRecord(camera=short.camera, iso=short.iso.set, measured_utc=records.MOMENT, method="test", frames=())
    pattern_dn = np.full(read_raw(store.path(short.path)).mosaic.shape, 30, np.float16)
    store.save_sensor(record, DarkMaps(pattern_dn, 0 * pattern_dn, np.zeros(pattern_dn.shape, np.bool_)))
    after = evaluate(store, [tmp_path / "run"], device="cpu")
    written = json.loads(before.model_dump_json())
    del written["runs"][0]["dark_shaded"]  # as by a version before this one
    assert Evaluation.model_validate_json(json.dumps(written)).runs[0].input.dark_shading
    assert after.mean("run").psnr_db == before.mean("run").psnr_db
    train(store, asked, tmp_path / "shaded", on_event=started.append)
    shaded = evaluate(store, [tmp_path / "shaded"], device="cpu").runs[0]
    assert (shaded.input.dark_shading, started[-1].event) == (True, "stop")


def test_a_scene_that_was_trained_on_is_known_again_after_another_split(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(store, TrainConfig(epochs=1, patch=16, depth=-2, device="cpu"), tmp_path / "run")
    before = evaluate(store, [tmp_path / "run"], device="cpu")
    assert (before.runs[0].seen, before.doubts) == ((), [])
    longs = {scene.frames[0].sha256 for scene in store.scenes(Split.TRAIN)}
    monkeypatch.chdir(store.root.parent)
    dealt = CliRunner().invoke(app, ["split", "--dataset", "set", "--train", "2", "--test", "3", "--seed", "3"])
    assert dealt.exit_code == 0, dealt.stderr
    learned = tuple(scene.name for scene in store.scenes(Split.TEST) if scene.frames[0].sha256 in longs)
    assert learned
    result = CliRunner().invoke(app, ["evaluate", "--dataset", "set", "run", "--device", "cpu"])
    assert result.exit_code == 3
    said = " ".join(result.stderr.split())
    assert f"run has learned from {len(learned)} of these scenes ({', '.join(learned)})" in said
    on_train = evaluate(store, [tmp_path / "run"], Split.TRAIN, device="cpu")
    assert on_train.doubts == [], "whoever asks for the train split knows"


def test_pairs_that_lie_in_another_order_get_the_same_scores(store: Store, untrained: Path) -> None:
    before = evaluate(store, [untrained], device="cpu")
    store.change_scene(
        10001,
        lambda scene: scene.replace(pairs=scene.pairs[::-1], frames=(scene.frames[0], *scene.frames[:0:-1])),
    )
    after = evaluate(store, [untrained], device="cpu")
    assert {score.short: score.pictures for score in after.scores} == {
        score.short: score.pictures for score in before.scores
    }


def test_the_report_is_written_and_its_means_are_those_of_its_scores(store: Store, untrained: Path) -> None:
    evaluation = evaluate(store, [untrained], Split.TRAIN, device="cpu")
    written = Evaluation.model_validate(json.loads((untrained / "evaluation" / "train.json").read_text()))
    assert written == evaluation
    assert {summary.group for summary in evaluation.summaries} == {"all", "ratio 100", "ratio 300"}
    for picture in (AMPLIFIED, MEAN_SCALED, "run"):
        values = [score.of(picture).ssim for score in evaluation.scores]
        at_300 = [score.of(picture).psnr_8bit_db for score in evaluation.scores if score.nominal_ratio == 300]
        assert (len(values), len(at_300)) == (6, 3)
        assert evaluation.mean(picture).ssim.mean == pytest.approx(np.mean(values))
        assert evaluation.mean(picture, "ratio 300").psnr_8bit_db.mean == pytest.approx(np.mean(at_300))


def test_the_csv_has_a_row_for_every_picture_of_every_pair(store: Store, untrained: Path) -> None:
    evaluation = evaluate(store, [untrained], device="cpu")
    rows = list(csv.DictReader((untrained / "evaluation" / "test.csv").read_text().splitlines()))
    assert [(row["short"], row["picture"]) for row in rows] == [
        (score.short, picture) for score in evaluation.scores for picture in (AMPLIFIED, MEAN_SCALED, "run")
    ]
    judged = evaluation.scores[-1].pictures[-1]
    assert judged.residue is not None
    assert float(rows[-1]["aligned_ssim"]) == judged.quality.aligned_ssim
    assert float(rows[-1]["row_pattern"]) == judged.residue.row_pattern
    assert float(rows[-1]["glow_bottom"]) == judged.residue.glow["bottom"]
    assert rows[1]["row_pattern"] == ""


def test_several_runs_are_judged_on_the_same_pairs_each_as_if_alone(
    store: Store, untrained: Path, tmp_path: Path
) -> None:
    other = make_run(tmp_path / "sony", seed=1, imported_from="sony.ckpt")
    both = evaluate(store, [untrained, other], device="cpu")
    assert [(run.name, run.imported_from) for run in both.runs] == [("run", ""), ("sony", "sony.ckpt")]
    for name, folder in (("run", untrained), ("sony", other)):
        alone = evaluate(store, [folder], device="cpu")
        assert [score.of(name) for score in both.scores] == [score.of(name) for score in alone.scores]
        assert both.mean(name) == alone.mean(name)
    difference = both.difference("sony", "run")
    values = [score.of("sony").psnr_db - score.of("run").psnr_db for score in both.scores]
    assert difference.psnr_db.mean == pytest.approx(np.mean(values))
    # Together in the first run, and each in its own.
    assert (untrained / "evaluation" / "test-beside-sony.json").is_file()
    assert Evaluation.model_validate_json((other / "evaluation" / "test.json").read_text()).pictures[-1] == "sony"
    sheet = cv2.imread(str(untrained / "evaluation" / both.scores[0].sheet))
    assert sheet is not None
    assert sheet.shape[1] > 3 * 420  # input, reference, amplified; the two runs below


def test_runs_of_one_name_are_told_apart(store: Store, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a" / "run"), make_run(tmp_path / "b" / "run", seed=1)]
    evaluation = evaluate(store, runs, device="cpu")
    assert [run.name for run in evaluation.runs] == [str(run) for run in runs]
    with pytest.raises(UsageError, match="every run once"):
        evaluate(store, [runs[0], runs[0]], device="cpu")


def test_means_over_one_scene_have_no_interval(tmp_path: Path, untrained: Path) -> None:
    alone = evaluate(tiny_raw.make_dataset(tmp_path / "one", (10001,)), [untrained], device="cpu")
    assert alone.mean("run").psnr_db.pairs == 2
    assert (alone.mean("run").psnr_db.low, alone.mean("run").psnr_db.scenes) == (None, 1)


def test_intervals_are_the_same_in_every_call_and_hold_the_mean(store: Store, untrained: Path) -> None:
    first, again = (evaluate(store, [untrained], device="cpu").mean(AMPLIFIED).psnr_db for _ in range(2))
    assert first == again
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.mean < first.high


def test_four_pictures_of_every_pair_are_laid_side_by_side(store: Store, untrained: Path) -> None:
    evaluation = evaluate(store, [untrained], device="cpu")
    assert len({score.sheet for score in evaluation.scores}) == 4
    score = evaluation.scores[0]
    picture = np.asarray(cv2.imread(str(evaluation.folder / score.sheet)))[..., ::-1]
    reference = develop(store.path(score.long))[:100, :140] / 65535 * 255
    # Upper right, as in the study's figure 4, enlarged three times; a gap of 6 pixels runs round every panel.
    panel = picture[: picture.shape[0] // 2, -6 - 3 * 140 : -6][-3 - 3 * 100 : -3]
    assert np.abs(panel[1::3, 1::3].astype(float) - reference).max() <= 1


def test_crops_of_the_darkest_shorts_are_laid_below_one_another(store: Store, untrained: Path) -> None:
    evaluation = evaluate(store, [untrained], device="cpu")
    crops = np.asarray(cv2.imread(str(evaluation.folder / evaluation.crops)))
    side = 4 * 100  # the frame is no higher than 100 pixels, and is shown four times as large
    assert crops.shape == (2 * (side + 24 + 6) + 6, 3 * (side + 6) + 6, 3)


def test_pairs_that_are_not_aligned_are_judged_only_when_asked_for(store: Store, untrained: Path) -> None:
    spoil(store, 10001, Verdict.MISALIGNED)
    spoil(store, 10002, Verdict.UNDETERMINED)
    evaluation = evaluate(store, [untrained], device="cpu")
    assert len(evaluation.scores) == 2
    assert [left.frame for left in evaluation.left_out] == ["short/10001_00_0.1s.DNG", "short/10002_00_0.1s.DNG"]
    more = evaluate(store, [untrained], device="cpu", include=frozenset({"undetermined"}))
    assert len(more.scores) == 3
    assert (evaluation.included, more.included) == (0, 1)
    assert [left.frame for left in more.left_out] == ["short/10001_00_0.1s.DNG"]


def spoil(store: Store, scene_id: int, verdict: Verdict) -> None:
    """Give a scene's first pair another verdict."""
    alignment = tiny_raw.alignment(verdict)
    store.change_scene(
        scene_id, lambda scene: scene.replace(pairs=(scene.pairs[0].replace(alignment=alignment), *scene.pairs[1:]))
    )


def test_an_empty_split_and_a_folder_without_a_run_say_what_to_do(
    store: Store, untrained: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no pairs in split val"):
        evaluate(store, [untrained], Split.VAL)
    with pytest.raises(UsageError, match="holds no checkpoint"):
        evaluate(store, [tmp_path / "nothing"])


def test_a_network_for_another_kind_of_sensor_is_refused(store: Store, tmp_path: Path) -> None:
    run = tmp_path / "fuji"
    run.mkdir()
    state = RunState(config=TrainConfig(depth=-2), data_sha256="", scenes=0, cfa="x-trans")
    network = state.network()
    save_checkpoint(run, network, torch.optim.Adam(network.parameters()), state)
    with pytest.raises(TrainingError, match="takes 9 planes"):
        evaluate(store, [run], device="cpu")


def test_a_score_of_equal_pictures_can_be_written_and_read(store: Store, untrained: Path) -> None:
    score = evaluate(store, [untrained], device="cpu").scores[0]
    judged = score.pictures[0]
    equal = judged.replace(quality=judged.quality.replace(psnr_db=psnr_db(np.ones((2, 2, 3)), np.ones((2, 2, 3)))))
    score = score.replace(pictures=(equal,))
    assert Score.model_validate_json(score.model_dump_json()) == score


@pytest.mark.usefixtures("wide_terminal")
def test_the_command_prints_tables_for_people_and_one_document_for_programs(
    store: Store, untrained: Path, tmp_path: Path
) -> None:
    other = make_run(tmp_path / "sony", seed=1, imported_from="sony.ckpt")
    given = ["evaluate", str(untrained), str(other), "--dataset", str(store.root), "--device", "cpu", "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0
    evaluation = Evaluation.model_validate_json(result.stdout)
    mean = evaluation.mean("sony").psnr_db
    assert re.search(rf"^sony +{mean.mean:.2f} .*\n +{mean.low:.2f} to {mean.high:.2f} ", result.stderr, re.M)
    told = " ".join(result.stderr.split())
    for words in ("sony: weights from sony.ckpt", "over run", "ratio 300", "2 pairs", "dark cast", "ISO 12800"):
        assert words in told


def test_the_command_says_when_one_scene_allows_no_interval(tmp_path: Path, untrained: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "one", (10001,))
    result = CliRunner().invoke(app, ["evaluate", str(untrained), "--dataset", str(store.root), "--device", "cpu"])
    assert result.exit_code == 0
    assert "cannot be told" in result.stderr
