"""``sidcap shoot`` as a person, or a program, uses it: an evening of scenes on the simulated camera."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from sidcap.capture import Camera
from sidcap.capture.journal import Journal
from sidcap.capture.simulated import Fault, Knock, SimulatedCamera, Surroundings
from sidcap.capture.tally import Tally, parse_quota
from sidcap.cli import app
from sidcap.cli.options import seconds_of
from sidcap.data_manifest.errors import UsageError
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.validate import validate
from sidcap.data_manifest.words import Split

TIME_SCALE = 80
A_SCENE = {Split.TRAIN: 1, Split.TEST: 10001, Split.VAL: 20001}
SHORT_BRACKET = ("--iso", "12600", "--ratios", "100", "--release", "plain")
"""Long, short, long."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SIDCAP_DATASET", raising=False)


@pytest.fixture(scope="module")
def camera() -> Iterator[SimulatedCamera]:
    """One camera for all tests that leave it as it was, with ever more frames of others on its card."""
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, seed=3) as simulated:
        yield simulated


def shoot(camera: SimulatedCamera, *arguments: str | Path, says: str | None = None) -> Result:
    """The command on this camera; ``says`` is what its standard input holds."""
    own = ("shoot", "--camera", camera.port_string, "--time-scale", str(TIME_SCALE))
    return CliRunner().invoke(app, [*own, *(str(argument) for argument in arguments)], input=says)


def refused(*arguments: str) -> str:
    """The one line with which the command refuses, before it looks for a camera."""
    result = CliRunner().invoke(app, ["shoot", *arguments])
    assert result.exit_code == 2, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


def scenes() -> dict[int, Scene]:
    return {scene.id: scene for scene in Store(Path("dataset")).scenes()}


def journal(event: str) -> list[dict[str, Any]]:
    return [entry for entry in Journal(Path("dataset/journal.jsonl")).events() if entry["event"] == event]


def assert_sound() -> None:
    report = validate(Store(Path("dataset")))
    assert report.sound, report.findings


# An evening.


def test_a_photographer_is_led_from_scene_to_scene(camera: SimulatedCamera) -> None:
    evening = "\n\nn a car passed\nr\nx\ns\n\n"  # the last one ends it
    result = shoot(camera, *SHORT_BRACKET, "--scenes", "3", "--json", says=evening)
    assert result.exit_code == 0, result.stderr
    assert [scene["id"] for scene in json.loads(result.stdout)["scenes"]] == [1, 2]
    assert [len(scene.frames) for scene in scenes().values()] == [3, 3]
    assert [len(scene.discarded) for scene in scenes().values()] == [0, 3]
    assert [scene.note for scene in scenes().values()] == ["", "a car passed"]
    assert {discarded.reason for discarded in scenes()[2].discarded} == {"shot again by request"}
    assert_sound()
    for words in ("scene 3 of 3 · 00003 (train)", "'x' is not among these", "00003 is left out", "all scenes are done"):
        assert words in result.stderr
    assert "train 2 scenes (100× 2)" in result.stderr
    assert "battery 100 %" in result.stderr


@pytest.mark.parametrize("says", ["", "q\n"])
def test_the_end_of_input_and_q_end_the_evening(camera: SimulatedCamera, says: str) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--scenes", "3", "--json", says=says)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {"scenes": []}
    assert scenes() == {}


def test_a_scene_whose_file_broke_is_named_and_keeps_nobody_from_the_next(camera: SimulatedCamera) -> None:
    store = Store.create(Path("dataset"))
    store.scene_path(1).parent.mkdir()
    store.scene_path(1).write_text('{"id": 1, "spl')
    result = shoot(camera, *SHORT_BRACKET)
    assert result.exit_code == 0, result.stderr
    assert "not counted: " in result.stderr
    assert "00001.json" in result.stderr.replace("\n", "")
    assert store.scene(2).complete


def test_a_skipped_number_stays_free(camera: SimulatedCamera) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--scenes", "2", says="s\n\nq\n")
    assert result.exit_code == 0, result.stderr
    assert list(scenes()) == [2]


def test_the_split_is_asked_for_until_the_answer_is_clear(camera: SimulatedCamera) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--scenes", "2", "--split", "ask", says="\nt\nte\n\nval\nq\n")
    assert result.exit_code == 0, result.stderr
    assert list(scenes()) == [10001, 20001]
    assert "'t' is none of these" in result.stderr


def test_who_is_not_answered_says_that_nothing_was_shot(camera: SimulatedCamera) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--split", "ask", "--json", says="")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {"scenes": []}
    assert result.stderr.splitlines()[-1] == "nothing was shot"


