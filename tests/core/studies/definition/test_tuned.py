"""What tuning tries, read off the study alone: grids, draws, and searches that cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from partwise.recipe.load import from_object
from partwise.studies.definition.reading import LoadedStudy, load_study
from partwise.studies.definition.study import Study
from partwise.studies.definition.tuned import tried

from .refused import refused

LR = "trainer.optimizer.lr"
DECAY = "trainer.optimizer.weight_decay"


def points(tune: dict[str, Any]) -> list[dict[str, Any]]:
    """What is tried, without a base recipe."""
    node = from_object({"tune": tune}, "<study>")
    study = Study.model_construct(tune=Study.model_fields["tune"].annotation.__args__[0].model_validate(plain(tune)))
    loaded = LoadedStudy(study, node, None, None)  # type: ignore[arg-type]
    return [{path: node.plain() for path, node in one.items()} for one in tried(loaded)]


def plain(tune: Any) -> Any:
    return (
        {key: tuple(of) if isinstance(of, list) else plain(of) for key, of in tune.items()}
        if isinstance(tune, dict)
        else tune
    )


@settings(deadline=None, max_examples=50)
@given(low=some.floats(1e-9, 1e3), ratio=some.floats(1.001, 1e6), log=some.booleans(), draws=some.integers(2, 40))
def test_draws_are_different_and_within_their_range_however_narrow_it_is(low, ratio, log, draws) -> None:
    found = [one[LR] for one in points({"knobs": {LR: {"low": low, "high": low * ratio, "log": log}}, "draws": draws})]
    assert len(set(found)) == draws
    assert all(low <= one <= low * ratio for one in found)


def test_on_a_logarithmic_scale_every_factor_of_ten_gets_as_many_draws() -> None:
    found = points({"knobs": {LR: {"low": 1e-4, "high": 1e-1, "log": True}}, "draws": 900})
    decades = [math.floor(math.log10(one[LR])) for one in found]
    assert all(250 < decades.count(power) < 350 for power in (-4, -3, -2))


def test_whole_numbers_have_the_same_room_the_ends_included() -> None:
    found = points(
        {"knobs": {"model.depth": {"low": 2, "high": 5, "whole": True}, LR: {"low": 0, "high": 1}}, "draws": 800}
    )
    depths = [one["model.depth"] for one in found]
    assert all(isinstance(depth, int) and 150 < depths.count(depth) < 250 for depth in (2, 3, 4, 5))


def test_all_combinations_can_be_drawn() -> None:
    found = points({"knobs": {LR: [1, 2, 3], DECAY: [0.1, 0.2]}, "draws": 6})
    assert sorted((one[LR], one[DECAY]) for one in found) == [(a, b) for a in (1, 2, 3) for b in (0.1, 0.2)]


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({}, 'tuning needs a knob: "at" and "values"'),
        ({"at": LR}, 'tuning needs a knob: "at" and "values"'),
        ({"at": LR, "values": [1, 2], "knobs": {DECAY: [0, 0.1]}}, "put all of them into"),
        ({"knobs": {LR: {"low": 1e-4, "high": 1e-2}}}, 'say how many combinations are drawn from it, "draws": 8'),
        ({"knobs": {LR: {"low": 1e-2, "high": 1e-4}}, "draws": 4}, "from a low to a higher value, got 0.01"),
        ({"knobs": {LR: {"low": 0, "high": 1, "log": True}}, "draws": 4}, "everything is greater than 0, got 0"),
        ({"knobs": {LR: {"low": 0.5, "high": 4, "whole": True}}, "draws": 4}, "the ends of whole numbers are whole"),
        ({"knobs": {LR: {"low": 1, "high": 3, "whole": True}}, "draws": 4}, "4 different draws, and there are 3 comb"),
        ({"knobs": {LR: [1e-3, 1e-2], DECAY: [0, 0.1]}, "draws": 5}, '5 different draws, and there are 4 combinations'),
        ({"knobs": {LR: [1e-3, 1e-3]}}, "the value 0.001 stands twice"),
        ({"at": LR, "values": [1e-3, 1e-3]}, "the value 0.001 stands twice"),
        ({"knobs": {"trainer.optimizer": ["adamw", "sgd"], LR: [1e-3, 1e-2]}}, "one lies within the other"),
        ({"knobs": {LR: [*range(1, 40)], DECAY: [*range(40)]}}, "4,680 trials of each variant are too many"),
        ({"knobs": {LR: [1e-3, 1e-2], "trainer.optimizer.weight_deca": [0, 0.1]}}, "did you mean"),
        ({"knobs": {"seed": [1, 2], LR: [1e-3, 1e-2]}}, "seeds are the study's own"),
        ({"knobs": {LR: {"low": -1.0, "high": 1e-2}}, "draws": 8}, "greater than 0"),
        ({"knobs": {LR: {"low": 1e-4, "high": 1e-2, "lag": True}}, "draws": 8}, "lag"),
        ({"knobs": {LR: 3}}, "tune.knobs"),
        ({"knobs": {LR: [1e-3]}}, "tune.knobs"),
        ({"knobs": {LR: {"low": 1e-4, "high": 1e-2}}, "draws": 1}, "tune.draws"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_is_refused_where_it_stands(study, tune: dict[str, Any], message: str) -> None:
    said = refused(study(tune=tune), assemble=False)
    assert message in said
    assert "mine.json:" in said


def test_one_knob_may_still_be_written_as_it_was(study) -> None:
    old, new = ({"at": LR, "values": [1e-3, 1e-2]}, {"knobs": {LR: [1e-3, 1e-2]}})
    found = [load_study(study(tune=tune)) for tune in (old, new)]
    assert [[{p: n.plain() for p, n in one.items()} for one in tried(of)] for of in found] == [
        [{LR: 1e-3}, {LR: 1e-2}]
    ] * 2
