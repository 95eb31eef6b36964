"""Every registered part holds its whole contract: what `partwise verify --all` checks, as tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from partwise import Part
from partwise.parts.registry import registry
from partwise.testing import Check, contract_of, run_check
from partwise.testing.checks import importing
from partwise.testing.verifying import Result

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
    """Every case; of what is compiled or exported, each part's first example."""
    judge(run_check(part, check, most=1 if check.slow and check.per == "place" else None))


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
