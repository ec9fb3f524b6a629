"""`sidcap import sid` and `sidcap export sid-list`: datasets that others made, with and without lists and files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import foreign_raw
import numpy as np
import pytest
import tiny_raw
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from sidcap.cli import app
from sidcap.data_manifest.errors import ManifestError
from sidcap.data_manifest.exporters.sid_list import sid_list
from sidcap.data_manifest.importers.sid import import_sid
from sidcap.data_manifest.importers.sid_list import read_lists
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store, sha256_of
from sidcap.data_manifest.words import Split, Verdict

ROWS = (
    "./Sony/short/00001_00_0.04s.ARW ./Sony/long/00001_00_10s.ARW ISO200 F8",
    "./Sony/short/00001_00_0.1s.ARW ./Sony/long/00001_00_10s.ARW ISO200 F8",
    "./Sony/short/00002_00_0.033s.ARW ./Sony/long/00002_00_30s.ARW ISO12800 F3.5",
)
NAMES = ("long/00001_00_10s.ARW", "short/00001_00_0.04s.ARW", "short/00001_00_0.1s.ARW")
SCENE_2 = ("long/00002_00_30s.ARW", "short/00002_00_0.033s.ARW")


@pytest.fixture(autouse=True)
def _no_default_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_line(result: Result) -> str:
    """The one line that a failed command leaves."""
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


def write_list(folder: Path, rows: Iterable[str] = ROWS, name: str = "Sony_train_list.txt") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes("".join(f"{row}\n" for row in rows).encode())
    return path


def write_frames(folder: Path, names: Iterable[str]) -> None:
    """ARW files of 32 x 64 photosites whose EXIF tells what their names do."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        milliseconds = round(float(name.rsplit("_", 1)[1].removesuffix("s.ARW")) * 1000)
        path.write_bytes(foreign_raw.arw(mosaic_of(name), foreign_raw.exif(200, (milliseconds, 1000))))


def mosaic_of(name: str) -> np.ndarray[tuple[int, int], np.dtype[np.uint16]]:
    """Another one for each name, smooth enough for Sony's compression."""
    noise = np.random.default_rng(sum(name.encode())).integers(0, 100, (32, 64))
    return (foreign_raw.SONY_BLACK_DN + 2 * noise).astype(np.uint16)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".claim")
    }


def scene_of(folder: Path, scene: int = 1) -> Scene:
    return Store.open(folder).scene(scene)


# Lists and files.


def test_a_list_without_files_imports_with_every_frame_missing(tmp_path: Path) -> None:
    write_list(tmp_path)
    result = run("import", "sid", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["scenes"], report["pairs"], report["frames"], report["missing"]) == (2, 3, 5, 5)
    assert "5 frames missing" in result.stderr

    scene = scene_of(tmp_path, 2)
    long, short = scene.frames
    assert long.missing
    assert short.missing
    assert (long.path, short.path) == ("Sony/long/00002_00_30s.ARW", "Sony/short/00002_00_0.033s.ARW")
    assert (short.iso.set, short.iso.exif, short.aperture) == (12800, None, 3.5)
    assert (short.exposure.nominal_s, short.exposure.true_s) == (0.033, 1 / 32)
    assert (scene.pairs[0].ratio.nominal, scene.pairs[0].ratio.true) == (909, 1024)


def test_files_that_come_later_complete_their_frames(tmp_path: Path) -> None:
    write_list(tmp_path)
    run("import", "sid", tmp_path)
    write_frames(tmp_path / "Sony", NAMES)

    report = import_sid(tmp_path)

    assert (report.read, report.missing) == (3, 2)
    scene = scene_of(tmp_path)
    assert [frame.path for frame in scene.frames] == [f"Sony/{name}" for name in NAMES]
    long = scene.frames[0]
    assert long.sha256 == sha256_of(tmp_path / "Sony" / NAMES[0])
    assert long.levels[0].per_plane_dn == (foreign_raw.SONY_BLACK_DN,) * 4
    assert (long.camera.model, long.iso.exif, long.exposure.exif_s) == ("ILCE-7SM2", 200, 10)
    assert long.exposure.true_s == pytest.approx(2 ** (10 / 3))
    assert long.start_utc is not None
    assert (long.end_utc, long.release, long.settle_s, long.iso.requested) == (None,) * 4
    assert [pair.ratio.nominal for pair in scene.pairs] == [250, 100]
    assert [camera.model for camera in Store.open(tmp_path).dataset().cameras] == ["ILCE-7SM2"]


