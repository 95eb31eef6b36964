"""The suite itself is tested with planted bugs: each mutant must be killed, and each check must kill one."""

from __future__ import annotations

import pytest

from partwise.testing import all_checks

from .mutants import CATALOGUE, registered, table, tell_apart
from .mutants.parts import Right, Secretive


@pytest.mark.parametrize("kill", CATALOGUE, ids=str)
def test_the_mistake_is_found(kill) -> None:
    with registered(Right, Secretive):
        tell_apart(kill)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kill", CATALOGUE, ids=str)
def test_the_mistake_is_found_under_another_seed(kill) -> None:
    with registered(Right, Secretive):
        tell_apart(kill, seed=1)


def test_every_check_has_a_mistake_to_find() -> None:
    assert not {check.name for check in all_checks()} - {kill.check.__name__ for kill in CATALOGUE}


def test_the_table_of_mutants_names_each_mistake_once() -> None:
    rows = table()
    assert len(rows) >= 40
    assert len(set(rows)) == len(rows)
