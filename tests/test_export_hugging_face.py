"""`sidcap export hugging-face`, loaded by Hugging Face's datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from exported_dataset import run

from sidcap.data_manifest.raw import develop
from sidcap.data_manifest.store import Store, sha256_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:datasets", "ignore::DeprecationWarning:dill")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`datasets.load_dataset`, offline, its cache in a folder of the test's own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    return lambda *arguments, **options: datasets.load_dataset(*arguments, cache_dir=str(tmp_path / "hf"), **options)


def test_datasets_loads_splits_pictures_and_values(exportable: Store, tmp_path: Path, load: Any) -> None:
    result = run("export", "hugging-face", tmp_path / "hub", "--dataset", exportable.root)
    assert result.exit_code == 0, result.stderr
    loaded = load("imagefolder", data_dir=str(tmp_path / "hub"))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 3, "test": 2, "validation": 1}
    scene = exportable.scene(1)
    row = loaded["train"][0]
    assert (row["scene"], row["split"], row["iso"], row["verdict"]) == ("00001", "train", 12800, "aligned")
    assert (row["ratio_nominal"], row["ratio_true"], row["shift_x_px"]) == (20, scene.pairs[0].ratio.true, 0.125)
    assert loaded["test"][1]["shift_x_px"] is None, "a person accepted it, nothing was measured"
    assert loaded["test"][1]["standing"] == "accepted"
    for role in ("short", "long"):
        assert sha256_of(tmp_path / "hub" / row[f"{role}_raw"]) == row[f"{role}_sha256"]
        assert row[role].size == (384, 256)
    developed = np.rint(develop(exportable.root / scene.frames[0].path) / 257).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(row["long"].convert("RGB")), developed)
    short, long = (np.asarray(row[role].convert("L"), float) for role in ("short", "long"))
    assert short.mean() == pytest.approx(long.mean(), rel=0.15), "the short is amplified to the long's brightness"


def test_the_card_tells_the_library_where_the_splits_are(exportable: Store, tmp_path: Path, load: Any) -> None:
    run("export", "hugging-face", tmp_path / "hub", "--split", "train", "--dataset", exportable.root)
    assert {name: len(split) for name, split in load(str(tmp_path / "hub")).items()} == {"train": 3}


def test_the_card_is_yaml_and_words(exportable: Store, tmp_path: Path) -> None:
    options = ("--licence", "My own: ask me", "--creator", 'Anna "A" Ferreira', "--citation", "@misc{night}")
    run("export", "hugging-face", tmp_path / "hub", *options, "--preview-px", "64", "--dataset", exportable.root)
    _, front, words = (tmp_path / "hub" / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert (card["pretty_name"], card["license"], card["license_name"]) == ("dataset", "other", "My own: ask me")
    assert card["size_categories"] == ["n<1K"]
    assert "simulated" not in card["tags"]
    assert 'Anna "A" Ferreira' in words
    assert "@misc{night}" in words
    row = json.loads((tmp_path / "hub" / "train" / "metadata.jsonl").read_text().splitlines()[0])
    png = (tmp_path / "hub" / "train" / row["long_file_name"]).read_bytes()
    assert int.from_bytes(png[16:20], "big") == 64, "as wide as was asked for"


def test_a_column_that_a_split_has_nothing_for_is_left_out_of_all(exportable: Store, tmp_path: Path, load: Any) -> None:
    """The library refuses splits whose columns differ in type, and nothing but nothing has none."""

    def unmeasured(pair: Any) -> Any:
        lost = pair.alignment.replace(shift_px=None, covariance_px2=None)
        return pair.replace(alignment=lost)

    exportable.change_scene(20001, lambda scene: scene.with_pairs(unmeasured))
    run("export", "hugging-face", tmp_path / "hub", "--dataset", exportable.root)
    loaded = load("imagefolder", data_dir=str(tmp_path / "hub"))
    assert len(loaded["validation"]) == 1
    assert "shift_x_px" not in loaded["train"].column_names
    assert "ratio_true" in loaded["train"].column_names