def test_the_exif_shutter_speed_is_the_true_exposure_where_it_fits(tmp_path: Path) -> None:
    write_frames(tmp_path, NAMES)
    told = foreign_raw.exif(200, (10, 1), shutter_speed=(-33, 10))
    (tmp_path / NAMES[0]).write_bytes(foreign_raw.arw(mosaic_of("long"), told))
    wrong = foreign_raw.exif(200, (1, 10), shutter_speed=(0, 1))
    (tmp_path / NAMES[2]).write_bytes(foreign_raw.arw(mosaic_of("short"), wrong))
    import_sid(tmp_path)
    scene = scene_of(tmp_path)
    assert scene.frame(NAMES[0]).exposure.true_s == pytest.approx(2**3.3)
    assert scene.frame(NAMES[2]).exposure.true_s == pytest.approx(2 ** (-10 / 3))


def test_nothing_is_copied_or_moved(tmp_path: Path) -> None:
    write_frames(tmp_path, NAMES)
    before = contents(tmp_path)
    assert run("import", "sid", tmp_path).exit_code == 0
    assert set(contents(tmp_path)) - set(before) == {"dataset.json", "scenes/00001.json"}
    assert before.items() <= contents(tmp_path).items()
    assert run("validate", "--dataset", tmp_path).exit_code == 0


def test_without_a_list_every_short_goes_with_the_long_of_its_scene(dataset: Path, tmp_path: Path) -> None:
    """Canon files as the study's authors published them: a folder of the camera's name, no list."""
    shot = {scene.id: scene for scene in Store.open(dataset).scenes()}
    for role in ("long", "short"):
        shutil.copytree(dataset / role, tmp_path / "set" / "Canon" / role)

    report = import_sid(tmp_path / "set")

    assert (report.scenes, report.missing, report.findings) == (2, 0, ())
    for scene_id, original in shot.items():
        scene = scene_of(tmp_path / "set", scene_id)
        assert scene.split == original.split
        assert {pair.reference for pair in scene.pairs} == {f"Canon/{original.pairs[0].reference}"}
        ratios = {pair.frame: pair.ratio.true for pair in scene.pairs}
        assert ratios == {f"Canon/{pair.frame}": pytest.approx(pair.ratio.true, rel=0.01) for pair in original.pairs}
        for frame in original.frames:
            imported = scene.frame(f"Canon/{frame.path}")
            assert (imported.sha256, imported.black) == (frame.sha256, frame.black)
            assert imported.camera.simulated


