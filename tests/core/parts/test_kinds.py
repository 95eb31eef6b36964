"""What a kind assumes of a part that does not say."""

from __future__ import annotations

from partwise.parts import TrainerPart


class Plain(TrainerPart):
    """A trainer of somebody else's, which overrides nothing."""

    name = "plain"


def test_a_trainer_that_plans_nothing_has_the_documented_defaults() -> None:
    trainer = Plain(batch_size=3)
    assert trainer.planned_updates() is None
    assert trainer.rows_per_update() == 3
    assert trainer.planned_evaluations() == 2
    assert trainer.with_evaluations_every(5) is trainer
