"""What a recipe's mixture comes to: how often each member is seen in the whole training."""

from __future__ import annotations

from dataclasses import dataclass

from partwise.data.mixed import MixedSplit

from .preparation import Prepared


@dataclass(frozen=True)
class MemberPlan:
    """One member of a mixture, as a recipe trains on it."""

    name: str
    share: float
    """Of the tokens trained on."""
    tokens: int
    """Scored tokens in its training split."""
    trained_on: float | None
    """Tokens of it that the training reads, on average over what is drawn; None if its length is not planned."""
    epochs: float | None
    """How often each of its tokens is seen, on average; above 1 it is repeated."""


def mixture_plan(prepared: Prepared) -> list[MemberPlan]:
    """The members of the recipe's data, if they are a mixture; else there are none."""
    train = prepared.batches.encoded["train"]
    if not isinstance(train, MixedSplit):
        return []
    trainer = prepared.loaded.recipe.trainer
    updates = trainer.planned_updates()
    rows = None if updates is None else updates * trainer.rows_per_update()
    epochs = {} if rows is None else prepared.batches.epochs(rows)
    plans = []
    for name, member in train.members.items():
        seen = epochs.get(name)
        trained_on = None if seen is None else seen * member.scored_tokens
        plans.append(MemberPlan(name, train.weights[name], member.scored_tokens, trained_on, seen))
    return plans


def in_words(plan: list[MemberPlan]) -> str:
    """`mixture: code 66.7 % of the tokens, 1.25 epochs; prose 33.3 %, 0.4 epochs`."""
    told = []
    for index, one in enumerate(plan):
        seen = "" if one.epochs is None else f", {one.epochs:.3g} epochs"
        told.append(
            f"{one.name} {one.share:.1%} of the tokens{seen}" if index == 0 else f"{one.name} {one.share:.1%}{seen}"
        )
    return f"mixture: {'; '.join(told)}"


__all__ = ["MemberPlan", "in_words", "mixture_plan"]
