"""What a run was judged by afterwards is kept with it, and told for as long as it is the same run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from partwise import WorkError
from partwise.metric_names import EPOCHS, of_member
from partwise.runs import Run
from partwise.runs.afterwards import Afterwards, keep, kept
from partwise.runs.layout import JUDGED
from partwise.runs.listing import listed

LOSS = Afterwards("news.loss", 2.5, 0.1, 7, "min", "abc", 0, "last")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"name": "x"}, {}, {})


def test_the_newest_figure_of_each_name_is_told(run: Run) -> None:
    assert kept(run) == []
    other = replace(LOSS, name="news.bits_per_byte", error=None)
    newer = replace(LOSS, value=2.25, by="def")
    keep(run, [LOSS, other])
    keep(run, [newer])
    assert kept(run) == [other, newer]
    assert listed(run.directory).evaluations == {"news.bits_per_byte": 2.5, "news.loss": 2.25}


def test_figures_of_the_training_itself_come_first(run: Run) -> None:
    keep(run, [LOSS])
    run.log({"step": 1, "news.loss": 3.0, "news.loss.error": 0.5})
    assert listed(run.directory).evaluations == {"news.loss": 3.0}


def test_figures_of_the_members_of_a_mixture_are_of_no_evaluation(run: Run) -> None:
    run.log({"step": 1, "news.loss": 3.0, of_member("code", "loss"): 2.0, f"{EPOCHS}code": 0.5})
    assert listed(run.directory).evaluations == {"news.loss": 3.0}


def test_figures_of_other_weights_are_not_those_of_the_run(run: Run) -> None:
    keep(run, [replace(LOSS, step=9), replace(LOSS, weights="best")])
    assert kept(run) == []
    assert listed(run.directory).evaluations == {}


@pytest.mark.parametrize("line", ["", "nope", "[1]", '{"name": "x"}', '{"name": "news.l', json.dumps({"a": 1}), "\x00"])
def test_what_is_no_such_line_is_passed_over(line: str, run: Run) -> None:
    keep(run, [LOSS])
    with (run.directory / JUDGED).open("a") as file:
        file.write(f"{line}\n")
    keep(run, [replace(LOSS, name="other.loss")])
    assert [one.name for one in kept(run)] == ["news.loss", "other.loss"]


def test_where_nothing_can_be_written_one_error_says_so(run: Run) -> None:
    (run.directory / JUDGED).mkdir()
    with pytest.raises(WorkError, match=JUDGED):
        keep(run, [LOSS])
    assert kept(run) == []
    shutil.rmtree(run.directory / JUDGED)