def test_a_dry_run_asks_nothing_and_says_that_scenes_are_too_close(camera: SimulatedCamera) -> None:
    asked = shoot(camera, *SHORT_BRACKET, "--split", "ask", "--dry-run", "--json", says="")
    assert json.loads(asked.stdout)["scenes"] == 1
    assert "for train, test, val?" not in asked.stderr
    close = shoot(camera, *SHORT_BRACKET, "--every", "5s", "--dry-run")
    assert close.stderr.splitlines()[-1].startswith("note: a scene takes longer than 5 s")


def test_with_nobody_there_a_quota_is_filled_evenly_and_nothing_is_said_twice(camera: SimulatedCamera) -> None:
    arguments = (*SHORT_BRACKET, "--quota", "train=2,test=1", "--every", "1s", "--json")
    result = shoot(camera, *arguments)
    assert result.exit_code == 0, result.stderr
    assert [scene["id"] for scene in json.loads(result.stdout)["scenes"]] == [1, 10001, 2]
    assert_sound()
    for once in ("a scene takes longer than 1 s", "auto power-off", "mode dial: Manual"):
        assert result.stderr.count(once) == 1
    again = CliRunner().invoke(app, ["shoot", "--camera", "ptpip:127.0.0.1:1", *arguments])
    assert again.exit_code == 0, again.stderr
    assert "the quota is filled: train 2 scenes" in again.stderr
    assert json.loads(again.stdout) == {"scenes": []}


def test_with_nobody_there_scenes_begin_at_a_steady_pace(camera: SimulatedCamera) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--every", "4m", "--count", "2")
    assert result.exit_code == 0, result.stderr
    first, second = (scene.frames[0].start_utc for scene in scenes().values())
    assert (second - first).total_seconds() > 235
    assert "1 to come" in result.stderr


# Before the shutter.


