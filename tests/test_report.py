"""Reports of a dataset: what is in them, and what they say where something is missing, empty or broken."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import records
import report_pages
import textured_datasets
from hypothesis import given
from hypothesis import strategies as st
from report_pages import Page, bracket, report, written
from typer.testing import CliRunner

from sidcap.cli import app
from sidcap.curate.report.words import percent
from sidcap.data_manifest.pages.document import MOST_BYTES, evenly
from sidcap.data_manifest.schema import Decision, Discarded, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Verdict

MIXED = (Verdict.ALIGNED, Verdict.MISALIGNED, Verdict.UNDETERMINED)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")


ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Records without files: one scene."""
    store = Store.create(tmp_path / "dataset")
    store.save_scene(bracket(1))
    return store


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of three scenes, records alone, with something of everything; its plots lie beside it."""
    folder = tmp_path_factory.mktemp("told")
    store = Store.create(folder / "dataset")
    choice = Decision(choice="rejected", by=f"anna {ATTACK}", decided_utc=records.MOMENT, why=ATTACK)
    second = bracket(2)
    pairs = (second.pairs[0].replace(decisions=(choice,)), *second.pairs[1:])
    gone = Discarded(frame=records.frame("discarded/00002_00_10s.CR2", role="long"), reason="a car passed")
    late = second.frames[-1].replace(start_utc=records.MOMENT + timedelta(hours=5))
    store.save_scene(bracket(1, MIXED))
    store.save_scene(
        second.replace(pairs=pairs, note=f"a car {ATTACK}", discarded=(gone,), frames=(*second.frames[:-1], late))
    )
    store.save_scene(bracket(10001, findings=("the light rose by 3.2% over the bracket",)))
    result = report("--dataset", store.root, "-o", folder / "report.html", "--plots", folder / "plots", "--json")
    assert result.exit_code == 3  # none of the files is there
    (folder / "report.json").write_text(result.stdout)
    return written(folder / "report.html")


def section(anchor: str) -> str:
    return written(Path("report.html")).section(anchor)


def test_a_report_says_what_was_shot_with_what(told: Page) -> None:
    text = told.section("shooting")
    assert "scenes 3 pairs 9 pairs that can be trained on 6 (67 %)" in text
    assert "Canon EOS 6D, serial 1 – EF40mm f/2.8 STM f/2.8 12800 mirror-lockup 15" in text
    assert "12600 was asked for, which is no setting of the camera" in text
    assert "2026-01-02 03:04 UTC to 2026-01-02 08:04 UTC" in text
    assert "The frames are from real cameras" in text


def test_simulated_frames_are_called_simulated(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    scene = records.scene()
    simulated = scene.frames[0].camera.replace(simulated=True)
    store.save_scene(scene.replace(frames=tuple(frame.replace(camera=simulated) for frame in scene.frames)))
    report()
    assert "made by sidcap's simulated camera" in section("shooting")
    assert "(simulated camera)" in written(Path("report.html")).text


def test_exposures_and_ratios_stand_three_times_with_their_differences(told: Page) -> None:
    text = told.section("exposures")
    assert "short 12800 0.0333 1/30 s 0.03125 -6.2 %" in text
    assert "300 322.5 +7.5 % 323.2 +0.2 %" in text


def test_verdicts_are_counted_and_reasons_named(told: Page) -> None:
    text = told.section("alignment")
    assert "the short lies 3.1 px below the long: something moved between the frames" in text
    assert "Verdicts by split and ratio" in text
    assert "10001 the light rose by 3.2% over the bracket" in text
    unusable = told.section("unusable")
    assert "3 of 9 pairs are not trained on" in unusable
    assert "00001_00_0.04s train 250 misaligned" in unusable
    assert "00001_00_0.0333s train 300 undetermined" in unusable


def test_what_people_decided_and_noted_is_shown_as_text(told: Page) -> None:
    assert f"rejected anna {ATTACK}" in told.section("people")
    assert f"a car {ATTACK}" in told.section("people")
    assert f"anna {ATTACK}: {ATTACK}" in told.section("unusable")
    assert "<img src=x" not in told.html
    assert told.html.count("<script") == 1


def test_discarded_frames_are_listed_with_the_reason(told: Page) -> None:
    assert "discarded/00002_00_10s.CR2 a car passed" in told.section("files")


def test_the_manifest_hash_is_what_sha256sum_says(told: Page) -> None:
    dataset = told.path.parent / "dataset"
    script = "sha256sum dataset.json calibration/calibration.json scenes/*.json 2>/dev/null | sha256sum"
    summed = subprocess.run(["sh", "-c", script], cwd=dataset, capture_output=True, text=True, check=True)
    assert summed.stdout.split()[0] in told.section("reproduce")


def test_plots_are_written_as_svg_and_png_with_their_numbers(told: Page) -> None:
    names = json.loads((told.path.parent / "report.json").read_text())["figures"]
    assert {"ratios", "verdicts", "shifts", "shift-map", "uncertainty", "drift"} <= set(names)
    plots = told.path.parent / "plots"
    for name in names:
        assert (plots / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
        drawing = (plots / f"{name}.svg").read_text()
        assert "<text" in drawing  # text stays text
        assert "var(--" not in drawing  # a file of its own has its own colours
        assert len((plots / f"{name}.csv").read_text().splitlines()) > 1


def test_missing_damaged_and_broken_files_are_named(tmp_path: Path) -> None:
    store = report_pages.real_frames(tmp_path / "dataset")
    assert report().exit_code == 0
    assert "Nothing is missing and nothing is damaged" in section("files")

    (store.root / "long/00001_00_10s.DNG").unlink()
    short = store.root / "short/10001_00_0.5s.DNG"
    content = bytearray(short.read_bytes())
    content[-1] ^= 1
    short.write_bytes(content)
    store.scene_path(2).write_text("{ no json")
    (store.root / "calibration").mkdir()
    (store.root / "calibration" / "calibration.json").write_text("[]")
    store.change_scene(10001, lambda scene: scene.replace(complete=False))
    assert report().exit_code == 3
    text = section("files")
    assert "long/00001_00_10s.DNG missing" in text
    assert "scenes/00002.json broken" in text
    assert "calibration/calibration.json broken" in text
    assert "scenes/10001.json incomplete" in text
    assert "short/10001_00_0.5s.DNG" not in text  # of the right size: only its checksum tells
    assert str(tmp_path) not in text

    document = json.loads(report("--checksums", "--json").stdout)
    assert document["damaged"] == 5
    assert "short/10001_00_0.5s.DNG damaged fails its checksum" in section("files")


def test_the_contact_sheet_shows_long_and_short_of_every_scene_it_can(tmp_path: Path) -> None:
    store = report_pages.real_frames(tmp_path / "dataset")
    report()
    page = written(Path("report.html"))
    assert "all 2 scenes" in page.section("contact-sheet")
    assert page.html.count("data:image/jpeg;base64,") == 4
    (store.root / "long/00001_00_10s.DNG").write_bytes(b"no raw file")
    report()
    page = written(Path("report.html"))
    assert "1 scene of 2" in page.section("contact-sheet")
    assert "Not shown: long/00001_00_10s.DNG: LibRaw cannot open it" in page.section("contact-sheet")


def test_calibration_is_plotted_from_its_records_flats_and_maps(tmp_path: Path) -> None:
    store = report_pages.real_frames(tmp_path / "dataset")
    report_pages.calibrate(store)
    document = json.loads(report("--json", "--plots", "plots").stdout)
    for figure in ("photon-transfer-1", "dark-level-1", "dark-shading-1", "hot-pixels-1"):
        assert figure in document["figures"]
    text = section("calibration")
    assert "0.0473 ± 0.0001 e⁻/DN (photon transfer)" in text
    assert "40 photosites" in text
    rows = [line.split(",") for line in Path("plots/photon-transfer-1.csv").read_text().splitlines()[1:]]
    assert len(rows) == 3
    for _, mean_dn, variance_dn2, used in rows:  # Poisson noise of the known gain, and read noise
        expected = float(mean_dn) / 0.0473 + (1.7 / 0.0473) ** 2
        assert float(variance_dn2) == pytest.approx(expected, rel=0.05)
        assert used == "yes"


def test_two_isos_have_a_plot_of_read_noise(tmp_path: Path) -> None:
    store = report_pages.real_frames(tmp_path / "dataset")
    report_pages.calibrate(store)
    report_pages.calibrate(store, iso=200, hot=0)
    assert "read-noise" in json.loads(report("--json").stdout)["figures"]
    assert "No photosite stands out" in section("calibration")


def test_maps_and_flats_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    store = report_pages.real_frames(tmp_path / "dataset")
    record = report_pages.calibrate(store)
    assert record.maps is not None
    (store.root / record.maps.path).unlink()
    (store.root / "calibration/flats/ISO12800_00.DNG").unlink()
    report()
    text = section("calibration")
    assert "cannot be read" in text
    assert "Left out of the photon transfer: calibration/flats/ISO12800_00.DNG is missing" in text


@pytest.mark.parametrize(
    ("scenes", "anchor", "words"),
    [
        ((), "shooting", "The dataset has no frames yet"),
        ((), "exposures", "There are no frames yet"),
        ((), "alignment", "There are no pairs yet"),
        ((), "calibration", "No darks and no flats were shot"),
        ((records.scene(1),), "alignment", "No pair was verified yet"),
        ((records.scene(1),), "exposures", "No ratio was measured yet"),
        ((records.scene(1),), "unusable", "run `sidcap verify-alignment`"),
        ((records.scene(1, frames=(), pairs=()),), "alignment", "There are no pairs yet"),
        ((records.scene(1),), "contact-sheet", "nothing can be shown"),
    ],
)
def test_what_is_not_there_is_said_in_its_place(
    tmp_path: Path, scenes: tuple[Scene, ...], anchor: str, words: str
) -> None:
    store = Store.create(tmp_path / "dataset")
    for scene in scenes:
        store.save_scene(scene)
    assert report().exception is None or report().exit_code == 3
    assert words.replace("`", "") in section(anchor).replace("`", "")


@pytest.mark.usefixtures("store")
def test_the_same_dataset_gives_the_same_bytes_but_for_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    report("-o", "one.html")
    report("-o", "two.html")
    one = Path("one.html").read_bytes()
    assert one == Path("two.html").read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    report("-o", "three.html")
    lines = zip(one.splitlines(), Path("three.html").read_bytes().splitlines(), strict=True)
    different = [(before, after) for before, after in lines if before != after]
    assert len(different) == 1
    assert b"Written 2027-01-15 08:00 UTC with sidcap" in different[0][0]


def test_checksums_of_all_files_can_be_checked(tmp_path: Path) -> None:
    store = textured_datasets.make_dataset(tmp_path / "dataset")
    report("--plots", "plots")
    checksums = tmp_path / "plots/checksums.sha256"
    assert len(checksums.read_text().splitlines()) == 4
    checked = subprocess.run(["sha256sum", "--check", "--quiet", str(checksums)], cwd=store.root, check=False)
    assert checked.returncode == 0


def test_commands_for_simulated_frames_ask_for_the_simulated_camera(dataset: Path, tmp_path: Path) -> None:
    written = tmp_path / "simulated.html"
    assert CliRunner().invoke(app, ["report", "--dataset", str(dataset), "-o", str(written)]).exit_code in (0, 3)
    assert "sidcap shoot --camera simulated --iso 12600 --ratios 30,100" in written.read_text()


def test_commands_say_how_it_was_shot_and_judged(told: Page) -> None:
    text = told.section("reproduce")
    assert "sidcap shoot --iso 12600 --ratios 100,250,300 --long 10" in text
    assert "--split train --scenes 2" in text
    assert "sidcap verify-alignment --tolerance 0.5" in text


@pytest.mark.timeout(300)
def test_two_thousand_scenes_stay_under_five_megabytes(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    (store.root / "scenes").mkdir()
    drafts = [bracket(1, (verdict,) * 3, note="scene 00001").model_dump_json() for verdict in MIXED]
    for scene_id in (*range(1, 1601), *range(10001, 10401)):
        draft = drafts[0 if scene_id % 7 else scene_id % 3]
        draft = draft.replace("00001", f"{scene_id:05d}").replace('"id":1,', f'"id":{scene_id},')
        store.scene_path(scene_id).write_text(draft.replace('"train"', '"test"') if scene_id > 10000 else draft)
    assert report().exit_code == 3
    assert Path("report.html").stat().st_size < MOST_BYTES
    text = written(Path("report.html")).text
    assert "2,000 scenes, 6,000 pairs" in text
    assert "more are not shown" in text


def test_a_file_that_is_no_report_is_not_overwritten(store: Store) -> None:
    Path("thesis.html").write_text("<p>years of work")
    refused = report("-o", "thesis.html")
    assert refused.exit_code == 2
    assert "thesis.html is there and no report of sidcap" in refused.stderr
    assert Path("thesis.html").read_text() == "<p>years of work"
    assert report("-o", str(store.root)).exit_code == 2
    report()
    assert report().exit_code == 3  # an earlier report is replaced


def test_without_a_dataset_and_without_runs_there_is_nothing_to_report(tmp_path: Path) -> None:
    assert report().exit_code == 2
    assert report("--dataset", tmp_path / "nowhere").exit_code == 2
    assert not Path("report.html").exists()


@pytest.mark.usefixtures("store")
def test_without_a_browser_it_says_how_to_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = report("--pdf")
    assert "open report.html in any browser, and print it" in " ".join(result.stderr.split())


@given(st.lists(st.integers()), st.integers(1, 50))
def test_a_choice_is_even_and_begins_with_the_first(items: list[int], most: int) -> None:
    numbered = list(enumerate(items))
    chosen = evenly(numbered, most)
    assert len(chosen) == min(len(items), most)
    assert chosen == sorted(set(chosen))
    assert chosen[:1] == numbered[:1]
    gaps = {later[0] - earlier[0] for earlier, later in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(st.floats(-0.0004, 0.0004))
def test_no_difference_has_no_sign(share: float) -> None:
    assert percent(share) == "0.0 %"
