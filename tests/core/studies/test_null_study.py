"""A variant that is the base in all but its random stream: real training must not find it better or worse."""

from __future__ import annotations

from pathlib import Path

from partwise import workflow
from partwise.recipe import load
from partwise.studies.analysis import analyse
from partwise.studies.results import Metric, Outcome, Results, Variant

SMALL = (
    "model.width=16",
    "model.context=32",
    "trainer.steps=30",
    "trainer.batch_size=4",
    "trainer.schedule=constant",
    "trainer.evaluate_every=null",
    "trainer.evaluate_batches=4",
    "trainer.checkpoint_every=null",
)
SEEDS = [0, 1, 2, 3, 4]
OTHER_STREAM = 100
"""Added to the seeds of the variant: nothing else of it differs."""


def test_a_variant_that_is_the_base_with_other_chances_is_not_better_and_not_worse(tmp_path: Path) -> None:
    outcomes = [
        Outcome(variant=name, seed=seed, identity=f"{name}{seed}", state="done", metric=trained(tmp_path, seed + shift))
        for name, shift in (("base", 0), ("null", OTHER_STREAM))
        for seed in SEEDS
    ]
    assert len({outcome.metric for outcome in outcomes}) == 2 * len(SEEDS), "the streams are others"
    (contrast,) = analyse(results(outcomes)).contrasts
    assert contrast.verdict in ("inconclusive", "equivalent")
    assert contrast.low is not None
    assert contrast.high is not None
    assert contrast.low < 0 < contrast.high


def trained(place: Path, seed: int) -> float:
    """Loss after a short training from scratch."""
    run = workflow.train(load("char-rnn", SMALL), place / str(seed), seed=seed, device="cpu")
    return float(run.rows()[-1]["valid_loss"])


def results(outcomes: list[Outcome]) -> Results:
    variants = [
        Variant(name=name, levels={"stream": name}, parameters=1, flops_per_token=1.0, tokens=1)
        for name in ("base", "null")
    ]
    return Results(
        study="null",
        metric=Metric(name="loss", split="valid", goal="min", smallest_effect=0.05),
        design="one_at_a_time",
        baseline="base",
        factors={"stream": ["base", "null"]},
        variants=variants,
        seeds=SEEDS,
        outcomes=outcomes,
    )
