"""What the seeds of a study can detect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partwise.studies.analysis.power import detectable_size
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories
from partwise.studies.forecast import Forecast, forecast
from partwise.studies.planning import timing
from partwise.studies.planning.plan import make_plan
from partwise.studies.results import Results
from partwise.studies.results_book import ResultsBook


def forecast_of(path: Path, seeds: int | None = None) -> Forecast:
    plan = make_plan(load_study(path), seeds)
    return forecast(plan, study_directories(plan.study))


def test_the_smallest_effect_is_given_in_the_metrics_unit_where_a_spread_is_known(
    study, here: Path, monkeypatch
) -> None:
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: None)

    def figures(**metric: Any) -> Any:
        return forecast_of(study(seeds=5, metric=metric))

    # Three comparisons share alpha; published value for one test and 5 seeds is 1.68 (see the tests of power).
    sds = detectable_size(5, 0.05 / 3)
    assert figures().detectable_sds == pytest.approx(sds, rel=1e-6)
    assert figures().detectable is None
    assert figures(spread=0.1).detectable == pytest.approx(sds * 0.1 * 2**0.5, rel=1e-6)
    assert figures(spread=0.1, smallest_effect=0.05).seeds_needed > 5


def test_below_three_seeds_nothing_is_detected(study, monkeypatch) -> None:
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: None)
    assert forecast_of(study(), seeds=2).detectable_sds is None


def test_once_there_are_pairs_the_plan_tells_what_the_report_does(study, monkeypatch) -> None:
    """Seeds that shift all variants alike cost a paired study nothing."""
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: None)
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 1.0, size=5)
    noise = {name: rng.normal(0, 0.01, size=5) for name in ("base", "position=rope", "position=alibi", "norm=rms_norm")}

    class Done(ResultsBook):
        def results(self) -> Results:
            found = super().results()
            done = [
                one.model_copy(update={"state": "done", "metric": 3 + luck[one.seed] + noise[one.variant][one.seed]})
                for one in found.outcomes
            ]
            return found.model_copy(update={"outcomes": done})

    monkeypatch.setattr("partwise.studies.forecast.ResultsBook", Done)
    found = forecast_of(study(seeds=5, metric={"spread": 1.0}))
    sd = np.sqrt(np.mean([np.var(of - noise["base"], ddof=1) for name, of in noise.items() if name != "base"]))
    assert found.spread == pytest.approx(sd)
    assert found.spread_from == "the spread of the paired differences found so far"
    assert found.detectable == pytest.approx(detectable_size(5, 0.05 / 3) * sd)


def test_the_plan_of_a_grid_counts_effects_among_the_tests(study, monkeypatch) -> None:
    monkeypatch.setattr(timing, "time_steps", lambda loaded, threads: None)
    found = forecast_of(study(seeds=5, design="grid"))
    assert found.tests == 5 + (3 + 2), "3 x 2 cells: main effects of 2 and 1 levels, and their interactions"
    assert found.detectable_sds == pytest.approx(detectable_size(5, 0.05 / 10), rel=1e-6)
