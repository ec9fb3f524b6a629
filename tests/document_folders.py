"""The folders in which the commands of the documents are run: all that the documents speak of is there."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import torch
from document_commands import Place
from textured_datasets import make_dataset
from typer.testing import CliRunner

from sidcap.capture.simulated import Fault, SimulatedCamera
from sidcap.cli import app
from sidcap.data_manifest.words import Split

_DATA = Path(__file__).parent / "data" / "tensorflow"
_LINKED = 1_000_000
"""Files larger than this are linked into copies, not copied: nothing writes into a raw file."""
_SMALL = ("--camera", "simulated", "--sensor", "small", "--time-scale", "40")


class Folders:
    """Each prepared when it is first asked for; ``shot`` is a dataset of scenes 1 and 10001."""

    def __init__(self, root: Path, shot: Path) -> None:
        self._root = root
        self._shot = shot

    def copy(self, place: Place, target: Path) -> None:
        """Copy one to ``target``."""
        prepared = self._root / place
        if not prepared.exists():
            begun = self._root / f"{place}, begun"
            begun.mkdir()
            with pytest.MonkeyPatch.context() as patch, chdir(begun):
                patch.setenv("HOME", str(begun))  # libgphoto2 keeps settings there
                self._prepare(place)
            begun.rename(prepared)
        shutil.copytree(prepared, target, copy_function=_copy)

    def _prepare(self, place: Place) -> None:
        match place:
            case "usual":
                _usual(self._shot)
            case "interrupted":
                _interrupted()
            case "53 scenes":
                make_dataset(Path("dataset"), range(1, 54), shorts=({},), closing=None)


def _copy(source: str, target: str) -> str:
    link: Callable[[str, str], Any] = os.link if Path(source).stat().st_size > _LINKED else shutil.copy2
    link(source, target)
    return target


def _done(*arguments: str | Path, exit_codes: tuple[int, ...] = (0, 3)) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in exit_codes, result.stderr


def _usual(shot: Path) -> None:
    """A dataset, the same as others made it, darks, flats, a card, an archive, runs, others' weights."""
    for kind in ("long", "short"):
        shutil.copytree(shot / kind, Path("SID", "Canon", kind))
    _done("import", "sid", "SID")
    _done("verify-alignment", "--dataset", "SID", "--scene", "1")
    shutil.copytree(shot, "dataset")
    for kind, exposure in (("dark", "0.033"), ("flat", "0.25")):
        _done(f"shoot-{kind}s", "--iso", "12800", "--exposures", exposure, "--repeats", "2", "--yes", *_SMALL)
        shutil.copytree(Path("dataset", "calibration", f"{kind}s"), f"{kind}s")
    _done("verify-alignment")
    for number in (3, 7, 12, 17):
        _same_scene_again(1, number, Split.TRAIN)
    _same_scene_again(10001, 20001, Split.VAL)  # one that no run has learned from
    short = Path("dataset", "short", "10001_00_0.1s.CR2")
    Path("card").mkdir()
    for file in ("IMG_0001.CR2", "FILE.CR2", "short.CR2", "card/IMG_0001.CR2"):
        os.link(short, file)
    _done("export", "bagit", "archive/2026-01-night")
    _runs()


def _same_scene_again(scene: int, number: int, split: Split) -> None:
    """A scene once more, under another number."""
    scenes, old, new = Path("dataset", "scenes"), f"{scene:05d}", f"{number:05d}"
    record = json.loads((scenes / f"{old}.json").read_text().replace(f"{old}_", f"{new}_"))
    (scenes / f"{new}.json").write_text(json.dumps(record | {"id": number, "split": split}))
    for file in Path("dataset").glob(f"*/{old}_*"):
        os.link(file, file.with_name(file.name.replace(f"{old}_", f"{new}_")))


def _runs() -> None:
    """Runs under the names that the documents give them, and weights in the files of others."""
    from sidcap.model import load_network

    tiny = ("--epochs", "1", "--patch", "16", "--depth", "-2", "--sample-every", "1", "--device", "cpu")
    _done("train", *tiny)
    _done("train", "--preset", "best", *tiny, "--out", "best")
    for name in ("RUN", "sony", "study400"):
        shutil.copytree("run", name)
    for name in ("first", "best400"):
        shutil.copytree("best", name)
    for checkpoint in (Path("checkpoint", "Sony"), Path("CHECKPOINT")):
        with tarfile.open(_DATA / "depth-2.tar.xz") as archive:
            archive.extractall(checkpoint, filter="data")
    torch.save(load_network(Path("run")).state_dict(), "model.pth")


def _interrupted() -> None:
    """A dataset whose scene 12 has only its long: the camera vanished."""
    with SimulatedCamera(size="small", time_scale=40) as camera:
        camera.inject(Fault.parse("cable-pulled@exposure:2"))
        shot = ("--camera", camera.port_string, "--time-scale", "40", "--scene", "12", "--patience", "0")
        _done("shoot", "--iso", "12600", "--ratios", "30", *shot, exit_codes=(1,))
