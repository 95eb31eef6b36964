"""A recipe against itself: what is said of its spread, of the evaluation text, and of what can be detected."""

from __future__ import annotations

from dataclasses import asdict
from statistics import stdev

import numpy as np
import pytest

from partwise.errors import WorkError
from partwise.studies.analysis.noise import noise_of, noise_words
from partwise.studies.analysis.statistics import paired_t
from partwise.studies.results import Results


def recipe_alone(study, values: list[float | str], stretches: np.ndarray | None = None) -> Results:
    results = study({"base": values}, factors={})
    if stretches is None:
        return results
    outcomes = [
        one.model_copy(update={"stretches": [(100, float(v)) for v in own], "metric": float(own.mean())})
        for one, own in zip(results.outcomes, stretches, strict=True)
    ]
    return results.model_copy(update={"outcomes": outcomes})


def test_the_spread_of_the_seeds_comes_with_its_interval(study) -> None:
    values = [2.00, 2.03, 1.98, 2.01, 2.02]
    found = noise_of(recipe_alone(study, values))
    assert found.sd == pytest.approx(stdev(values))
    assert found.sd_low < found.sd < found.sd_high
    assert [one.seeds for one in found.detectable] == [3, 5, 10, 20]
    assert "spreads by 0.0192" in noise_words(found)[0]


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_what_is_said_to_be_detected_is_detected_in_four_studies_of_five(study, correlation: float) -> None:
    rng = np.random.default_rng(7)
    found = noise_of(recipe_alone(study, [2.0, 2.1, 1.9, 2.05, 1.95]), correlation, comparisons=3)
    for one in found.detectable[:3]:
        size = (20_000, one.seeds)
        shared, own, other = (rng.normal(size=size) for _ in range(3))
        runs = [np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * each for each in (own, other)]
        differences = found.sd * (runs[0] - runs[1]) + one.paired
        assert np.mean(paired_t(differences, 0.05).p < 0.05 / 3) == pytest.approx(0.8, abs=0.015)
        assert (one.paired == pytest.approx(one.unpaired)) == (correlation == 0)


def test_seeds_for_a_difference_are_told_with_and_without_pairing(study) -> None:
    found = noise_of(recipe_alone(study, [2.0, 2.1, 1.9, 2.05, 1.95]), effect=0.1)
    assert found.needed is not None
    assert found.needed_paired is not None
    assert 3 < found.needed_paired < found.needed
    assert f"takes {found.needed} seeds if pairing brings nothing" in noise_words(found)[-1]


def test_what_the_text_does_is_told_apart_from_what_the_seeds_do(study) -> None:
    """Runs that differ only in what they know of which stretch have no more spread than that explains."""
    rng = np.random.default_rng(3)
    shares, errors = [], []
    for seeds_sd, text_sd in ((0.0, 0.1), (0.1, 0.1)):
        of = []
        for _ in range(200):
            hard, runs = rng.normal(0, 0.5, 50), rng.normal(0, seeds_sd, (6, 1))
            found = noise_of(recipe_alone(study, [2.0] * 6, 2 + hard + runs + rng.normal(0, text_sd, (6, 50))))
            of.append(asdict(found))
        shares.append(
            np.mean([one["text_error_of_difference"] ** 2 / 2 for one in of]) / np.mean([one["sd"] ** 2 for one in of])
        )
        errors.append(np.mean([one["text_error"] for one in of]))
    assert shares[0] == pytest.approx(1, abs=0.1)
    assert shares[1] == pytest.approx(0.02 / 1.02, abs=0.01)
    assert errors[0] == pytest.approx(0.5 / 50**0.5, rel=0.1)


def test_runs_that_are_lost_are_named_and_too_few_are_refused(study) -> None:
    found = noise_of(recipe_alone(study, [2.0, "diverged", 2.1, 1.9]))
    assert found.lost == {1: "diverged"}
    assert any("seed 1 diverged" in line for line in noise_words(found))
    with pytest.raises(WorkError, match="2 of 4 runs are done, and a spread takes 3: seed 1 diverged, seed 3 failed"):
        noise_of(recipe_alone(study, [2.0, "diverged", 2.1, "failed"]))


def test_runs_that_are_all_the_same_have_no_noise_and_say_so(study) -> None:
    found = noise_of(recipe_alone(study, [2.0, 2.0, 2.0]), effect=0.1)
    assert found.sd == found.detectable[0].paired == 0
    assert (found.text_share, found.needed) == (None, 3)
    assert "spreads by 0 " in noise_words(found)[0]
