"""Study files: what they mean, and what is reported of those that are wrong, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from partwise.recipe import load
from partwise.studies.definition.reading import load_study

from .refused import points_at, refused


def test_a_study_says_no_more_than_it_must(study) -> None:
    found = load_study(study()).study
    assert (found.design, found.every_seed, found.alpha) == ("one_at_a_time", (0, 1, 2), 0.05)
    metric = found.metric.asked()
    assert (metric.name, metric.split, metric.goal) == ("loss", "valid", "min")
    assert found.run.name == "local"


@pytest.mark.parametrize(("name", "goal"), [("loss", "min"), ("bits_per_byte", "min"), ("accuracy", "max")])
def test_less_is_better_of_all_metrics_but_accuracy(study, name: str, goal: str) -> None:
    metric = {"name": name}
    assert load_study(study(metric=metric)).study.metric.asked().goal == goal
    assert load_study(study(metric={**metric, "goal": "max"})).study.metric.asked().goal == "max"


def test_the_whole_file_of_the_reference_holds(study) -> None:
    found = load_study(
        study(
            design="one_at_a_time",
            seeds=[3, 5, 8],
            metric={"name": "bits_per_byte", "split": "valid", "goal": "min", "smallest_effect": 0.01},
            match={"quantity": "parameters", "knob": "model.blocks.*.feedforward.ratio", "tolerance": 0.01},
            tune={"at": "trainer.optimizer.lr", "values": [3e-4, 1e-3, 3e-3], "seeds": [100]},
            run={"use": "local", "slots": 2, "timeout": 600, "retries": 1},
        )
    ).study
    assert found.every_seed == (3, 5, 8)
    assert found.run.timeout == 600
    assert found.run.retries == 1


@pytest.mark.parametrize(
    ("change", "message", "pointed"),
    [
        ({"metrc": {}}, "unknown key 'metrc' of a study, did you mean 'metric'?", '"metrc"'),
        ({"design": "gird"}, "did you mean 'grid'?", '"gird"'),
        ({"base": "bse.json"}, "bse.json: no such file, did you mean 'base.json'?", None),
        ({"seeds": 0}, "greater than 0", "0"),
        ({"seeds": [1, 2, 1]}, "seed 1 stands twice", "[1, 2, 1]"),
        (
            {"metric": {"name": "bits"}},
            "unknown metric 'bits'; there are bits_per_byte, loss, perplexity, accuracy, steps_to",
            '"bits"',
        ),
        (
            {"metric": {"name": "accuracy", "smallest_effect": 5}},
            "accuracy is a share of 1, so that smallest_effect is less than 1, got 5; write 0.05 for 5 %",
            "5",
        ),
        ({"metric": {"name": "accuracy", "spread": 2.5}}, "so that spread is less than 1, got 2.5", "2.5"),
        ({"match": {"quantity": "flop", "knob": "x"}}, "did you mean 'flops'?", '"flop"'),
        (
            {"tune": {"at": "trainer.optimizer.lr", "values": [1, 2], "seeds": [2]}},
            "seed 2 is one of the study's",
            None,
        ),
        ({"run": {"use": "locl"}}, "unknown engine 'locl', did you mean 'local'?", '"locl"'),
        (
            {"looks": [{"seeds": 3, "alpha": 0.06}]},
            "the looks spend 0.06 in all, more than alpha 0.05",
            "[{",
        ),
        ({"looks": [{"seeds": 2, "alpha": 0.01}]}, "the first look needs at least 3", None),
        ({"looks": [{"seeds": 5, "alpha": 0.01}]}, "the study has 3 seeds, so this look would never come", None),
        ({"design": "list"}, 'the design list runs the "variants" of the study', '"list"'),
        ({"factors": {}}, "a study varies something", None),
        ({"design": "leave_one_out"}, 'leave_one_out needs "off"', None),
        ({"partwise": 2}, "expected 1, got 2", "2"),
        ({"name": "a b"}, "expected letters, digits", '"a b"'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(study, change: dict[str, Any], message: str, pointed: str | None) -> None:
    path = study(**change)
    text = refused(path)
    assert message in text
    assert pointed is None or points_at(text, message, path).startswith(pointed)


def test_everything_is_said_at_once(study) -> None:
    text = refused(study(seeds=[1, 1], base="nowhere.json", tune={"at": "a", "values": [1, 2], "seeds": [1]}))
    assert "seed 1 stands twice" in text
    assert "nowhere.json" in text
    assert "tuning takes seeds of its own" in text


@pytest.mark.parametrize(
    ("factor", "message", "pointed"),
    [
        (
            {"at": "model.positon", "values": ["rope"]},
            "has no 'positon', did you mean 'position'?",
            "positon",
        ),
        ({"at": "seed", "values": [1]}, "seeds are the study's own", "seed"),
        ({"at": "mdel.width", "values": [8]}, "did you mean 'model'?", "mdel"),
        ({"at": "model..width", "values": [8]}, "a path is names, indexes and *", ".width"),
        ({"at": "model.blocks.7.norm", "values": ["none"]}, "there is no model.blocks.7", "7"),
        ({"at": "model.position", "values": ["rop"]}, "unknown position 'rop', did you mean 'rope'?", '"rop"'),
        ({"at": "model.position", "values": ["rope", "rope"]}, "two values are called 'rope'", '"rope"]'),
        ({"values": [3]}, 'without "at", a value is a patch of the recipe', "3"),
        ({"values": [{"sampler": "greedy"}]}, "'sampler' is nothing that a study varies", '"sampler"'),
    ],
)
def test_a_factor_that_leads_nowhere_is_shown(study, factor: dict[str, Any], message: str, pointed: str) -> None:
    path = study(factors={"f": factor})
    text = refused(path)
    assert message in text
    assert points_at(text, message, path).startswith(pointed)


@pytest.mark.parametrize("name", ["", " "])
def test_factors_and_variants_have_names(study, name: str) -> None:
    assert "needs a name" in refused(study(factors={name: {"at": "model.position", "values": ["rope"]}}))
    variants = {name: {"model": {"position": "rope"}}}
    assert "needs a name" in refused(study(factors=None, design="list", variants=variants))


def test_a_wrong_base_is_shown_in_its_own_file(study, here: Path, recipe: dict[str, Any]) -> None:
    recipe["model"]["widht"] = 3
    (here / "base.json").write_text(json.dumps(recipe))
    assert "base.json:1:" in refused(study())


def test_the_base_may_be_written_in_the_study(study) -> None:
    inline = {"extends": "base.json", "model": {"width": 32}}
    assert load_study(study(base=inline)).base.recipe.model.width == 32


def test_a_study_is_no_base_and_a_recipe_no_study(study, here: Path) -> None:
    path = study()
    (here / "other.json").write_text(path.read_text().replace("base.json", "mine.json"))
    assert "this is a study, and a study varies a recipe" in refused(here / "other.json")
    assert "this is a recipe; a study names one as its base" in refused(here / "base.json")


def test_a_study_may_be_an_object(study, here: Path) -> None:
    assert load_study(json.loads(study().read_text())).study.name == "mine"


def test_a_recipe_still_loads_with_nothing_of_studies_in_it(recipe: dict[str, Any], here: Path) -> None:
    assert load("base.json").recipe.name == "small"
