"""`sidcap split`: scenes dealt out to the splits, and renumbered so that a kill at any moment loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import records
from exported_dataset import contents, error_line, run
from hypothesis import given
from hypothesis import strategies as st

from sidcap.curate.splitting import Kind, dealt, quotas
from sidcap.data_manifest.errors import ManifestError, UsageError
from sidcap.data_manifest.renumber import finish_renumbering, renumber, renumbered
from sidcap.data_manifest.schema import Iso, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split

WANTED = {1: Split.TEST, 2: Split.VAL, 10001: Split.TRAIN, 20001: Split.TRAIN}


def scene_with(number: int, iso: int = 12800) -> Scene:
    """A scene of its own checksums."""
    scene = records.scene(number)
    frames = tuple(
        frame.replace(sha256=f"{number:032d}{index:032d}", iso=Iso(requested=iso, set=iso))
        for index, frame in enumerate(scene.frames)
    )
    return scene.replace(frames=frames)


# Dealing out.


@given(
    kinds=st.lists(st.sampled_from([100, 1600, 12800]), min_size=1, max_size=60),
    test=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_every_split_and_every_kind_gets_its_share(kinds: list[int], test: float, seed: int) -> None:
    scenes = [scene_with(number, iso) for number, iso in enumerate(kinds, start=1)]
    quota = quotas(1 - test, None, 0, len(scenes))
    found = dealt(scenes, [(scene.id,) for scene in scenes], quota, seed)
    assert Counter(found.values()) == Counter({split: count for split, count in quota.items() if count})
    for kind in {Kind.of(scene) for scene in scenes}:
        alike = [scene.id for scene in scenes if Kind.of(scene) == kind]
        tested = sum(found[scene] is Split.TEST for scene in alike)
        assert abs(tested - len(alike) * quota[Split.TEST] / len(scenes)) < 2


@given(st.integers(0, 10**6), st.permutations(range(1, 21)))
def test_neither_numbers_nor_order_play_a_part(seed: int, order: list[int]) -> None:
    scenes = [scene_with(number) for number in range(1, 21)]
    quota = quotas(0.6, 0.2, 0.2, 20)
    found = dealt(scenes, [(scene.id,) for scene in scenes], quota, seed)
    renamed = [renumbered(scenes[number - 1], 10000 + place) for place, number in enumerate(order, start=1)]
    again = dealt(renamed, [(scene.id,) for scene in renamed], quota, seed)
    by_content = {scene.frames[0].sha256: found[scene.id] for scene in scenes}
    assert {scene.frames[0].sha256: again[scene.id] for scene in renamed} == by_content


def test_another_seed_deals_otherwise() -> None:
    scenes = [scene_with(number) for number in range(1, 41)]
    quota = quotas(0.8, 0.2, 0, 40)
    tested = [
        frozenset(s for s, split in dealt(scenes, [(s.id,) for s in scenes], quota, seed).items() if split == "test")
        for seed in range(5)
    ]
    assert len(set(tested)) == 5


@given(st.integers(0, 1000))
def test_scenes_of_one_composition_stay_together(seed: int) -> None:
    scenes = [scene_with(number) for number in range(1, 21)]
    groups = [(1, 5, 9), (2, 3), *((number,) for number in range(1, 21) if number not in (1, 2, 3, 5, 9))]
    found = dealt(scenes, groups, quotas(0.7, 0.3, 0, 20), seed)
    assert all(len({found[scene] for scene in group}) == 1 for group in groups)
    assert 12 <= sum(split is Split.TRAIN for split in found.values()) <= 16


def test_shares_and_numbers_are_told_apart() -> None:
    assert quotas(0.8, None, 0, 10) == {Split.TRAIN: 8, Split.TEST: 2, Split.VAL: 0}
    assert quotas(0.5, 0.25, 0.25, 7) == {Split.TRAIN: 3, Split.TEST: 2, Split.VAL: 2}
    assert quotas(7, None, 1, 10) == {Split.TRAIN: 7, Split.TEST: 2, Split.VAL: 1}
    assert quotas(1, 0, 0, 10) == {Split.TRAIN: 10, Split.TEST: 0, Split.VAL: 0}
    for wrong in ((0.8, 0.3, 0.0), (0.8, None, 0.3), (7, 2, 0), (11, None, 0)):
        with pytest.raises(UsageError, match="shares that add up to 1, or numbers that add up to the 10 scenes"):
            quotas(*wrong, 10)


# Renumbering.


def test_a_scene_keeps_all_but_its_number(exportable: Store) -> None:
    before = {scene.id: scene for scene in exportable.scenes()}
    files = Counter(contents(exportable.root).values())
    plan = renumber(exportable, WANTED, lambda _: None)
    moves = {move.old: move.new for move in plan.moves}
    assert moves == {1: 10002, 2: 20002, 10001: 3, 20001: 4}, "numbers of other scenes are not given out at once"
    for old, new in moves.items():
        scene = exportable.scene(new)
        assert renumbered(scene, old) == before[old]
        assert all(frame.name.startswith(f"{new:05d}_") for frame in scene.all_frames)
    assert Counter(digest for path, digest in contents(exportable.root).items() if path.endswith("DNG")) == Counter(
        digest for digest in files.elements() if digest in {f.sha256 for s in before.values() for f in s.all_frames}
    ) + Counter(frame.sha256 for frame in exportable.calibration().frames)
    assert run("validate", "--dataset", exportable.root).exit_code == 0
    assert exportable.scene(10002).note.startswith("kitchen")
    accepted = exportable.scene(3).pairs[1]
    assert (accepted.standing, accepted.decisions[0].by) == ("accepted", "anna")


class _Killed(BaseException):
    """What the process does from then on does not happen."""


def killed_before(step: int, monkeypatch: pytest.MonkeyPatch, store: Store) -> bool:
    """Renumber, and be killed before the n-th change of a name in the dataset; False where there are fewer."""
    count = 0

    def dying(real: Any) -> Any:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal count
            if str(path).startswith(str(store.root)) and not str(path).endswith((".lock", ".claim")):
                count += 1
                if count >= step:
                    raise _Killed
            return real(path, *arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("rename", "replace", "unlink"):
            patched.setattr(os, name, dying(getattr(os, name)))
        try:
            renumber(store, WANTED, lambda _: None)
        except _Killed:
            return True
    return False


def test_killed_before_any_step_a_second_run_completes_it(
    exportable: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pristine = shutil.copytree(exportable.root, tmp_path / "pristine")
    renumber(exportable, WANTED, lambda _: None)
    whole = {path: digest for path, digest in contents(exportable.root).items() if not path.startswith(".")}
    step = 0
    while True:
        step += 1
        store = Store.open(shutil.copytree(pristine, tmp_path / f"killed-{step}"))
        if not killed_before(step, monkeypatch, store):
            break
        assert {d for p, d in contents(store.root).items() if p.endswith(".DNG")} == {
            digest for path, digest in whole.items() if path.endswith(".DNG")
        }, "no raw file is lost at any moment"
        if step > 1:  # before that, there is no plan yet
            with pytest.raises(ManifestError, match="`sidcap split` completes that"):
                Store.open(store.root)
            told: list[int] = []
            finish_renumbering(store.root, lambda plan, told=told: told.append(len(plan.moves)))  # type: ignore[misc]
            assert told == [4]
            left = contents(store.root)
            assert {path: digest for path, digest in left.items() if not Path(path).name.startswith(".")} == whole
        shutil.rmtree(store.root)
    assert step > 24, "each frame and each scene file is a step"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_real_kill_is_completed_by_the_same_command(exportable: Store) -> None:
    command = ["split", "--train", "0", "--test", "0", "--val", "1", "--dataset", str(exportable.root)]
    with subprocess.Popen([sys.executable, "-m", "sidcap.cli", *command], stderr=subprocess.DEVNULL) as process:
        while not (exportable.root / "renumbering.json").exists() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    result = run(*command)
    assert result.exit_code == 0, result.stderr
    assert [scene.split for scene in exportable.scenes()] == [Split.VAL] * 4
    assert run("validate", "--dataset", exportable.root).exit_code == 0
    assert run(*command, "--json").stdout.count('"moves": []') == 1


def test_two_files_of_one_name_stop_it_before_one_is_lost(exportable: Store) -> None:
    renumber(exportable, {1: Split.TEST}, lambda _: None)
    (exportable.root / "long/00001_00_10s.DNG").write_bytes(b"x")
    path = exportable.root / "renumbering.json"
    path.write_text('{"moves": [{"old": 10002, "new": 1}]}')
    with pytest.raises(ManifestError, match=r"both long/10002_00_10s\.DNG and long/00001_00_10s\.DNG are there"):
        finish_renumbering(exportable.root, lambda _: None)
    assert (exportable.root / "long/10002_00_10s.DNG").is_file()


# The command.


def test_the_command_moves_journals_and_says_so(exportable: Store) -> None:
    half = ("split", "--train", "2", "--seed", "7", "--dataset", exportable.root)
    planned = json.loads(run(*half, "--dry-run", "--json").stdout)
    assert planned["dry_run"]
    assert [scene.id for scene in exportable.scenes()] == [1, 2, 10001, 20001], "a dry run moves nothing"
    result = run(*half, "--json")
    done = json.loads(result.stdout)
    assert done["moves"] == planned["moves"]
    assert done["scenes"] == {"train": 2, "test": 2, "val": 0}
    assert Counter(scene.split for scene in exportable.scenes()) == {Split.TRAIN: 2, Split.TEST: 2}
    last = json.loads(exportable.journal_path.read_text().splitlines()[-1])
    assert (last["event"], last["moves"]) == ("renumbered", done["moves"])
    assert "train anew before you judge it" in " ".join(result.stderr.split())
    again = run(*half, "--json")
    assert json.loads(again.stdout)["moves"] == [], "the same seed again moves nothing"
    assert "train anew" not in again.stderr


def test_interrupted_scenes_stay_and_their_numbers_are_not_given_out(exportable: Store) -> None:
    exportable.change_scene(1, lambda scene: scene.replace(complete=False))
    with exportable.journal_path.open("a") as journal:
        journal.write('{"utc": "x", "event": "bracket", "scene": 3}\n{"utc": "x", "event": "bra')
    result = run("split", "--train", "1", "--dataset", exportable.root)
    assert "1 scene left where it is, interrupted: 00001" in result.stderr
    assert [scene.id for scene in exportable.scenes()] == [1, 2, 4, 5]


def test_scenes_that_sid_s_lists_name_are_not_moved(tmp_path: Path) -> None:
    (tmp_path / "Sony_train_list.txt").write_text(
        "./Sony/short/00001_00_0.04s.ARW ./Sony/long/00001_00_10s.ARW ISO200 F8\n"
    )
    assert run("import", "sid", tmp_path).exit_code == 0
    result = run("split", "--dataset", tmp_path)
    assert (result.exit_code, "imported with SID's lists" in error_line(result)) == (2, True)
    assert [scene.id for scene in Store.open(tmp_path).scenes()] == [1]
