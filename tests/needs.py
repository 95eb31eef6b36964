"""What some tests need of the machine that runs them: `@pytest.mark.needs("gpu")` above a test.

Where a need is not met the test is skipped, and the last line of the run says so. With PARTWISE_REQUIRE_<NAME>=1 in the
environment (PARTWISE_REQUIRE_BROWSER=1 in CI) the test fails instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Need:
    """Something that not every machine has."""

    tested: str
    """What is not tested without it."""
    remedy: str
    """How to get it."""
    met: Callable[[], bool]


@cache
def browser_and_driver() -> tuple[str, str] | None:
    """Paths of Chromium and of its driver, if both are on the path."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


NEEDS = {
    "browser": Need(
        "pages in a browser", "install chromium and chromedriver", lambda: browser_and_driver() is not None
    ),
    "gpu": Need("what runs on a GPU", "use a machine with one that PyTorch sees", torch.cuda.is_available),
    "latex": Need("tables that LaTeX compiles", "install pdflatex", lambda: shutil.which("pdflatex") is not None),
}


def lacking(name: str) -> str | None:
    """Why a test with this need cannot run here; None if it can."""
    need = NEEDS[name]
    return None if need.met() else f"not tested here: {need.tested}: {need.remedy}"


def required(name: str) -> bool:
    """Whether a test with this need must not be skipped."""
    return os.environ.get(f"PARTWISE_REQUIRE_{name.upper()}", "") not in ("", "0")


__all__ = ["NEEDS", "Need", "browser_and_driver", "lacking", "required"]
