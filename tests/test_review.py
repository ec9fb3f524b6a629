"""What review does to scenes, how it renders their frames, and what it keeps of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import records
from exported_dataset import contents
from hypothesis import given
from hypothesis import strategies as st
from reviewing import reviewable

from sidcap.curate.review import acts
from sidcap.curate.review.acts import Annotation, Judgement
from sidcap.curate.review.cards import Cards
from sidcap.curate.review.drawings import SHIFT_BOX, drift_plots, field_drawing, histogram_drawing, shift_drawing
from sidcap.curate.review.moves import Moving, move, move_back
from sidcap.curate.review.pictures import Histogram, HistogramOf, Picture, Size, make_histogram, make_picture
from sidcap.data_manifest.errors import ManifestError, StaleError, UsageError
from sidcap.data_manifest.renumber import renumbered
from sidcap.data_manifest.schema import ListRow, Scene
from sidcap.data_manifest.store import Store
from sidcap.data_manifest.words import Split


def test_looking_waits_for_no_compiler_and_the_names_of_the_package_are_there_all_the_same() -> None:
    code = (
        "import sys, sidcap.curate.review, sidcap.curate.workers; assert 'numba' not in sys.modules\n"
        "import sidcap.curate as curate; assert all(getattr(curate, name) for name in curate.__all__)\n"
        "try: curate.nothing\n"
        "except AttributeError: print('fine')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "fine\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Not to be changed."""
    return reviewable(tmp_path_factory.mktemp("made") / "dataset")


def state(scene: Scene) -> tuple[object, ...]:
    """What holds, without how it came about."""
    return scene.starred, scene.note, scene.tags, [pair.standing for pair in scene.all_pairs]


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
said = st.one_of(
    st.fixed_dictionaries({"starred": st.booleans()}),
    st.fixed_dictionaries({"note": words}),
    st.fixed_dictionaries({"tags": st.lists(st.sampled_from(["indoors", "lamp", "<b>"]), max_size=3)}),
)
chosen = st.tuples(st.sampled_from(["accepted", "rejected", "withdrawn"]), words)


@given(st.lists(st.one_of(said, chosen), max_size=6))
def test_whatever_is_done_can_be_undone_step_by_step_and_nothing_is_erased(steps: list[object]) -> None:
    scene, moment = records.scene(), records.MOMENT
    states, undoable = [state(scene)], []
    for step in steps:
        moment += timedelta(seconds=1)
        revision = acts.revision(scene)
        if isinstance(step, dict):
            scene, act = acts.annotate(scene, Annotation(revision=revision, **step), "anna", moment)
        else:
            assert isinstance(step, tuple)
            pairs = tuple(acts.key_of(pair) for pair in scene.all_pairs)
            request = Judgement(revision=revision, pairs=pairs, choice=step[0], why=step[1])
            scene, act = acts.judge(scene, request, "anna", moment)
        states.append(state(scene))
        undoable.append(act)
    entries = len(scene.remarks) + sum(len(pair.decisions) for pair in scene.all_pairs)
    assert entries == len(steps)
    while undoable:
        assert state(scene) == states.pop()
        scene = acts.undo(scene, undoable.pop(), "anna", moment)
    assert state(scene) == states.pop()
    assert len(scene.remarks) + sum(len(pair.decisions) for pair in scene.all_pairs) == 2 * entries


def test_nothing_is_written_over_what_somebody_else_did() -> None:
    scene = records.scene()
    seen = acts.revision(scene)
    pairs = (acts.key_of(scene.pairs[0]),)
    rejecting = Judgement(revision=seen, pairs=pairs, choice="rejected", why="a cat")
    by_anna, act = acts.judge(scene, rejecting, "anna", records.MOMENT)
    with pytest.raises(StaleError, match="scene 00001 was changed since you saw it"):
        acts.judge(by_anna, rejecting, "bert", records.MOMENT)
    with pytest.raises(StaleError, match="scene 00001 was changed since you saw it"):
        acts.annotate(by_anna, Annotation(revision=seen, starred=True), "bert", records.MOMENT)
    again = Judgement(revision=acts.revision(by_anna), pairs=pairs, choice="rejected", why="a cat indeed")
    by_bert, _ = acts.judge(by_anna, again, "bert", records.MOMENT)
    with pytest.raises(StaleError, match="nothing is undone"):
        acts.undo(by_bert, act, "anna", records.MOMENT)
    with pytest.raises(UsageError, match="nothing to write"):
        acts.annotate(scene, Annotation(revision=seen), "anna", records.MOMENT)


