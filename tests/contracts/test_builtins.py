"""Every registered part holds its whole contract: what `partwise verify --all` checks, as tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from partwise import Part
from partwise.parts.registry import registry
from partwise.testing import Check, contract_of, run_check
from partwise.testing.cases import Subject
from partwise.testing.checks import importing
from partwise.testing.verifying import Result

Cases = tuple[Subject, ...]

CONTRACTS = [
    pytest.param(entry.part, check, id=f"{entry.part.kind}-{entry.name}-{check.name}")
    for entry in registry().entries()
    for check in contract_of(entry.part)
]


@pytest.fixture(autouse=True, scope="module")
def _one_fresh_interpreter_imports_all_parts() -> None:
    """Not first one for the first part alone, as for an author who verifies no more than that."""
    importing._asked.add("")


@pytest.mark.parametrize(("part", "check"), CONTRACTS)
def test_it_holds(part: type[Part], check: Check) -> None:
    """Every example, and every site; of what is compiled or exported, each part's first example."""
    which = {"site": each_example_and_each_site, "place": the_first if check.slow else None}
    judge(run_check(part, check, which=which.get(check.per)))


def the_first(cases: Cases) -> Cases:
    return cases[:1]


def each_example_and_each_site(cases: Cases) -> Cases:
    """Every example at the first site where it fits, and each further site with the last example that fits it.

    What an example does at one site and no other is for the exhaustive test.
    """
    chosen: dict[str, Subject] = {}
    for case in cases:
        chosen.setdefault(case.label.partition("-")[0], case)
    seen = {case.label.partition("-")[2] for case in chosen.values()}
    further = {site: case for case in cases if (site := case.label.partition("-")[2]) not in seen}
    return (*chosen.values(), *further.values())


def test_cases_are_chosen_so_that_each_example_and_each_site_is_among_them() -> None:
    cases = [Subject(label, ()) for label in ("0-own", "0-memory", "0-long", "1-own", "1-memory", "2-memory", "3-own")]
    chosen = each_example_and_each_site(tuple(cases))
    assert [case.label for case in chosen] == ["0-own", "1-own", "2-memory", "3-own", "0-long"]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("part", "check"), CONTRACTS)
def test_it_holds_for_every_example_at_every_site_under_another_seed(part: type[Part], check: Check) -> None:
    everywhere = replace(check, per="site") if check.per == "place" else check
    judge(run_check(part, everywhere, seed=1))


def judge(result: Result) -> None:
    if result.outcome == "skipped":
        pytest.skip(result.message)
    if result.outcome == "expected":
        pytest.xfail(result.message)
    assert result.outcome == "passed", result.message
