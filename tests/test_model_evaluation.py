"""Judging a run: PSNR by the study's equations, pairs by the manifest alone, pictures to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_raw
import torch
from hypothesis import given
from hypothesis import strategies as st

from sidcap.data_manifest.errors import TrainingError, UsageError
from sidcap.data_manifest.raw import develop, develop_amplified
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model import Evaluation, RunState, Score, TrainConfig, UNet, evaluate, mse, psnr_db, train
from sidcap.model.checkpoint import save_checkpoint


def test_mse_is_the_mean_of_the_squared_differences() -> None:
    picture = np.zeros((2, 2, 3), np.float32)
    picture[0, 0] = (0.5, 0.25, 0)
    assert mse(picture, np.zeros((2, 2, 3), np.float32)) == pytest.approx((0.25 + 0.0625) / 12)


@given(offset=st.floats(1e-3, 1.0), rows=st.integers(1, 600))
def test_psnr_of_a_constant_offset_is_minus_twenty_log_of_it(offset: float, rows: int) -> None:
    picture = np.full((rows, 2, 3), offset, np.float32)
    assert psnr_db(picture, np.zeros_like(picture)) == pytest.approx(-20 * math.log10(offset), abs=1e-4)


def test_psnr_of_16_bit_pictures_is_that_of_their_values_in_0_to_1() -> None:
    ints = np.random.default_rng(0).integers(0, 65536, (300, 7, 3), np.uint16)
    other = np.random.default_rng(1).integers(0, 65536, (300, 7, 3), np.uint16)
    expected = 10 * np.log10(1 / np.mean((ints / 65535 - other / 65535) ** 2))
    assert psnr_db(ints, other) == pytest.approx(expected, abs=1e-4)
    assert psnr_db((ints / 65535).astype(np.float32), other) == pytest.approx(expected, abs=1e-4)


def test_values_outside_0_to_1_count_as_clipped() -> None:
    picture = np.array([[[-3.0, 0.5, 7.0]]], np.float32)
    assert psnr_db(picture, np.array([[[0, 0.5, 1]]], np.float32)) == math.inf


def test_pictures_of_different_shapes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        mse(np.zeros((2, 3, 3), np.float32), np.zeros((3, 2, 3), np.float32))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return tiny_raw.make_dataset(tmp_path / "set", (1, 2, 3, 10001, 10002))


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    """A run that has not begun."""
    run = tmp_path / "run"
    run.mkdir()
    network = UNet(-2)
    state = RunState(config=TrainConfig(depth=-2), data_sha256="0" * 64, scenes=1)
    save_checkpoint(run, network, torch.optim.Adam(network.parameters()), state)
    return run


def test_a_little_training_beats_the_amplified_input_on_scenes_it_has_not_seen(store: Store, tmp_path: Path) -> None:
    config = TrainConfig(epochs=40, patch=24, depth=-2, lr=2e-3, drop_lr_at=30, device="cpu")
    train(store, config, tmp_path / "run")
    evaluation = evaluate(store, tmp_path / "run", device="cpu")
    assert evaluation.epochs == 40
    assert {score.scene for score in evaluation.scores} == {"10001", "10002"}
    assert evaluation.network_db > evaluation.amplified_db + 3


def test_every_pair_is_judged_against_its_own_long(store: Store, untrained: Path) -> None:
    told: list[tuple[str, int]] = []
    evaluation = evaluate(
        store, untrained, device="cpu", on_score=lambda score, total: told.append((score.short, total))
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
    assert score.amplified_db == pytest.approx(10 * np.log10(1 / np.mean((amplified - reference) ** 2)), abs=1e-3)
    scaled = develop(store.path(short.path))[:100, :140] / 65535
    scaled = np.clip(scaled * reference.mean() / scaled.mean(), 0, 1)
    assert score.mean_scaled_db == pytest.approx(10 * np.log10(1 / np.mean((scaled - reference) ** 2)), abs=1e-3)


def test_the_report_is_written_and_its_means_are_those_of_its_scores(store: Store, untrained: Path) -> None:
    evaluation = evaluate(store, untrained, Split.TRAIN, device="cpu")
    written = Evaluation.model_validate(json.loads((untrained / "evaluation" / "train.json").read_text()))
    assert written == evaluation
    for name in ("amplified_db", "mean_scaled_db", "network_db"):
        values = [getattr(score, name) for score in evaluation.scores]
        assert len(values) == 6
        assert getattr(evaluation, name) == pytest.approx(np.mean(values))


def test_four_pictures_of_every_pair_are_laid_side_by_side(store: Store, untrained: Path) -> None:
    evaluation = evaluate(store, untrained, device="cpu")
    assert len({score.picture for score in evaluation.scores}) == 4
    score = evaluation.scores[0]
    picture = np.asarray(cv2.imread(str(untrained / score.picture)))[..., ::-1]
    assert picture.shape[0] > 200
    assert picture.shape[1] > 280
    reference = develop(store.path(score.long))[:100, :140] / 65535 * 255
    # Upper right, as in the study's figure 4, enlarged three times; a gap of 6 pixels runs round every panel.
    panel = picture[: picture.shape[0] // 2, -6 - 3 * 140 : -6][-3 - 3 * 100 : -3]
    assert np.abs(panel[1::3, 1::3].astype(float) - reference).max() <= 1


def test_pairs_that_are_not_aligned_are_not_judged_but_named(store: Store, untrained: Path) -> None:
    spoiled = tiny_raw.alignment(Verdict.MISALIGNED)
    store.change_scene(
        10001, lambda scene: scene.replace(pairs=(scene.pairs[0].replace(alignment=spoiled), *scene.pairs[1:]))
    )
    evaluation = evaluate(store, untrained, device="cpu")
    assert len(evaluation.scores) == 3
    assert [left.frame for left in evaluation.left_out] == ["short/10001_00_0.1s.DNG"]


def test_an_empty_split_and_a_folder_without_a_run_say_what_to_do(
    store: Store, untrained: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no pairs in split val"):
        evaluate(store, untrained, Split.VAL)
    with pytest.raises(TrainingError, match="holds no checkpoint"):
        evaluate(store, tmp_path / "nothing")


def test_equal_pictures_have_a_score_that_can_be_written_and_read() -> None:
    score = Score(
        scene="00001", short="s", long="l", ratio=1, amplified_db=math.inf, mean_scaled_db=1, network_db=2, picture="p"
    )
    assert Score.model_validate_json(score.model_dump_json()) == score
