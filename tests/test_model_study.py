"""The study's experiment: every depth trained and judged once, gone on with after a stop, its tables true."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_raw
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split, Verdict
from sidcap.model import (
    AMPLIFIED,
    DEPTHS,
    Event,
    RunState,
    StepDone,
    Study,
    TrainConfig,
    TrainReport,
    evaluate,
    read_state,
    repeat_study,
    tables,
    train,
)
from sidcap.model.checkpoint import CHECKPOINT_NAME, save_checkpoint
from sidcap.model.study import PUBLISHED_DB

CONFIG = TrainConfig(epochs=2, patch=32, lr=1e-3, device="cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with tiny_raw.one_thread():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, ``set``, a run trained elsewhere, ``sony``, and a study of two depths, ``out``."""
    folder = tmp_path_factory.mktemp("study")
    with tiny_raw.one_thread():
        store = tiny_raw.make_dataset(folder / "set", (1, 2, 10001, 10002), ratios=(100,))
        state = RunState(config=TrainConfig(depth=-2, seed=5), data_sha256="", scenes=0, imported_from="sony.ckpt")
        (folder / "sony").mkdir()
        save_checkpoint(folder / "sony", state.network(), None, state)
        done = repeat_study(store, CONFIG, folder / "out", depths=(-2, 0), others=[folder / "sony"], command="the call")
    assert done is not None
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "study"))


def read(out: Path) -> Study:
    return Study.model_validate_json((out / "study.json").read_text())


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / CHECKPOINT_NAME)


def test_each_depth_is_the_run_that_training_alone_gives(made: Path, tmp_path: Path) -> None:
    store = Store.open(made / "set")
    train(store, CONFIG.replace(depth=-2), tmp_path / "alone")
    alone, studied = weights(tmp_path / "alone"), weights(made / "out" / "depth-2")
    assert alone.keys() == studied.keys()
    assert all(torch.equal(alone[name], studied[name]) for name in alone)
    assert read_state(made / "out" / "depth+0").config == CONFIG


def test_the_tables_hold_what_evaluation_says_of_each_run(made: Path) -> None:
    done = read(made / "out")
    runs = [made / "out" / "depth+0", made / "out" / "depth-2", made / "sony"]
    evaluation = evaluate(Store.open(made / "set"), runs, device="cpu")
    assert [row.run for row in done.table_1] == ["depth+0", "sony"]
    assert [row.run for row in done.table_2] == ["depth-2", "depth+0"]
    for row in (*done.table_1, *done.table_2):
        assert row.network_db == evaluation.mean(row.run).psnr_db
        assert row.network_8bit_db == evaluation.mean(row.run).psnr_8bit_db
        assert row.amplified_db == evaluation.mean(AMPLIFIED).psnr_db
        assert row.network_db.low is not None
    assert done.table_2[0].less_original_db == evaluation.difference("depth-2", "depth+0").psnr_db
    assert done.table_2[1].less_original_db is None
    assert done.training_s.keys() == {"depth+0", "depth-2"}
    assert all(seconds > 0 for seconds in done.training_s.values())


def test_the_studys_own_figures_stand_beside_and_are_named_as_such(made: Path) -> None:
    first, second = tables(read(made / "out"))
    assert first.columns[-1] == "study: amplified, network"
    assert [row[-1] for row in first.rows] == ["7.40, 24.93", "7.40, 10.85"]
    assert [(row[0], row[-1]) for row in second.rows] == [
        ("original minus 2 levels", "12.47"),
        ("original network", "24.93"),
    ]
    assert any("the study's figures are of 12 images" in note for note in first.notes)
    assert set(PUBLISHED_DB) == set(DEPTHS)


