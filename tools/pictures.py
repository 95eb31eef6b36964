"""`make pictures`: the pictures of docs/look.md, by Chromium, from three models that are trained in some six minutes.

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
SECTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "look-words": (
        "lessons/word-vectors-kinship",
        {"prompt": "the king and the queen", "analogies": (("man", "woman", "king"),)},
        "embeddings",
    ),
}
"""Name -> recipe, the text, and the section of the page that is shown whole."""


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
        for name, (recipe, text, section) in SECTIONS.items():
            run = partwise.train(recipe, out=RUNS / Path(recipe).name, device="cpu")
            show(driver, run.look(**text).page(), "light")
            clip(
                driver,
                f"const box = document.getElementById('{section}').getBoundingClientRect();",
                DOCS / f"{name}.png",
            )
    finally:
        driver.quit()


def show(driver: Any, page: str, scheme: str) -> None:
    """Opens a page; it stays readable once its file is gone."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
    with TemporaryDirectory() as directory:
        file = Path(directory) / "look.html"
        file.write_text(page, encoding="utf-8")
        driver.get(file.as_uri())
        time.sleep(1)


def take(driver: Any, page: str, token: int, scheme: str, place: Path) -> None:
    """A picture of the head that a page shows first, where one of its tokens looks."""
    show(driver, page, scheme)
    driver.execute_script(f"document.querySelectorAll('#from button')[{token}].click()")
    driver.execute_script("for (const one of document.querySelectorAll('#from-name, #to-name')) one.hidden = true")
    clip(
        driver,
        "const top = document.getElementById('chosen').getBoundingClientRect();"
        "const end = document.getElementById('large').getBoundingClientRect();"
        "const wide = document.querySelector('#large svg').getBoundingClientRect();"
        "const rows = [...document.querySelectorAll('#from button, #to .token')];"
        "const right = Math.max(wide.right, ...rows.map((one) => one.getBoundingClientRect().right));"
        "const box = {left: top.left, top: top.top, right: right, bottom: end.bottom};",
        place,
    )


def clip(driver: Any, script: str, place: Path) -> None:
    """A picture of what lies in the `box` that a script finds."""
    found = driver.execute_script(
        f"{script} return [box.left + scrollX, box.top + scrollY, box.right, box.bottom + scrollY]"
    )
    left, top, right, bottom = found
    area = {"x": left - 12, "y": top - 12, "width": right - left + 24, "height": bottom - top + 24, "scale": 1.5}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": area})
    place.write_bytes(base64.b64decode(taken["data"]))
    print(f"{place}: {place.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
