"""Frames that a session lost come home from a card in a reader, or from the camera, into the scene they belong to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sidcap.capture import Camera, Clock, Event, EventKind, Inspector, Session, Tether, plan_bracket
from sidcap.capture.journal import Journal
from sidcap.capture.recover import CardFolder, Outcome, recover
from sidcap.capture.simulated import SimulatedCamera
from sidcap.cli import app
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.validate import validate
from sidcap.data_manifest.words import Release, Split

TIME_SCALE = 10.0
BEFORE, COMPLETE, AT_LAST_SHOT, IN_THE_MIDDLE = "IMG_0001.CR2", "IMG_0002.CR2", "IMG_0007.CR2", "IMG_0009.CR2"


class CrashError(Exception):
    """The program ends here."""


@dataclass(frozen=True)
class Evening:
    """Three brackets: one complete, one interrupted at its last shot, one in its middle; and strangers on the card."""

    camera: SimulatedCamera
    dataset: Path
    card: Path


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    folder = tmp_path_factory.mktemp("evening")
    with pytest.MonkeyPatch.context() as patch, SimulatedCamera(size="small", time_scale=TIME_SCALE) as camera:
        patch.setenv("HOME", str(folder))  # libgphoto2 keeps settings there
        by_hand(camera, iso="1600", shutter="2")
        store = Store.create(folder / "dataset")
        shoot(camera, store, 1)
        for scene, last in ((2, 2), (3, 1)):
            with pytest.raises(CrashError):
                shoot(camera, store, scene, crash_at=last)
        by_hand(camera, iso="800", shutter="2")
        copy_card(camera, folder / "card")
        yield Evening(camera, store.root, folder / "card")


@pytest.fixture
def dataset(evening: Evening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Path(shutil.copytree(evening.dataset, tmp_path / "dataset"))


def shoot(
    camera: SimulatedCamera, store: Store, scene: int, crash_at: int | None = None, *, resume: bool = False
) -> None:
    """Long, short, long; the program ends before the frame of shot ``crash_at`` is fetched."""

    def watch(event: Event) -> None:
        if crash_at is not None and (event.kind, event.index) == (EventKind.FETCH, crash_at):
            raise CrashError

    tether = Tether(camera.port_string, Journal(store.journal_path), patience_s=20)
    with Inspector() as inspector, Session(tether, store, Clock(TIME_SCALE), inspector, watch) as session:
        if resume:
            session.resume(scene)
            return
        plan = plan_bracket(
            iso=1600,
            ratios=[20],
            long_s=2,
            iso_labels=tether.body.iso_labels(),
            shutter_labels=tether.body.shutter_labels(),
            release=Release.PLAIN,
        )
        session.shoot(scene, Split.TRAIN, plan)


def by_hand(simulated: SimulatedCamera, *, iso: str, shutter: str) -> None:
    with Camera(simulated.port_string) as camera:
        camera.set("capturetarget", "Memory card")
        camera.set("imageformat", "RAW")
        camera.set("iso", iso)
        camera.set("shutterspeed", shutter)
        camera.press()
        assert camera.wait_for_file(30) is not None


def copy_card(simulated: SimulatedCamera, to: Path) -> None:
    with Camera(simulated.port_string) as camera:
        for file in camera.files():
            target = to / "DCIM" / Path(file.folder).name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            camera.download(file, target)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_lost_frames_come_home_and_complete_the_scene(evening: Evening, dataset: Path) -> None:
    card = contents(evening.card)
    before = contents(dataset / "long")
    report = recover(Store.open(dataset), CardFolder(evening.card))
    imported = {Path(f.file).name: f.path for f in report.files if f.outcome is Outcome.IMPORTED}
    assert imported == {AT_LAST_SHOT: "long/00002_01_2s.CR2", IN_THE_MIDDLE: "short/00003_00_0.1s.CR2"}
    assert report.completed == (2,)
    assert report.missing == {3: 1}
    store = Store.open(dataset)
    assert store.scene(2).complete
    assert [frame.path for frame in store.scene(2).frames] == [
        "long/00002_00_2s.CR2", "short/00002_00_0.1s.CR2", "long/00002_01_2s.CR2",
    ]  # fmt: skip
    assert store.scene(2).closing is not None
    assert not store.scene(3).complete
    assert len(store.scene(3).pairs) == 1
    assert [finding.path for finding in validate(store).findings] == ["scenes/00003.json"]
    assert contents(evening.card) == card
    assert before.items() <= contents(dataset / "long").items()


def test_a_resumed_session_goes_on_from_there(evening: Evening, dataset: Path) -> None:
    store = Store.open(dataset)
    recover(store, CardFolder(evening.card))
    shot_before = len(evening.camera.shots)
    shoot(evening.camera, store, 3, resume=True)
    assert len(evening.camera.shots) - shot_before == 1
    assert len(store.scene(3).frames) == 3
    assert len({frame.sha256 for frame in store.scene(3).frames}) == 3
    assert validate(store).sound


def test_what_is_there_and_what_belongs_nowhere_is_named(evening: Evening, dataset: Path) -> None:
    report = recover(Store.open(dataset), CardFolder(evening.card), dry_run=True)
    told = {Path(f.file).name: f for f in report.files}
    assert (told[COMPLETE].outcome, told[COMPLETE].path) == (Outcome.THERE, "long/00001_00_2s.CR2")
    assert (told[BEFORE].outcome, told[BEFORE].note) == (
        Outcome.LEFT, "it was on the card before the bracket was begun",
    )  # fmt: skip
    assert told["IMG_0010.CR2"].outcome is Outcome.LEFT
    assert "ISO 800" in told["IMG_0010.CR2"].note


def test_a_dry_run_says_the_same_and_writes_nothing(evening: Evening, dataset: Path) -> None:
    before = contents(dataset)
    foreseen = recover(Store.open(dataset), CardFolder(evening.card), dry_run=True)
    assert contents(dataset) == before
    assert recover(Store.open(dataset), CardFolder(evening.card)) == foreseen


def test_a_second_recovery_finds_nothing_to_do(evening: Evening, dataset: Path) -> None:
    recover(Store.open(dataset), CardFolder(evening.card))
    before = contents(dataset)
    again = recover(Store.open(dataset), CardFolder(evening.card))
    assert {f.outcome for f in again.files} == {Outcome.THERE, Outcome.LEFT}
    assert contents(dataset) == before


def test_one_frame_copied_twice_is_imported_once(evening: Evening, dataset: Path, tmp_path: Path) -> None:
    card = Path(shutil.copytree(evening.card, tmp_path / "card"))
    shutil.copy(card / "DCIM" / "100CANON" / AT_LAST_SHOT, card / "DCIM" / "100CANON" / "copy.CR2")
    report = recover(Store.open(dataset), CardFolder(card))
    assert sum(f.outcome is Outcome.IMPORTED for f in report.files) == 2
    assert len({frame.sha256 for frame in Store.open(dataset).scene(2).frames}) == 3


def test_a_frame_that_was_deleted_here_is_restored(evening: Evening, dataset: Path) -> None:
    gone = dataset / "short" / "00001_00_0.1s.CR2"
    before = sha256_of(gone)
    gone.unlink()
    report = recover(Store.open(dataset), CardFolder(evening.card))
    assert [f.path for f in report.files if f.outcome is Outcome.RESTORED] == ["short/00001_00_0.1s.CR2"]
    assert sha256_of(gone) == before


@pytest.mark.parametrize("damage", [b"", None])
def test_a_frame_that_is_damaged_here_is_restored_and_the_damaged_one_kept(
    evening: Evening, dataset: Path, damage: bytes | None
) -> None:
    path = "long/00001_00_2s.CR2"
    whole = (dataset / path).read_bytes()
    spoilt = whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage
    (dataset / path).write_bytes(spoilt)
    report = recover(Store.open(dataset), CardFolder(evening.card), dry_run=True)
    assert (dataset / path).read_bytes() == spoilt
    assert recover(Store.open(dataset), CardFolder(evening.card)).files == report.files
    assert [(f.path, f.note) for f in report.files if f.outcome is Outcome.RESTORED] == [
        (path, "its file was damaged: that one moves to discarded/damaged")
    ]
    assert (dataset / path).read_bytes() == whole
    assert (dataset / "discarded/damaged/00001_00_2s.1.CR2").read_bytes() == spoilt


def test_another_bodys_frame_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, serial="999999999999") as other:
        by_hand(other, iso="1600", shutter="2")
        copy_card(other, tmp_path / "other")
    report = recover(Store.open(dataset), CardFolder(tmp_path / "other"))
    assert [f.outcome for f in report.files] == [Outcome.LEFT]
    assert report.completed == ()


def test_a_frame_taken_hours_later_is_left_alone(evening: Evening, dataset: Path, tmp_path: Path) -> None:
    """Same body, same ISO, same exposure, but by its own clock not of that moment."""
    folder = tmp_path / "late" / "DCIM" / "100CANON"
    folder.mkdir(parents=True)
    content = (evening.card / "DCIM" / "100CANON" / IN_THE_MIDDLE).read_bytes()
    taken = taken_text(content)
    later = taken.replace(taken[:4], b"2099", 1)
    (folder / IN_THE_MIDDLE).write_bytes(content.replace(taken, later))
    report = recover(Store.open(dataset), CardFolder(folder))
    assert [f.outcome for f in report.files] == [Outcome.LEFT]
    assert "after the shot that is missing" in report.files[0].note


def taken_text(content: bytes) -> bytes:
    """EXIF's date and time, as it stands in the file."""
    colon = content.index(b":", content.index(b"20"))
    while content[colon + 3 : colon + 4] != b":":
        colon = content.index(b":", colon + 1)
    return content[colon - 4 : colon + 15]