def test_the_page_says_all_it_takes_to_have_the_tables_again(made: Path) -> None:
    done = read(made / "out")
    page = (made / "out" / "study.md").read_text()
    assert f"| sony, trained elsewhere (weights from sony.ckpt) | {done.table_1[1].amplified_db.in_words()} |" in page
    told = [
        "the call",
        done.train_sha256,
        done.evaluation.data_sha256,
        "2 pairs of 2 scenes to train on",
        '"lr": 0.001',
        *(run.checkpoint_sha256 for run in done.evaluation.runs),
    ]
    assert [words for words in told if words not in page] == []


def test_called_again_it_trains_nothing_and_says_the_same(folder: Path) -> None:
    """The same even from a copy in another place."""
    before = {name: weights(folder / "out" / name) for name in ("depth+0", "depth-2")}
    first = read(folder / "out")
    again = repeat_study(Store.open(folder / "set"), CONFIG, folder / "out", depths=(-2, 0), others=[folder / "sony"])
    assert again is not None
    assert (again.table_1, again.table_2) == (first.table_1, first.table_2)
    for name, tensors in before.items():
        assert all(torch.equal(tensors[key], value) for key, value in weights(folder / "out" / name).items())


def test_stopped_in_the_middle_it_goes_on_as_if_it_never_had(folder: Path) -> None:
    store = Store.open(folder / "set")

    def stopping(store: Store, config: TrainConfig, run: Path, *, resume: bool, include: frozenset[str]) -> TrainReport:
        def stop(event: Event) -> None:
            if config.depth == -1 and isinstance(event, StepDone) and event.step == 3:
                os.kill(os.getpid(), signal.SIGINT)

        return train(store, config, run, resume=resume, include=include, on_event=stop)

    out = folder / "again"
    assert repeat_study(store, CONFIG, out, depths=(-2, -1), fit=stopping) is None
    assert read_state(out / "depth-2").epoch == 2
    assert read_state(out / "depth-1").step == 3
    assert not (out / "study.json").exists()
    assert repeat_study(store, CONFIG, out, depths=(-2, -1)) is not None
    train(store, CONFIG.replace(depth=-1), folder / "never-stopped")
    never_stopped, went_on = weights(folder / "never-stopped"), weights(out / "depth-1")
    assert all(torch.equal(never_stopped[key], went_on[key]) for key in never_stopped if key.startswith("network"))


