"""The commands, as a person types them: what they print, how they end, and what they do with bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sidcap.capture.simulated import Fault, SimulatedCamera
from sidcap.cli import app
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Verdict

COMMANDS = (
    "shoot",
    "shoot-darks",
    "shoot-flats",
    "calibrate",
    "recover",
    "import",
    "export",
    "verify-alignment",
    "decide",
    "train",
    "evaluate",
    "report",
    "validate",
    "schema",
    "simulate-camera",
    "demo",
)
TRAIN = ("train", "--epochs", "2", "--patch", "16", "--depth", "-2", "--sample-every", "2", "--device", "cpu")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_line(result: Result) -> str:
    """The one line that a failed command leaves."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def last_error(result: Result) -> str:
    """The error of a command that had something to show before it failed."""
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    return line


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_help_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, sidcap.cli; sys.exit(bool({'torch', 'numpy', 'cv2', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_schema_prints_json_schema() -> None:
    document = json.loads(run("schema").stdout)
    assert {"Scene", "Dataset", "Frame", "Alignment"} <= set(document["$defs"])


def test_shoot_without_a_camera_says_how_to_connect_one() -> None:
    result = run("shoot", "--iso", "12600", "--ratios", "100,250,300")
    assert result.exit_code == 1
    assert "--camera simulated" in error_line(result)
    assert not Path("dataset").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--iso", "0"), "ISO 0 is not offered"),
        (("--iso", "1000000"), "this camera has ISO 50 to 25600"),
        (("--iso", "100", "--ratios", "0"), "above 1"),
        (("--iso", "100", "--ratios", "1e9"), "out of the shutter's reach"),
        (("--iso", "100", "--long", "60"), "give --long within that"),
        (("--iso", "100", "--settle", "60"), "mirror drops"),
    ],
)
def test_what_the_camera_cannot_do_is_wrong_usage(arguments: tuple[str, ...], words: str) -> None:
    result = run("shoot", "--camera", "simulated", "--sensor", "small", *arguments)
    assert result.exit_code == 2
    assert words in error_line(result)
    assert not Path("dataset").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ratios", "a,b"), "not a list of numbers"),
        (("--ratios", ""), "not a list of numbers"),
        (("--scene", "10001"), "no number for a train scene"),
        (("--scene", "0"), "no number for a train scene"),
        (("--time-scale", "10"), "belong to --camera simulated"),
        (("--camera", "simulated", "--dataset", "a-file"), "is a file"),
    ],
)
def test_wrong_usage_of_shoot_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    Path("a-file").write_text("x")
    result = run("shoot", "--iso", "12600", *arguments)
    assert result.exit_code == 2
    assert words in error_line(result)


def test_a_dry_run_shows_the_plan_and_writes_nothing() -> None:
    result = run("shoot", "--iso", "12600", "--camera", "simulated", "--sensor", "small", "--dry-run", "--json")
    assert result.exit_code == 0
    plan = json.loads(result.stdout)
    assert (plan["iso_requested"], plan["iso_set"]) == (12600, 12800)
    assert [round(shot["ratio_true"], 1) for shot in plan["shots"]] == [1, 101.6, 256, 322.5, 1]
    assert not Path("dataset").exists()


def test_shoot_verify_and_validate_on_the_simulated_camera() -> None:
    arguments = ("--camera", "simulated", "--sensor", "small", "--time-scale", "40", "--split", "test", "--scene", "7")
    shot = run("shoot", "--iso", "12600", "--ratios", "100", *arguments, "--json")
    assert shot.exit_code == 0, shot.stderr
    scene = json.loads(shot.stdout)
    assert (scene["id"], scene["split"], len(scene["frames"])) == (10007, "test", 3)
    verified = run("verify-alignment", "--scene", "10007", "--json")
    assert verified.exit_code == 0, verified.stderr
    pair = json.loads(verified.stdout)["scenes"][0]["pairs"][0]
    assert pair["alignment"]["verdict"] == "aligned"
    assert abs(pair["ratio"]["measured"] / pair["ratio"]["true"] - 1) < 0.03
    assert run("validate").exit_code == 0
    again = run("shoot", "--iso", "12600", *arguments)
    assert again.exit_code == 2
    assert "exists already" in error_line(again)