def test_importing_again_changes_nothing_and_keeps_what_people_and_programs_wrote(
    dataset: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    for role in ("long", "short"):
        shutil.copytree(dataset / role, folder / role)
    import_sid(folder)
    assert run("verify-alignment", "--dataset", folder).exit_code == 0
    store = Store.open(folder)
    store.change_scene(1, lambda scene: scene.replace(note="the kitchen"))
    before = contents(folder)

    report = import_sid(folder)

    assert report.read == 0
    assert contents(folder) == before
    extra = next((folder / "short").glob("00001_*"))
    shutil.copy(extra, folder / "short" / extra.name.replace("_00_", "_07_"))
    assert import_sid(folder).read == 1
    scene = scene_of(folder)
    assert scene.note == "the kitchen"
    assert [pair.alignment is None for pair in scene.pairs] == [False, False, True]


def test_an_import_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    write_frames(tmp_path, [*NAMES, *SCENE_2])

    def stop(done: int, total: int) -> None:
        assert total == 5
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_sid(tmp_path, on_frame=stop)
    assert Store.open(tmp_path).scene_ids() == [1]
    assert import_sid(tmp_path).read == 2
    assert Store.open(tmp_path).scene_ids() == [1, 2]


@pytest.mark.parametrize("camera", ["Sony", ""])
def test_a_list_fits_folders_of_the_cameras_name_and_bare_ones(camera: str, tmp_path: Path) -> None:
    path = write_list(tmp_path)
    write_frames(tmp_path / camera, [*NAMES, *SCENE_2])
    assert import_sid(tmp_path).missing == 0
    assert sid_list(Store.open(tmp_path).scenes()) == path.read_text()


def test_files_may_come_to_another_folder_than_the_list_let_expect(tmp_path: Path) -> None:
    path = write_list(tmp_path)
    import_sid(tmp_path)
    write_frames(tmp_path, NAMES)
    assert import_sid(tmp_path).read == 3
    assert [frame.path for frame in scene_of(tmp_path).frames] == list(NAMES)
    assert sid_list(Store.open(tmp_path).scenes()) == path.read_text()


def test_the_cameras_own_folder_imports_with_the_lists_beside_it(tmp_path: Path) -> None:
    write_list(tmp_path)
    write_list(tmp_path, [row.replace("Sony", "Fuji") for row in ROWS], "Fuji_train_list.txt")
    write_frames(tmp_path / "Sony", NAMES)
    assert f"sidcap import sid {tmp_path / 'Fuji'}" in error_line(run("import", "sid", tmp_path))
    assert not (tmp_path / "dataset.json").exists()
    report = import_sid(tmp_path / "Sony")
    assert (report.pairs, report.read, report.missing) == (3, 3, 2)
    assert scene_of(tmp_path / "Sony").frames[0].path == NAMES[0]


def test_files_that_no_list_names_are_left_alone_and_counted(tmp_path: Path) -> None:
    write_list(tmp_path, ROWS[:2])
    write_frames(tmp_path, [*NAMES, *SCENE_2])
    result = run("import", "sid", tmp_path)
    assert result.exit_code == 0
    assert "2 files left alone" in result.stderr
    assert Store.open(tmp_path).scene_ids() == [1]


def test_another_dataset_folder_gets_hard_links(tmp_path: Path) -> None:
    write_list(tmp_path / "SID")
    write_frames(tmp_path / "SID" / "Sony", NAMES)
    before = contents(tmp_path / "SID")
    assert run("import", "sid", tmp_path / "SID", "--dataset", tmp_path / "mine").exit_code == 0
    assert contents(tmp_path / "SID") == before
    for name in NAMES:
        assert (tmp_path / "mine" / "Sony" / name).samefile(tmp_path / "SID" / "Sony" / name)
    assert import_sid(tmp_path / "SID", tmp_path / "mine").read == 0


# What is missing.


@pytest.fixture
def half_there(tmp_path: Path) -> Path:
    """An aligned pair, and one whose short is missing."""
    store = tiny_raw.make_dataset(tmp_path / "half", scenes=(1, 10001))

    def without_its_short(scene: Scene) -> Scene:
        short = scene.frame(scene.pairs[-1].frame)
        gone = short.replace(size_bytes=None, sha256=None, black=None, white=None)
        (store.root / short.path).unlink()
        return scene.replace(frames=tuple(gone if frame == short else frame for frame in scene.frames))

    for scene in (1, 10001):
        store.change_scene(scene, without_its_short)
    return store.root


def test_training_and_evaluation_leave_out_what_is_missing_and_say_how_many(half_there: Path, tmp_path: Path) -> None:
    options = ("--epochs", "1", "--patch", "16", "--depth", "-2", "--sample-every", "9", "--device", "cpu")
    trained = run("train", *options, "--out", tmp_path / "run", "--dataset", half_there)
    assert trained.exit_code == 0, trained.stderr
    assert "on 1 pair of 1 scene, 1 epoch, preset" in " ".join(trained.stderr.split())
    assert "trained 1 epoch into" in " ".join(trained.stderr.split())
    assert "1 pair left out, missing" in trained.stderr
    judged = run("evaluate", tmp_path / "run", "--device", "cpu", "--dataset", half_there, "--json")
    assert judged.exit_code == 0, judged.stderr
    assert "1 pair left out, missing" in judged.stderr
    evaluation = json.loads(judged.stdout)
    assert len(evaluation["scores"]) == 1
    assert [pair["verdict"] for pair in evaluation["left_out"]] == ["missing"]


def test_a_dataset_of_lists_alone_can_neither_be_trained_on_nor_verified(tmp_path: Path) -> None:
    write_list(tmp_path)
    import_sid(tmp_path)
    assert "3 missing" in error_line(run("train", "--dataset", tmp_path, "--out", tmp_path / "run"))
    assert run("verify-alignment", "--dataset", tmp_path).exit_code == 3
    for scene in Store.open(tmp_path).scenes():
        for pair in scene.pairs:
            assert pair.alignment is None or pair.alignment.verdict is Verdict.UNDETERMINED


def test_validate_names_missing_frames_as_missing(tmp_path: Path) -> None:
    write_list(tmp_path)
    write_frames(tmp_path / "Sony", NAMES[:1])
    import_sid(tmp_path)
    result = run("validate", "--dataset", tmp_path, "--json")
    assert result.exit_code == 3
    findings = json.loads(result.stdout)["findings"]
    assert len(findings) == 4
    assert all(finding["missing"] and finding["problem"].startswith("missing: ") for finding in findings)


def test_validate_shows_twenty_missing_frames_and_counts_the_rest(tmp_path: Path) -> None:
    rows = [f"./short/00001_{n:02d}_0.1s.ARW ./long/00001_00_10s.ARW ISO200 F8" for n in range(30)]
    write_list(tmp_path, rows)
    import_sid(tmp_path)
    lines = run("validate", "--dataset", tmp_path).stderr.splitlines()
    assert len(lines) == 22
    assert "11 frames more missing" in lines[-2]


# What cannot be used.


def jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", np.zeros((32, 32, 3), np.uint8))[1])


def linear_dng() -> bytes:
    """A developed picture in a DNG: three colours in each pixel."""
    pixels = bytes(64 * 64 * 6)
    tags: list[tiny_raw.Tag] = [
        (254, tiny_raw.LONG, [0]),
        (256, tiny_raw.LONG, [64]),
        (257, tiny_raw.LONG, [64]),
        (258, tiny_raw.SHORT, [16, 16, 16]),
        (259, tiny_raw.SHORT, [1]),
        (262, tiny_raw.SHORT, [34892]),
        (271, tiny_raw.ASCII, b"Canon\0"),
        (272, tiny_raw.ASCII, b"Canon EOS 6D\0"),
        (273, tiny_raw.LONG, [8]),
        (277, tiny_raw.SHORT, [3]),
        (278, tiny_raw.LONG, [64]),
        (279, tiny_raw.LONG, [len(pixels)]),
        (50706, tiny_raw.BYTE, [1, 4, 0, 0]),
        (50721, tiny_raw.SRATIONAL, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
    ]
    start = 8 + len(pixels)
    return b"II*\0" + start.to_bytes(4, "little") + pixels + tiny_raw.directory(tags, start)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (jpeg, "LibRaw cannot open it"),
        (linear_dng, "developed (linear) colours, not a mosaic"),
        (lambda: b"", "LibRaw cannot open it"),
        (lambda: foreign_raw.arw(mosaic_of("x"), foreign_raw.exif(200, (1, 10)))[:-1], "is truncated"),
        (lambda: tiny_raw.dng(mosaic_of("x")), "neither its EXIF nor a list tells its ISO"),
    ],
    ids=["JPEG", "linear DNG", "empty", "truncated", "without ISO"],
)
def test_a_file_that_cannot_be_used_is_one_line_and_the_rest_goes_on(
    broken: Callable[[], bytes], says: str, tmp_path: Path
) -> None:
    write_frames(tmp_path, [*NAMES, *SCENE_2])
    (tmp_path / NAMES[2]).write_bytes(broken())
    result = run("import", "sid", tmp_path)
    assert result.exit_code == 3
    (line,) = [line for line in result.stderr.splitlines() if "note:" in line]
    assert line.startswith(f"note: {NAMES[2]}: ")
    assert says in line
    assert str(tmp_path) not in line
    assert [len(scene.pairs) for scene in Store.open(tmp_path).scenes()] == [1, 1]
    write_frames(tmp_path, [NAMES[2]])
    assert import_sid(tmp_path).read == 1
    assert len(scene_of(tmp_path).pairs) == 2


