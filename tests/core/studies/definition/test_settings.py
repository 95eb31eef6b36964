"""Sizes, texts and secondary metrics: which settings a study has, and what is wrong with them, told at its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import Variants, variants

from .refused import points_at, refused

ROPE = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
WIDTHS: dict[str, Any] = {"at": "model.width", "values": [8, 16]}
TEXTS: dict[str, Any] = {"fox": {}, "box": {"data": {"files": ["other.txt"]}}}


def found(path: Path) -> Variants:
    return variants(load_study(path), assemble=False)


def test_every_variant_is_compared_at_every_size_on_every_text(study) -> None:
    every = found(study(factors=ROPE, sizes=WIDTHS, texts=TEXTS)).candidates
    assert [one.title for one in every] == [
        "base at width 8 on fox",
        "position=rope at width 8 on fox",
        "base at width 8 on box",
        "position=rope at width 8 on box",
        "base at width 16 on fox",
        "position=rope at width 16 on fox",
        "base at width 16 on box",
        "position=rope at width 16 on box",
    ]
    recipe = every[3].loaded.recipe.resolved()
    assert (recipe["model"]["width"], recipe["model"]["position"]["use"]) == (8, "rope")
    assert recipe["data"]["files"] == ["other.txt"]


@pytest.mark.parametrize(
    ("sizes", "names"),
    [
        ({"at": "model.width", "values": {"small": 8, "large": 16}}, ["small", "large"]),
        ({"values": [{"model": {"depth": 1}}, {"model": {"depth": 2}}]}, ["model.depth 1", "model.depth 2"]),
        ({"at": ["model.depth", "trainer.batch_size"], "values": [1, 2]}, ["depth 1", "depth 2"]),
    ],
)
def test_sizes_have_the_names_that_their_readers_know_them_by(study, sizes: dict[str, Any], names: list[str]) -> None:
    assert [one.size for one in found(study(sizes=sizes)).settings] == names


def test_a_study_without_sizes_and_texts_is_what_it_was(study) -> None:
    every = found(study())
    assert [one.title for one in every.candidates] == ["base", "position=rope", "position=alibi", "norm=rms_norm"]
    assert [one.words for one in every.settings] == [""]


def test_a_size_that_does_not_fit_a_part_is_told_once_at_the_size(study) -> None:
    path = study(sizes={"at": "model.width", "values": [9, 16]})
    text = refused(path)
    assert text.count("heads 2 does not divide width 9") == 1, "of the base, and not of every variant again"
    assert "note: in variant base at width 9 (sizes.values.0)" in text
    assert points_at(text, "does not divide", path).startswith("9")


def test_what_a_variant_alone_gets_wrong_at_a_size_names_both(study) -> None:
    factors = {"heads": {"at": "model.blocks.*.mixer.heads", "values": [8]}}
    path = study(factors=factors, sizes={"at": "model.width", "values": [4, 16]})
    text = refused(path)
    assert text.count("heads 8 does not divide width 4") == 1
    assert "note: in variant heads=8 at width 4 (sizes.values.0, factors.heads.values.0)" in text


def test_a_mistake_at_every_setting_is_told_once(study) -> None:
    factors = {"heads": {"at": "model.blocks.*.mixer.heads", "values": [3]}}
    text = refused(study(factors=factors, texts=TEXTS))
    assert text.count("heads 3 does not divide width 16") == 1


def test_sizes_and_texts_that_change_nothing_are_refused(study) -> None:
    same = {"values": {"a": {"model": {"width": 8}}, "b": {"model": {"width": 8}}, "c": {"model": {"width": 16}}}}
    assert "the sizes 'a' and 'b' are one and the same recipe; leave one out" in refused(study(sizes=same), False)
    texts = {"one": {}, "two": {"data": {"valid": 0.1}}}
    text = refused(study(texts=texts), False)
    assert text.count("the texts 'one' and 'two' are one and the same recipe") == 1


def test_a_variant_that_undoes_the_sizes_is_refused(study) -> None:
    text = refused(study(factors={"width": {"at": "model.width", "values": [32, 16]}}, sizes=WIDTHS), False)
    assert "variant width=32 is the same recipe at the sizes 'width 8' and 'width 16': it undoes them" in text


@pytest.mark.parametrize(
    ("changes", "message", "at"),
    [
        ({"sizes": {**WIDTHS, "tokens_per_parameter": 5, "flops": [1e9, 1e10]}}, "and not from both", '{"at"'),
        ({"sizes": {**WIDTHS, "flops": [1e9, 1e10, 1e11]}}, "2 sizes and 3 numbers of FLOPs", "[1000000000.0"),
        ({"sizes": {**WIDTHS, "flops": [1e10, 1e9]}}, "from small to large, and so do their FLOPs", "[10000000000.0"),
        (
            {
                "sizes": {**WIDTHS, "rates": {"power": -0.3}},
                "tune": {"at": "trainer.optimizer.lr", "values": [0.1, 0.2]},
            },
            "tuning finds trainer.optimizer.lr at every size",
            '{"power"',
        ),
        (
            {
                "sizes": {**WIDTHS, "tokens_per_parameter": 5},
                "match": {"quantity": "tokens", "knob": "trainer.steps"},
            },
            "the sizes say how many tokens are trained on",
            '{"quantity"',
        ),
        ({"sizes": {"at": "model.width", "values": {"": 8, "b": 16}}}, "each size needs a name", "{"),
        ({"sizes": {"at": "model.width", "values": {" ": 8, "b": 16}}}, "each size needs a name", "{"),
        ({"sizes": {"at": "model.widht", "values": [8, 16]}}, "no 'widht', did you mean 'width'", "widht"),
        ({"sizes": {"at": "seed", "values": [8, 16]}}, "'seed' is nothing that a study varies", "seed"),
        ({"sizes": {"values": [8, 16]}}, "a value is a patch of the recipe", "8"),
        ({"sizes": {"at": "model.width", "values": [8]}}, "at least 2", ""),
        ({"texts": {"fox": {"seed": 3}, "own": {}}}, "'seed' is nothing that a study varies", '"seed"'),
        ({"texts": {"fox": {}}}, "several texts are compared, and there is one: name a second", "{"),
        ({"texts": {" ": {}, "b": {"data": {"valid": 0.2}}}}, "each of them needs a name", "{"),
        ({"secondary": {"again": {"name": "loss"}}}, "measures the same as the primary metric", "{"),
        (
            {
                "secondary": {
                    "a": {"name": "loss", "split": "test"},
                    "b": {"name": "loss", "split": "test", "spread": 1},
                }
            },
            "measures the same as 'a'; leave one out",
            "{",
        ),
        ({"secondary": {"loss": {"name": "loss", "split": "test"}}}, "'loss' is the primary metric's name", "{"),
        ({"secondary": {"x": {"name": "accuracy", "smallest_effect": 2}}}, "accuracy is a share of 1", "2"),
        ({"secondary": {"x": {"name": "acuracy"}}}, "unknown metric 'acuracy', did you mean 'accuracy'", ""),
        ({"secondary": {"x": {"name": "cloze.accuracy"}}}, "the base recipe has no evaluation 'cloze'", ""),
    ],
)
def test_each_rule_that_is_broken_is_told_at_its_place(study, changes: dict[str, Any], message: str, at: str) -> None:
    path = study(factors=ROPE, **changes)
    text = refused(path, assemble=False)
    assert message in text
    assert points_at(text, message, path).startswith(at)


def judged(here: Path, study, texts: dict[str, Any]) -> Path:
    recipe = json.loads((here / "base.json").read_text())
    evaluation = {"use": "text", "files": ["corpus.txt"]}
    (here / "judged.json").write_text(json.dumps({**recipe, "evaluations": {"else": evaluation}}))
    metric = {"name": "bits_per_byte"}
    path: Path = study(
        base="judged.json", metric=metric, secondary={"else": {"name": "else.bits_per_byte"}}, texts=texts
    )
    return path


def test_a_text_may_bring_evaluations_of_its_own(study, here: Path) -> None:
    mine = {"data": {"files": ["other.txt"]}, "evaluations": {"else": {"files": ["other.txt"]}}}
    every = found(judged(here, study, {"fox": {}, "box": mine})).candidates
    assert every[-1].loaded.recipe.evaluations["else"].model_dump()["files"] == ("other.txt",)
    text = refused(study(factors={"e": {"values": [{"evaluations": {}}]}}), assemble=False)
    assert "'evaluations' is nothing that a study varies" in text, "for a variant"


def test_an_evaluation_that_is_missing_with_a_text_is_refused(study, here: Path) -> None:
    lacks = {"data": {"files": ["other.txt"]}, "evaluations": {"else": None}}
    path = judged(here, study, {"fox": {}, "box": lacks})
    text = refused(path, assemble=False)
    assert text.count("with this text there is no evaluation 'else'; the study compares else.bits_per_byte") == 1
    assert points_at(text, "there is no evaluation", path).startswith('{"data"')
