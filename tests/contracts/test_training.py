"""Every schedule, optimizer, trainer and sampler."""

from __future__ import annotations

from pathlib import Path

from partwise import Part

from . import checks_samplers, checks_training, parametrising

every = parametrising.every_example


@every("schedule")
def test_factors_are_sound(part: Part) -> None:
    checks_training.check_factors(part)


@every("optimizer")
def test_every_trained_parameter_is_updated_once(part: Part) -> None:
    checks_training.check_every_trained_parameter_is_updated_once(part)


@every("optimizer")
def test_it_goes_downhill(part: Part) -> None:
    checks_training.check_it_goes_downhill(part)


@every("optimizer")
def test_it_resumes_exactly(part: Part) -> None:
    checks_training.check_it_resumes_exactly(part)


@every("trainer")
def test_it_trains_to_the_end(part: Part, tmp_path: Path) -> None:
    checks_training.check_it_trains_to_the_end(part, tmp_path)


@every("trainer")
def test_training_is_a_function_of_the_seed(part: Part, tmp_path: Path) -> None:
    checks_training.check_training_is_a_function_of_the_seed(part, tmp_path)


@every("trainer")
def test_a_killed_run_ends_with_the_same_bits(part: Part, tmp_path: Path) -> None:
    checks_training.check_a_killed_run_ends_with_the_same_bits(part, tmp_path)


@every("sampler")
def test_a_sampler_keeps_to_the_limit_and_the_vocabulary(part: Part) -> None:
    checks_samplers.check_it_keeps_to_the_limit_and_the_vocabulary(part)


@every("sampler")
def test_a_sampler_is_a_function_of_its_generator(part: Part) -> None:
    checks_samplers.check_the_same_seed_writes_the_same(part)


@every("sampler")
def test_a_row_that_ended_stays_ended(part: Part) -> None:
    checks_samplers.check_a_row_that_ended_stays_ended(part)


@every("sampler")
def test_what_is_impossible_is_never_written(part: Part) -> None:
    checks_samplers.check_what_is_impossible_is_never_written(part)


@every("sampler")
def test_what_is_certain_is_written(part: Part) -> None:
    checks_samplers.check_what_is_certain_is_written(part)


@every("sampler")
def test_a_batch_equals_its_rows(part: Part) -> None:
    checks_samplers.check_a_batch_equals_its_rows(part)
