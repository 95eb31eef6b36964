"""For every test: one thread, random numbers that are the same each time, no clock, and a browser if asked for.

The last line of a run says what was not tested, and why: what this machine lacks, and what --minutes left no time for.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import settings

from partwise.testing.probes import seed_torch

from .browser import browser as browser
from .needs import LEFT_OUT, TIME, lacking, not_tested, required

torch.set_num_threads(1)
# No deadlines, as a busy machine is no failure. `make verify-all` takes the thorough profile.
settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("quick")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # Shells let what they start in the background ignore Ctrl-C, and so would every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

BEGUN = time.monotonic()


@pytest.fixture(autouse=True)
def _same_random_numbers_every_time() -> None:
    seed_torch(0)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, help="begin no test after so many minutes, and name those left out")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "exhaustive: takes long and adds little; `make verify-all` runs it")
    config.addinivalue_line("markers", "needs(name): what the test needs of the machine, see tests/needs.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs("browser"))


def pytest_collection_finish() -> None:
    # What has been imported stays. Without this, each collection of garbage walks through all of it: a second each time
    # for those who ask for one (statsmodels does).
    gc.collect()
    gc.freeze()
    # What tests import later is not frozen, and collecting among it takes a quarter of a second: less often, then.
    gc.set_threshold(700, 10, 40)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - BEGUN > 60 * minutes:
        item.user_properties.append((LEFT_OUT, TIME))
        pytest.skip(f"no time left: {minutes:g} minutes are over")
    for marker in item.iter_markers("needs"):
        (name,) = marker.args
        if (why := lacking(name)) is not None:
            if required(name):
                pytest.fail(f"{why} (it may not be skipped, as PARTWISE_REQUIRE_{name.upper()} says)", pytrace=False)
            item.user_properties.append((LEFT_OUT, name))
            pytest.skip(why)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Writes what was left out below everything else."""
    yield
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        for line in not_tested(reporter.stats.get("skipped", []), session.config.getoption("--minutes")):
            reporter.write_line(line, yellow=True)