def test_more_epochs_go_on_with_the_runs_that_are_there(folder: Path) -> None:
    store = Store.open(folder / "set")
    assert repeat_study(store, CONFIG.replace(epochs=3), folder / "out", depths=(-2,)) is not None
    assert read_state(folder / "out" / "depth-2").epoch == 3
    with pytest.raises(UsageError, match="was begun with lr"):
        repeat_study(store, CONFIG.replace(lr=0.1), folder / "out", depths=(-2,))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depths": (-2, 2)}, "depth 2 is not one of"),
        ({"depths": ()}, "no depth to train"),
        ({"depths": (-2, 1)}, "--patch 48 does not fit depth"),
    ],
)
def test_what_cannot_be_studied_is_refused_before_anything_is_trained(
    made: Path, tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        repeat_study(Store.open(made / "set"), CONFIG.replace(patch=48), tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("out", "message"), [("set", "holds a dataset"), ("alone", "holds a run")])
def test_a_study_goes_into_a_folder_of_its_own(made: Path, tmp_path: Path, out: str, message: str) -> None:
    store = Store.open(made / "set")
    train(store, CONFIG.replace(depth=-2), tmp_path / "alone")
    (tmp_path / "set").symlink_to(made / "set")
    with pytest.raises(UsageError, match=f"{message}: give a folder of its own as --out"):
        repeat_study(store, CONFIG, tmp_path / out, depths=(-2,))
    assert not (tmp_path / out / "study.json").exists()


def test_a_foreign_run_or_test_split_that_is_not_there_is_told_before_anything_is_trained(
    made: Path, tmp_path: Path
) -> None:
    store = Store.open(made / "set")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        repeat_study(store, CONFIG, tmp_path / "out", depths=(-2,), others=[tmp_path / "nothing"])
    unjudged = tiny_raw.make_dataset(tmp_path / "unjudged", (1,))
    with pytest.raises(UsageError, match="no pairs in split test"):
        repeat_study(unjudged, CONFIG, tmp_path / "out", depths=(-2,))
    assert not (tmp_path / "out").exists()


def command(folder: Path, *options: str) -> Result:
    given = ["study", "--dataset", str(folder / "set"), "--device", "cpu", *options]
    return CliRunner().invoke(app, given)


@pytest.mark.usefixtures("wide_terminal")
def test_the_command_prints_both_tables_and_one_document_for_programs(folder: Path) -> None:
    out = str(folder / "cli")
    result = command(
        folder, "--depths", "-2", "--epochs", "1", "--patch", "32", "--set", "lr=1e-3", "--set", "ratio_cap=250",
        "--sony", str(folder / "sony"), "--out", out, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    done = Study.model_validate_json(result.stdout)
    config = read_state(folder / "cli" / "depth-2").config
    assert (config.lr, config.input.ratio_cap, config.epochs) == (1e-3, 250, 1)
    assert json.loads((folder / "cli" / "study.json").read_text()) == json.loads(result.stdout)
    for row in (*done.table_1, *done.table_2):
        assert f"{row.network_db.mean:.2f}" in result.stderr
        assert f"{row.network_db.low:.2f} to {row.network_db.high:.2f}" in result.stderr
    assert "Table 1" in result.stderr
    assert "Table 2" in result.stderr


@pytest.mark.usefixtures("wide_terminal")
def test_a_network_from_elsewhere_that_has_learned_from_the_test_scenes_is_named(folder: Path) -> None:
    (scene, *_) = Store.open(folder / "set").scenes(Split.TEST)
    longs = tuple(frame.checksum for frame in scene.frames if frame.role == "long")
    state = RunState(config=TrainConfig(depth=-2), data_sha256="", scenes=1, learned_from=longs)
    save_checkpoint(folder / "sony", state.network(), None, state)
    out = folder / "out"
    result = command(folder, "--depths", "-2,0", "--epochs", "2", "--patch", "32", "--set", "lr=1e-3",
                     "--sony", str(folder / "sony"), "--out", str(out))  # fmt: skip
    assert result.exit_code == 3
    told = f"sony has learned from 1 of these scenes ({scene.name})"
    assert f"error: {told}" in result.stderr
    assert (out / "study.md").read_text().count(told) == 2, "under each table"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", "2", "--set", "epochs=1"), "epochs is given twice"),
        (("--set", "lr=1e-3", "--set", "lr=2e-3"), "lr is given twice"),
        (("--set", "speed=3"), "there is no setting 'speed'"),
        (("--set", "lr=fast"), "lr: input should be a valid number"),
        (("--set", "ema=2"), "ema: input should be less than 1"),
        (("--depths", "all"), "give some of -2,-1,0,1"),
    ],
)
def test_the_command_names_a_setting_that_cannot_be(made: Path, options: tuple[str, str], message: str) -> None:
    result = command(made, *options, "--out", str(made / "never"))
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (made / "never").exists()


def test_undetermined_pairs_are_studied_only_when_asked_for(folder: Path) -> None:
    store = Store.open(folder / "set")
    alignment = tiny_raw.alignment(Verdict.UNDETERMINED)
    for scene in (1, 10001):
        store.change_scene(scene, lambda scene: scene.replace(pairs=(scene.pairs[0].replace(alignment=alignment),)))
    counts = {}
    for include in (frozenset[str](), frozenset({"undetermined"})):
        done = repeat_study(store, CONFIG, folder / f"with-{len(include)}", depths=(-2,), include=include)
        assert done is not None
        counts[len(include)] = (done.train_pairs, len(done.evaluation.scores), done.evaluation.split)
    assert counts == {0: (1, 1, Split.TEST), 1: (2, 2, Split.TEST)}
