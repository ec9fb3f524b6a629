"""`sidcap export sid`: a folder that the original See-in-the-Dark code reads."""
# ruff: noqa: PTH119, PTH207, UP031  (the original code as it is written)

from __future__ import annotations

import glob
import json
import os
from pathlib import Path

from exported_dataset import contents, error_line, run

from sidcap.data_manifest.importers.sid import import_sid
from sidcap.data_manifest.store import Store


def original_training_pairs(folder: Path) -> dict[int, list[tuple[str, str, float]]]:
    """What train_Sony.py of Chen et al. finds: ids by globbing the longs, then shorts and long by the first digits.

    Only `.ARW` is replaced. Gives, for each time an id is visited in an epoch, its shorts, its long and the ratio.
    """
    input_dir, gt_dir = f"{folder}/short/", f"{folder}/long/"
    train_fns = glob.glob(gt_dir + "0*.DNG")
    train_ids = [int(os.path.basename(train_fn)[0:5]) for train_fn in train_fns]
    assert len(set(train_ids)) == len(train_ids), "a scene with two longs would be trained on twice as often"
    return {train_id: _pairs(input_dir, gt_dir, train_id) for train_id in train_ids}


def original_test_pairs(folder: Path) -> dict[int, list[tuple[str, str, float]]]:
    """What test_Sony.py of Chen et al. finds."""
    input_dir, gt_dir = f"{folder}/short/", f"{folder}/long/"
    test_fns = glob.glob(gt_dir + "/1*.DNG")
    test_ids = [int(os.path.basename(test_fn)[0:5]) for test_fn in test_fns]
    return {test_id: _pairs(input_dir, gt_dir, test_id) for test_id in test_ids}


def _pairs(input_dir: str, gt_dir: str, scene: int) -> list[tuple[str, str, float]]:
    pairs = []
    for in_path in glob.glob(input_dir + "%05d_00*.DNG" % scene):
        in_fn = os.path.basename(in_path)
        gt_files = glob.glob(gt_dir + "%05d_00*.DNG" % scene)
        gt_path = gt_files[0]
        gt_fn = os.path.basename(gt_path)
        in_exposure = float(in_fn[9:-5])
        gt_exposure = float(gt_fn[9:-5])
        pairs.append((in_fn, gt_fn, min(gt_exposure / in_exposure, 300)))
    return sorted(pairs)


def test_the_original_code_finds_the_pairs_and_nothing_else(exportable: Store, tmp_path: Path) -> None:
    result = run("export", "sid", tmp_path / "sid", "--dataset", exportable.root)
    assert result.exit_code == 0, result.stderr
    assert "2 pairs left out: 1 rejected, 1 undetermined" in result.stderr
    trained = original_training_pairs(tmp_path / "sid")
    assert trained == {
        1: [("00001_00_0.5s.DNG", "00001_00_10s.DNG", 20.0)],
        2: [("00002_00_0.5s.DNG", "00002_00_10s.DNG", 20.0)],
    }
    assert original_test_pairs(tmp_path / "sid") == {
        10001: [("10001_00_0.5s.DNG", "10001_00_10s.DNG", 20.0)],
    }
    names = {path.name for path in (tmp_path / "sid" / "short").iterdir()}
    assert "00002_01_0.5s.DNG" not in names, "a pair that a person rejected"
    assert {"00001_01_0.5s.DNG", "10001_01_0.5s.DNG"} <= names


def test_the_lists_have_sid_s_columns_and_are_read_again(exportable: Store, tmp_path: Path) -> None:
    run("export", "sid", tmp_path / "sid", "--dataset", exportable.root)
    lists = {path.name: path.read_text() for path in sorted((tmp_path / "sid").glob("*.txt"))}
    assert list(lists) == ["Canon_test_list.txt", "Canon_train_list.txt", "Canon_val_list.txt"]
    assert lists["Canon_train_list.txt"] == (
        "./short/00001_00_0.5s.DNG ./long/00001_00_10s.DNG ISO12800 F0\n"
        "./short/00001_01_0.5s.DNG ./long/00001_00_10s.DNG ISO12800 F0\n"
        "./short/00002_00_0.5s.DNG ./long/00002_00_10s.DNG ISO12800 F0\n"
    )
    report = import_sid(tmp_path / "sid")
    assert (report.scenes, report.pairs, report.missing, report.findings) == (4, 6, 0, ())


def test_links_need_no_room_and_are_the_same_files(exportable: Store, tmp_path: Path) -> None:
    assert run("export", "sid", tmp_path / "linked", "--link", "--dataset", exportable.root).exit_code == 0
    assert run("export", "sid", tmp_path / "copied", "--dataset", exportable.root).exit_code == 0
    long = "long/00001_00_10s.DNG"
    assert (tmp_path / "linked" / long).samefile(exportable.root / long)
    assert not (tmp_path / "copied" / long).samefile(exportable.root / long)
    assert contents(tmp_path / "linked") == contents(tmp_path / "copied")


def test_one_split_and_further_standings_can_be_chosen(exportable: Store, tmp_path: Path) -> None:
    chosen = ("--split", "train", "--include", "rejected", "--json", "--dataset", exportable.root)
    result = run("export", "sid", tmp_path / "sid", *chosen)
    report = json.loads(result.stdout)
    assert (report["scenes"], report["pairs"], report["left_out"]) == (2, 4, [])
    assert not list((tmp_path / "sid").glob("*_test_list.txt"))
    everything = run("export", "sid", tmp_path / "all", "--include", "all", "--json", "--dataset", exportable.root)
    assert json.loads(everything.stdout)["pairs"] == 8


def test_a_set_of_another_maker_that_lay_in_its_own_folder_is_laid_out_bare(exportable: Store, tmp_path: Path) -> None:
    """SID's own folders begin with the camera's name; an export has one camera and no such folder."""
    run("export", "sid", tmp_path / "first", "--dataset", exportable.root)
    (tmp_path / "sony" / "Sony").mkdir(parents=True)
    for name in ("long", "short"):
        (tmp_path / "first" / name).rename(tmp_path / "sony" / "Sony" / name)
    import_sid(tmp_path / "sony")
    result = run("export", "sid", tmp_path / "again", "--include", "not-verified", "--dataset", tmp_path / "sony")
    assert result.exit_code == 0, result.stderr
    assert sorted(original_training_pairs(tmp_path / "again")) == [1, 2]
    assert (tmp_path / "again" / "Canon_train_list.txt").read_text().startswith("./short/00001_00_0.5s.DNG ./long/")


def test_nothing_to_export_is_one_line(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "empty")
    assert "has no pair to export: shoot some first" in error_line(
        run("export", "sid", tmp_path / "sid", "--dataset", store.root)
    )