def test_a_broken_file_that_a_list_names_counts_as_missing(tmp_path: Path) -> None:
    write_list(tmp_path, ROWS[:2])
    write_frames(tmp_path, NAMES)
    (tmp_path / NAMES[0]).write_bytes(b"no raw file")
    report = import_sid(tmp_path)
    assert [finding.path for finding in report.findings] == [NAMES[0]]
    assert (report.read, report.missing) == (2, 1)
    assert scene_of(tmp_path).frame(NAMES[0]).missing


@pytest.mark.parametrize(
    "name", ["IMG_0001.ARW", "00001_00_0s.ARW", "00001_00_10s", "30001_00_0.1s.ARW", "00000_00_0.1s.ARW"]
)
def test_a_name_that_is_none_of_sids_is_named_and_left_alone(name: str, tmp_path: Path) -> None:
    write_frames(tmp_path, NAMES)
    (tmp_path / "short" / name).write_bytes(b"x")
    result = run("import", "sid", tmp_path)
    assert result.exit_code == 3
    assert f"short/{name}: left alone" in result.stderr
    assert len(scene_of(tmp_path).frames) == 3


def test_an_exposure_that_contradicts_the_name_is_named_and_believed(tmp_path: Path) -> None:
    write_frames(tmp_path, NAMES)
    (tmp_path / NAMES[2]).write_bytes(foreign_raw.arw(mosaic_of("x"), foreign_raw.exif(200, (1, 25))))
    report = import_sid(tmp_path)
    assert [(finding.path, "0.04 s" in finding.problem) for finding in report.findings] == [(NAMES[2], True)]
    exposure = scene_of(tmp_path).frame(NAMES[2]).exposure
    assert (exposure.nominal_s, exposure.true_s) == (0.1, pytest.approx(2 ** (-14 / 3)))


