"""A study that is run again: what its reader has seen before, what was asked otherwise, and what is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from partwise.studies.analysis import analyse
from partwise.studies.definition.reading import load_study
from partwise.studies.earlier import revised_before
from partwise.studies.execution.execute import known_results
from partwise.studies.planning.plan import make_plan

from ...small_study import Listener
from ...small_study import run_study as run


def test_seeds_that_are_added_after_the_verdicts_are_reported(study, engine, pretending) -> None:
    assert run(study(), pretending).seen == []
    assert run(study(seeds=4), pretending).seen == [3]
    results = run(study(seeds=6), pretending)
    assert results.seen == [3, 4]
    assert any("after 3 and 4 seeds were reported before" in note.text for note in analyse(results).notes)
    assert run(study(seeds=6), pretending).seen == [3, 4], "and it is not forgotten"


def test_a_study_that_has_given_no_verdict_yet_may_grow(study, engine, pretending) -> None:
    run(study(seeds=2), pretending)
    engine.stop_after = 10
    with pytest.raises(KeyboardInterrupt):
        run(study(seeds=3), pretending)
    engine.stop_after = None
    assert run(study(seeds=5), pretending).seen == [], "two seeds give no verdict, nor does a table with runs waiting"


def test_a_study_that_asks_something_else_under_its_old_name_has_seen_nothing(study, engine, pretending) -> None:
    run(study(), pretending)
    factors = {"width": {"at": "model.width", "values": [32], "baseline": 8}}
    assert run(study(factors=factors, seeds=5), pretending).seen == []


def test_a_question_that_is_changed_after_the_verdicts_is_reported(study, engine, pretending) -> None:
    assert run(study(metric={"smallest_effect": 0.1}), pretending).revised == []
    results = run(study(metric={"smallest_effect": 0.6}, alpha=0.1), pretending)
    assert results.revised == ["smallest effect: 0.1, then 0.6", "alpha: 0.05, then 0.1"]
    assert any("smallest effect: 0.1, then 0.6; alpha: 0.05, then 0.1" in note.text for note in analyse(results).notes)
    factors = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
    fewer = run(study(metric={"smallest_effect": 0.6}, alpha=0.1, factors=factors), pretending)
    assert fewer.revised[2:] == ["left out: position=alibi, norm=rms_norm"], "and it is not forgotten"


def test_to_turn_the_goal_around_afterwards_is_reported(study, engine, pretending) -> None:
    run(study(metric={"goal": "min"}), pretending)
    assert run(study(metric={"goal": "max"}), pretending).revised == ["better: less, then more"]


def test_a_knob_that_a_newer_version_knows_changes_no_question(study, engine, pretending, tmp_path: Path) -> None:
    before = run(study(), pretending)
    trainer = {k: v for k, v in before.provenance["recipe"]["trainer"].items() if k != "threads"}
    older = before.provenance | {"recipe": before.provenance["recipe"] | {"trainer": trainer}}
    earlier = before.model_copy(update={"provenance": older})
    assert revised_before(earlier, before, tmp_path) == []


def test_a_question_may_be_changed_before_there_are_verdicts(study, engine, pretending) -> None:
    run(study(seeds=2, metric={"smallest_effect": 0.1}), pretending)
    assert run(study(metric={"smallest_effect": 0.6}), pretending).revised == []
    width = {"width": {"at": "model.width", "values": [32], "baseline": 8}}
    assert run(study(metric={"smallest_effect": 0.7}, factors=width), pretending).revised == []


def test_runs_that_are_no_longer_there_are_not_trained_again_in_silence(study, here: Path, engine, pretending) -> None:
    path, heard = study(), Listener()
    run(path, pretending, watch=heard)
    assert heard.lines == []
    for one in list((here / "studies" / "pool").iterdir())[:12]:
        if (one / "result.json").exists():
            (one / "result.json").unlink()
    gone = 12 - len(known_results(make_plan(load_study(path)).jobs(), here / "studies" / "pool"))
    run(path, pretending, watch=heard)
    assert heard.lines == [f"{gone} runs of results.json no longer in the pool; trained again"]
    run(study(base={"extends": "base.json", "trainer": {"steps": 9}}), pretending, watch=heard)
    assert "12 runs of results.json made before a change" in heard.lines[1]
