"""Studies that compare otherwise than each variant with the base: fractions, further baselines, screening."""

from __future__ import annotations

from typing import Any

import pytest

from partwise.studies.definition.baselines import further_baselines
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants

from ....small_study import run_study
from .refused import refused

FIVE = {
    "position": {"at": "model.position", "values": ["none", "rope"], "baseline": "none"},
    "norm": {"at": "model.blocks.*.norm", "values": ["rms_norm"]},
    "feedforward": {"at": "model.blocks.*.feedforward", "values": ["swiglu"]},
    "depth": {"at": "model.depth", "values": [4]},
    "batch": {"at": "trainer.batch_size", "values": [4]},
}


@pytest.mark.parametrize(("resolution", "runs"), [(3, 8), (4, 16), (5, 16)])
def test_a_fraction_runs_some_of_the_combinations_the_base_among_them(study, resolution: int, runs: int) -> None:
    found = variants(load_study(study(factors=FIVE, design="fractional", resolution=resolution)), assemble=False)
    assert len(found.candidates) == runs
    assert found.candidates[0].name == "base"
    labels = [one.choice.labels for one in found.candidates]
    assert all(sum(of[factor] == found.factors[factor][1] for of in labels) == runs / 2 for factor in FIVE)


def test_results_have_what_was_compared(study, engine, pretending) -> None:
    found = run_study(study(factors=FIVE, design="fractional", correction="fdr"), pretending)
    assert (found.design, found.resolution, found.correction, found.baselines) == ("fractional", 4, "fdr", [])
    assert len(found.outcomes) == 16 * 3
    found = run_study(study(baselines="all", name="pairs"), pretending)
    assert found.baselines == ["position=rope", "position=alibi"]
    assert (found.resolution, found.correction) == (None, "holm")


def test_all_pairs_need_no_baseline_that_has_been_compared_with_all_others(study) -> None:
    loaded = load_study(study(baselines="all"))
    assert further_baselines(loaded.study, ["base", "a", "b", "c"]) == ["a", "b"]
    assert further_baselines(loaded.study, ["base", "a"]) == []
    assert further_baselines(load_study(study(baselines=["position=rope"])).study, ["base"]) == ["position=rope"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 4}, "the resolution is one of the design fractional; this is one_at_a_time"),
        ({"design": "fractional"}, "a fraction needs at least 3 factors, and there are 2; take a grid"),
        ({"design": "fractional", "factors": FIVE, "resolution": 6}, "resolution"),
        ({"design": "fractional", "factors": {**FIVE, "position": {"at": "model.position", "values": ["none", "rope",
          "alibi"], "baseline": "none"}}}, "its baseline and one other; got none, rope, alibi"),
        ({"design": "fractional", "factors": FIVE, "baselines": "all"}, "a fractional design compares effects"),
        ({"design": "grid", "baselines": "all"}, "a grid design compares effects"),
        ({"baselines": ["position=rop"]}, "did you mean 'position=rope'"),
        ({"baselines": ["base"]}, "'base' is the baseline as it is"),
        ({"baselines": ["position=rope", "position=rope"]}, "each further baseline is named once"),
        ({"baselines": "every"}, "baselines"),
        ({"baselines": "all", "texts": {"a": {}, "b": {}}}, "for studies of one size and one text"),
        ({"correction": "bh"}, "correction"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(study, changes: dict[str, Any], message: str) -> None:
    assert message in refused(study(**changes), assemble=False)