def movable(tmp_path: Path, *numbers: int) -> Store:
    """Scenes with files, each of its own content."""
    store = Store.create(tmp_path / "dataset")
    for number in numbers:
        scene = records.scene(number)
        frames = tuple(frame.replace(sha256=f"{number:032d}{index:032d}") for index, frame in enumerate(scene.frames))
        store.save_scene(scene.replace(frames=frames, note=f"it was {number}"))
        for frame in frames:
            path = store.path(frame.path)
            path.parent.mkdir(exist_ok=True)
            path.write_text(frame.path)
    return store


def kept(store: Store) -> dict[str, str]:
    """Path -> checksum of all that is not there for the programs' sake."""
    return {path: checksum for path, checksum in contents(store.root).items() if not path.startswith(".")}


def test_a_scene_moves_to_another_split_and_back_with_all_that_was_said_of_it(tmp_path: Path) -> None:
    store, told = movable(tmp_path, 1, 2, 10001), []
    before = kept(store)
    request = Moving(revision=acts.revision(store.scene(1)), split=Split.TEST)
    scene, act = move(store, 1, request, told.append)
    assert (scene.id, scene.split, scene.note) == (10002, Split.TEST, "it was 1"), "10001 was taken"
    assert store.scene_ids() == [2, 10001, 10002]
    assert store.path("long/10002_00_10s.CR2").read_text() == "long/00001_00_10s.CR2"
    assert act.moved is not None
    with pytest.raises(UsageError, match="no scene 00001"):
        move(store, 1, request, told.append)

    store.change_scene(10002, lambda scene: scene.replace(starred=True))
    assert move_back(store, act, act.moved, told.append).starred, "what was said since stays"
    store.change_scene(1, lambda scene: scene.replace(starred=False))
    assert kept(store) == before, "under the number it had"
    assert [[(one.old, one.new) for one in plan.moves] for plan in told] == [[(1, 10002)], [(10002, 1)]]


def test_a_move_is_undone_only_where_it_is_the_last_word(tmp_path: Path) -> None:
    store = movable(tmp_path, 1, 2)
    _, act = move(store, 1, Moving(revision=acts.revision(store.scene(1)), split=Split.TEST), lambda _: None)
    assert act.moved is not None
    move(store, 10001, Moving(revision=acts.revision(store.scene(10001)), split=Split.VAL), lambda _: None)
    with pytest.raises(StaleError, match="scene 10001 was moved again since"):
        move_back(store, act, act.moved, lambda _: None)
    store.save_scene(renumbered(store.scene(2), 10001))  # another scene has the number now
    store.scene_path(2).unlink()
    with pytest.raises(StaleError, match="scene 10001 was moved again since"):
        move_back(store, act, act.moved, lambda _: None)
    assert store.scene_ids() == [10001, 20001]


def test_what_must_not_move_stays(tmp_path: Path) -> None:
    store = movable(tmp_path, 1, 2)
    store.change_scene(1, lambda scene: scene.replace(complete=False))
    listed = store.scene(2).with_pairs(
        lambda pair: pair.replace(listed=ListRow(row=1, folder="Sony", iso=100, f_number="8"))
    )
    store.save_scene(listed)
    before = kept(store)
    for number, why in ((1, "is incomplete and stays"), (2, "SID's lists")):
        with pytest.raises(UsageError, match=why):
            move(store, number, Moving(revision=acts.revision(store.scene(number)), split=Split.VAL), lambda _: None)
    with store.claimed(), pytest.raises(ManifestError, match="another sidcap is shooting"):
        move(store, 1, Moving(revision=acts.revision(store.scene(1)), split=Split.VAL), lambda _: None)
    assert kept(store) == before


