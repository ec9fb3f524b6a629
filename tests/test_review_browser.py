"""`sidcap review` in a real browser, from start to end: the real command, real frames, the scene files looked at."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from browsers import Browser, Page, Window, chromium, expect, needs_chromium
from reviewing import reviewable, served

from sidcap.capture.journal import Journal
from sidcap.data_manifest.schema import Pair
from sidcap.data_manifest.store import Store

pytestmark = [needs_chromium, pytest.mark.timeout(300)]

MARKUP = "<img src=x onerror=alert(1)><b>bold</b> & \"quoted\" 'too' {{ 7 * 7 }} <script>alert(2)</script>"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reviewable(tmp_path_factory.mktemp("made") / "dataset").root


@pytest.fixture
def store(_made: Path, tmp_path: Path) -> Store:
    return Store.open(Path(shutil.copytree(_made, tmp_path / "dataset")))


class Reviews:
    """Reviews that are served, and windows on them. Windows close before the servers end, and nothing may go wrong."""

    def __init__(self, root: Path, chrome: Browser) -> None:
        self._root = root
        self._chrome = chrome
        self._ends = ExitStack()
        self.windows: list[Window] = []

    def serve(self, who: str = "anna") -> str:
        """Start the command; gives the address it prints."""
        return self._ends.enter_context(served(self._root, who=who))

    def open(self, address: str | None = None, *, who: str = "anna") -> Page:
        """A window of its own at an address; at that of a review started for it where none is given."""
        self.windows.append(Window(self._chrome))
        self.windows[-1].page.goto(address or self.serve(who))
        return self.windows[-1].page

    def expect_errors(self, *words: str) -> None:
        """What the consoles complain of is this and nothing else."""
        errors = [error for window in self.windows for error in window.errors]
        assert errors
        assert [error for error in errors if not any(word in error for word in words)] == []
        for window in self.windows:
            window.errors.clear()

    def close(self) -> None:
        """Close the windows, then end the commands."""
        with self._ends:
            for window in self.windows:
                window.close()


@pytest.fixture
def reviews(store: Store, chrome: Browser) -> Iterator[Reviews]:
    opened = Reviews(store.root, chrome)
    try:
        yield opened
    finally:
        opened.close()


def first(store: Store) -> Pair:
    return store.scene(1).pairs[0]


def ready(page: Page) -> None:
    """Both pictures are there."""
    expect(page.locator("#stage")).to_have_class(re.compile("ready"), timeout=60_000)


def open_pair(page: Page, name: str = "00001") -> None:
    page.get_by_role("link", name=f"Scene {name}").click()
    ready(page)


def test_from_the_grid_to_a_decision_on_disk_and_back(store: Store, reviews: Reviews) -> None:
    page = reviews.open()
    assert "token" not in page.url
    expect(page.locator("#count")).to_have_text("3 scenes")
    expect(page.locator(".card img:visible")).to_have_count(3, timeout=60_000)
    expect(page.locator("#scene-1 .badge")).to_have_text(["×20", "×20", "end"])
    expect(page.locator("#scene-1 .badge").nth(1)).to_have_class("badge bad")

    open_pair(page)
    expect(page.locator("#standing")).to_have_text("aligned")
    expect(page.locator(".reasons li").first).to_contain_text("the short lies")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Reject ×20 of scene 00001")).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#standing")).to_contain_text("rejected")
    (decision,) = first(store).decisions
    assert (decision.choice, decision.by, decision.why) == ("rejected", "anna", "the light changed")
    assert not first(store).usable
    assert not store.scene(1).pairs[1].decisions

    page.keyboard.press("u")
    expect(page.locator("#standing")).to_have_text("aligned")
    assert [one.choice for one in first(store).decisions] == ["rejected", "withdrawn"]
    assert first(store).usable
    expect(page.locator("#history")).to_contain_text("anna")

    page.reload()
    ready(page)
    expect(page.locator("#history tr")).to_have_count(2)


def test_the_first_pictures_wait_for_no_script(reviews: Reviews, chrome: Browser) -> None:
    address = reviews.serve()
    page = reviews.open(address)
    expect(page.locator(".card img:visible")).to_have_count(3, timeout=60_000)
    with closing(chrome.new_context(java_script_enabled=False)) as plain:
        bare = plain.new_page()
        bare.goto(address)
        expect(bare.locator(".card .name")).to_have_text(["00001", "00002", "10001"])
        pictures = bare.locator(".card img:visible")
        expect(pictures).to_have_count(3)
        assert pictures.first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 192
        bare.goto(f"{address.partition('?')[0]}?split=test")
        expect(bare.locator(".card")).to_have_count(0)
    page.goto(f"{address.partition('?')[0]}?split=test")
    expect(page.locator(".card .name")).to_have_text(["10001"])
    expect(page.locator("#count")).to_have_text("1 of 3 scenes")


def test_in_their_own_words_and_by_buttons(store: Store, reviews: Reviews) -> None:
    page = reviews.open()
    open_pair(page)
    page.get_by_role("link", name="×20").nth(1).click()
    expect(page.locator("#standing")).to_have_text("misaligned")
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("Other:").fill(MARKUP)
    page.get_by_role("button", name="Decide").click()
    expect(page.locator("#standing")).to_contain_text("accepted by anna (was misaligned)")
    expect(page.locator(".said").first).to_have_text(f"“{MARKUP}”")
    assert store.scene(1).pairs[1].usable
    page.get_by_role("button", name="Withdraw").click()
    page.keyboard.press("Escape")
    assert len(store.scene(1).pairs[1].decisions) == 1, "who thinks better of it has decided nothing"


def test_stars_notes_and_tags_with_markup_in_them_are_text(store: Store, reviews: Reviews) -> None:
    page = reviews.open(who="<i>anna</i>")
    open_pair(page)
    page.keyboard.press("s")
    expect(page.locator("#star")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("n")
    page.keyboard.insert_text(MARKUP)
    page.keyboard.press("Enter")
    expect(page.locator("#noted")).to_have_text(MARKUP)
    page.keyboard.press("t")
    page.keyboard.insert_text("<u>indoors</u>, lamp")
    page.keyboard.press("Enter")
    expect(page.locator(".tag")).to_have_text(["<u>indoors</u>", "lamp"])
    expect(page.locator("#history")).to_contain_text("<i>anna</i>")
    assert page.locator("#panel :is(script, b, i, u, img)").count() == 0

    page.keyboard.press("g")
    card = page.locator("#scene-1")
    expect(card.locator(".note")).to_have_text(MARKUP)
    expect(card.locator(".tag")).to_have_text(["<u>indoors</u>", "lamp"])
    assert card.locator(":is(script, b, i, u)").count() == 0
    page.get_by_label("Tag", exact=True).select_option("<u>indoors</u>")
    expect(page.locator("#count")).to_have_text("1 of 3 scenes")

    scene = store.scene(1)
    assert (scene.starred, scene.note, scene.tags) == (True, MARKUP, ("<u>indoors</u>", "lamp"))
    assert [(one.by, one.starred, one.note, one.tags) for one in scene.remarks] == [
        ("<i>anna</i>", True, None, None),
        ("<i>anna</i>", None, MARKUP, None),
        ("<i>anna</i>", None, None, ("<u>indoors</u>", "lamp")),
    ]
    for undone in (("tags", ()), ("note", ""), ("starred", False)):
        page.keyboard.press("u")
        expect(page.locator("#told")).to_have_text("undone in scene 00001")
        page.wait_for_timeout(100)
        assert getattr(store.scene(1), undone[0]) == undone[1]


def test_filters_search_order_and_keys_of_the_grid(store: Store, reviews: Reviews) -> None:
    page = reviews.open()
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#scene-2 a")).to_be_focused()
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.locator("#scene-2 .badge.good")).to_have_count(3)
    assert {pair.standing for pair in store.scene(2).all_pairs} == {"accepted"}

    for filters, names in (
        ({"Split": "test"}, ["10001"]),
        ({"Split": "", "Verdict": "misaligned"}, ["00001"]),
        ({"Verdict": "not verified"}, ["00002", "10001"]),
        ({"Decision": "accepted"}, ["00002"]),
    ):
        for label, value in filters.items():
            page.get_by_label(label, exact=True).select_option(value)
        expect(page.locator(".card .name")).to_have_text(names)
    page.reload()
    expect(page.locator(".card .name")).to_have_text(["00002"])
    page.get_by_role("button", name="Show all").first.click()
    expect(page.locator(".card")).to_have_count(3)
    page.get_by_label("Order").select_option("doubt")
    expect(page.locator(".card .name")).to_have_text(["10001", "00001", "00002"])
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("something moved")
    expect(page.locator(".card .name")).to_have_text(["00001"])
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("anna")


def test_both_pictures_are_compared_blinked_and_looked_at_closely(reviews: Reviews) -> None:
    page = reviews.open()
    open_pair(page)
    stage, short = page.locator("#stage"), page.locator("#short")
    expect(stage).to_have_attribute("data-shows", "both")
    page.locator("#slider").fill("25")
    assert short.evaluate("image => image.style.clipPath") == "inset(0px 75% 0px 0px)"
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 3 * box["width"] / 4, box["y"] + 50)
    page.mouse.up()
    assert float(page.locator("#slider").input_value()) == pytest.approx(75, abs=0.6)

    page.keyboard.press("b")
    for shown in ("short", "long", "short"):
        expect(stage).to_have_attribute("data-shows", shown)
    page.keyboard.press("x")
    before = stage.get_attribute("data-shows")
    page.keyboard.press("x")
    assert stage.get_attribute("data-shows") != before
    page.keyboard.press("m")
    expect(page.locator("#smooth")).to_have_attribute("aria-pressed", "true")
    expect(short).to_have_attribute("src", re.compile("short-smooth.jpg"))
    page.keyboard.press("+")
    expect(page.locator("#brightness")).to_have_text("+0.5 EV")
    filters = page.evaluate("['long', 'short'].map((id) => document.getElementById(id).style.filter)")
    assert filters[0] == filters[1] != "none"

    page.keyboard.press("l")
    words = page.locator("#loupe-words")
    expect(words).to_have_text("short, amplified | long at 192, 128", timeout=60_000)
    page.keyboard.press("ArrowRight")
    expect(words).to_have_text("short, amplified | long at 208, 128")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    expect(words).to_have_text(re.compile(r"long at 19[12], 6[345]"))
    seen = "['short', 'long'].map((role) => document.getElementById(`loupe-${role}`).toDataURL().length)"
    assert min(page.evaluate(seen)) > 5000, "both canvases show a picture"
    page.keyboard.press("l")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="×20").nth(1)).to_have_attribute("aria-current", "page")


def test_drawings_say_what_was_measured(reviews: Reviews) -> None:
    page = reviews.open()
    open_pair(page)
    page.get_by_role("link", name="×20").nth(1).click()
    expect(page.get_by_role("img", name=re.compile(r"^The short lies \+[23]\.\d+ px to the right"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"^The shift of \d+ tiles"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^light, %"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Raw histogram of"))).to_have_count(2, timeout=60_000)
    expect(page.get_by_role("row", name=re.compile("gain residual"))).to_contain_text("%")


def test_a_second_window_sees_what_the_first_decides(store: Store, reviews: Reviews) -> None:
    anna, bert = reviews.open(who="anna"), reviews.open(who="bert")
    open_pair(anna)
    open_pair(bert)
    anna.keyboard.press("r")
    anna.keyboard.press("1")
    expect(bert.locator("#standing")).to_contain_text("by anna (was aligned)")
    bert.keyboard.press("g")
    expect(bert.locator("#scene-1 .badge").first).to_have_text("×20 anna")
    bert.keyboard.press("u")
    expect(bert.locator("#told")).to_have_text("nothing to undo in this window")
    assert len(first(store).decisions) == 1


def test_a_decision_on_what_somebody_changed_meanwhile_is_refused(store: Store, reviews: Reviews) -> None:
    anna, bert = reviews.open(who="anna"), reviews.open(who="bert")
    open_pair(anna)
    bert.clock.install()
    open_pair(bert)
    bert.clock.pause_at(bert.evaluate("Date.now()") + 60_000)  # nothing new reaches bert from now on
    anna.keyboard.press("r")
    anna.keyboard.press("1")
    expect(anna.locator("#standing")).to_contain_text("by anna")

    bert.keyboard.press("a")
    bert.keyboard.press("1")
    expect(bert.locator("#alarm")).to_contain_text("Not written: scene 00001 was changed since you saw it")
    expect(bert.locator("#standing")).to_contain_text("by anna (was aligned)")
    assert [one.by for one in first(store).decisions] == ["anna"]
    bert.keyboard.press("a")
    bert.keyboard.press("1")
    expect(bert.locator("#standing")).to_contain_text("by bert")
    assert [one.by for one in first(store).decisions] == ["anna", "bert"]

    anna.keyboard.press("u")
    expect(anna.locator("#alarm")).to_contain_text("was decided again since: nothing is undone")
    assert [one.by for one in first(store).decisions] == ["anna", "bert"]
    reviews.expect_errors("409")


def test_a_scene_goes_to_another_split_and_back(store: Store, reviews: Reviews) -> None:
    Journal(store.journal_path).record("complete", scene=1)
    page, bert = reviews.open(who="anna"), reviews.open(who="bert")
    open_pair(bert)
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("p")
    dialog = page.get_by_role("dialog", name="Put scene 00001 into another split")
    expect(dialog.get_by_role("button", name="train")).to_be_disabled()
    page.keyboard.press("1")
    expect(dialog).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#told")).to_have_text("scene 00001 is 10002 now, in test")
    expect(page.locator(".card .name")).to_have_text(["00002", "10001", "10002"])
    expect(page.locator("#scene-10002 .split")).to_have_text("test")
    expect(page.locator("#scene-2 a")).to_be_focused()
    expect(page.locator(".card img:visible")).to_have_count(3)
    assert (store.scene_ids(), store.scene(10002).split) == ([2, 10001, 10002], "test")
    assert all(store.path(frame.path).is_file() for frame in store.scene(10002).frames)
    expect(bert.locator("#alarm")).to_contain_text("put into another split")

    page.get_by_label("Split", exact=True).select_option("test")
    expect(page.locator(".card .name")).to_have_text(["10001", "10002"])
    page.get_by_role("button", name="Show all").first.click()
    page.keyboard.press("u")
    expect(page.locator(".card .name")).to_have_text(["00001", "00002", "10001"])
    by = [(event["by"], event["moves"]) for event in Journal(store.journal_path).events()[1:]]
    assert by == [("anna", [{"old": 1, "new": 10002}]), ("anna", [{"old": 10002, "new": 1}])]


def test_a_pair_is_looked_at_further_under_its_new_number(store: Store, reviews: Reviews) -> None:
    page = reviews.open()
    expect(page.locator(".card")).to_have_count(3)
    open_pair(page)
    page.keyboard.press("a")
    page.keyboard.press("1")
    expect(page.locator("#standing")).to_contain_text("accepted")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"/scenes/1\?pair=1$"))
    ready(page)
    page.get_by_role("button", name="Split").click()
    page.get_by_role("dialog").get_by_role("button", name="val").click()
    expect(page).to_have_url(re.compile(r"/scenes/20001\?pair=1$"))
    expect(page.get_by_role("heading", name="Scene 20001")).to_be_visible()
    expect(page.locator("#place")).to_have_text("1 of 3")
    ready(page)
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile(r"/scenes/1\?pair=1$"))
    expect(page.get_by_role("heading", name="Scene 00001")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("#told")).to_have_text("undone in scene 00001")
    assert [one.choice for one in first(store).decisions] == ["accepted", "withdrawn"]
    assert store.scene_ids() == [1, 2, 10001]


def test_a_move_is_refused_where_somebody_changed_the_scene_or_shoots(store: Store, reviews: Reviews) -> None:
    page = reviews.open()
    open_pair(page)
    with store.claimed():
        page.keyboard.press("p")
        page.keyboard.press("3")
        expect(page.locator("#alarm")).to_contain_text("another sidcap is shooting into")
    page.clock.install()
    page.reload()
    ready(page)
    page.clock.pause_at(page.evaluate("Date.now()") + 60_000)  # nothing new reaches the page from now on
    store.change_scene(1, lambda scene: scene.replace(note="from elsewhere"))
    page.keyboard.press("p")
    page.keyboard.press("3")
    expect(page.locator("#alarm")).to_contain_text("Not written: scene 00001 was changed since you saw it")
    expect(page.locator("#noted")).to_have_text("from elsewhere")
    assert store.scene_ids() == [1, 2, 10001]
    page.keyboard.press("p")
    page.keyboard.press("3")
    expect(page.get_by_role("heading", name="Scene 20001")).to_be_visible()
    reviews.expect_errors("409", "422")


def test_what_happens_on_disk_appears_without_reloading(store: Store, reviews: Reviews) -> None:
    page = reviews.open()
    expect(page.locator(".card")).to_have_count(3)
    store.change_scene(2, lambda scene: scene.replace(note="<b>from elsewhere</b>"))
    expect(page.locator("#scene-2 .note")).to_have_text("<b>from elsewhere</b>")
    store.scene_path(10001).unlink()
    expect(page.locator(".card")).to_have_count(2)
    store.scene_path(2).write_text("{")
    expect(page.locator("#scene-2")).to_contain_text("is not JSON")


def test_a_frame_that_is_missing_or_broken_is_named(store: Store, reviews: Reviews) -> None:
    store.path(store.scene(1).frames[0].path).unlink()
    page = reviews.open()
    expect(page.locator("#scene-1")).to_contain_text("is missing")
    page.get_by_role("link", name="Scene 00001").click()
    expect(page.locator("#alarm")).to_contain_text("is missing: restore it")
    expect(page.locator("#histograms")).to_contain_text("cannot be counted")
    reviews.expect_errors("422")


def test_everything_can_be_done_without_a_mouse(reviews: Reviews) -> None:
    page = reviews.open()
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    ready(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "reject":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (page.evaluate("document.activeElement.id"), outline) == ("reject", "solid")
    page.keyboard.press("Enter")
    page.keyboard.press("3")
    expect(page.locator("#standing")).to_contain_text("rejected")
    page.keyboard.press("?")
    page.get_by_label("single keys do this").press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    assert page.get_by_role("dialog").count() == 0, "single keys can be turned off"


@pytest.mark.parametrize("night", [False, True])
def test_the_pages_pass_an_automated_accessibility_check(reviews: Reviews, night: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make test installs it").Axe()
    page = reviews.open()
    expect(page.locator(".card img:visible")).to_have_count(3, timeout=60_000)
    if night:
        page.get_by_role("button", name="Night").click()
    found = axe.run(page).response["violations"]
    open_pair(page)
    expect(page.locator("#histograms svg")).to_have_count(2, timeout=60_000)
    found += axe.run(page).response["violations"]
    page.keyboard.press("r")
    found += axe.run(page).response["violations"]
    said = [f"{one['id']}: {json.dumps([node['html'][:120] for node in one['nodes']][:3])}" for one in found]
    assert said == []
