"""A headless browser for tests of pages that partwise writes. Re-export `browser` from a conftest.py to use it.

from ..browser import browser as browser
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .needs import browser_and_driver

LEGIBLE = 4.5
"""Contrast that WCAG 2 (level AA) asks of text."""

# WCAG's relative luminance and contrast, for what the page has computed: every text against what lies behind it.
CLASHES = """
const clashes = [];
for (const svg of document.querySelectorAll("svg")) {
  const boxes = [...svg.querySelectorAll("text")].filter((one) => one.textContent)
    .map((one) => [one.textContent, one.getBBox()]);
  boxes.forEach(([name, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
    const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
    if (across > 1 && down > 3) clashes.push([name, other]);
  }));
}
return clashes;
"""
CONTRASTS = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
    if (a > 0) return [r, g, b];
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const drawn = element instanceof SVGElement && element.matches("text");
  if (!own || !element.checkVisibility() || element.matches("script, style, title, desc")) continue;
  const style = getComputedStyle(element);
  const a = light(parse(drawn ? style.fill : style.color)), b = light(behind(element));
  found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.trim().slice(0, 40)]);
}
return found;
"""


@dataclass
class Browser:
    """One window; `driver` is selenium's, for whatever is not here."""

    driver: Any

    def open(self, page: Path) -> None:
        """Shows a file, and forgets what was logged before."""
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(page.resolve().as_uri())

    def script(self, code: str, *arguments: Any) -> Any:
        """What a piece of JavaScript returns."""
        return self.driver.execute_script(code, *arguments)

    def complaints(self) -> list[str]:
        """What stands on the console: errors, warnings, what the page's policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since `open`; `data:` lies within the page, and `chrome:` is the browser's own."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "chrome"))]

    @contextmanager
    def seen_by(self, scheme: str, media: str = "screen") -> Iterator[None]:
        """As a reader who prefers `light` or `dark` sees it, on screen or in print."""
        self._emulate(media, scheme)
        try:
            yield
        finally:
            self._emulate("screen", "light")

    def _emulate(self, media: str, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    @contextmanager
    def without_scripts(self) -> Iterator[None]:
        """As a reader sees it whose browser runs none."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def ground(self) -> tuple[int, ...]:
        """Colour behind everything: red, green and blue, each to 255."""
        colour = self.script("return getComputedStyle(document.documentElement).backgroundColor")
        return tuple(map(int, colour[4:-1].split(",")))

    def illegible(self) -> list[tuple[float, str]]:
        """Texts on the page with too little contrast, from 1 to 21: how much, and how the text begins."""
        return [(ratio, text) for ratio, text in self.script(CONTRASTS) if ratio < LEGIBLE]

    def clashes(self) -> list[tuple[str, str]]:
        """Texts of the page's figures that lie on each other."""
        found: list[tuple[str, str]] = self.script(CLASHES)
        return found

    def overflow(self, width: int) -> int:
        """Pixels by which the page is wider than a window of that width."""
        self.driver.set_window_size(width, 900)
        try:
            return int(self.script("return document.documentElement.scrollWidth - innerWidth"))
        finally:
            self.driver.set_window_size(1280, 900)

    def picture(self, path: Path, width: int = 1280) -> None:
        """The whole page, as PNG."""
        self.driver.set_window_size(width, 900)
        height = self.script("return document.documentElement.scrollHeight")
        self.driver.set_window_size(width, height + 150)
        self.driver.save_screenshot(str(path))
        self.driver.set_window_size(1280, 900)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with a profile of its own. Tests that ask for it are skipped where there is none: see needs.py."""
    from selenium import webdriver

    found = browser_and_driver()
    assert found is not None, "a test that needs a browser is skipped before its fixtures"
    yield from started(webdriver, *found, tmp_path_factory.mktemp("profile"))


def started(webdriver: Any, binary: str, driver: str, profile: Path) -> Iterator[Browser]:
    """Starts a browser that calls nobody, and ends it."""
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,900",
        f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Browser(window)
    finally:
        window.quit()


__all__ = ["Browser", "browser", "started"]
