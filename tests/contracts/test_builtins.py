"""Every registered part holds its whole contract: what `partwise verify --all` checks, as tests."""

from __future__ import annotations

import pytest

from partwise import Part
from partwise.parts.registry import registry
from partwise.testing import Check, contract_of, run_check

CONTRACTS = [
    pytest.param(entry.part, check, id=f"{entry.part.kind}-{entry.name}-{check.name}")
    for entry in registry().entries()
    for check in contract_of(entry.part)
]


@pytest.mark.parametrize(("part", "check"), CONTRACTS)
def test_it_holds(part: type[Part], check: Check) -> None:
    result = run_check(part, check)
    if result.outcome == "skipped":
        pytest.skip(result.message)
    if result.outcome == "expected":
        pytest.xfail(result.message)
    assert result.outcome == "passed", result.message
