"""What follows from the sizes of a study: steps, rates, and the budget that variants are matched to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partwise.errors import PartError, RecipeError
from partwise.recipe import load
from partwise.studies.definition.reading import load_study
from partwise.studies.planning.plan import Plan, make_plan

ROPE = {"position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"}}
WIDTHS: dict[str, Any] = {"at": "model.width", "values": [8, 16, 24]}
BOX = "pack my box with five dozen liquor jugs, said the quick fox. " * 70


def plan(path: Path) -> Plan:
    return make_plan(load_study(path))


def refused(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        plan(path)
    return str(caught.value)


def steps(found: Plan) -> dict[str, int | None]:
    return {one.title: one.loaded.recipe.trainer.planned_updates() for one in found.variants}


def test_tokens_follow_from_the_parameters_of_the_base_at_each_size(study) -> None:
    sizes = {**WIDTHS, "tokens_per_parameter": 4.0}
    factors = {"feedforward": {"at": "model.blocks.*.feedforward.ratio", "values": [1.0]}}
    found = plan(study(factors=factors, sizes=sizes))
    a_step = 2 * 16  # rows of the context
    for one in found.variants:
        base = found.base_of(one)
        assert (base.name, base.setting) == ("base", one.setting)
        assert abs(one.costs.tokens - 4 * base.costs.parameters) <= a_step / 2, "of the base, whatever the variant has"
        assert one.costs.tokens == base.costs.tokens
        described = one.described()
        assert described.training_flops == 3 * (one.costs.flops_per_token or 0) * one.costs.tokens
        assert described.scaled["trainer.steps"] * a_step == one.costs.tokens
    assert found.variants[1].costs.parameters < found.base.costs.parameters
    assert len({one.identity(0) for one in found.variants}) == 6


def test_steps_follow_from_the_flops_of_the_base_at_each_size(study) -> None:
    flops = [1e7, 1e8, 1e9]
    found = plan(study(factors=ROPE, sizes={**WIDTHS, "flops": flops}))
    bases = [one for one in found.variants if one.name == "base"]
    a_step = [3 * 32 * (one.costs.flops_per_token or 0) for one in bases]
    for one, wanted, each in zip(bases, flops, a_step, strict=True):
        assert abs((one.described().training_flops or 0) - wanted) <= each / 2


def test_without_a_rule_every_size_has_the_steps_of_the_recipe(study) -> None:
    found = plan(study(factors=ROPE, sizes=WIDTHS))
    assert set(steps(found).values()) == {2}
    assert all(one.scaled == {} for one in found.variants)


def test_what_counts_updates_is_scaled_with_the_steps(study, recipe: dict[str, Any]) -> None:
    trainer = {
        **recipe["trainer"], "steps": 100, "evaluate_every": 20, "checkpoint_every": None,
        "schedule": {"use": "warmup_cosine", "warmup": 40},
    }  # fmt: skip
    found = plan(study(base={**recipe, "trainer": trainer}, factors=ROPE, sizes={**WIDTHS, "tokens_per_parameter": 1}))
    for one in found.variants:
        own = one.loaded.recipe.resolved()["trainer"]
        assert own["schedule"]["warmup"] == pytest.approx(0.4 * own["steps"], abs=0.5)
        assert own["evaluate_every"] == max(1, round(0.2 * own["steps"]))
        assert own["checkpoint_every"] is None


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planned=st.integers(1, 3000), wanted=st.integers(1, 10**6), share=st.floats(0, 1))
def test_a_trainer_of_another_length_has_that_length_and_its_warm_up_fits(
    recipe: dict[str, Any], planned: int, wanted: int, share: float
) -> None:
    schedule = {"use": "warmup_cosine", "warmup": int(share * planned)}
    trainer = load({**recipe, "trainer": {**recipe["trainer"], "steps": planned, "schedule": schedule}}).recipe.trainer
    found = trainer.of_length(wanted)
    assert found.planned_updates() == wanted
    warmup = found.model_dump()["schedule"]["warmup"]
    assert 0 <= warmup <= wanted
    assert bool(warmup) == bool(schedule["warmup"])
    found.assemble(None)  # raises if the warm-up is longer than the training


def test_pieces_of_a_schedule_are_scaled_and_steps_that_are_no_updates_are_not(recipe: dict[str, Any]) -> None:
    pieces = {
        "use": "piecewise",
        "steps": [10, 20],
        "schedules": ["constant", {"use": "linear", "warmup": 4}, "cosine"],
    }
    trainer = {"use": "standard", "steps": 100, "schedule": pieces, "optimizer": {"use": "muon", "steps": 5}}
    found = load({**recipe, "trainer": trainer}).recipe.trainer.of_length(1000).model_dump(mode="json")
    assert found["schedule"]["steps"] == [100, 200]
    assert found["schedule"]["schedules"][1]["warmup"] == 40
    assert found["optimizer"]["steps"] == 5, "of Newton and Schulz, in each update"


def test_the_rate_follows_the_parameters_by_the_power_that_is_given(study, recipe: dict[str, Any]) -> None:
    factors = {"rate": {"at": "trainer.optimizer.lr", "values": [0.01]}}
    sizes = {**WIDTHS, "rates": {"power": -0.5}}
    found = plan(study(factors=factors, sizes=sizes))
    plain = next(one.costs.parameters for one in found.variants if one.title == "base at width 16")
    for one in found.variants:
        own = 0.01 if one.name != "base" else 1e-3
        factor = (found.base_of(one).costs.parameters / plain) ** -0.5
        assert one.loaded.recipe.resolved()["trainer"]["optimizer"]["lr"] == pytest.approx(own * factor, rel=1e-3)
    at_home = [one for one in found.variants if one.title == "base at width 16"]
    assert at_home[0].loaded.recipe.resolved()["trainer"]["optimizer"]["lr"] == 1e-3, (
        "the recipe's own, at its own size"
    )


def test_variants_are_matched_to_the_base_of_their_own_size(study) -> None:
    factors = {"depth": {"at": "model.depth", "values": [1]}}
    match = {"quantity": "parameters", "knob": "model.blocks.*.feedforward.ratio", "tolerance": 0.05}
    found = plan(study(factors=factors, sizes=WIDTHS, match=match))
    shallow = [one for one in found.variants if one.name == "depth=1"]
    for one in shallow:
        assert abs(found.mismatch(one)["parameters"]) <= 0.05
        assert one.matched
    assert len({found.base_of(one).costs.parameters for one in shallow}) == 3


def test_tuning_tries_every_variant_at_every_setting(study) -> None:
    from partwise.studies.planning.tuning import trials

    tune = {"at": "trainer.optimizer.lr", "values": [1e-3, 1e-2]}
    found = plan(study(factors=ROPE, sizes={"at": "model.width", "values": [8, 16]}, tune=tune))
    tried = trials(found)
    assert {one.job.title for one in tried} == {
        f"tuning {name} at width {width}, lr {lr}, seed {seed}"
        for width in (8, 16)
        for name in ("base", "position=rope")
        for lr in (0.001, 0.01)
        for seed in (10000, 10001, 10002)
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"factors": {"steps": {"at": "trainer.steps", "values": [2, 4]}}},
            "training makes 4 updates, and 2 in the base recipe, but with tokens_per_parameter the length",
        ),
        (
            {"sizes": {"at": None, "values": {"a": {"model": {"width": 8}}, "b": {"trainer": {"steps": 9}}}}},
            "training makes 9 updates",
        ),
        ({"sizes": {"at": "model.width", "values": [24, 16]}}, "sizes go from small to large, and 'width 16'"),
        ({"sizes": {**WIDTHS, "rates": {"at": "model.position", "power": 1}}}, "model.position is not a number"),
        ({"sizes": {**WIDTHS, "rates": {"at": "trainer.optimizer.lrr", "power": 1}}}, "no 'lrr', did you mean 'lr'"),
        ({"sizes": {"values": [16, 24], "rates": {"power": 1e9}}}, "this makes no learning rate"),
        ({"texts": {"fox": {}, "gone": {"data": {"files": ["gone.txt"]}}}}, "there is no file"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_its_setting(study, changes: dict[str, Any], message: str) -> None:
    by_size = (
        {"sizes": {**WIDTHS, **changes.get("sizes", {}), "tokens_per_parameter": 1}} if "texts" not in changes else {}
    )
    text = refused(study(**{"factors": ROPE, **changes, **by_size}))
    assert message in text
    assert text.count(message) == 1


@pytest.mark.parametrize(
    "rule", [{"tokens_per_parameter": 1e-4}, {"tokens_per_parameter": 1e300}, {"flops": [1.0, 2.0]}]
)
def test_a_rule_that_gives_no_training_is_refused_with_what_it_gives(study, rule: dict[str, Any]) -> None:
    text = refused(study(factors=ROPE, sizes={"at": "model.width", "values": [8, 16], **rule}))
    assert "tokens here, and one update takes 32: that makes" in text
    assert "note: in variant base at width 8" in text


def test_a_trainer_whose_length_cannot_be_chosen_says_so(recipe: dict[str, Any]) -> None:
    from partwise.parts import TrainerPart

    class Fixed(TrainerPart):
        name = "fixed"

        def planned_updates(self) -> int:
            return 7

    assert Fixed().of_length(7).planned_updates() == 7
    with pytest.raises(PartError, match="'fixed' does not say which of its knobs count updates"):
        Fixed().of_length(8)


def test_a_figure_per_token_is_refused_where_texts_have_tokenizers_of_their_own(study, here: Path) -> None:
    (here / "other.txt").write_text(BOX.upper())
    texts = {"fox": {}, "box": {"data": {"files": ["other.txt"]}}}
    text = refused(study(factors=ROPE, texts=texts, secondary={"right": {"name": "accuracy"}}))
    assert "loss is measured per token, and the tokenizer varies between texts" in text
    assert "accuracy is measured per token, and the tokenizer varies between texts" in text
    found = plan(study(factors=ROPE, texts=texts, metric={"name": "bits_per_byte"}))
    assert found.tokenizer_varies
    assert len({one.described().floor for one in found.variants}) == 2, "each text has a floor of its own"


def test_the_plan_says_which_variant_and_setting_a_text_does_not_suit(study, here: Path) -> None:
    (here / "short.txt").write_text("too short")
    texts = {"fox": {}, "short": {"data": {"files": ["short.txt"]}}}
    text = refused(study(factors=ROPE, texts=texts, metric={"name": "bits_per_byte"}))
    assert "note: in variant base on short" in text
    assert "position=rope" not in text


def test_every_metric_is_looked_at_before_anything_is_trained(study, recipe: dict[str, Any]) -> None:
    base = {**recipe, "data": {**recipe["data"], "test": 0.0}}
    text = refused(study(base=base, secondary={"tested": {"name": "loss", "split": "test"}}))
    assert "the test split holds no text to evaluate on" in text
    assert "at secondary.tested" in text
    assert json.loads(json.dumps(base))
