"""A home for every test, and one small dataset, shot once on the simulated camera, for those that need real frames."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from sidcap.capture import Clock, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.simulated import SimulatedCamera
from sidcap.cli.screen import console
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

if TYPE_CHECKING:
    from document_folders import Folders

TIME_SCALE = 40.0

# A busy machine must not fail a test.
settings.register_profile("sidcap", deadline=None)
settings.load_profile("sidcap")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libgphoto2 keeps settings, such as the capture target, in ~/.gphoto."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are printed without a line break in a cell."""
    monkeypatch.setattr(console, "width", 200)


@pytest.fixture(scope="session")
def _shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes, train 00001 and test 10001, ratios 30 and 100."""
    folder = tmp_path_factory.mktemp("shot")
    before = os.environ.get("HOME", "")
    os.environ["HOME"] = str(folder)  # libgphoto2 keeps settings there
    store = Store.create(folder / "dataset")
    try:
        simulated = SimulatedCamera(size="small", time_scale=TIME_SCALE)
        tether = Tether(simulated.port_string, Journal(store.journal_path))
        with simulated, Inspector() as inspector, Session(tether, store, Clock(TIME_SCALE), inspector) as session:
            plan = plan_bracket(
                iso=12600,
                ratios=[30, 100],
                long_s=10,
                iso_labels=tether.body.iso_labels(),
                shutter_labels=tether.body.shutter_labels(),
            )
            for scene, split in ((1, Split.TRAIN), (10001, Split.TEST)):
                simulated.scene = scene
                session.shoot(scene, split, plan)
    finally:
        os.environ["HOME"] = before
    return store.root


@pytest.fixture
def dataset(_shot: Path, tmp_path: Path) -> Path:
    """A copy of the small dataset that a test may change."""
    return Path(shutil.copytree(_shot, tmp_path / "dataset"))


@pytest.fixture(scope="session")
def folders(_shot: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folders in which the documents' commands are run."""
    import document_folders  # which imports torch, for which most tests need not wait

    return document_folders.Folders(tmp_path_factory.mktemp("documents"), _shot)


@pytest.fixture(scope="session")
def _exportable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import exported_dataset  # which imports torch, for which most tests need not wait

    return exported_dataset.make(tmp_path_factory.mktemp("exportable") / "dataset").root


@pytest.fixture
def exportable(_exportable: Path, tmp_path: Path) -> Store:
    """A copy of the dataset in which everything occurs that an export has to carry or to leave out."""
    return Store.open(Path(shutil.copytree(_exportable, tmp_path / "dataset")))
