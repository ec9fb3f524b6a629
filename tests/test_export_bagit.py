"""`sidcap export bagit`, validated by the bagit library."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from exported_dataset import contents, error_line, run

from sidcap.data_manifest.store import Store

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it asks for its own version the old way
    bagit: Any = pytest.importorskip("bagit")


def test_the_bag_is_valid_and_holds_the_whole_dataset(exportable: Store, tmp_path: Path) -> None:
    options = ("--creator", "Anna", "--licence", "CC-BY-4.0", "--description", "two\nlines")
    result = run("export", "bagit", tmp_path / "bag", *options, "--dataset", exportable.root)
    assert result.exit_code == 0, result.stderr
    bag = bagit.Bag(str(tmp_path / "bag"))
    assert bag.validate(processes=1)
    assert bag.version_info == (1, 0)
    assert bag.algorithms == ["sha256"]
    payload = contents(tmp_path / "bag" / "data")
    assert payload == {path: digest for path, digest in contents(exportable.root).items() if not path.startswith(".")}
    assert {"journal.jsonl", "calibration/darks/ISO12800_0.5s_00.DNG", "discarded/00001_00_0.5s.DNG"} <= set(payload)
    assert bag.info["Source-Organization"] == "Anna"
    assert bag.info["External-Description"] == "two lines"
    size, count = bag.info["Payload-Oxum"].split(".")
    files = [path for path in (tmp_path / "bag" / "data").rglob("*") if path.is_file()]
    assert (int(size), int(count)) == (sum(path.stat().st_size for path in files), len(files))


def test_the_library_notices_a_single_changed_bit(exportable: Store, tmp_path: Path) -> None:
    run("export", "bagit", tmp_path / "bag", "--dataset", exportable.root)
    path = tmp_path / "bag" / "data" / "long" / "00001_00_10s.DNG"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(tmp_path / "bag")).validate(processes=1)


def test_a_choice_makes_a_smaller_bag_that_is_valid_too(exportable: Store, tmp_path: Path) -> None:
    result = run("export", "bagit", tmp_path / "bag", "--split", "train", "--dataset", exportable.root)
    assert "1 pair left out: 1 rejected" in result.stderr
    assert bagit.Bag(str(tmp_path / "bag")).validate(processes=1)
    data = tmp_path / "bag" / "data"
    assert sorted(path.name for path in (data / "scenes").iterdir()) == ["00001.json", "00002.json"]
    assert not (data / "short" / "00002_01_0.5s.DNG").exists()
    assert len(Store(data).scene(2).pairs) == 1


def test_the_checksums_are_those_of_the_records(exportable: Store, tmp_path: Path) -> None:
    path = exportable.root / "long" / "00002_00_10s.DNG"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = run("export", "bagit", tmp_path / "bag", "--dataset", exportable.root)
    assert result.exit_code == 1
    assert "long/00002_00_10s.DNG fails its checksum: nothing was exported" in error_line(result)
    assert [entry.name for entry in tmp_path.iterdir()] == ["dataset"]
