"""`make pictures`: the pictures of docs/look.md, by Chromium, from two models that are trained in some five minutes.

A run that is there already (runs/pictures/NAME) is not trained again.
"""

from __future__ import annotations

import base64
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

import partwise

RUNS, DOCS = Path("runs/pictures"), Path("docs")
PICTURES: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "look-alignment": ("lessons/aligned-dates", {"source": "Sunday, 19 November 2068"}, 5, "light"),
    "look-induction": ("lessons/looking-back", {"prompt": "HaNlFgBnKkHFKBN"}, 12, "light"),
}
"""Name -> recipe, the text, the token that is chosen, and the colour scheme."""


def main() -> None:
    """Trains what is not trained, and takes the pictures."""
    options = Options()
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1100,1400"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        for name, (recipe, text, token, scheme) in PICTURES.items():
            run = partwise.train(recipe, out=RUNS / Path(recipe).name, device="cpu")
            take(driver, run.look(**text).page(), token, scheme, DOCS / f"{name}.png")
    finally:
        driver.quit()


def take(driver: Any, page: str, token: int, scheme: str, place: Path) -> None:
    """A picture of the head that a page shows first, where one of its tokens looks."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
    with TemporaryDirectory() as directory:
        file = Path(directory) / "look.html"
        file.write_text(page, encoding="utf-8")
        driver.get(file.as_uri())
        time.sleep(1)
        driver.execute_script(f"document.querySelectorAll('#from button')[{token}].click()")
        driver.execute_script("for (const one of document.querySelectorAll('#from-name, #to-name')) one.hidden = true")
        box = driver.execute_script(
            "const top = document.getElementById('chosen').getBoundingClientRect();"
            "const end = document.getElementById('large').getBoundingClientRect();"
            "const wide = document.querySelector('#large svg').getBoundingClientRect();"
            "const rows = [...document.querySelectorAll('#from button, #to .token')];"
            "const right = Math.max(wide.right, ...rows.map((one) => one.getBoundingClientRect().right));"
            "return [top.left + scrollX, top.top + scrollY, right, end.bottom + scrollY]"
        )
    left, top, right, bottom = box
    clip = {"x": left - 12, "y": top - 12, "width": right - left + 24, "height": bottom - top + 24, "scale": 1.5}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    place.write_bytes(base64.b64decode(taken["data"]))
    print(f"{place}: {place.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
