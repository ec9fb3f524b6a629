"""`sidcap import PATH`: what `sidcap export` wrote becomes the same dataset again, or nothing."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exported_dataset import contents, error_line, run
from hypothesis import given, settings
from hypothesis import strategies as st

from sidcap.data_manifest.errors import ManifestError, SidcapError
from sidcap.data_manifest.exporters.bag import escaped, unescaped
from sidcap.data_manifest.importers.exported import import_export
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store, sha256_of

FORMATS = ("sid", "hugging-face", "webdataset", "bagit", "croissant")


def exported(store: Store, kind: str, folder: Path) -> Path:
    """An export of everything; gives what `sidcap import` is to read."""
    if kind == "croissant":
        result = run("export", "croissant", "--include", "all", "--dataset", store.root)
        folder = store.root / "croissant.json"
    else:
        everything = () if kind == "bagit" else ("--include", "all", "--calibration")
        result = run("export", kind, folder, *everything, "--dataset", store.root)
    assert result.exit_code == 0, result.stderr
    return folder


def largest_file(source: Path) -> Path:
    """A raw file, or a shard; previews are no part of a dataset."""
    folder = source if source.is_dir() else source.parent
    files = (path for path in folder.rglob("*") if path.suffix in (".DNG", ".tar"))
    return max(files, key=lambda path: path.stat().st_size)


def scenes_of(root: Path) -> list[Scene]:
    return list(Store.open(root).scenes())


@pytest.mark.parametrize("kind", FORMATS)
def test_everything_comes_back_as_it_was(exportable: Store, tmp_path: Path, kind: str) -> None:
    source = exported(exportable, kind, tmp_path / "export")
    result = run("import", source, "--dataset", tmp_path / "back", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["format"], report["scenes"], report["pairs"], report["frames"]) == (kind, 4, 8, 16)
    back = Store.open(tmp_path / "back")
    assert list(back.scenes()) == list(exportable.scenes())
    assert back.dataset() == exportable.dataset()
    assert back.calibration() == exportable.calibration()
    before = {path: digest for path, digest in contents(exportable.root).items() if not path.startswith(".")}
    if kind != "bagit":  # the journal is about the camera: only an archive has it
        before = {path: digest for path, digest in before.items() if path not in ("journal.jsonl", "croissant.json")}
    assert {path: digest for path, digest in contents(back.root).items() if not path.startswith(".")} == before


@pytest.mark.parametrize("kind", FORMATS)
def test_a_choice_comes_back_as_it_was_chosen(exportable: Store, tmp_path: Path, kind: str) -> None:
    if kind == "croissant":
        run("export", kind, "--split", "train", "--dataset", exportable.root)
        source = exportable.root
    else:
        source = tmp_path / "export"
        run("export", kind, source, "--split", "train", "--dataset", exportable.root)
    assert import_export(source, tmp_path / "back").scenes == 2
    first, second = scenes_of(tmp_path / "back")
    assert first == exportable.scene(1), "nothing of it was left out"
    # Croissant describes a dataset where it is: its scenes are those on disk, its record sets are the choice.
    assert len(second.pairs) == (2 if kind == "croissant" else 1)
    assert run("validate", "--dataset", tmp_path / "back").exit_code == 0


@pytest.mark.parametrize("kind", FORMATS)
def test_a_changed_byte_is_one_line_and_leaves_nothing(exportable: Store, tmp_path: Path, kind: str) -> None:
    source = exported(exportable, kind, tmp_path / "export")
    victim = largest_file(source)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    result = run("import", source, "--dataset", tmp_path / "back")
    assert result.exit_code == 1, result.stderr
    assert "damaged or was changed" in error_line(result)
    assert not [path for path in tmp_path.iterdir() if "back" in path.name]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_one_line_and_leaves_nothing(exportable: Store, tmp_path: Path, kind: str) -> None:
    source = exported(exportable, kind, tmp_path / "export")
    victim = largest_file(source)
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    result = run("import", source, "--dataset", tmp_path / "back")
    assert result.exit_code == 1, result.stderr
    assert "damaged or was changed" in error_line(result)
    assert not [path for path in tmp_path.iterdir() if "back" in path.name]


@pytest.mark.parametrize("marker", ["sidcap/export.json", "bagit.txt", "croissant.json", "manifest-sha256.txt"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{}", b"null", b"[" * 100_000, b'{"sidcap:dataset": 1}'])
def test_nonsense_in_place_of_a_listing_is_one_line(tmp_path: Path, marker: str, content: bytes) -> None:
    path = tmp_path / "export" / marker
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    result = run("import", tmp_path / "export", "--dataset", tmp_path / "back")
    assert result.exit_code in (1, 2)
    assert error_line(result)
    assert not (tmp_path / "back").exists()


def test_what_is_no_export_is_told_apart(exportable: Store, tmp_path: Path) -> None:
    assert "was not written by `sidcap export`" in error_line(run("import", tmp_path, "--dataset", tmp_path / "back"))
    assert "try `sidcap import sid" in error_line(run("import", exportable.root, "--dataset", tmp_path / "back"))
    assert "no export at" in error_line(run("import", tmp_path / "nowhere", "--dataset", tmp_path / "back"))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "bagit.txt").write_text("BagIt-Version: 1.0\n")
    assert "not of a sidcap dataset" in error_line(run("import", tmp_path / "foreign", "--dataset", tmp_path / "back"))


def test_nothing_is_added_to_a_dataset_that_is_there(exportable: Store, tmp_path: Path) -> None:
    source = exported(exportable, "sid", tmp_path / "export")
    before = contents(exportable.root)
    result = run("import", source, "--dataset", exportable.root)
    assert result.exit_code == 2
    assert "exists and is not empty" in error_line(result)
    assert contents(exportable.root) == before


def test_a_record_that_names_another_file_than_came_is_refused(exportable: Store, tmp_path: Path) -> None:
    """Whoever changes a record can write its checksum into the listing, too; the frames' own checksums remain."""
    source = exported(exportable, "sid", tmp_path / "export")
    record = source / "sidcap" / "scenes" / "00001.json"
    long = exportable.scene(1).frames[0].checksum
    record.write_text(record.read_text().replace(long, "0" * 64))
    change_listing(source, lambda files: [_as_it_lies(source, file) for file in files])
    with pytest.raises(ManifestError, match="scene 00001 has another long/00001_00"):
        import_export(source, tmp_path / "back")


