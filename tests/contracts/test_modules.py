"""Every part that builds a module, at every site where it fits; and every initialiser."""

from __future__ import annotations

import pytest

from . import catalogue, checks_modules, probes
from .catalogue import Case

every_module = pytest.mark.parametrize("case", catalogue.module_cases(*probes.MODULES), ids=str)
every_initializer = pytest.mark.parametrize("case", catalogue.cases("initializer"), ids=str)


@every_module
def test_one_seed_gives_one_set_of_weights(case: Case) -> None:
    checks_modules.check_same_seed_gives_the_same_weights(case.part, case.site)


@every_module
def test_built_by_way_of_meta_it_equals_built_directly(case: Case) -> None:
    checks_modules.check_meta_equals_direct(case.part, case.site)


@every_module
def test_its_state_dict_is_all_it_learned(case: Case) -> None:
    checks_modules.check_strict_state_dict(case.part, case.site)


@every_module
def test_a_finite_gradient_reaches_every_parameter(case: Case) -> None:
    checks_modules.check_gradients(case.part, case.site)


@every_module
def test_evaluation_is_deterministic(case: Case) -> None:
    checks_modules.check_eval_is_deterministic(case.part, case.site)


@every_module
def test_it_does_not_change_its_inputs(case: Case) -> None:
    checks_modules.check_inputs_are_not_changed(case.part, case.site)


@every_module
def test_it_computes_in_double_precision(case: Case) -> None:
    checks_modules.check_double_precision(case.part, case.site)


@every_module
def test_it_computes_in_mixed_precision(case: Case) -> None:
    checks_modules.check_mixed_precision(case.part, case.site)


@every_module
def test_a_single_position_is_a_sequence(case: Case) -> None:
    checks_modules.check_length_one(case.part, case.site)


@every_module
def test_its_input_may_lie_anyhow_in_memory(case: Case) -> None:
    checks_modules.check_strided_input(case.part, case.site)


@every_module
def test_its_gradient_is_that_of_its_output(case: Case) -> None:
    checks_modules.check_gradient_formula(case.part, case.site)


@every_initializer
def test_an_initializer_fills_what_it_knows(case: Case) -> None:
    checks_modules.check_initializer(case.part, case.site)
