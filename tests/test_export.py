"""What all exports have in common: what is chosen, and that nothing half is ever left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from exported_dataset import contents, error_line, run

from sidcap.data_manifest.errors import DiskFullError, ManifestError, UsageError
from sidcap.data_manifest.exporters.cargo import load_cargo
from sidcap.data_manifest.exporters.sid import export_sid
from sidcap.data_manifest.exporters.target import new_folder
from sidcap.data_manifest.store import Store

FOLDERS = ("sid", "hugging-face", "webdataset", "bagit")


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_that_is_not_empty_is_refused_and_kept(exportable: Store, tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    result = run("export", kind, tmp_path / "there", "--dataset", exportable.root)
    assert result.exit_code == 2
    assert "exists and is not empty: give a new folder" in error_line(result)
    assert contents(tmp_path / "there").keys() == {"mine.txt"}


@pytest.mark.parametrize("kind", FOLDERS)
def test_an_empty_folder_is_filled_and_the_dataset_itself_never(exportable: Store, tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    assert run("export", kind, tmp_path / "there", "--dataset", exportable.root).exit_code == 0
    result = run("export", kind, exportable.root / "inside", "--dataset", exportable.root)
    assert (result.exit_code, "lies in the dataset" in error_line(result)) == (2, True)


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_frame_that_fails_its_checksum_stops_it_and_leaves_nothing(
    exportable: Store, tmp_path: Path, kind: str
) -> None:
    path = exportable.root / "short" / "10001_00_0.5s.DNG"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = run("export", kind, tmp_path / "out", "--dataset", exportable.root)
    assert result.exit_code == 1
    assert "short/10001_00_0.5s.DNG fails its checksum: nothing was exported" in error_line(result)
    path.unlink()
    assert "short/10001_00_0.5s.DNG is missing" in error_line(
        run("export", kind, tmp_path / "out", "--dataset", exportable.root)
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_disk_without_room_is_told_before_anything_is_written(
    exportable: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10**9, used=10**9 - 1000, free=1000))
    result = run("export", kind, tmp_path / "out", "--dataset", exportable.root)
    assert result.exit_code == DiskFullError.exit_code
    assert "make room" in error_line(result)
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]


def test_a_link_needs_no_room(exportable: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10**9, used=10**9 - 1000, free=1000))
    assert run("export", "sid", tmp_path / "out", "--link", "--dataset", exportable.root).exit_code == 0


def test_a_run_that_was_killed_does_not_hinder_the_next(exportable: Store, tmp_path: Path) -> None:
    left = tmp_path / ".out.part"
    left.mkdir()
    (left / "half").write_text("half")
    export_sid(load_cargo(exportable), tmp_path / "out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dataset", "out"]
    assert "half" not in contents(tmp_path / "out")


def test_two_at_once_do_not_write_one_folder(exportable: Store, tmp_path: Path) -> None:
    cargo = load_cargo(exportable)
    with new_folder(tmp_path / "out", 0), pytest.raises(ManifestError, match="another sidcap is writing"):
        export_sid(cargo, tmp_path / "out")


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_half(exportable: Store, tmp_path: Path, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "sidcap.cli", "export", "hugging-face", str(tmp_path / "out")]
    with subprocess.Popen(
        [*command, "--dataset", str(exportable.root)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while not (tmp_path / ".out.part").exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(sent)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130, said
    assert said.strip() == "error: interrupted: nothing was exported"
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]


def test_what_is_left_out_is_counted_by_reason(exportable: Store) -> None:
    cargo = load_cargo(exportable)
    assert cargo.left_out_in_words == "1 rejected, 1 undetermined"
    assert [(one.frame, one.standing) for one in cargo.left_out] == [
        ("short/00002_01_0.5s.DNG", "rejected"),
        ("short/20001_01_0.5s.DNG", "undetermined"),
    ]
    assert load_cargo(exportable, include=["rejected", "undetermined"]).left_out == ()


def test_a_pair_whose_file_was_never_there_is_left_out_whatever_is_asked_for(exportable: Store) -> None:
    def without_its_short(scene: Any) -> Any:
        absent = {"size_bytes": None, "sha256": None, "black": None, "white": None}
        gone = scene.pairs[0].frame
        return scene.replace(frames=tuple(f.replace(**absent) if f.path == gone else f for f in scene.frames))

    exportable.change_scene(1, without_its_short)
    cargo = load_cargo(exportable, include=["rejected", "misaligned", "undetermined", "not verified"])
    assert cargo.left_out_in_words == "1 missing"
    assert "short/00001_00_0.5s.DNG" not in {file.path for file in cargo.files}
    assert [frame.path for frame in cargo.scenes[0].frames if frame.missing] == []


def test_a_split_without_a_usable_pair_is_one_line(exportable: Store) -> None:
    exportable.change_scene(20001, lambda scene: scene.with_pairs(lambda pair: pair.replace(alignment=None)))
    with pytest.raises(UsageError, match=r"no pair of split val to export \(2 not verified\): run `sidcap verify"):
        load_cargo(exportable, split=exportable.scene(20001).split)


@pytest.mark.parametrize("include", [(), ("rejected",), ("misaligned", "undetermined"), ("not verified", "rejected")])
def test_every_pair_is_either_carried_or_left_out(exportable: Store, include: tuple[str, ...]) -> None:
    cargo = load_cargo(exportable, include=include)
    carried = {(scene.id, pair.frame) for scene, pair in cargo.pairs}
    left_out = {(pair.scene, pair.frame) for pair in cargo.left_out}
    assert not carried & left_out
    assert carried | left_out == {(scene.id, pair.frame) for scene in exportable.scenes() for pair in scene.pairs}
    named = {file.path for file in cargo.files}
    assert all({pair.frame, pair.reference} <= named for scene in cargo.scenes for pair in scene.all_pairs)
