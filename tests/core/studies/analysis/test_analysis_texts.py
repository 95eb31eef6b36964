"""How certain figures are of a text of finite length, and what the intervals are of."""

from __future__ import annotations

import numpy as np
import pytest

from partwise.studies.analysis import analyse
from partwise.studies.analysis.text_noise import text_error
from partwise.studies.report import render
from partwise.studies.report.report import Report
from partwise.studies.results import Figure, Results
from partwise.studies.tables import table

RNG = np.random.default_rng(0)
TOKENS = [*[1000] * 39, 400]


@pytest.fixture
def measured(study) -> tuple[Results, np.ndarray]:
    """A study whose runs know their stretches: [variant, seed, stretch]."""
    figures = 2 + RNG.normal(0, 0.1, 40) + np.array([0, 0.05])[:, None, None] + RNG.normal(0, 0.03, (2, 5, 40))
    means = np.average(figures, axis=-1, weights=TOKENS)
    results = study({"base": means[0].tolist(), "position=a": means[1].tolist()}, 0.01)
    outcomes = [
        one.model_copy(update={"stretches": list(zip(TOKENS, figures[i // 5, i % 5].tolist(), strict=True))})
        for i, one in enumerate(results.outcomes)
    ]
    return results.model_copy(update={"outcomes": outcomes}), figures


def bootstrap(figures: np.ndarray) -> float:
    """Standard error of the weighted mean of [stretches], by drawing stretches again."""
    drawn = np.random.default_rng(1).integers(40, size=(20_000, 40))
    weights = np.array(TOKENS)[drawn]
    return float(((figures[drawn] * weights).sum(-1) / weights.sum(-1)).std())


def test_the_error_of_a_difference_by_its_text_is_that_of_a_bootstrap_over_stretches(measured) -> None:
    results, figures = measured
    (contrast,) = analyse(results).contrasts
    assert contrast.text_error == pytest.approx(bootstrap((figures[1] - figures[0]).mean(0)), rel=0.03)
    assert text_error(results, "base", results.seeds) == pytest.approx(bootstrap(figures[0].mean(0)), rel=0.03)


def test_every_report_says_on_how_many_tokens_the_metric_stands_and_what_that_is_worth(measured) -> None:
    results, _ = measured
    found = analyse(results)
    files = render(Report(results, found))
    for name in ("report.html", "report.md"):
        assert "The metric stands on 39,400 scored tokens of the valid split." in files[name]
        assert "The intervals have the seeds only." in files[name]
    head, (row,) = table("contrasts", results, found)
    assert row[head.index("text_error")] == found.contrasts[0].text_error


def test_stretches_of_other_tokens_are_not_compared(measured) -> None:
    results, _ = measured
    last = results.outcomes[-1]
    other = last.model_copy(update={"stretches": [(tokens + 1, value) for tokens, value in last.stretches]})
    for changed in (
        other,
        last.model_copy(update={"stretches": []}),
        last.model_copy(update={"stretches": last.stretches[:3]}),
    ):
        mixed = results.model_copy(update={"outcomes": [*results.outcomes[:-1], changed]})
        assert analyse(mixed).contrasts[0].text_error is None


def test_simultaneous_intervals_hold_together_in_95_percent_of_studies() -> None:
    from partwise.studies.analysis.verdicts import judge

    y = RNG.normal(size=(6, 20_000, 5)) + 2 * RNG.normal(size=(20_000, 5))
    t = judge([of - y[0] for of in y[1:]], 0.05, "min", None).tested
    together = np.mean(((t.low_all < 0) & (t.high_all > 0)).all(-1))
    alone = np.mean(((t.low < 0) & (t.high > 0)).all(-1))
    assert together > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 20_000)
    assert alone < 0.9, "which is why the text says that each is of its comparison alone"


def test_that_intervals_are_of_one_comparison_is_said_where_there_are_several(study) -> None:
    one = {"base": [2.0, 2.1, 2.05], "position=a": [2.1, 2.25, 2.2]}
    for runs, said in ((one, False), ({**one, "position=b": [2.0, 2.3, 2.2]}, True)):
        results = study(runs, 0.01)
        report = Report(results, analyse(results))
        assert any("Each interval is of its comparison alone" in note for note in report.footnotes) == said
        head, (row, *_) = table("contrasts", results, report.analysis)
        assert float(row[head.index("low_all")] or 0) <= float(row[head.index("low")] or 0)
        assert "all together" in render(report)["report.md"]


def test_a_secondary_metric_has_the_error_of_its_own_text(measured) -> None:
    results, _ = measured
    outcomes = [
        o.model_copy(update={"stretches": [], "secondary": {"test": Figure(value=o.metric, stretches=o.stretches)}})
        for o in results.outcomes
    ]
    metric = results.metric.model_copy(update={"split": "test"})
    found = analyse(results.model_copy(update={"outcomes": outcomes, "secondary": {"test": metric}}))
    assert found.contrasts[0].text_error is None
    assert found.secondary[0].contrasts[0].text_error == analyse(results).contrasts[0].text_error


@pytest.mark.parametrize("count", [8, 20, 50])
def test_the_linear_form_is_that_of_a_paired_bootstrap_where_stretches_are_few_and_unequal(study, count: int) -> None:
    """A bootstrap of n things is narrower by the root of (n - 1) / n, for which the linear form makes up."""
    rng = np.random.default_rng(count)
    tokens = rng.integers(200, 1000, count)
    figures = 2 + rng.normal(0, 0.1, count) + np.array([0, 0.05])[:, None, None] + rng.normal(0, 0.03, (2, 3, count))
    means = np.average(figures, axis=-1, weights=tokens)
    results = study({"base": means[0].tolist(), "position=a": means[1].tolist()})
    outcomes = [
        one.model_copy(update={"stretches": list(zip(tokens.tolist(), figures[i // 3, i % 3].tolist(), strict=True))})
        for i, one in enumerate(results.outcomes)
    ]
    (contrast,) = analyse(results.model_copy(update={"outcomes": outcomes})).contrasts
    apart = (figures[1] - figures[0]).mean(0)
    drawn = rng.integers(count, size=(40_000, count))
    resampled = (apart[drawn] * tokens[drawn]).sum(-1) / tokens[drawn].sum(-1)
    assert contrast.text_error == pytest.approx(resampled.std() * np.sqrt(count / (count - 1)), rel=0.04)