def _as_it_lies(source: Path, file: dict[str, Any]) -> dict[str, Any]:
    path = source / file["at"]
    return file | {"size_bytes": path.stat().st_size, "sha256": sha256_of(path)}


def change_listing(source: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = source / "sidcap" / "export.json"
    listing = json.loads(path.read_text())
    path.write_text(json.dumps(listing | {"files": change(listing["files"])}))


# Hostile names.


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "/escaped",
        "..",
        "a/../../escaped",
        "C:/escaped",
        "a\\..\\escaped",
        "a\0b",
        ".lock",
        "a\nb",
        "",
    ],
)
@pytest.mark.parametrize("place", ["path", "at"])
def test_paths_that_climb_out_are_refused(exportable: Store, tmp_path: Path, name: str, place: str) -> None:
    source = exported(exportable, "sid", tmp_path / "export")
    change_listing(source, lambda files: [files[0] | {place: name}, *files[1:]])
    result = run("import", source, "--dataset", tmp_path / "deep" / "back")
    assert result.exit_code == 1, result.stderr
    assert error_line(result)
    assert not list(tmp_path.rglob("escaped*"))
    assert not list((tmp_path / "deep").glob("*"))


@pytest.mark.parametrize("kind", ["../escaped.tar", "/etc/passwd", "link", "folder"])
def test_shards_with_anything_but_plain_files_are_refused(exportable: Store, tmp_path: Path, kind: str) -> None:
    source = exported(exportable, "webdataset", tmp_path / "export")
    entry = tarfile.TarInfo("escaped" if kind in ("link", "folder") else kind)
    if kind == "link":
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    if kind == "folder":
        entry.type = tarfile.DIRTYPE
    with tarfile.open(source / "train-000000.tar", "a") as tar:
        tar.addfile(entry, io.BytesIO())
    result = run("import", source, "--dataset", tmp_path / "back")
    assert result.exit_code == 1
    assert "no plain file" in error_line(result)


@pytest.mark.parametrize("kind", ["sid", "bagit"])
def test_links_that_lead_out_of_the_export_are_not_followed(exportable: Store, tmp_path: Path, kind: str) -> None:
    source = exported(exportable, kind, tmp_path / "export")
    long = source / ("data/long" if kind == "bagit" else "long") / "00001_00_10s.DNG"
    outside = tmp_path / "outside.DNG"
    shutil.move(long, outside)
    long.symlink_to(outside)
    result = run("import", source, "--dataset", tmp_path / "back")
    assert result.exit_code == 1
    assert "leads out of" in error_line(result)


@given(name=st.text(max_size=40), as_member=st.booleans())
@settings(max_examples=60)
def test_no_name_in_a_listing_writes_outside_the_new_dataset(
    tmp_path_factory: pytest.TempPathFactory, name: str, as_member: bool
) -> None:
    home = tmp_path_factory.mktemp("hostile")
    source = home / "export"
    (source / "sidcap").mkdir(parents=True)
    (source / "harmless").write_bytes(b"x")
    digest = sha256_of(source / "harmless")
    file = {"path": name, "at": "harmless", "size_bytes": 1, "sha256": digest}
    if as_member:
        file["member"] = name
    listing = {"format": "sid", "made_with": "x", "files": [file, file | {"path": "dataset.json", "member": None}]}
    (source / "sidcap" / "export.json").write_text(json.dumps(listing))
    before = contents(home)
    with pytest.raises((SidcapError, OSError)):
        import_export(source, home / "new" / "back")
    assert contents(home) == before


@given(st.text())
def test_paths_in_a_bag_s_manifest_are_read_as_they_were_written(path: str) -> None:
    assert unescaped(escaped(path)) == path
    assert "\n" not in escaped(path)
