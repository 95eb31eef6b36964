"""What a run of the tests says it did not test, whatever the machine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from .. import needs
from ..needs import LEFT_OUT, NEEDS, TIME, Need, lacking, not_tested, required


def skipped(test: str, why: str = "", **properties: str) -> SimpleNamespace:
    return SimpleNamespace(
        nodeid=f"tests/{test}", longrepr=("file", 1, f"Skipped: {why}"), user_properties=[*properties.items()]
    )


def test_what_a_machine_lacks_is_counted_with_its_remedy_on_one_line() -> None:
    reports = [
        *(skipped(f"a.py::{n}", **{LEFT_OUT: "browser"}) for n in range(3)),
        skipped("b.py::c", "no such device"),
    ]
    assert list(not_tested(reports, None)) == [
        "not tested here: pages in a browser (3 tests): install chromium and chromedriver; no such device (1 test)"
    ]


def test_what_there_was_no_time_for_is_named() -> None:
    reports = [skipped("b.py::late", **{LEFT_OUT: TIME}), skipped("contracts/a.py::late", **{LEFT_OUT: TIME})]
    (line,) = not_tested(reports, 15)
    assert line == "left out, as 15 minutes were over: 2 tests: tests/b.py::late, tests/contracts/a.py::late"


def test_where_everything_was_tested_nothing_is_said() -> None:
    assert list(not_tested([skipped("contracts/test_builtins.py::x", "it has no parameters")], None)) == []


def test_a_need_that_is_required_may_not_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(needs.NEEDS, "oracle", Need("prophecies", "ask at Delphi", lambda: False))
    monkeypatch.setitem(needs.NEEDS, "air", Need("breath", "go outside", lambda: True))
    assert lacking("oracle") == "not tested here: prophecies: ask at Delphi"
    assert lacking("air") is None
    assert not required("oracle")
    monkeypatch.setenv("PARTWISE_REQUIRE_ORACLE", "1")
    assert required("oracle")
    assert set(NEEDS) >= {"browser", "gpu", "latex"}
