"""A report in a real browser: nothing is fetched, nothing complains, everybody can read it, and it prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import report_pages
from browsers import chromium, needs_chromium
from report_pages import report, written

from sidcap.data_manifest.words import Verdict

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small dataset with pictures, calibration, and pairs of every verdict."""
    folder = tmp_path_factory.mktemp("page")
    store = report_pages.real_frames(folder / "dataset")
    report_pages.calibrate(store)
    store.save_scene(report_pages.bracket(2, (Verdict.ALIGNED, Verdict.MISALIGNED, Verdict.UNDETERMINED)))
    report("--dataset", store.root, "-o", folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def web() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def opened(web: Any, path: Path, **settings: Any) -> tuple[Any, list[str]]:
    """The page without a network, and all that it asked for and complained of."""
    told: list[str] = []
    page = web.new_context(offline=True, **settings).new_page()
    page.on("console", lambda message: told.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("request", lambda request: told.append(request.url))
    page.goto(path.as_uri())
    return page, told


def test_it_opens_without_a_network_and_asks_for_nothing(web: Any, page_file: Path) -> None:
    page, told = opened(web, page_file)
    assert told == [page_file.as_uri()]
    images = page.locator("img")
    assert images.count() == 4
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"media": "print"}])
def test_everybody_can_read_it(web: Any, page_file: Path, look: dict[str, str]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    media = look.pop("media", None)
    page, _ = opened(web, page_file, **look)
    if media:
        page.emulate_media(media=media)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    grave = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
    assert grave == []


def test_every_plot_has_a_name_a_description_and_its_numbers(web: Any, page_file: Path) -> None:
    page, _ = opened(web, page_file)
    plots = page.locator("figure.plotted")
    assert plots.count() >= 10
    for index in range(plots.count()):
        plot = plots.nth(index)
        assert plot.get_by_role("img").count() == 1
        assert len(plot.locator("svg > desc").text_content()) > 30
        assert plot.locator("details table tbody tr").count() > 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))


def test_labels_of_plots_are_not_cut_off(web: Any, page_file: Path) -> None:
    page, _ = opened(web, page_file)
    cut = page.evaluate(
        """[...document.querySelectorAll("svg.plot")].flatMap((plot) => {
            const frame = plot.getBoundingClientRect();
            return [...plot.querySelectorAll("text")]
                .filter((text) => {
                    const box = text.getBoundingClientRect();
                    return box.left < frame.left - 1 || box.right > frame.right + 1
                        || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
                })
                .map((text) => `${plot.getAttribute("aria-labelledby")}: ${text.textContent}`);
        })"""
    )
    assert cut == []


def test_tables_are_sorted_by_their_heads(web: Any, page_file: Path) -> None:
    page, told = opened(web, page_file)
    plot = page.locator("#shifts")
    plot.locator("summary").click()
    head = plot.get_by_role("button", name="Shift, px")
    values = "rows => rows.map((row) => parseFloat(row.cells[5].textContent))"
    head.click()
    ascending = plot.locator("tbody tr").evaluate_all(values)
    assert ascending == sorted(ascending)
    head.press("Enter")
    assert plot.locator("tbody tr").evaluate_all(values) == sorted(ascending, reverse=True)
    assert plot.locator("th[aria-sort=descending]").count() == 1
    assert told == [page_file.as_uri()]


def test_plots_follow_the_page_from_light_to_dark(web: Any, page_file: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page, _ = opened(web, page_file, color_scheme=scheme)
        screenshot = page.locator("#verdicts svg").screenshot()
        colours.append(cv2.imdecode(np.frombuffer(screenshot, np.uint8), cv2.IMREAD_GRAYSCALE))
    light, dark = colours
    assert np.median(light) > 230
    assert np.median(dark) < 50
    assert light.min() < 60  # ink
    assert dark.max() > 200


@pytest.mark.usefixtures("web")
def test_it_prints_to_pdf(page_file: Path) -> None:
    document = json.loads(
        report(
            "--dataset", page_file.parent / "dataset", "-o", page_file.parent / "again.html", "--pdf", "--json"
        ).stdout
    )
    pdf = Path(document["pdf"]).read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 4
    assert written(page_file).html.count("<section") == len(document["sections"])
