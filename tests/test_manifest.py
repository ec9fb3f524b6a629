"""Schema and store: what a dataset promises about its files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import records
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sidcap.data_manifest.errors import ManifestError, NewerSchemaError, UsageError
from sidcap.data_manifest.naming import FrameName, parse_frame_name, scene_id, seconds_text
from sidcap.data_manifest.schema import SCHEMA_VERSION, Calibration, Scene
from sidcap.data_manifest.store import Store, write_atomic
from sidcap.data_manifest.words import Split


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "set")


def test_a_scene_comes_back_as_it_was_saved(store: Store) -> None:
    store.save_scene(records.scene(7))
    assert store.scene(7) == records.scene(7)
    assert store.scene_path(7) == store.root / "scenes" / "00007.json"


def test_scenes_are_listed_by_split_and_numbered_on(store: Store) -> None:
    for number in (3, 10001, 10002):
        store.save_scene(records.scene(number))
    assert [scene.id for scene in store.scenes()] == [3, 10001, 10002]
    assert [scene.id for scene in store.scenes(Split.TEST)] == [10001, 10002]
    assert store.next_scene_id(Split.TRAIN) == 4
    assert store.next_scene_id(Split.TEST) == 10003
    assert store.next_scene_id(Split.VAL) == 20001


@pytest.mark.parametrize("path", ["../a.CR2", "/etc/passwd", "long/../../a", "a\\..\\b", "C:/x", "", "long/\0"])
def test_a_path_that_climbs_out_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="not a path inside the dataset"):
        records.frame("long/00001_00_10s.CR2").replace(path=path)


def test_a_link_that_leads_out_is_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (store.root / "long").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="leads out"):
        store.path("long/00001_00_10s.CR2")


def test_an_unknown_field_is_named(store: Store) -> None:
    store.save_scene(records.scene(1))
    path = store.scene_path(1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    with pytest.raises(ManifestError, match="unknown field 'colour'"):
        store.scene(1)


def test_a_newer_schema_is_refused(store: Store) -> None:
    store.save_scene(records.scene(1))
    path = store.scene_path(1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(NewerSchemaError, match="use a newer sidcap"):
        store.scene(1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": "1"}', b"{}"])
def test_a_broken_scene_file_is_one_line(store: Store, content: bytes) -> None:
    store.save_scene(records.scene(1))
    store.scene_path(1).write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        store.scene(1)
    assert "\n" not in str(caught.value)


def test_a_scene_belongs_to_the_split_its_number_says() -> None:
    with pytest.raises(ValidationError, match="cannot belong"):
        records.scene(1, split=Split.TEST)


def test_a_pair_names_frames_of_its_scene() -> None:
    good = records.scene(1)
    with pytest.raises(ValidationError, match="not among"):
        good.replace(frames=good.frames[:1])


@pytest.mark.parametrize("make", [Store.open, Store.create])
def test_a_dataset_that_is_a_file_is_refused(tmp_path: Path, make: type[Store]) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        make(tmp_path / "file")


def test_a_folder_with_other_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("x")
    with pytest.raises(UsageError, match="other files"):
        Store.create(tmp_path)


def test_opening_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sidcap shoot"):
        Store.open(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "scene.json"
    write_atomic(target, b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


APPEND_NOTE = """
import sys
from pathlib import Path
from sidcap.data_manifest.store import Store
store = Store.open(Path(sys.argv[1]))
for _ in range(20):
    store.change_scene(1, lambda scene: scene.replace(note=scene.note + sys.argv[2]))
"""


def test_two_processes_do_not_overwrite_each_other(store: Store) -> None:
    store.save_scene(records.scene(1))
    writers = [subprocess.Popen([sys.executable, "-c", APPEND_NOTE, str(store.root), letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert sorted(store.scene(1).note) == ["a"] * 20 + ["b"] * 20


def test_a_record_is_validated_when_it_changes() -> None:
    with pytest.raises(ValidationError):
        records.frame().replace(size_bytes=-1)


@given(st.integers(1, 29999), st.integers(0, 99), st.floats(1 / 8000, 999), st.sampled_from(["CR2", "ARW", "RAF"]))
def test_names_round_trip(scene: int, sequence: int, seconds: float, extension: str) -> None:
    name = FrameName(scene, sequence, float(seconds_text(seconds)), extension)
    assert parse_frame_name(str(name)) == name
    assert abs(name.seconds / seconds - 1) < 0.06


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(10, "10"), (30, "30"), (0.1, "0.1"), (0.04, "0.04"), (1 / 30, "0.033"), (1.3, "1.3"), (100, "100"), (0.8, "0.8")],
)
def test_seconds_are_written_as_sid_writes_them(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    "name", ["1_00_10s.CR2", "00001_00_10.CR2", "00001_00_10s", "x0001_00_1s.CR2", "00001_00_.s.CR2"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ManifestError):
        parse_frame_name(name)


def test_a_scene_number_is_short_or_whole() -> None:
    assert scene_id(7, Split.TEST) == scene_id(10007, Split.TEST) == 10007
    for number in (0, 10000, 10007):
        with pytest.raises(UsageError):
            scene_id(number, Split.TRAIN)


def test_sony_lists_use_the_same_names() -> None:
    names = ["00001_00_0.04s.ARW", "10003_09_0.1s.ARW", "20004_00_0.033s.ARW"]
    assert [str(parse_frame_name(name)) for name in names] == names


def test_the_schema_documents_every_field() -> None:
    undocumented = [
        f"{name}.{field}"
        for record in (Scene, Calibration)
        for name, definition in record.model_json_schema()["$defs"].items()
        for field in definition.get("properties", {})
        if "description" not in definition["properties"][field]
    ]
    assert undocumented == []
