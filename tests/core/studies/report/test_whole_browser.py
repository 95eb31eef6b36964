"""The pages of studies with sizes, texts or several metrics, as a browser shows and prints them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from ....browser import Browser
from .test_whole import SMALL, analysed, files

STUDIES = pytest.mark.parametrize("study", SMALL)
PAGES = re.compile(rb"/Type\s*/Page\b")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for study in SMALL:
        found[study] = tmp_path_factory.mktemp(study) / "report.html"
        found[study].write_text(files(study)["report.html"], encoding="utf-8")
    return found


@STUDIES
def test_nothing_complains_and_nothing_is_asked_for_but_the_page(
    study: str, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[study])
    assert browser.complaints() == []
    assert browser.requests() == [pages[study].as_uri()]


@pytest.mark.parametrize("width", [360, 1280])
@STUDIES
def test_the_page_is_never_wider_than_its_window(
    study: str, width: int, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[study])
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.script("return document.documentElement.scrollWidth") <= width
        beyond = browser.script(
            """return [...document.querySelectorAll(".panel svg, .pairs svg")]
              .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth).length"""
        )
        assert beyond == 0, "what is seen at a glance needs no scrolling"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@STUDIES
def test_texts_of_figures_are_whole_and_apart(study: str, browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages[study])
    assert (
        browser.script(
            """for (const one of document.querySelectorAll("details")) one.open = true;
            const cut = [];
            for (const svg of document.querySelectorAll("svg")) {
              const whole = svg.viewBox.baseVal;
              for (const text of svg.querySelectorAll("text")) {
                if (!text.textContent || !text.checkVisibility()) continue;
                const box = text.getBBox();
                if (box.x < -1 || box.y < -1 || box.x + box.width > whole.width + 1
                    || box.y + box.height > whole.height + 1) cut.push(text.textContent);
              }
            }
            return cut;"""
        )
        == []
    )
    assert browser.clashes() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("study", ["sizes", "sizes_and_texts", "texts"])
def test_every_text_can_be_read_by_day_and_by_night(
    study: str, scheme: str, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[study])
    with browser.seen_by(scheme):
        assert browser.illegible() == []


@STUDIES
def test_it_prints_on_three_pages_at_most(study: str, browser: Browser, pages: dict[str, Path]) -> None:
    """With its provenance, which is a line on paper."""
    browser.open(pages[study])
    with browser.seen_by("light", media="print"):
        paper = {"paperWidth": 8.27, "paperHeight": 11.69}
        data = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", paper)["data"])
    assert len(PAGES.findall(data)) <= 3


def test_the_keyboard_reaches_tables_links_and_what_is_folded(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["sizes_and_texts"])
    reached = browser.script(
        """return [...document.querySelectorAll(".scroll, a, summary, thead button")]
          .filter((one) => one.checkVisibility() && one.tabIndex < 0).length"""
    )
    assert reached == 0
    results, _ = analysed("sizes_and_texts")
    heads = browser.driver.find_elements("css selector", "#main thead button")
    assert len(heads) == 4 + len(results.sizes), "every column but the bars sorts"
    heads[-1].click()
    shown = browser.script(
        "return [...document.querySelectorAll('#main tbody tr')].map((row) => Number(row.cells[7].dataset.sort))"
    )
    assert shown == sorted(shown)


@pytest.mark.exhaustive
def test_thirty_variants_fit_a_telephone_and_three_pages(browser: Browser, tmp_path: Path) -> None:
    """At four sizes on three texts, by three metrics; their analysis alone takes half a minute."""
    page = tmp_path / "report.html"
    page.write_text(files("thirty")["report.html"], encoding="utf-8")
    test_it_prints_on_three_pages_at_most("thirty", browser, {"thirty": page})
    test_the_page_is_never_wider_than_its_window("thirty", 360, browser, {"thirty": page})
    test_texts_of_figures_are_whole_and_apart("thirty", browser, {"thirty": page})
    assert page.stat().st_size < 700_000
