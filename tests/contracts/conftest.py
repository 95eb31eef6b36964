"""Says how much was checked: a suite that skips nearly everything is green, too."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    def count(outcome: str) -> int:
        reports = terminalreporter.stats.get(outcome, [])
        return sum("tests/contracts/" in getattr(report, "nodeid", "") for report in reports)

    passed, failed, skipped, known = (count(outcome) for outcome in ("passed", "failed", "skipped", "xfailed"))
    if passed + failed:
        terminalreporter.write_line(
            f"contracts: {passed} hold, {failed} are broken, {skipped} were skipped, {known} are known not to hold"
        )