def test_a_dry_run_says_what_it_takes_and_leaves_no_trace(camera: SimulatedCamera) -> None:
    before = len(camera.shots)
    arguments = ("--iso", "12600", "--ratios", "100,300", "--repeats", "3", "--count", "4", "--every", "10m")
    result = shoot(camera, *arguments, "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    assert [round(shot["ratio_true"], 1) for shot in plan["shots"]] == [1, *[101.6] * 3, *[322.5] * 3, 1]
    assert (plan["scenes"], plan["shutter_actuations"]) == (4, 32)
    assert 1800 < plan["duration_s"] < 2100
    assert 0 < plan["disk_needed_bytes"] < plan["disk_free_bytes"]
    assert "32 shutter actuations" in result.stderr
    assert len(camera.shots) == before
    assert not Path("dataset").exists()


def test_repeats_are_pairs_of_their_own(camera: SimulatedCamera) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--repeats", "2")
    assert result.exit_code == 0, result.stderr
    assert [pair.frame for pair in scenes()[1].pairs] == ["short/00001_00_0.1s.CR2", "short/00001_01_0.1s.CR2"]


def test_what_is_not_ready_stops_before_the_shutter_and_names_the_remedy() -> None:
    with SimulatedCamera(size="small", time_scale=TIME_SCALE) as unready:
        unready.set_by_hand(focusmode="One Shot")
        once = shoot(unready, *SHORT_BRACKET)
        evening = shoot(unready, *SHORT_BRACKET, "--scenes", "2", says="\nq\n")
        assert unready.shots == ()
    assert once.exit_code == 1
    assert "switch the lens to MF" in once.stderr.splitlines()[-1]
    assert evening.exit_code == 0
    assert evening.stderr.count("switch the lens to MF") >= 3  # the list, before the first prompt, after Enter
    assert scenes() == {}


def test_the_camera_clock_is_recorded_and_set_on_request(camera: SimulatedCamera) -> None:
    result = shoot(camera, *SHORT_BRACKET, "--set-clock")
    assert result.exit_code == 0, result.stderr
    (connected,), (clock,) = journal("connected"), journal("clock set")
    assert connected["clock_offset_s"] == pytest.approx(clock["offset_before_s"], abs=TIME_SCALE * 2)
    assert abs(clock["offset_after_s"]) < TIME_SCALE * 2
    assert "clock set: it was" in result.stderr


# When things go wrong.


def interrupted(camera: SimulatedCamera, *arguments: str, says: str | None = None) -> Result:
    """A command whose camera vanishes while the second frame is exposed, and stays away."""
    camera.inject(Fault.parse("cable-pulled@exposure:2"))
    result = shoot(camera, *SHORT_BRACKET, "--patience", "0", *arguments, says=says)
    camera.plug_in()
    return result


RESUME = f"sidcap shoot --resume --camera {{port}} --time-scale {TIME_SCALE}"


def test_an_interrupted_scene_says_how_to_go_on_and_does(camera: SimulatedCamera) -> None:
    broken = interrupted(camera)
    assert broken.exit_code == 1
    go_on = RESUME.format(port=camera.port_string)
    assert f"scene 00001 is incomplete, 1 of 3 frames; it goes on with: {go_on}\n" in broken.stderr
    shots = len(camera.shots)
    resumed = shoot(camera, "--resume", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    (scene,) = json.loads(resumed.stdout)["scenes"]
    assert (scene["complete"], len(scene["frames"])) == (True, 3)
    assert len(camera.shots) == shots + 1, "only what is on neither disk nor card is shot again"
    assert_sound()
    nothing = shoot(camera, "--resume", "--json")
    assert (nothing.exit_code, json.loads(nothing.stdout)) == (0, {"scenes": []})
    assert "nothing to resume" in nothing.stderr
    assert shoot(camera, "--resume", "--scene", "7").exit_code == 2


def test_frames_of_earlier_scenes_are_not_taken_for_those_of_an_interrupted_one(camera: SimulatedCamera) -> None:
    camera.inject(Fault.parse("cable-pulled@exposure:5"))
    assert shoot(camera, *SHORT_BRACKET, "--patience", "0", "--count", "2").exit_code == 1
    camera.plug_in()
    assert shoot(camera, "--resume").exit_code == 0
    cards = [frame.card for scene in scenes().values() for frame in scene.frames]
    assert len(set(cards)) == len(cards) == 6
    assert cards == sorted(cards)
    assert_sound()


def test_with_nobody_to_ask_an_interrupted_scene_is_named_and_left(camera: SimulatedCamera) -> None:
    interrupted(camera)
    result = shoot(camera, *SHORT_BRACKET)
    assert result.exit_code == 0, result.stderr
    assert [line for line in result.stderr.splitlines() if "interrupted" in line] == [
        f"note: interrupted: 00001; complete with: {RESUME.format(port=camera.port_string)}"
    ]
    assert [(scene.id, scene.complete) for scene in scenes().values()] == [(1, False), (2, True)]


@pytest.mark.parametrize(("answer", "complete"), [("", True), ("n", False)])
def test_an_evening_begins_with_an_offer_to_complete_what_was_interrupted(
    camera: SimulatedCamera, answer: str, complete: bool
) -> None:
    interrupted(camera)
    result = shoot(camera, *SHORT_BRACKET, "--scenes", "1", says=f"{answer}\nq\n")
    assert result.exit_code == 0, result.stderr
    assert "scene 00001 (train) was interrupted" in result.stderr
    assert scenes()[1].complete == complete


def test_a_photographer_can_put_it_right_and_go_on(camera: SimulatedCamera) -> None:
    camera.inject(Fault.parse("cable-pulled=3@exposure:2"))
    result = shoot(camera, *SHORT_BRACKET, "--patience", "1", "--scenes", "1", says="\n" * 40)
    assert result.exit_code == 0, result.stderr
    assert "Enter goes on with it" in result.stderr
    assert scenes()[1].complete
    assert_sound()


def test_what_moved_is_shot_again_and_what_stays_so_is_of_no_use() -> None:
    knock = Surroundings(
        knocks=(Knock(before_frame=2, shift_px=(3.0, 0.0)), Knock(before_frame=5, shift_px=(4.0, 0.0)))
    )
    with SimulatedCamera(size="small", time_scale=TIME_SCALE, seed=5, surroundings=knock) as knocked:
        useless = shoot(knocked, *SHORT_BRACKET, "--retries", "0", "--json")
        saved = shoot(knocked, *SHORT_BRACKET, "--json")
    assert useless.exit_code == 3, useless.stderr
    assert json.loads(useless.stdout)["complete"]
    assert "of no use" in useless.stderr
    assert saved.exit_code == 0, saved.stderr
    assert "shooting the bracket again" in saved.stderr
    assert "something moved between the frames" in scenes()[2].discarded[0].reason


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_session_leaves_the_camera_as_it_was_and_says_how_to_go_on(
    camera: SimulatedCamera, end: signal.Signals
) -> None:
    before = settings_of(camera)
    command = [sys.executable, "-m", "sidcap.cli", "shoot", "--camera", camera.port_string, "--iso", "12600"]
    with subprocess.Popen([*command, "--time-scale", str(TIME_SCALE)], stderr=subprocess.PIPE, text=True) as shooting:
        wait_for(lambda: Path("dataset/journal.jsonl").exists() and len(journal("shot")) > 1)
        shooting.send_signal(end)
        _, said = shooting.communicate(timeout=60)
    assert shooting.returncode == 130, said
    assert "frames; it goes on with: sidcap shoot --resume" in said
    assert settings_of(camera) == before
    resumed = shoot(camera, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert_sound()


def test_the_long_is_found_for_each_scene_and_the_shorts_follow_it(camera: SimulatedCamera) -> None:
    shots_before = len(camera.shots)
    result = shoot(camera, "--iso", "3200", "--long", "auto", "--ratios", "100", "--json")
    assert result.exit_code == 0, result.stderr
    scene = json.loads(result.stdout)
    long, short, _ = (frame["exposure"]["true_s"] for frame in scene["frames"])
    assert long / short == pytest.approx(scene["pairs"][0]["ratio"]["true"])
    assert long != pytest.approx(10.08, abs=0.1)
    assert "come to" in result.stderr
    assert "of white" in result.stderr
    assert all(frame["clipped"] < 0.002 for frame in scene["frames"])
    assert len(journal("test frame")) == len(camera.shots) - shots_before - 3
    assert_sound()


def settings_of(camera: SimulatedCamera) -> dict[str, str]:
    with Camera(camera.port_string) as connected:
        return {name: connected.get(name) for name in ("iso", "shutterspeed", "mirrorlock", "imageformat")}


def wait_for(condition: Any) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.02)


# Other programs.


def test_events_are_appended_line_by_line(camera: SimulatedCamera) -> None:
    Path("events.jsonl").write_text('{"event": "from before"}\n')
    assert shoot(camera, *SHORT_BRACKET, "--events", "events.jsonl").exit_code == 0
    before, *events = (json.loads(line) for line in Path("events.jsonl").read_text().splitlines())
    assert before == {"event": "from before"}
    assert [event["scene"] for event in events if event["event"] == "complete"] == [1]
    frames = [event["frame"]["path"] for event in events if event["event"] == "frame"]
    assert frames == [frame.path for scene in scenes().values() for frame in scene.frames]
    assert all(datetime.fromisoformat(event["utc"]).tzinfo for event in events)


def test_hooks_run_with_the_event_and_the_path(camera: SimulatedCamera) -> None:
    frame, scene = 'echo "$SIDCAP_SCENE $SIDCAP_PATH" >> frames', 'cat > scene.json; cp "$SIDCAP_PATH" copy.json'
    result = shoot(camera, *SHORT_BRACKET, "--on-frame", frame, "--on-scene", scene)
    assert result.exit_code == 0, result.stderr
    assert Path("scene.json").read_text().endswith("}\n")
    lines = [line.split(" ", 1) for line in Path("frames").read_text().splitlines()]
    assert lines == [["00001", str(Path.cwd() / "dataset" / frame.path)] for frame in scenes()[1].frames]
    assert json.loads(Path("scene.json").read_text())["result"] == json.loads(Path("copy.json").read_text())


def test_a_hook_that_fails_ends_the_session_and_the_scene_goes_on_later(camera: SimulatedCamera) -> None:
    failed = shoot(camera, *SHORT_BRACKET, "--on-frame", "echo no room there; exit 7", "--count", "2")
    assert failed.exit_code == 1
    assert "ended with 7 for 00001_00_10s.CR2 (no room there)" in failed.stderr.splitlines()[-1]
    assert "it goes on with: sidcap shoot --resume" in failed.stderr
    assert [len(scene.frames) for scene in scenes().values()] == [1]
    assert shoot(camera, "--resume").exit_code == 0
    assert [len(scene.frames) for scene in scenes().values()] == [3]
    assert_sound()


# The card.


def on_card(camera: SimulatedCamera) -> set[str]:
    with Camera(camera.port_string) as connected:
        return {str(file) for file in connected.files()}


def test_the_card_is_freed_of_what_is_safe_and_of_nothing_else(camera: SimulatedCamera) -> None:
    others = on_card(camera)
    result = shoot(camera, *SHORT_BRACKET, "--free-card")
    assert result.exit_code == 0, result.stderr
    assert on_card(camera) == others
    assert [entry["path"] for entry in journal("deleted")] == [
        frame.path for scene in scenes().values() for frame in scene.frames
    ]
    assert_sound()


def test_a_card_keeps_the_frames_of_a_scene_that_is_not_safe(camera: SimulatedCamera) -> None:
    others = on_card(camera)
    spoil = "echo spoilt >> dataset/short/00001_00_0.1s.CR2"
    result = shoot(camera, *SHORT_BRACKET, "--free-card", "--on-scene", spoil)
    assert result.exit_code == 0, result.stderr
    assert "the card was not freed: short/00001_00_0.1s.CR2 is not what was fetched" in result.stderr
    assert len(on_card(camera) - others) == 3
    assert journal("deleted") == []


# Wrong usage.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give the sensitivity, such as --iso 12600"),
        (("--iso", "abc"), "--iso"),
        (("--iso", "100", "--long", "nan"), "--long nan"),
        (("--iso", "100", "--long", "soon"), "--long"),
        (("--iso", "100", "--long", "0"), "--long '0' is neither seconds"),
        (("--iso", "100", "--settle", "inf"), "--settle inf"),
        (("--iso", "100", "--release", "softly"), "'--release': 'softly' is not one of"),
        (("--iso", "100", "--scenes", "0"), "--scenes"),
        (("--iso", "100", "--count", "0"), "--count"),
        (("--iso", "100", "--every", "10"), "write 90s, 10m or 1h"),
        (("--iso", "100", "--every", "0m"), "write 90s, 10m or 1h"),
        (("--iso", "100", "--split", "dev"), "--split"),
        (("--iso", "100", "--quota", "train"), "write train=50,test=12"),
        (("--iso", "100", "--quota", "train=-1"), "write train=50,test=12"),
        (("--iso", "100", "--quota", "train=1", "--split", "train"), "--split and --quota do not go together"),
        (("--iso", "100", "--scenes", "2", "--every", "10m"), "--scenes and --every do not go together"),
        (("--iso", "100", "--scenes", "2", "--scene", "5"), "--scene and --scenes do not go together"),
        (("--iso", "100", "--scene", "x"), "--scene"),
        (("--iso", "100", "--split", "ask", "--count", "2"), "needs somebody to ask"),
        (("--iso", "100", "--resume"), "goes on as it was planned"),
        (("--resume", "--quota", "train=1"), "goes on as it was planned"),
        (("--resume",), "no dataset at dataset"),
        (("--iso", "100", "--retries", "-1"), "--retries"),
        (("--iso", "100", "--patience", "inf"), "--patience inf"),
        (("--iso", "100", "--patience", "-1"), "--patience"),
        (("--iso", "100", "--on-frame", " "), "need a command of the shell"),
        (("--iso", "100", "--camera", "simulated", "--light", "nan"), "--light nan"),
        (("--iso", "100", "--time-scale", "2"), "belong to --camera simulated"),
        (("--iso", "100", "--camera", "ptpip:127.0.0.1:1", "--light", "2"), "belong to --camera simulated"),
        (("--iso", "100", "--moon"), "--moon"),
        (("--iso",), "--iso"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments)
    assert not Path("dataset").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--events", "no/such/folder/e.jsonl"), "name another file"),
        (("--repeats", "0"), "1 to 99 times"),
        (("--repeats", "100"), "1 to 99 times"),
        (("--settle", "60"), "mirror drops"),
        (("--ratios", "0"), "above 1"),
    ],
)
def test_wrong_usage_that_needs_a_camera_to_show_is_one_line(
    camera: SimulatedCamera, arguments: tuple[str, ...], words: str
) -> None:
    result = shoot(camera, "--iso", "12600", *arguments)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert words in line
    assert not Path("dataset").exists()


# Arithmetic.


@given(st.floats(0.001, 1e6), st.sampled_from(["s", "m", "h"]))
def test_durations_are_numbers_with_a_unit(number: float, unit: str) -> None:
    text = f"{number:.3f}"
    assert seconds_of(f"{text}{unit}") == float(text) * {"s": 1, "m": 60, "h": 3600}[unit]


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1d", "10m30s", "0s", "nan s", "1e3s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        seconds_of(text)


@given(st.dictionaries(st.sampled_from(list(Split)), st.integers(0, 12), min_size=1))
def test_a_quota_is_filled_exactly_and_as_evenly_as_can_be(quota: dict[Split, int]) -> None:
    tally = Tally()
    assert parse_quota(",".join(f"{split}={wanted}" for split, wanted in quota.items())) == quota
    for _ in range(tally.missing(quota)):
        split = tally.next_split(quota)
        assert split is not None
        share = tally.scenes[split] / quota[split]
        assert all(tally.scenes[other] / wanted >= share for other, wanted in quota.items() if wanted)
        tally.add(Scene(id=A_SCENE[split], split=split, complete=True))
    assert tally.missing(quota) == 0
    assert tally.next_split(quota) is None
    assert {split: tally.scenes[split] for split in quota} == quota
