"""What is only reported never ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from partwise.training import Decoration, profiled


def test_what_fails_is_told_once_in_one_line_and_not_called_again() -> None:
    said, calls = list[str](), list[int]()
    decoration = Decoration(said.append)

    def fails() -> None:
        calls.append(1)
        raise ValueError("no such thing\nwith a second line")

    assert [decoration("the picture", fails) for _ in range(3)] == [None] * 3
    assert decoration("the sample", lambda: 7) == 7
    assert calls == [1]
    assert said == ["the picture failed and is left out from now on: no such thing"]
    assert decoration.failed("the picture")
    assert not decoration.failed("the sample")


def test_a_plugin_cannot_leave_and_a_person_can() -> None:
    decoration = Decoration()
    assert decoration("tracker", lambda: exit(3)) is None

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoration("tracker two", interrupted)


def test_a_line_that_cannot_be_shown_is_no_harm_either() -> None:
    def closed(line: str) -> None:
        raise ValueError("I/O operation on closed file")

    assert Decoration(closed)("the sample", lambda: 1 / 0) is None


def test_a_trace_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    said, steps = list[str](), 0
    with profiled(tmp_path / "gone" / "trace.json", 1, said.append) as step:
        for _ in range(4):
            step()
            steps += 1
    assert steps == 4
    assert len(said) == 1
    assert said[0].startswith("the trace failed and is left out from now on")
