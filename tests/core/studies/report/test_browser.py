"""The page as a browser shows it: nothing complains, nothing is fetched, it sorts, it tells, it can be read."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from partwise.studies.report import render
from partwise.studies.report.report import Report

from ....browser import Browser
from .. import fake_results
from ..fake_analysis import analysis_of

STUDIES = pytest.mark.parametrize("study", fake_results.STUDIES)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, study in fake_results.STUDIES.items():
        results = study()
        found[name] = tmp_path_factory.mktemp(name) / "report.html"
        found[name].write_text(render(Report(results, analysis_of(results)))["report.html"], encoding="utf-8")
    return found


def column(browser: Browser, number: int) -> list[str]:
    """Texts of a column of the main table, from the top."""
    code = "return [...document.querySelectorAll('#main tbody tr')].map((row) => row.cells[arguments[0]].dataset.sort)"
    return list(browser.script(code, number))


@STUDIES
def test_nothing_complains_and_nothing_is_asked_for_but_the_page(
    study: str, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[study])
    assert browser.complaints() == []
    assert browser.requests() == [pages[study].as_uri()]


def test_a_server_is_asked_for_the_page_and_nothing_else(browser: Browser, pages: dict[str, Path]) -> None:
    """A page from a server would be asked for its icon, too, did it not bring one."""
    asked: list[str] = []
    with serving(pages["positions"].parent, asked) as address:
        browser.open(pages["positions"])
        browser.driver.get(f"{address}/report.html")
        assert browser.script("return document.querySelectorAll('svg').length") == 5
    assert set(asked) == {"/report.html"}


@contextlib.contextmanager
def serving(directory: Path, asked: list[str]) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_: Any) -> None:
            asked.append(self.path)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_it_round(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["positions"])
    heads = browser.driver.find_elements("css selector", "#main thead button")
    before = column(browser, 2)
    heads[2].click()
    assert column(browser, 2) == sorted(before, key=float) != before
    assert browser.script("return document.querySelector('#main [aria-sort]').textContent").startswith("bits per byte")
    heads[2].click()
    assert column(browser, 2) == sorted(before, key=float, reverse=True)
    assert browser.script("return document.querySelector('#main [aria-sort]').ariaSort") == "descending"
    heads[0].click()
    names = browser.script(
        "return [...document.querySelectorAll('#main tbody th')].map((head) => head.firstChild.data)"
    )
    assert [name.strip() for name in names] == [variant.name for variant in fake_results.positions().variants]


def test_what_has_no_figure_sorts_last_either_way(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["positions"])
    head = browser.driver.find_elements("css selector", "#main thead button")[4]
    for _ in range(2):
        head.click()
        shown = column(browser, 4)
        assert shown[-1] == "", "the baseline has no difference"
        assert all(shown[:-1])


def test_resting_on_a_mark_or_a_row_shows_its_figures(browser: Browser, pages: dict[str, Path]) -> None:
    from selenium.webdriver import ActionChains

    results = fake_results.positions()
    browser.open(pages["positions"])
    tip = browser.driver.find_element("css selector", "#tip")
    assert not tip.is_displayed()
    for place, told in (
        ("#forest .row", "position=rope: −0.0381 [−0.0452, −0.0311] over 5 pairs of seeds"),
        ("#main tbody tr:nth-child(2) th", "position=rope: −0.0381 [−0.0452, −0.0311] over 5 pairs of seeds"),
        ("#main tbody tr:nth-child(2) td:nth-child(9)", "7\N{NARROW NO-BREAK SPACE}101\N{NARROW NO-BREAK SPACE}481"),
        ("#seeds .point .mark", f"base, seed 1: {results.outcomes[0].metric:.3f}"),
        ("#tuning .series:last-of-type .point .mark", "position=none at 0.0001: "),
    ):
        element = browser.driver.find_element("css selector", place)
        browser.script("arguments[0].scrollIntoView({block: 'center'})", element)
        ActionChains(browser.driver).move_to_element(element).perform()
        assert tip.is_displayed(), place
        assert told in tip.text
    assert browser.complaints() == []


def test_the_table_and_the_figures_are_there_without_a_script(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.without_scripts():
        browser.open(pages["positions"])
        assert len(browser.driver.find_elements("css selector", "#main tbody tr")) == 6
        assert not browser.driver.find_elements("css selector", "#main button")
        titles = browser.driver.find_elements("css selector", "#forest svg g > title")
        assert titles[0].get_attribute("textContent").startswith("position=rope: −0.0381")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("study", ["positions", "grid", "many"])
def test_every_text_can_be_read_by_day_and_by_night(
    study: str, scheme: str, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[study])
    with browser.seen_by(scheme):
        assert browser.illegible() == []
        assert (sum(browser.ground()) > 600) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_line_and_mark_stands_out_from_the_page(scheme: str, browser: Browser, pages: dict[str, Path]) -> None:
    """3 : 1, as WCAG 2 asks of graphics."""
    browser.open(pages["positions"])
    with browser.seen_by(scheme):
        found = browser.script(
            """const seen = new Set();
            for (const one of document.querySelectorAll("svg .line, svg .interval, svg .mark:not(.faint)")) {
              const style = getComputedStyle(one), open = style.fill === "none" || one.tagName === "line";
              seen.add(open ? style.stroke : style.fill);
            }
            return [getComputedStyle(document.documentElement).backgroundColor, ...seen];"""
        )
        page, *marks = [[int(part) for part in colour[4:-1].split(",")] for colour in found]
        assert len(marks) >= 8
        assert [mark for mark in marks if contrast(mark, page) < 3] == []


def contrast(one: list[int], other: list[int]) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: list[int]) -> float:
    parts = [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_paper_is_white_even_at_night_and_nothing_is_folded_away(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["all_failed"])
    with browser.seen_by("dark", media="print"):
        assert browser.ground() == (255, 255, 255)
        assert browser.script("return document.querySelectorAll('details[open]').length") == 0
        browser.script("dispatchEvent(new Event('beforeprint'))")
        assert browser.script("return document.querySelectorAll('details:not([open], .on-screen)').length") == 0
        browser.script("dispatchEvent(new Event('afterprint'))")
        assert browser.script("return document.querySelectorAll('details[open]').length") == 0


def test_it_can_be_printed(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["positions"])
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    data = base64.b64decode(printed["data"])
    assert data.startswith(b"%PDF")
    assert len(data) > 20_000


def test_paper_leaves_the_provenance_out_and_says_so(browser: Browser, tmp_path: Path) -> None:
    """A recipe and a diff of several hundred lines each would be pages of paper."""
    results, counts = fake_results.grid(), []
    for lines in (1, 900):
        facts = {"git": {"diff": "+line\n" * lines}, "recipe": {f"knob{number}": number for number in range(lines)}}
        one = results.model_copy(update={"provenance": facts})
        (tmp_path / "report.html").write_text(render(Report(one, analysis_of(one)))["report.html"], encoding="utf-8")
        browser.open(tmp_path / "report.html")
        data = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
        counts.append(len(re.findall(rb"/Type\s*/Page\b", data)))
    assert counts[0] == counts[1]
    with browser.seen_by("light", media="print"):
        said = browser.driver.find_element("css selector", "#provenance .on-paper")
        assert said.is_displayed()
        assert "left out on paper" in said.text


@pytest.mark.parametrize("width", [390, 1280])
@STUDIES
def test_the_page_is_never_wider_than_its_window(
    study: str, width: int, browser: Browser, pages: dict[str, Path]
) -> None:
    browser.open(pages[study])
    assert browser.overflow(width) <= 0


@STUDIES
def test_no_text_of_a_figure_is_cut_off(study: str, browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages[study])
    assert (
        browser.script(
            """const cut = [];
            for (const svg of document.querySelectorAll("svg")) {
              const whole = svg.viewBox.baseVal;
              for (const text of svg.querySelectorAll("text")) {
                const box = text.getBBox();
                const right = box.x + box.width, bottom = box.y + box.height;
                if (box.x < -1 || box.y < -1 || right > whole.width + 1 || bottom > whole.height + 1)
                  cut.push([text.textContent, box.x, box.y, box.width, box.height]);
              }
            }
            return cut;"""
        )
        == []
    )


@STUDIES
def test_no_two_texts_of_a_figure_lie_on_each_other(study: str, browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages[study])
    assert browser.clashes() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("study", ["positions", "grid", "many", "hostile"])
def test_a_telephone_shows_every_difference_whole(
    study: str, scheme: str, browser: Browser, pages: dict[str, Path]
) -> None:
    """And what stays wider than the screen can be scrolled, by keyboard too."""
    browser.open(pages[study])
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        with browser.seen_by(scheme):
            cut = browser.script(
                """const inside = (box) => box.left >= -1 && box.right <= innerWidth + 1;
                const texts = [...document.querySelectorAll("#forest .narrow text")];
                const clash = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
                const boxes = texts.filter((one) => one.textContent).map((one) => one.getBoundingClientRect());
                return [texts.length, texts.filter((one) => !inside(one.getBoundingClientRect())).length,
                  boxes.some((a, i) => boxes.slice(i + 1).some((b) => clash(a, b))),
                  Math.min(...boxes.map((box) => box.height)),
                  [...document.querySelectorAll(".scroll:not(.wide)")].filter((one) => one.tabIndex < 0).length];"""
            )
            shown, outside, clashes, smallest, unreachable = cut
            assert shown > 10
            assert (outside, clashes, unreachable) == (0, False, 0)
            assert smallest >= 9 or study == "hostile", "pixels"
            assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0
            assert browser.illegible() == []
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
