"""What the seeds of a study can detect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from partwise.studies.analysis.power import detectable_size
from partwise.studies.definition.reading import load_study
from partwise.studies.directories import study_directories
from partwise.studies.forecast import Forecast, forecast
from partwise.studies.planning import timing
from partwise.studies.planning.plan import make_plan


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
