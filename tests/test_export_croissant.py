"""`sidcap export croissant`, read by mlcroissant."""

from __future__ import annotations

import json
import math
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest
from exported_dataset import error_line, run

from sidcap.data_manifest.exporters.about import About
from sidcap.data_manifest.exporters.cargo import load_cargo
from sidcap.data_manifest.exporters.croissant import export_croissant
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store, sha256_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what mlcroissant imports
    mlc = pytest.importorskip("mlcroissant")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib", "ignore::DeprecationWarning:mlcroissant")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def records_of(path: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a record set, as mlcroissant gives them, without the set's name before each column."""
    dataset = mlc.Dataset(jsonld=path)
    assert not dataset.metadata.ctx.issues.errors
    return [{key.split("/")[1]: value for key, value in row.items()} for row in dataset.records(name)]


def test_mlcroissant_finds_nothing_wrong_and_gives_every_pair(exportable: Store) -> None:
    options = ("--licence", "CC-BY-4.0", "--creator", "Anna", "--citation", "@misc{night}", "--description", "A night")
    result = run("export", "croissant", *options, "--dataset", exportable.root)
    assert result.exit_code == 0, result.stderr
    pairs = records_of(exportable.root / "croissant.json", "pairs")
    assert [(row["scene"], row["split"]) for row in pairs] == [
        ("00001", "train"),
        ("00001", "train"),
        ("00002", "train"),
        ("10001", "test"),
        ("10001", "test"),
        ("20001", "val"),
    ]
    first = pairs[0]
    assert (first["short"], first["long"]) == ("short/00001_00_0.5s.DNG", "long/00001_00_10s.DNG")
    assert (first["ratio_nominal"], first["ratio_true"], first["iso"], first["verdict"]) == (20, 20, 12800, "aligned")
    assert (first["shift_x_px"], first["shift_y_px"], first["shift_sigma_px"]) == (0.125, -0.25, 0.2)
    accepted = pairs[4]
    assert (accepted["verdict"], accepted["standing"]) == ("undetermined", "accepted")
    assert math.isnan(accepted["shift_x_px"]), "nothing was measured"
    metadata = mlc.Dataset(jsonld=exportable.root / "croissant.json").metadata
    assert not metadata.ctx.issues.warnings, "nothing that is recommended is missing"
    assert (metadata.description, metadata.license, metadata.cite_as) == ("A night", ["CC-BY-4.0"], "@misc{night}")


def test_frames_and_splits_are_record_sets_of_their_own(exportable: Store) -> None:
    path = export_croissant(load_cargo(exportable))
    frames = {row["path"]: row for row in records_of(path, "frames")}
    assert len(frames) == 10, "the frames of the six pairs; closing longs and discarded frames are in no pair"
    long = frames["long/00001_00_10s.DNG"]
    assert (long["role"], long["iso"], long["exposure_true_s"]) == ("long", 12800, 10)
    assert long["sha256"] == sha256_of(exportable.root / "long/00001_00_10s.DNG")
    assert [row["name"] for row in records_of(path, "splits")] == ["train", "test", "val"]


def test_every_file_is_named_with_its_checksum(exportable: Store) -> None:
    document = json.loads(export_croissant(load_cargo(exportable, calibration=True)).read_text())
    files = {one["contentUrl"]: one["sha256"] for one in document["distribution"]}
    assert {"dataset.json", "scenes/00001.json", "discarded/00001_00_0.5s.DNG", "long/00001_01_10s.DNG"} <= set(files)
    assert files == {path: sha256_of(exportable.root / path) for path in files}


def test_it_may_lie_above_the_dataset_and_nowhere_else(exportable: Store, tmp_path: Path) -> None:
    above = export_croissant(load_cargo(exportable), tmp_path / "night.json")
    urls = [one["contentUrl"] for one in json.loads(above.read_text())["distribution"]]
    assert all((tmp_path / url).is_file() for url in urls)
    assert records_of(above, "pairs")
    result = run(
        "export", "croissant", "--out", tmp_path / "elsewhere" / "croissant.json", "--dataset", exportable.root
    )
    assert "would not reach the dataset" in error_line(result)


def test_simulated_frames_are_called_simulated(exportable: Store) -> None:
    def simulated(scene: Scene) -> Scene:
        frames = tuple(one.replace(camera=one.camera.replace(simulated=True)) for one in scene.frames)
        return scene.replace(frames=frames)

    exportable.change_scene(1, simulated)
    path = export_croissant(load_cargo(exportable), about=About(description="A night in the kitchen."))
    assert json.loads(path.read_text())["description"] == (
        "A night in the kitchen. Simulated: 3 of 10 frames are from sidcap's simulated camera, not photographs."
    )
    assert [row["simulated"] for row in records_of(path, "pairs")] == [True, True, False, False, False, False]


def test_a_broken_frame_stops_it_and_nothing_is_written(exportable: Store) -> None:
    (exportable.root / "short/00001_00_0.5s.DNG").write_bytes(b"x" * exportable.scene(1).frames[1].size_bytes)  # type: ignore[operator]
    result = run("export", "croissant", "--dataset", exportable.root)
    assert result.exit_code == 1
    assert "short/00001_00_0.5s.DNG fails its checksum" in error_line(result)
    assert not (exportable.root / "croissant.json").exists()
