"""Two studies side by side: what agrees, how far they differ, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from scipy import stats

from partwise import InputError
from partwise.studies.analysis import analyse
from partwise.studies.report.two_studies import Told, difference, two_studies
from partwise.studies.results import Metric, Results
from partwise_cli.main import cli

from .. import fake_results
from ..fake_results import POSITIONS, Truth, one_factor, runs
from .pages import parsed


def again(seeds: range = range(11, 17), **facts: Any) -> Results:
    """The positions once more: other seeds, other runs; alibi is worse now."""
    truths = {**POSITIONS, "alibi": Truth(2.2)}
    outcomes = [o.model_copy(update={"identity": f"b{o.identity}"}) for o in runs(truths, seeds)]
    return one_factor(truths, outcomes, **{"study": "again", **facts})


def first() -> Results:
    return one_factor(POSITIONS, runs(POSITIONS, range(1, 6)))


def test_the_verdicts_stand_side_by_side_with_what_agrees() -> None:
    page = two_studies(first(), again())
    assert page.startswith("# positions beside again\n")
    (rope,) = [line for line in page.splitlines() if line.startswith("| rope against learned")]
    assert [cell.strip() for cell in rope.split("|")][2::2][:2] == ["better", "better"]
    assert "- They contradict each other: alibi against learned." in page
    assert "- Both say better: rope against learned." in page
    assert "seeds: 1, 2, 3, 4, 5, then 11, 12, 13, 14, 15, 16" in page


def test_how_far_they_differ_is_welchs_interval() -> None:
    a, b = Told(first(), analyse(first())), Told(again(), analyse(again()))
    key = next(key for key in a.contrasts if key[1] == "alibi")
    found = difference(a, b, key)
    assert found is not None
    x, y = a.contrasts[key].differences, b.contrasts[key].differences
    expected = stats.ttest_ind(y, x, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.estimate == pytest.approx(sum(y) / len(y) - sum(x) / len(x))


def test_studies_that_share_runs_have_no_interval() -> None:
    other = one_factor(POSITIONS, runs(POSITIONS, range(1, 6)), study="other", alpha=0.01)
    page = two_studies(first(), other)
    assert "shares 10 runs" in page
    assert "5 comparisons of the two studies rest on runs that both share" in page
    assert "- alpha: 0.05, then 0.01" in page


def test_other_metrics_are_compared_by_their_verdicts_alone() -> None:
    page = two_studies(first(), again(metric=Metric(name="loss", split="test", goal="min")))
    assert "The metrics differ (bits per byte (valid); loss (test)), so that only the verdicts can be compared." in page
    assert "second minus first" in page
    assert "Welch" not in page


def test_the_same_level_against_another_baseline_is_another_comparison() -> None:
    turned = {"rope": POSITIONS["rope"], "learned": POSITIONS["learned"], "alibi": POSITIONS["alibi"]}
    other = one_factor(turned, runs(turned, range(21, 26)), study="turned")
    with pytest.raises(InputError, match="have no comparison in common: the first compares sinusoidal with learned"):
        two_studies(first(), other)


def test_the_same_results_twice_are_refused() -> None:
    with pytest.raises(InputError, match="both are the same results"):
        two_studies(first(), first())


def test_names_mean_nothing_in_the_page() -> None:
    other = fake_results.hostile()
    changed = other.model_copy(update={"seeds": other.seeds, "alpha": 0.01})
    page = parsed(MarkdownIt("commonmark").enable("table").render(two_studies(other, changed)))
    assert not page.all("script") + page.all("img")
    assert any(cell.text.startswith("<script>alert(1)</script> against") for cell in page.all("td"))


def test_what_one_study_alone_compares_is_said() -> None:
    fewer = {name: POSITIONS[name] for name in ("learned", "rope")}
    page = two_studies(first(), one_factor(fewer, runs(fewer, range(31, 36)), study="fewer"))
    assert "- positions alone compares sinusoidal against learned, alibi against learned" in page


def test_the_command_prints_it_or_writes_it(tmp_path: Path) -> None:
    for name, results in (("a", first()), ("b", again())):
        (tmp_path / name).mkdir()
        results.save(tmp_path / name / "results.json")
    a, b, out = (str(tmp_path / name) for name in ("a", "b", "both.md"))
    printed = CliRunner().invoke(cli, ["report", a, b])
    assert printed.exit_code == 0, printed.output
    assert CliRunner().invoke(cli, ["report", a, b, "--out", out]).exit_code == 0
    assert Path(out).read_text() == printed.stdout
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"results.json"}
    refused = CliRunner().invoke(cli, ["report", a, "--out", out])
    assert refused.exit_code == 2
    assert "--out is for two studies" in refused.output