def test_a_camera_that_vanishes_is_one_line_and_costs_no_frame(tmp_path: Path) -> None:
    pulled = Fault.parse("cable-pulled@exposure:3")
    with SimulatedCamera(size="small", time_scale=40, faults=[pulled]) as simulated:
        arguments = ("--camera", simulated.port_string, "--release", "plain", "--patience", "0", "--time-scale", "40")
        result = run("shoot", "--iso", "12600", "--ratios", "100,300", *arguments)
        assert result.exit_code == 1
        assert "check that it is on and connected" in result.stderr.splitlines()[-1]
        assert len(list((tmp_path / "dataset").glob("*/*.CR2"))) == 2
        checked = run("validate", "--json")
        assert "scenes/00001.json" in [finding["path"] for finding in json.loads(checked.stdout)["findings"]]
        simulated.plug_in()
        assert run("shoot", "--resume", "--camera", simulated.port_string, "--time-scale", "40").exit_code == 0
    assert len(Store.open(Path("dataset")).scene(1).frames) == 4
    assert run("validate").exit_code == 0


def test_train_and_evaluate_on_verified_pairs(dataset: Path) -> None:
    assert run("verify-alignment", "--dataset", dataset).exit_code == 0
    trained = run(*TRAIN, "--dataset", dataset, "--json")
    assert trained.exit_code == 0, trained.stderr
    assert json.loads(trained.stdout)["epochs"] == 2
    judged = run("evaluate", "run", "--dataset", dataset, "--json")
    assert judged.exit_code == 0, judged.stderr
    evaluation = json.loads(judged.stdout)
    assert len(evaluation["scores"]) == 2
    assert all(Path(evaluation["folder"], score["sheet"]).is_file() for score in evaluation["scores"])

    other_depth = run(*TRAIN, "--depth", "-1", "--resume", "--dataset", dataset)
    assert other_depth.exit_code == 2
    assert "depth -2" in error_line(other_depth)
    empty_split = run("evaluate", "run", "--split", "val", "--dataset", dataset)
    assert empty_split.exit_code == 2
    assert "sidcap shoot --split val" in error_line(empty_split)


def test_training_without_verified_pairs_says_what_to_do_first(dataset: Path) -> None:
    result = run(*TRAIN, "--dataset", dataset)
    assert result.exit_code == 1
    assert "sidcap verify-alignment" in error_line(result)


@pytest.mark.parametrize("command", [("verify-alignment",), ("train",), ("evaluate", "run"), ("validate",)])
def test_no_dataset_says_how_to_get_one(command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.exit_code in (1, 2)
    assert error_line(result)


def test_a_truncated_frame_is_found_and_nothing_else_is_lost(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = sorted((dataset / "short").glob("00001_*"))[0]
    short.write_bytes(short.read_bytes()[:200_000])
    checked = run("validate", "--dataset", dataset, "--json")
    assert checked.exit_code == 3
    assert [finding["path"] for finding in json.loads(checked.stdout)["findings"]] == [f"short/{short.name}"]
    monkeypatch.chdir(dataset.parent)
    verified = run("verify-alignment", "--dataset", dataset.name)
    assert verified.exit_code == 3
    pairs = Store.open(dataset).scene(1).pairs
    reasons = {pair.frame: pair.alignment.reasons[0] for pair in pairs if pair.alignment}
    assert reasons[f"short/{short.name}"].startswith(f"short/{short.name}: ")
    verdicts = {pair.frame: pair.alignment.verdict for pair in pairs if pair.alignment}
    assert verdicts.pop(f"short/{short.name}") == Verdict.UNDETERMINED
    assert set(verdicts.values()) == {Verdict.ALIGNED}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mood": "blue"}, "unknown field 'mood'"),
        ({"schema_version": 99}, "use a newer sidcap"),
        ({"split": "nowhere"}, "split"),
        ({"frames": 7}, "frames"),
    ],
)
def test_a_wrong_scene_file_is_one_line(dataset: Path, changes: dict[str, Any], words: str) -> None:
    edit(dataset / "scenes" / "00001.json", **changes)
    trained = run(*TRAIN, "--dataset", dataset)
    assert trained.exit_code == 1
    assert words in error_line(trained)
    verified = run("verify-alignment", "--dataset", dataset)
    assert verified.exit_code == 1
    assert words in last_error(verified)
    assert Store.open(dataset).scene(10001).pairs[0].alignment is not None, "the other scene is verified all the same"
    checked = run("validate", "--dataset", dataset, "--json")
    assert checked.exit_code == 3
    assert words in json.loads(checked.stdout)["findings"][0]["problem"]


