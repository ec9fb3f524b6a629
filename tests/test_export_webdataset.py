"""`sidcap export webdataset`, iterated by the webdataset library."""

from __future__ import annotations

import gc
import hashlib
import json
import tarfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from exported_dataset import contents, run

from sidcap.data_manifest.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:webdataset")


def samples(shards: list[Path]) -> list[dict[str, Any]]:
    webdataset = pytest.importorskip("webdataset")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves closing its shards to the collector
        found = list(webdataset.WebDataset([str(path) for path in shards], shardshuffle=False))
        gc.collect()
    return found


def test_each_sample_is_a_pair_with_its_values(exportable: Store, tmp_path: Path) -> None:
    result = run("export", "webdataset", tmp_path / "shards", "--dataset", exportable.root)
    assert result.exit_code == 0, result.stderr
    found = samples([tmp_path / "shards" / "train-000000.tar"])
    assert [sample["__key__"] for sample in found] == ["00001_000", "00001_001", "00002_000"]
    for sample in found:
        values = json.loads(sample["json"])
        scene = exportable.scene(int(values["scene"]))
        for role in ("long", "short"):
            assert hashlib.sha256(sample[f"{role}.dng"]).hexdigest() == scene.frame(values[role]).sha256
        assert values["ratio_true"] == 20
    assert len(samples([tmp_path / "shards" / "test-000000.tar"])) == 2
    assert len(samples([tmp_path / "shards" / "val-000000.tar"])) == 1


def test_shards_keep_to_their_size(exportable: Store, tmp_path: Path) -> None:
    run("export", "webdataset", tmp_path / "shards", "--shard-mb", "1", "--dataset", exportable.root)
    shards = sorted((tmp_path / "shards").glob("train-*.tar"))
    assert len(shards) > 1
    assert all(path.stat().st_size <= 1_000_000 for path in shards)
    assert [sample["__key__"] for sample in samples(shards)] == ["00001_000", "00001_001", "00002_000"]


def test_the_same_dataset_gives_the_same_bytes(exportable: Store, tmp_path: Path) -> None:
    run("export", "webdataset", tmp_path / "first", "--dataset", exportable.root)
    for path in exportable.root.rglob("*.DNG"):
        path.touch()
    run("export", "webdataset", tmp_path / "second", "--dataset", exportable.root)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    with tarfile.open(tmp_path / "first" / "train-000000.tar") as tar:
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) for entry in tar} == {(0, 0, 0, "", 0o644)}