def rendered(store: Store, tmp_path: Path, role: str, size: Size) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    scene = store.scene(1)
    pair = scene.pairs[0]
    long, short = scene.frame(pair.reference), scene.frame(pair.frame)
    picture = Picture(long, long, 1.0, size) if role == "long" else Picture(short, long, pair.ratio.true, size)
    target = tmp_path / f"{role}.jpg"
    make_picture(store, picture, target)
    image = cv2.imread(str(target))
    assert image is not None
    return np.asarray(image, np.float64)


@pytest.mark.parametrize("size", [Size.SMOOTH, Size.FULL])
def test_an_amplified_short_looks_like_its_long(store: Store, tmp_path: Path, size: Size) -> None:
    long, short = (rendered(store, tmp_path, role, size) for role in ("long", "short"))
    assert long.shape == short.shape == ((256, 384, 3) if size is Size.FULL else (128, 192, 3))
    if size is Size.SMOOTH:
        assert np.abs(long.mean((0, 1)) - short.mean((0, 1))).max() < 4, "the same colours"
        assert np.corrcoef(long.ravel(), short.ravel())[0, 1] > 0.98
    assert long.std() > 20


def test_a_histogram_counts_every_photosite(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "histogram.json"
    make_histogram(store, HistogramOf(store.scene(1).frames[0]), target)
    histogram = Histogram.model_validate_json(target.read_bytes())
    red, green, blue = (sum(counts) for counts in histogram.counts)
    assert (red, green, blue) == (256 * 384 // 4, 256 * 384 // 2, 256 * 384 // 4)
    drawn = histogram_drawing(histogram)
    assert 0 < drawn.black < drawn.white < 360


def test_drawings_follow_what_was_measured(store: Store) -> None:
    scene = store.scene(1)
    still, moved = scene.pairs
    drawn = shift_drawing(moved.alignment)
    assert drawn is not None
    assert moved.alignment is not None
    assert moved.alignment.shift_px is not None
    assert np.asarray(drawn.one_sigma.centre) * drawn.half_px / SHIFT_BOX == pytest.approx(moved.alignment.shift_px)
    assert math.hypot(*drawn.one_sigma.centre) > drawn.tolerance, "outside the circle: misaligned"
    unmoved = shift_drawing(still.alignment)
    assert unmoved is not None
    assert math.hypot(*unmoved.one_sigma.centre) < unmoved.tolerance
    field = field_drawing(moved)
    assert field is not None
    assert all(arrow.end[0] > arrow.start[0] for arrow in field.arrows), "every tile moved to the right"
    plots, _ = drift_plots(scene, moved)
    assert [sum(dot.here for dot in plot.dots) for plot in plots[1:]] == [1, 1]
    assert shift_drawing(None) is None
    assert field_drawing(store.scene(2).pairs[0]) is None


def test_cards_are_kept_and_only_what_changed_is_read_again(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    for number in (1, 2, 3):
        store.save_scene(records.scene(number))
    cards = Cards(store)
    cards.refresh()
    assert [change.scene for change in cards.since(0)] == [1, 2, 3]
    seen = cards.sequence
    store.change_scene(2, lambda scene: scene.replace(note="changed"))
    store.scene_path(3).unlink()
    cards.refresh()
    assert [(change.scene, change.card and change.card.note) for change in cards.since(seen)] == [
        (3, None),
        (2, "changed"),
    ]
    again = Cards(store)
    again.refresh()
    assert again.all() == cards.all()
    kept = store.cache_dir / "review" / "cards.json"
    kept.write_text('{"cards": "broken"}')
    anew = Cards(store)
    anew.refresh()
    assert anew.all() == cards.all()


def test_a_scene_of_schema_3_is_read_and_written_as_4(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    store.save_scene(records.scene())
    path = store.scene_path(1)
    old = json.loads(path.read_text()) | {"schema_version": 3}
    for name in ("starred", "tags", "remarks"):
        del old[name]
    path.write_text(json.dumps(old))
    store.change_scene(1, lambda scene: scene.replace(note="still here"))
    new = json.loads(path.read_text())
    assert (new["schema_version"], new["starred"], new["tags"], new["note"]) == (4, False, [], "still here")
