"""How a study shows itself while it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from partwise.studies.execution.jobs import Job, JobProgress, JobResult
from partwise.studies.results import Metric
from partwise_cli import study_progress
from partwise_cli.study_progress import StudyLines, StudyTable, study_watcher

from .terminal import Terminal, terminal_in


def job(title: str, attempt: int = 1) -> Job:
    metric = Metric(name="bits_per_byte", split="valid", goal="min")
    return Job(identity=title, title=title, recipe={}, directory=Path(), metric=metric, attempt=attempt)


def done(title: str, metric: float = 2.3141) -> JobResult:
    return JobResult(identity=title, state="done", metric=metric, seconds=12.3)


def failed(title: str, attempts: int = 1) -> JobResult:
    return JobResult(identity=title, state="failed", error="timed out after 600 s", attempts=attempts)


def diverged(title: str) -> JobResult:
    return JobResult(identity=title, state="diverged", error="training diverged at step 7")


def test_a_log_has_a_line_when_a_run_starts_and_when_it_ends(capsys: Any) -> None:
    with StudyLines() as lines:
        lines.planned([job("a"), job("b"), job("c"), job("d")], {"c": done("c")})
        lines.started(job("a"))
        lines.progress(JobProgress(identity="a", step=3, steps=10, loss=4.0))
        lines.finished(job("a"), done("a"), False)
        lines.finished(job("b"), diverged("b"), False)
        lines.finished(job("d"), failed("d"), True)
        lines.started(job("d", attempt=2))
        lines.finished(job("d"), failed("d", 2), False)
    out, err = capsys.readouterr()
    assert out == ""  # what a command answers goes there
    assert err.splitlines() == [
        "4 runs, 1 of them known already",
        "started a",
        "[2/4] a: bits per byte (valid) 2.314   0:12",
        "[3/4] b: diverged: training diverged at step 7",
        "[3/4] d: failed: timed out after 600 s (attempt 1, tried again)",
        "started d (attempt 2)",
        "[4/4] d: failed: timed out after 600 s",
    ]


def test_failures_of_earlier_come_with_the_option_that_tries_them_again(capsys: Any) -> None:
    with StudyLines() as lines:
        lines.planned([job("a"), job("b")], {"a": failed("a")})
    assert capsys.readouterr().err == "2 runs, 1 of them known already (1 failed; --retry-failed tries again)\n"


def test_titles_and_errors_cannot_command_the_terminal(capsys: Any) -> None:
    with StudyLines() as lines:
        lines.planned([job("\x1b[2J")], {})
        lines.started(job("\x1b[2J"))
        lines.finished(job("\x1b[2J"), failed("x").model_copy(update={"error": "\x1b[31m"}), False)
    assert "\x1b" not in capsys.readouterr().err


def test_without_a_terminal_there_are_lines() -> None:
    assert isinstance(study_watcher(), StudyLines)


def plain(stream: Terminal) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())


def test_a_terminal_gets_a_bar_per_run_and_one_for_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, now = terminal_in(monkeypatch, "stderr"), [100.0]
    monkeypatch.setattr(study_progress, "monotonic", lambda: now[0])
    made = study_watcher()
    assert isinstance(made, StudyTable)
    with made as table:
        table.planned([job("a"), job("b"), job("c"), job("[red]d")], {"c": done("c")})
        table.started(job("a"))
        table.started(job("b", attempt=2))
        now[0] += 30
        table.progress(JobProgress(identity="b", step=5, steps=10, loss=3.25))
        table.finished(job("a"), done("a"), False)
        table._table.refresh()
        shown = plain(terminal)
        assert "a: bits per byte (valid) 2.314   0:12" in shown
        assert re.search(r"b \(attempt 2\) .* step 5/10  loss 3\.250", shown)
        # One run and a half in thirty seconds leave another one and a half.
        assert re.search(r"study .* 2 of 4 runs  0:30 left", shown)
        table.finished(job("b"), diverged("b"), False)
        table.started(job("[red]d"))
        table.finished(job("[red]d"), failed("[red]d"), False)
    shown = plain(terminal)
    assert "[red]d: failed: timed out after 600 s" in shown
    assert shown.rstrip().endswith("4 of 4 runs, 1 diverged, 1 failed")


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal_in(monkeypatch, "stderr")
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(study_watcher(), StudyLines)


def test_stages_of_a_study_are_counted_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_in(monkeypatch, "stderr")
    with StudyTable() as table:
        table.planned([job("a")], {})
        table.started(job("a"))
        table.finished(job("a"), done("a"), False)
        table.planned([job("a"), job("b")], {"a": done("a")})
        table.started(job("b"))
        table.finished(job("b"), done("b"), False)
    assert plain(terminal).rstrip().endswith("2 of 2 runs")