def test_a_scene_without_long_is_left_out_and_named(tmp_path: Path) -> None:
    write_frames(tmp_path, [*NAMES, SCENE_2[1]])
    result = run("import", "sid", tmp_path)
    assert result.exit_code == 3
    assert "scene 00002: left out: it has no long" in result.stderr
    assert Store.open(tmp_path).scene_ids() == [1]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("./Sony/short/00001_00_0.1s.ARW ./Sony/long/00001_00_10s.ARW ISO200", "is not a row such as"),
        ("./Sony/short/00001_00_0.1s.ARW  ./Sony/long/00001_00_10s.ARW ISO200 F8", "is not a row such as"),
        ("./Sony/short/00001_00_0.1s.ARW ./Sony/long/00001_00_10s.ARW ISO0 F8", "is not a row such as"),
        ("./../short/00001_00_0.1s.ARW ./../long/00001_00_10s.ARW ISO200 F8", "leads out of the folder"),
        ("/etc/short/00001_00_0.1s.ARW /etc/long/00001_00_10s.ARW ISO200 F8", "leads out of the folder"),
        ("./Sony/long/00001_00_10s.ARW ./Sony/short/00001_00_0.1s.ARW ISO200 F8", "is not a path such as"),
        ("./Sony/short/kitchen.ARW ./Sony/long/00001_00_10s.ARW ISO200 F8", "is not a SID file name"),
        ("./Sony/short/00002_00_0.1s.ARW ./Sony/long/00001_00_10s.ARW ISO200 F8", "not of one scene"),
        ("./Sony/short/30001_00_0.1s.ARW ./Sony/long/30001_00_10s.ARW ISO200 F8", "belongs to no split"),
        (ROWS[0], "stands in Sony_train_list.txt, line 1 too"),
    ],
)
def test_a_wrong_row_is_one_line_with_file_and_line_number(row: str, says: str, tmp_path: Path) -> None:
    path = write_list(tmp_path, [*ROWS, row])
    result = run("import", "sid", tmp_path)
    assert result.exit_code == 1
    assert f"{path}, line 4: " in error_line(result)
    assert says in error_line(result)
    assert not (tmp_path / "dataset.json").exists()