def test_frames_come_home_from_the_camera_too(evening: Evening, dataset: Path) -> None:
    result = run("recover", "--camera", evening.camera.port_string, "--dataset", dataset, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["completed"] == [2]
    outcomes = [file["outcome"] for file in report["files"]]
    assert (outcomes.count("imported"), outcomes.count("already there")) == (2, 6)
    assert not list(dataset.glob(".recover-*"))
    assert "sidcap shoot --resume" in result.stderr


def test_the_table_says_what_became_of_each_file(evening: Evening, dataset: Path) -> None:
    lines = run("recover", evening.card, "--dataset", dataset).stderr.splitlines()
    place = next(number for number, line in enumerate(lines) if AT_LAST_SHOT in line)
    assert "imported" in lines[place]
    assert "long/00002_01_2s.CR2" in lines[place]
    assert "ISO 1600, 2 s" in lines[place + 1]
    assert "shot 3 of 3, a long" in lines[place + 1]
    assert any("scene 00002 is complete" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name the card's folder"),
        (("folder", "--camera", "usb:001,004"), "name the card's folder"),
        (("no-such-folder",), "is no folder"),
        (("--camera", "nonsense"), "nonsense"),
    ],
)
def test_wrong_usage_is_one_line(dataset: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run("recover", *arguments, "--dataset", dataset)
    assert result.exit_code in (1, 2)
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr
