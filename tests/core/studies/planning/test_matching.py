"""Budgets: what variants cost, and the knob that brings them to the base's cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from partwise.errors import RecipeError
from partwise.studies.definition.reading import load_study
from partwise.studies.planning import clock
from partwise.studies.planning.plan import Plan, make_plan
from partwise.studies.planning.speed import Speed
from partwise.studies.planning.tuning import trials

RATIO = "model.blocks.*.feedforward.ratio"
GATED = {
    "feedforward": {"at": "model.blocks.*.feedforward", "values": [{"use": "swiglu", "ratio": 7.0, "multiple_of": 1}]}
}
DEEPER = {"depth": {"at": "model.depth", "values": [4]}}


def plan(path: Path) -> Plan:
    return make_plan(load_study(path))


def refused(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        plan(path)
    return str(caught.value)


def matching(quantity: str, knob: str = RATIO, tolerance: float = 0.01) -> dict[str, Any]:
    return {"quantity": quantity, "knob": knob, "tolerance": tolerance}


def test_parameters_are_counted_as_by_hand(study) -> None:
    found = plan(study(factors=DEEPER))
    width, hidden = 16, 64
    block = 4 * (width * width + width) + (width * hidden + hidden) + (hidden * width + width) + 2 * 2 * width
    one, two = found.variants
    assert two.costs.parameters - one.costs.parameters == 2 * block


def test_flops_count_attention_over_the_context(study) -> None:
    longer = {"context": {"at": "model.context", "values": [32]}}
    one, two = plan(study(factors=longer)).variants
    # Scores and weighted sum: two products of 2 * width * T per token and layer, over a context twice as long.
    assert two.costs.flops_per_token - one.costs.flops_per_token == 2 * (2 * 2 * 16 * (32 - 16))


def test_tokens_are_rows_times_length_times_updates(study) -> None:
    longer = {"context": {"at": "model.context", "values": [32]}, "rows": {"at": "trainer.accumulate", "values": [3]}}
    assert [one.costs.tokens for one in plan(study(factors=longer)).variants] == [64, 128, 192]


@pytest.mark.parametrize("factors", [GATED, DEEPER])
@pytest.mark.parametrize("quantity", ["parameters", "flops"])
def test_a_real_knob_is_solved_for(study, factors: dict[str, Any], quantity: str) -> None:
    base, variant = plan(study(factors=factors, match=matching(quantity))).variants
    assert base.matched == {}
    assert set(variant.matched) == {RATIO}
    assert variant.costs.of(quantity) == pytest.approx(base.costs.of(quantity), rel=0.01)  # type: ignore[arg-type]
    ratio = variant.matched[RATIO]
    assert [block["feedforward"]["ratio"] for block in variant.loaded.recipe.resolved()["model"]["blocks"]] == [ratio]
    assert ratio == float(f"{ratio:.4g}"), "more digits than the figure needs"


def test_what_is_solved_for_is_the_nearest_there_is(study) -> None:
    factors = {"depth": {"at": "model.depth", "values": [3]}}
    base, variant = plan(study(factors=factors, match=matching("parameters", "trainer.accumulate", 0.6))).variants
    assert variant.matched == {}, "within the tolerance as it is"
    base, variant = plan(study(factors=factors, match=matching("parameters", "model.width", 0.15))).variants
    # Widths that two heads divide, tried one by one.
    every = {width: _parameters(width, 3, variant) for width in range(2, 33, 2)}
    nearest = min(every, key=lambda width: abs(every[width] - base.costs.parameters))
    assert variant.matched == {"model.width": nearest}


def _parameters(width: int, depth: int, variant: Any) -> int:
    vocabulary = (variant.costs.parameters - _stack(variant.matched["model.width"], depth)) // variant.matched[
        "model.width"
    ]
    return _stack(width, depth) + vocabulary * width


def _stack(width: int, depth: int) -> int:
    hidden = 4 * width
    block = 4 * (width * width + width) + (width * hidden + hidden) + (hidden * width + width) + 4 * width
    return depth * block + 2 * width


def test_tokens_are_matched_by_updates(study) -> None:
    longer = {"context": {"at": "model.context", "values": [8, 32]}}
    found = plan(study(factors=longer, match=matching("tokens", "trainer.steps")))
    assert [one.matched.get("trainer.steps") for one in found.variants] == [None, 4, 1]


def test_a_budget_out_of_reach_is_an_error_that_says_how_near_and_where(study) -> None:
    deep = {"depth": {"at": "model.depth", "values": [12]}}
    text = refused(study(factors=deep, match=matching("parameters")))
    assert "cannot be matched to the base's" in text
    assert "parameters, within 1.00%: the nearest is" in text
    assert f"with {RATIO} " in text
    assert "note: in variant depth=12" in text
    assert text.startswith("mine.json:7:")


def test_all_that_cannot_be_matched_is_said_at_once(study) -> None:
    deep = {"depth": {"at": "model.depth", "values": [12, 13]}}
    text = refused(study(factors=deep, match=matching("parameters")))
    assert text.count("cannot be matched") == 2


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ("model.blocks.*.feedforward.ration", "did you mean 'ratio'?"),
        ("model.blocks.*.feedforward", "is not a number"),
        ("trainer.steps", "cannot be matched"),
    ],
)
def test_a_knob_that_cannot_be_solved_for_is_an_error(study, knob: str, message: str) -> None:
    assert message in refused(study(factors=DEEPER, match=matching("parameters", knob)))


def test_a_variant_without_the_knob_is_named(study) -> None:
    factors = {"feedforward": {"at": "model.blocks.*.feedforward", "values": [None]}}
    text = refused(study(factors=factors, match=matching("parameters")))
    assert "note: in variant feedforward=null" in text


def test_the_flops_of_the_whole_training_are_matched_by_its_length(study) -> None:
    match = {"quantity": "training_flops", "knob": "trainer.steps", "tolerance": 0.02}
    factors = {"width": {"at": "model.width", "values": [8]}}
    found = make_plan(load_study(study(factors=factors, match=match, base=longer(400))))
    base, small = found.variants
    assert small.costs.training_flops == pytest.approx(base.costs.training_flops, rel=0.02)
    assert small.matched["trainer.steps"] > 400
    assert small.costs.training_flops == 3 * small.costs.flops_per_token * small.costs.tokens


def longer(steps: int) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(Path("base.json").read_text())
    whole["trainer"]["steps"] = steps
    return whole


def test_wall_time_is_measured_once_and_the_plan_stays_what_it_was(study, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []

    def pretend(loaded: Any, threads: int, steps: int) -> Speed:
        timed.append(loaded.recipe.model.width)
        return Speed(0.1 * loaded.recipe.model.width * (1 + 0.1 * len(timed)), 0.0, 0.5)

    monkeypatch.setattr(clock, "time_steps", pretend)
    match = {"quantity": "seconds", "knob": "trainer.steps", "tolerance": 0.02}
    factors = {"width": {"at": "model.width", "values": [8]}}
    path = study(factors=factors, match=match, base=longer(400), tune={"knobs": {"trainer.optimizer.lr": [1e-3, 1e-2]}})
    said: list[str] = []
    base, small = make_plan(load_study(path), say=said.append).variants
    assert timed == [16, 8], "each once, however many numbers of steps are tried"
    per_step = 0.1 * 8 * 1.2, 0.1 * 16 * 1.1
    assert small.matched["trainer.steps"] == pytest.approx(400 * per_step[1] / per_step[0], rel=0.02)
    assert any("timed small: 1.76 s for each update, within 50%; the machine is busy" in line for line in said)
    again = make_plan(load_study(path))
    assert [one.identity(0) for one in again.variants] == [base.identity(0), small.identity(0)]
    assert timed == [16, 8]
    assert len(trials(again)) == 2 * 2 * 3, "variants, values and seeds"


def test_wall_time_is_matched_by_the_length_of_training_alone(study) -> None:
    match = {"quantity": "seconds", "knob": "model.width"}
    assert "wall time is matched by how long a variant is trained" in refused(study(match=match))
