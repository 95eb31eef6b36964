"""`partwise noise`: a recipe's runs are those of any study, and none is trained twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from partwise.errors import InputError, RecipeError
from partwise.recipe import load
from partwise.studies.ablation import ablate
from partwise.studies.directories import study_directories
from partwise.studies.noise import noise_plan, noise_study
from partwise_cli.main import cli

from ...small_study import run_study


def silent(line: str) -> None:
    pass


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["noise", *arguments], prog_name="partwise", env={"COLUMNS": "120"})


def test_a_study_shares_the_runs_and_the_command_trains_none_again(study, engine, pretending) -> None:
    noise = noise_study(load("base.json", ["model.position=none"]), {"name": "loss"})
    plan = replace(noise_plan(noise, 4, say=silent), engine=pretending)
    results = ablate(plan, study_directories(noise))
    assert len(engine.done) == 4
    assert (results.study, results.baseline, len(results.variants)) == ("small-noise", "base", 1)
    run_study(study(seeds=4), pretending)
    assert len(engine.done) == 4 + 3 * 4, "the base was there already"

    done = call("base.json", "--set", "model.position=none", "--seeds", "4", "--json", "--effect", "0.05")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["values"] == {"0": 2.0, "1": 2.01, "2": 2.02, "3": 2.03}
    assert found["sd"] == pytest.approx(0.01291, rel=1e-3)
    assert found["needed"] >= found["needed_paired"]
    told = call("base.json", "--set", "model.position=none", "--seeds", "4")
    assert "small against itself" in told.stdout
    assert "unpaired (bound)" in told.stdout


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_are_refused_before_anything_is_read(here: Path, recipe, seeds: int) -> None:
    with pytest.raises(InputError, match=f"{seeds} seeds tell nothing of their spread; it takes at least 3"):
        noise_plan(noise_study(load("base.json"), {}), seeds, say=silent)
    assert not (here / "cache").exists()
    assert call("base.json", "--seeds", str(seeds)).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "los"], "did you mean 'loss'"),
        (["--metric", "cloze.accuracy"], "the base recipe has no evaluation 'cloze'"),
        (["--correlation", "1"], "1 is not from 0 to less than 1"),
        (["--effect", "0"], "0 is not a number greater than 0"),
        (["--effect", "x"], "'x' is not a number"),
        (["--comparisons", "0"], "0 is not between 1"),
    ],
)
def test_what_cannot_be_asked_is_refused(here: Path, recipe, arguments: list[str], message: str) -> None:
    done = call("base.json", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    with pytest.raises(RecipeError):
        noise_study(load("base.json"), {"name": "nothing"})