def test_a_list_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "Sony_train_list.txt").write_bytes(b"\xff\xfe\0")
    assert "is no text" in error_line(run("import", "sid", tmp_path))


def test_a_folder_with_nothing_to_import_is_wrong_usage(tmp_path: Path) -> None:
    for folder, says in ((tmp_path, "neither folders long and short nor"), (tmp_path / "none", "no folder")):
        result = run("import", "sid", folder)
        assert result.exit_code == 2
        assert says in error_line(result)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "elsewhere", NAMES)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "long").symlink_to(tmp_path / "elsewhere" / "long")
    assert "leads out of the dataset" in error_line(run("import", "sid", tmp_path / "set"))


def test_a_dataset_that_sidcap_shot_is_not_touched(dataset: Path) -> None:
    before = contents(dataset)
    result = run("import", "sid", dataset)
    assert result.exit_code == 2
    assert "is a dataset that sidcap shot" in error_line(result)
    (dataset / "journal.jsonl").unlink()
    assert run("import", "sid", dataset).exit_code == 2
    assert contents(dataset).items() <= before.items()


def test_a_shot_dataset_that_lost_its_first_file_is_not_made_anew(dataset: Path) -> None:
    (dataset / "dataset.json").unlink()
    (dataset / "journal.jsonl").unlink()
    for scene in (dataset / "scenes").iterdir():
        scene.write_text(scene.read_text().replace('"mirror-lockup"', "null"))
    assert "restore that file from a copy" in error_line(run("import", "sid", dataset))
    assert not (dataset / "dataset.json").exists()


def test_two_places_with_frames_are_too_many(tmp_path: Path) -> None:
    write_frames(tmp_path, NAMES)
    write_frames(tmp_path / "Sony", NAMES)
    assert "import one of them by itself" in error_line(run("import", "sid", tmp_path))


# Lists again.


