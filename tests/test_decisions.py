"""What a person decides about pairs, and who follows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from textured_datasets import make_dataset
from verification import error_line, run

from sidcap.capture.tally import Tally
from sidcap.curate import verify_scene
from sidcap.data_manifest.schema import Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split
from sidcap.model.data import select


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One scene: two shorts and a closing long, all of which stood still."""
    return make_dataset(tmp_path / "dataset")


def test_a_decision_outweighs_the_verdict_and_is_kept(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", shorts=({}, {"shift_px": (0.5, 0.0)}))
    assert run("verify-alignment", "--dataset", store.root).exit_code == 3
    decide = ("decide", "00001_01_0.5s", "--dataset", store.root)
    accepted = run(*decide, "--accept", "--why", "good enough", "--by", "anna")
    assert accepted.exit_code == 0, accepted.stderr
    assert "short/00001_01_0.5s.DNG: accepted by anna (was undetermined)" in accepted.stderr
    again = run("verify-alignment", "--dataset", store.root, "--again")
    assert again.exit_code == 0
    assert "accepted by anna (was undetermined): good enough" in again.stderr
    assert "2 aligned, 0 misaligned, 0 undetermined, 1 accepted" in again.stderr
    rejected = run(*decide, "--reject", "--why", "it is not", "--by", "bert", "--json")
    (pair,) = json.loads(rejected.stdout)["pairs"]
    assert [(one["choice"], one["by"], one["why"]) for one in pair["decisions"]] == [
        ("accepted", "anna", "good enough"),
        ("rejected", "bert", "it is not"),
    ]
    assert not store.scene(1).pairs[1].usable
    assert run(*decide, "--withdraw", "--why", "let it be measured").exit_code == 0
    last = store.scene(1).pairs[1]
    assert (last.decision, last.standing, len(last.decisions)) == (None, "undetermined", 3)


def test_a_scene_s_number_stands_for_all_its_pairs(store: Store) -> None:
    verify_scene(store, 1)
    assert run("decide", "1", "--reject", "--why", "a cat", "--dataset", store.root).exit_code == 0
    assert {pair.standing for pair in store.scene(1).all_pairs} == {"rejected"}
    assert run("verify-alignment", "--dataset", store.root).exit_code == 0, "what was sorted out asks for nothing more"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("1", "--why", "x"), "give one of --accept, --reject and --withdraw"),
        (("1", "--accept", "--reject", "--why", "x"), "give one of --accept, --reject and --withdraw"),
        (("1", "--accept", "--why", " "), "say in a few words why"),
        (("7", "--accept", "--why", "x"), "no scene 00007"),
        (("1", "7", "--accept", "--why", "x"), "no scene 00007"),
        (("00001_09_0.5s", "--accept", "--why", "x"), "no pair '00001_09_0.5s'"),
        (("the cat", "--accept", "--why", "x"), "neither a scene's number nor a frame"),
    ],
)
def test_a_wrong_decision_is_one_line_and_changes_nothing(store: Store, arguments: tuple[str, ...], words: str) -> None:
    result = run("decide", *arguments, "--dataset", store.root)
    assert result.exit_code == 2
    assert words in error_line(result)
    assert not any(pair.decisions for pair in store.scene(1).all_pairs)


def test_a_decision_made_while_pairs_are_registered_is_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before_writing = Store.change_scene

    def decided_meanwhile(self: Store, scene: int, change: Callable[[Scene], Scene]) -> Scene:
        monkeypatch.setattr(Store, "change_scene", before_writing)
        assert run("decide", "1", "--accept", "--why", "I was there", "--dataset", self.root).exit_code == 0
        return before_writing(self, scene, change)

    monkeypatch.setattr(Store, "change_scene", decided_meanwhile)
    scene = verify_scene(store, 1).scene
    assert {pair.standing for pair in scene.all_pairs} == {"accepted"}
    assert all(pair.alignment for pair in scene.all_pairs)


def test_the_tally_counts_no_pair_that_is_known_to_be_unusable(store: Store) -> None:
    tally = Tally.of(store.scenes())
    assert tally.pairs == {(Split.TRAIN, 20.0): 2}
    verify_scene(store, 1)
    run("decide", "00001_00_0.5s", "--reject", "--why", "a cat", "--dataset", store.root)
    assert Tally.of(store.scenes()).pairs == {(Split.TRAIN, 20.0): 1}


def test_training_follows_the_person(tmp_path: Path) -> None:
    store = make_dataset(tmp_path / "dataset", shorts=({}, {"shift_px": (3.0, 0.0)}))
    verify_scene(store, 1)
    run("decide", "00001_00_0.5s", "--reject", "--why", "a cat", "--by", "anna", "--dataset", store.root)
    run("decide", "00001_01_0.5s", "--accept", "--why", "meant so", "--dataset", store.root)
    selection = select(store, Split.TRAIN)
    assert [pair.short.path for pair in selection.pairs] == ["short/00001_01_0.5s.DNG"]
    (left_out,) = selection.left_out
    assert (left_out.verdict, left_out.reason) == ("rejected", "anna: a cat")
