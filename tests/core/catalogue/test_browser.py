"""The catalogue in a browser, from files: it searches, nothing complains, nothing is fetched, all can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...browser import Browser

PAGES = (
    "index.html",
    "parts/attention.multi_head.html",
    "parts/position.alibi.html",
    "parts/gate.acme~top_two.html",
    "parts/schedule.warmup_cosine.html",
    "recipes/gpt.html",
)
EVERY = pytest.mark.parametrize("page", PAGES)


def search(browser: Browser, words: str) -> list[str]:
    """Types into the search box; gives the names that are left."""
    box = browser.driver.find_element("css selector", "#search")
    box.clear()
    box.send_keys(words)
    return shown(browser)


def shown(browser: Browser) -> list[str]:
    names = "[...document.querySelectorAll('.rows .name')].filter((one) => one.checkVisibility())"
    return list(browser.script(f"return {names}.map((one) => one.textContent)"))


def told(browser: Browser, place: str) -> str:
    return str(browser.driver.find_element("css selector", place).text)


def test_no_kind_of_page_complains_and_none_asks_for_anything_but_itself(browser: Browser, catalogue: Path) -> None:
    parts = sorted(catalogue.glob("parts/*.html"))
    of_each_kind = {path.name.partition(".")[0]: path for path in parts}
    assert len(of_each_kind) > 18
    for page in (catalogue / "index.html", catalogue / "recipes/gpt.html", *of_each_kind.values()):
        browser.open(page)
        assert browser.complaints() == [], page
        assert browser.requests() == [page.as_uri()]


def test_it_finds_parts_by_the_name_and_the_meaning_of_a_knob(browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / "index.html")
    everything = shown(browser)
    assert search(browser, "kv_heads") == ["differential", "multi_head"]
    assert told(browser, ".hits li:not([hidden])").startswith("kv_heads Number of key and value heads")
    assert search(browser, "zebras") == ["acme/top_two"]
    assert told(browser, "#count") == f"1 of {len(everything)}"
    assert not browser.driver.find_element("css selector", "#kind-position").is_displayed()
    assert search(browser, "x\ue00c") == everything, "nothing sought, everything there"


def test_it_finds_parts_by_name_line_kind_and_former_name_and_takes_every_word(
    browser: Browser, catalogue: Path
) -> None:
    browser.open(catalogue / "index.html")
    assert "rope" in search(browser, "ROPE")
    assert search(browser, "wavelengths vaswani") == ["sinusoidal"]
    assert search(browser, "acme/switch") == ["acme/top_two"]
    assert search(browser, "rotary nowhere") == []
    assert browser.driver.find_element("css selector", "#nothing").is_displayed()
    box = browser.driver.find_element("css selector", "#search")
    box.send_keys("\ue00c")
    assert len(shown(browser)) > 100
    assert not browser.driver.find_element("css selector", "#nothing").is_displayed()


def test_what_is_typed_is_text(browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / "index.html")
    for words in ("<img src=x onerror=alert(1)>", "(.*[", "%zz", "\\"):
        search(browser, words)
        assert browser.complaints() == []


def test_enter_opens_the_part_that_is_meant_and_going_back_finds_the_same_list(
    browser: Browser, catalogue: Path
) -> None:
    browser.open(catalogue / "index.html")
    assert len(search(browser, "rope")) > 1
    browser.driver.find_element("css selector", "#search").send_keys("\ue007")
    assert told(browser, "h1") == "rope", "by its name, although others come before it"
    browser.driver.back()
    assert search(browser, "kv_rank") == ["latent"]
    browser.driver.find_element("css selector", "#search").send_keys("\ue007")
    assert told(browser, "h1") == "latent"
    browser.driver.back()
    assert shown(browser) == ["latent"]
    assert browser.complaints() == []


def test_a_slash_begins_a_search(browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / "index.html")
    browser.driver.find_element("css selector", "body").send_keys("/")
    assert browser.script("return document.activeElement.id") == "search"
    assert browser.script("return document.activeElement.value") == ""


def test_the_search_box_stays_in_sight(browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / "index.html")
    browser.script("scrollTo(0, 3000)")
    top = browser.script("return document.getElementById('search').getBoundingClientRect().top")
    assert browser.script("return scrollY") > 2000
    assert 0 <= top < 100


def test_links_between_pages_can_be_clicked(browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / "index.html")
    browser.driver.find_element("link text", "rope").click()
    assert told(browser, "h1") == "rope"
    browser.driver.find_element("link text", "variants/modern-gpt").click()
    assert told(browser, "h1") == "variants/modern-gpt"
    browser.driver.find_element("link text", "swiglu").click()
    browser.driver.find_element("link text", "feedforward").click()
    top = browser.script("return document.getElementById('kind-feedforward').getBoundingClientRect().top")
    assert 0 <= top < 300


def test_json_can_be_copied_or_is_selected(browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / "parts/position.rope.html")
    button = browser.driver.find_element("css selector", ".copy")
    button.click()
    browser.driver.set_script_timeout(5)
    said = browser.driver.execute_async_script(
        """const [button, done] = arguments;
        const look = () => button.textContent === "Copy" ? setTimeout(look, 20) : done(button.textContent);
        look();""",
        button,
    )
    assert said in {"Copied", "Selected"}
    if said == "Selected":
        assert browser.script("return getSelection().toString()").strip() == '"position": "rope"'
    assert browser.complaints() == []


def test_without_a_script_everything_is_there(browser: Browser, catalogue: Path) -> None:
    with browser.without_scripts():
        browser.open(catalogue / "index.html")
        assert len(browser.driver.find_elements("css selector", ".rows .name")) > 100
        browser.open(catalogue / "parts/position.rope.html")
        assert not browser.driver.find_element("css selector", ".copy").is_displayed()
        assert browser.driver.find_element("css selector", "figure svg").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@EVERY
def test_every_text_can_be_read_by_day_and_by_night(page: str, scheme: str, browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / page)
    with browser.seen_by(scheme):
        assert browser.illegible() == []
        assert (sum(browser.ground()) > 600) == (scheme == "light")


@pytest.mark.parametrize("width", [500, 1280])
@EVERY
def test_no_page_is_wider_than_its_window(page: str, width: int, browser: Browser, catalogue: Path) -> None:
    browser.open(catalogue / page)
    assert browser.overflow(width) <= 0
