"""The page in a browser: it asks for nothing, complains of nothing, and can be walked with the keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from partwise.looking import Look

from ...browser import LEGIBLE, Browser

CHOSEN = "return document.getElementById('chosen').textContent"


@pytest.fixture(scope="module")
def page(small: Look, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("look") / "look.html"
    file.write_text(small.page(), encoding="utf-8")
    return file


def opened(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.driver.implicitly_wait(5)
    browser.driver.find_element("css selector", "#from button")


def test_the_page_loads_nothing_and_complains_of_nothing(browser: Browser, page: Path) -> None:
    opened(browser, page)
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme: str, browser: Browser, page: Path) -> None:
    from ...browser import CONTRASTS

    with browser.seen_by(scheme):
        opened(browser, page)
        faint = [found for found in browser.script(CONTRASTS) if found[0] < LEGIBLE]
        assert not faint


def test_heads_and_tokens_are_walked_with_the_arrow_keys(browser: Browser, page: Path, small: Look) -> None:
    opened(browser, page)
    browser.script("document.querySelector('.thumb[aria-selected=true]').focus()")
    before = browser.script(CHOSEN)
    press = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        browser.script(press, key)
    assert browser.script(CHOSEN) == "stack.blocks.1.mixer (multi_head), head 2", before
    browser.script("document.querySelector('#from button').focus()")
    for _ in range(3):
        browser.script(press, "ArrowRight")
    shown = browser.script(
        "return [...document.querySelectorAll('#from button')].map((one) => Number(one.dataset.tip))"
    )
    assert shown == pytest.approx(small.facts.mixing.maps[1].weights[1, 3].tolist(), abs=0.02)


def test_on_a_phone_nothing_sticks_out(browser: Browser, page: Path) -> None:
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        opened(browser, page)
        assert browser.script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
