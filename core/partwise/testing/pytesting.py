"""The contract suite as tests for pytest, one for each check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from partwise.parts.part import Part

from .cases import find
from .parallel import contract_of
from .verifying import run_check


def contract_tests(part: str | type[Part], kind: str | None = None, seed: int = 0) -> Callable[..., None]:
    """A pytest test, parametrised over the contract of a part: `test_sinks = contract_tests("acme/sinks")`.

    A failure that the part declares is expected, strictly.

    Args:
        part: the name under which it is registered, or the class itself.
        kind: its kind, where the name alone could mean several parts.
        seed: of the random inputs and weights.

    Raises:
        InputError: there is no such part.
    """
    import pytest

    chosen = find(part, kind).part if isinstance(part, str) else part

    @pytest.mark.parametrize("check", contract_of(chosen), ids=lambda check: check.name)
    def test_contract(check: Any) -> None:
        result = run_check(chosen, check, seed)
        if result.outcome == "failed":
            pytest.fail(f"{result.kind} {result.part}: {result.message}\n({result.about})", pytrace=False)
        if result.outcome == "skipped":
            pytest.skip(result.message)
        if result.outcome == "expected":
            pytest.xfail(result.message)

    return test_contract
