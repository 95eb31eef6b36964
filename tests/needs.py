"""What some tests need of the machine that runs them: `@pytest.mark.needs("gpu")` above a test.

Where a need is not met the test is skipped, and the last line of the run says so. With PARTWISE_REQUIRE_<NAME>=1 in the
environment (PARTWISE_REQUIRE_BROWSER=1 in CI) the test fails instead.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

LEFT_OUT, TIME = "left_out", "time"
"""The property of a report that says why its test was left out: the name of a need, or `TIME`."""
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


def not_tested(reports: Iterable[Any], minutes: float | None) -> Iterator[str]:
    """A line on what this machine lacks, and one on what there was no time for.

    What a check of the contract suite skips it has nothing to say about: that is no test left out.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        why = dict(getattr(report, "user_properties", ())).get(LEFT_OUT)
        if why or "tests/contracts/" not in report.nodeid:
            found[why or _reason(report)].append(report.nodeid)
    late = found.pop(TIME, [])
    if found:
        yield "not tested here: " + "; ".join(_counted(why, len(tests)) for why, tests in sorted(found.items()))
    if late:
        yield f"left out, as {minutes:g} minutes were over: {_tests(len(late))}: {', '.join(sorted(late))}"


def _reason(report: Any) -> str:
    return str(report.longrepr[2]).removeprefix("Skipped: ")


def _counted(why: str, count: int) -> str:
    need = NEEDS.get(why)
    return f"{why} ({_tests(count)})" if need is None else f"{need.tested} ({_tests(count)}): {need.remedy}"


def _tests(count: int) -> str:
    return f"{count} test{'s' * (count != 1)}"


__all__ = ["LEFT_OUT", "NEEDS", "TIME", "Need", "browser_and_driver", "lacking", "not_tested", "required"]
