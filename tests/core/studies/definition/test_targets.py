"""Studies that compare how much training it took to a target."""

from __future__ import annotations

from typing import Any

import pytest

from partwise.studies.definition.reading import load_study

from .refused import refused

STEPS = {"name": "steps_to", "of": "loss", "target": 2.0}


def test_the_metric_is_recorded_with_its_target(study) -> None:
    asked = load_study(study(metric=STEPS)).study.metric.asked()
    assert (asked.amount, asked.target, asked.of, asked.goal) == ("steps", 2.0, "loss", "min")
    assert asked.label == "steps to loss 2 (valid)"
    plain = load_study(study()).study.metric.asked()
    assert (plain.amount, plain.of) == (None, None)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({"name": "steps_to"}, "steps_to needs a target"),
        ({"name": "loss", "target": 2.0}, "only steps_to, tokens_to and seconds_to have a target"),
        ({**STEPS, "split": "test"}, "which are on the valid split"),
        ({**STEPS, "context": 8}, "context has no meaning here"),
        ({**STEPS, "goal": "max"}, "to reach a target with less training is better"),
        ({**STEPS, "target": 0}, "metric.target"),
        ({**STEPS, "of": "accuracy"}, "metric.of"),
        ({**STEPS, "name": "step_to"}, "did you mean 'steps_to'"),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_stands(study, metric: dict[str, Any], message: str) -> None:
    assert message in refused(study(metric=metric), assemble=False)
    if metric["name"] != "step_to":
        assert "secondary" in refused(study(secondary={"soon": metric}), assemble=False)


def test_one_target_for_several_sizes_or_texts_is_refused(study) -> None:
    sizes = {"at": "model.width", "values": [16, 32]}
    assert "sizes come to different figures" in refused(study(metric=STEPS, sizes=sizes), assemble=False)
    texts = {"one": {}, "two": {"data": {"valid": 0.2}}}
    assert "texts come to different figures" in refused(study(metric=STEPS, texts=texts), assemble=False)


def test_a_recipe_that_is_hardly_evaluated_on_the_way_is_refused(study) -> None:
    from partwise.errors import RecipeError
    from partwise.studies.planning.plan import make_plan

    with pytest.raises(RecipeError, match=r"there are 3 of them; set trainer\.evaluate_every to less"):
        make_plan(load_study(study(metric=STEPS)))