def test_a_path_that_climbs_out_is_refused(dataset: Path) -> None:
    path = dataset / "scenes" / "00001.json"
    scene = json.loads(path.read_text())
    scene["frames"][1]["path"] = "../../../etc/passwd"
    path.write_text(json.dumps(scene))
    result = run("verify-alignment", "--dataset", dataset)
    assert result.exit_code == 1
    assert "not a path inside the dataset" in last_error(result)


def test_a_newer_dataset_is_refused_before_anything_is_shot(dataset: Path) -> None:
    edit(dataset / "dataset.json", schema_version=99)
    result = run("shoot", "--iso", "12600", "--dataset", dataset)
    assert result.exit_code == 1
    assert "use a newer sidcap" in error_line(result)


def test_simulate_camera_prints_its_port_and_stops_when_told() -> None:
    command = [sys.executable, "-m", "sidcap.cli", "simulate-camera", "--sensor", "small"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("ptpip:127.0.0.1:")
        server.terminate()
        assert server.wait(timeout=20) == 0


def test_a_frame_that_fails_its_checksum_is_never_aligned(dataset: Path) -> None:
    short = sorted((dataset / "short").glob("00001_*"))[0]
    content = bytearray(short.read_bytes())
    content[len(content) // 2] ^= 0xFF
    short.write_bytes(content)
    assert run("verify-alignment", "--scene", "1", "--dataset", dataset).exit_code == 3
    pairs = Store.open(dataset).scene(1).pairs
    (alignment,) = (pair.alignment for pair in pairs if pair.frame == f"short/{short.name}")
    assert alignment is not None
    assert alignment.verdict == Verdict.UNDETERMINED
    assert str(dataset) not in alignment.reasons[0]


def test_an_interrupted_bracket_is_not_passed_over(dataset: Path) -> None:
    edit(dataset / "scenes" / "00001.json", complete=False)
    result = run("verify-alignment", "--dataset", dataset)
    assert result.exit_code == 3
    assert "scene 00001 is incomplete" in result.stderr


def test_frames_of_an_interrupted_bracket_are_not_to_be_moved_away(dataset: Path) -> None:
    scene = dataset / "scenes" / "00001.json"
    content = json.loads(scene.read_text())
    last = content["frames"][-1]["path"]
    edit(scene, complete=False, frames=content["frames"][:1], pairs=[], closing=None)
    (dataset / "short" / "00077_00_0.1s.CR2").write_bytes(b"")
    findings = json.loads(run("validate", "--dataset", dataset, "--json").stdout)["findings"]
    problems = {finding["path"]: finding["problem"] for finding in findings}
    assert "sidcap shoot --resume" in problems[last]
    assert problems["short/00077_00_0.1s.CR2"] == "belongs to no scene: move it away"


def test_a_run_is_resumed_in_its_own_settings(dataset: Path) -> None:
    assert run("verify-alignment", "--dataset", dataset).exit_code == 0
    assert run(*TRAIN, "--dataset", dataset).exit_code == 0
    resumed = run("train", "--resume", "--epochs", "3", "--dataset", dataset, "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["epochs"] == 3


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("sidcap ")