@st.composite
def rows_of_one_list(draw: st.DrawFn) -> list[str]:
    """Rows as SID's lists have them, each pair once, in any order."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(1, 9999), st.integers(0, 99), st.sampled_from(["0.1", "0.04", "0.033"])),
            min_size=1,
            max_size=6,
            unique=True,
        )
    )
    folder = draw(st.sampled_from(["./Sony/", "./Canon_12600/", "./"]))
    setting = st.tuples(st.integers(50, 409600), st.sampled_from(["8", "3.5", "22", "1.40"]))
    rows = []
    for scene, number, seconds in pairs:
        iso, f_number = draw(setting)
        short, long = f"{folder}short/{scene:05d}_{number:02d}_{seconds}s.ARW", f"{folder}long/{scene:05d}_00_10s.ARW"
        rows.append(f"{short} {long} ISO{iso} F{f_number}")
    return rows


@settings(max_examples=10)
@given(rows_of_one_list())
def test_any_list_comes_out_as_it_went_in(rows: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_list(Path(folder), rows)
        import_sid(Path(folder))
        assert sid_list(Store.open(Path(folder)).scenes()).encode() == path.read_bytes()


@settings(max_examples=200)
@given(
    (st.text() | st.sampled_from(ROWS).flatmap(lambda row: st.text(row))).filter(
        lambda line: line.removeprefix("\ufeff").strip()
    )
)
def test_any_other_line_is_refused_in_one_line(line: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x_list.txt")
        path.write_bytes(line.encode(errors="replace"))
        with pytest.raises(ManifestError) as caught:
            read_lists([path])
    assert "\n" not in str(caught.value)


def test_the_rows_come_out_in_the_order_in_which_they_stood(tmp_path: Path) -> None:
    path = write_list(tmp_path, reversed(ROWS))
    import_sid(tmp_path)
    out = tmp_path / "again.txt"
    assert run("export", "sid-list", "--split", "train", "-o", out, "--dataset", tmp_path).exit_code == 0
    assert out.read_bytes() == path.read_bytes()


def test_a_dataset_shot_by_sidcap_is_listed_in_the_same_form(dataset: Path) -> None:
    store = Store.open(dataset)
    result = run("export", "sid-list", "--dataset", dataset)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines == sorted(lines)
    scene = store.scene(1)
    first = min(scene.pairs, key=lambda pair: pair.frame)
    f_number = scene.frame(first.frame).aperture
    assert lines[0] == f"./{first.frame} ./{first.reference} ISO12800 F{f_number:g}"
    assert len(lines) == sum(len(scene.pairs) for scene in store.scenes())


def test_only_pairs_with_a_verdict_are_listed_where_that_is_asked_for(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", scenes=(1,))

    def spoil(scene: Scene) -> Scene:
        first, *others = scene.pairs
        return scene.replace(pairs=(first.replace(alignment=tiny_raw.alignment(Verdict.MISALIGNED)), *others))

    spoilt = store.change_scene(1, spoil).pairs[0]
    result = run("export", "sid-list", "--verdict", "misaligned", "--dataset", store.root)
    assert [line.split()[0] for line in result.stdout.splitlines()] == [f"./{spoilt.frame}"]
    assert "has no pair" in error_line(run("export", "sid-list", "--split", "val", "--dataset", store.root))


def test_a_decision_outweighs_the_verdict_in_what_is_listed(tmp_path: Path) -> None:
    store = tiny_raw.make_dataset(tmp_path / "set", scenes=(1, 2))
    for scene, verdict in ((1, Verdict.ALIGNED), (2, Verdict.MISALIGNED)):
        judged = tiny_raw.alignment(verdict)
        store.change_scene(
            scene, lambda scene, judged=judged: scene.with_pairs(lambda pair: pair.replace(alignment=judged))
        )
    for scene, choice in (("1", "--reject"), ("2", "--accept")):
        assert run("decide", scene, choice, "--why", "seen", "--dataset", store.root).exit_code == 0
    accepted = sid_list([store.scene(2)])
    assert accepted
    assert sid_list(store.scenes(), Verdict.ALIGNED) == accepted
    assert sid_list(store.scenes(), Verdict.MISALIGNED) == ""


def test_a_list_with_a_byte_order_mark_and_windows_line_ends_comes_out_without(tmp_path: Path) -> None:
    plain = write_list(tmp_path)
    rows = plain.read_bytes()
    plain.write_bytes(b"\xef\xbb\xbf" + rows.replace(b"\n", b"\r\n"))
    import_sid(tmp_path)
    assert sid_list(Store.open(tmp_path).scenes()).encode() == rows


def test_a_split_is_listed_by_the_first_digit_of_its_scenes(tmp_path: Path) -> None:
    write_list(tmp_path)
    write_list(tmp_path, [row.replace("/0000", "/1000") for row in ROWS], "Sony_test_list.txt")
    import_sid(tmp_path)
    store = Store.open(tmp_path)
    for split in (Split.TRAIN, Split.TEST):
        assert sid_list(store.scenes(split)) == (tmp_path / f"Sony_{split}_list.txt").read_text()
