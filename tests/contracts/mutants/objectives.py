"""Mistakes in objectives: in what they hide and score, and in how they add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from partwise.data import IGNORED, Batch
from partwise.modules import cross_entropy
from partwise.parts import ObjectivePart
from partwise.testing import find
from partwise.testing.checks import objectives

from .planting import Kills

KILLS = Kills()
SITE = ObjectivePart.sites()["model"]


def objective(name: str, likelihood: bool | None = None, **methods: Callable[..., Any]) -> Any:
    """The first example of an objective, with methods exchanged."""
    example: Any = next(iter(find(name).part.examples()))

    class Planted(type(example)):  # type: ignore[misc]
        """An objective with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            built = super().build(site)
            kind = type(built)
            built.__class__ = type("Posed", (kind,), {key: value(kind) for key, value in methods.items()})
            return built

    if likelihood is not None:
        Planted.likelihood = likelihood
    return Planted(**{field: getattr(example, field) for field in type(example).model_fields})


masked, following, suffix, bag = (partial(objective, name) for name in ("masked", "next_token", "prefix", "cbow"))


def _hides(which):
    """Masks the tokens at which `which(batch, salt)` is true, instead of those drawn."""

    def made(kind):
        def pose(self, batch, salt):
            chosen = which(batch, salt)
            if batch.padding is not None:
                chosen = chosen & batch.padding
            tokens = batch.tokens.masked_fill(chosen, self.mask)
            return replace(batch, tokens=tokens, targets=batch.tokens.masked_fill(~chosen, IGNORED))

        return pose

    return made


def _of_torchs_chance(batch, salt):
    return torch.rand(batch.tokens.shape) < 0.3


def _by_place_in_the_batch(batch, salt):
    generator = torch.Generator().manual_seed(salt or 0)
    return torch.rand(batch.tokens.shape, generator=generator) < 0.3


def _the_last_third(batch, salt):
    """Of the row with its padding."""
    return (torch.arange(batch.tokens.shape[1]) >= 2 * batch.tokens.shape[1] // 3).expand(batch.tokens.shape)


def _few(batch, salt):
    """Each token with a chance of its own, and in many a row none."""
    generator = torch.Generator().manual_seed(salt or 0)
    return torch.rand(batch.tokens.shape, generator=generator) < 0.02


def _posed(change):
    """Does to a posed batch what `change(posed, batch)` does."""

    def made(kind):
        return lambda self, batch, salt: change(kind.pose(self, batch, salt), batch)

    return made


def _without_the_rest(posed, batch):
    return Batch(posed.tokens, posed.targets, posed.padding)


def _scores_what_it_reads(posed, batch):
    return replace(posed, targets=posed.tokens)


def _shown(posed, batch):
    return replace(posed, tokens=batch.tokens)


def _scores_what_follows(posed, batch):
    return replace(posed, targets=batch.targets.masked_fill(posed.targets == IGNORED, IGNORED))


def _hidden_one_too_early(posed, batch):
    return replace(posed, targets=batch.targets.masked_fill(posed.tokens == batch.tokens, IGNORED))


def _in_place(kind):
    def pose(self, batch, salt):
        posed = kind.pose(self, batch, salt)
        return replace(posed, tokens=batch.tokens.copy_(posed.tokens))

    return pose


def _a_mask_beyond(kind):
    def pose(self, batch, salt):
        self.mask = SITE.vocabulary
        return kind.pose(self, batch, salt)

    return pose


def _padding_scored(posed, batch):
    return replace(posed, targets=posed.targets.masked_fill(~batch.padding, 0)) if batch.padding is not None else posed


for mistake, pose, check in (
    ("masks from torch's random state", _hides(_of_torchs_chance), objectives.what_it_draws_depends_on_the_row_alone),
    ("masks by place in batch", _hides(_by_place_in_the_batch), objectives.what_it_draws_depends_on_the_row_alone),
    ("a share of the padded row", _hides(_the_last_third), objectives.what_it_draws_depends_on_the_row_alone),
    ("padding that is scored", _posed(_padding_scored), objectives.what_it_draws_depends_on_the_row_alone),
    (
        "rows with nothing drawn",
        _hides(_few),
        objectives.it_scores_something_in_every_row_and_changes_no_batch,
    ),
    ("masked in place", _in_place, objectives.it_scores_something_in_every_row_and_changes_no_batch),
    ("a mask that is no id", _a_mask_beyond, objectives.it_scores_something_in_every_row_and_changes_no_batch),
    ("only tokens and targets", _posed(_without_the_rest), objectives.what_else_a_batch_holds_is_kept),
    ("what is scored is shown", _posed(_shown), objectives.nothing_scored_can_be_read),
    ("masked, and what follows scored", _posed(_scores_what_follows), objectives.nothing_scored_can_be_read),
    ("masked one too early", _posed(_hidden_one_too_early), objectives.nothing_scored_can_be_read),
):
    KILLS.plant(check, mistake, masked, partial(masked, pose=pose), SITE)


def _around_itself_too(posed, batch):
    return replace(posed, around=torch.cat((posed.around, batch.tokens[..., None]), -1))


def _across_documents(kind):
    return lambda self, batch, salt: kind.pose(self, replace(batch, documents=None), salt)


def _all_scored(posed, batch):
    """In the row that is posed first, nothing is told of the first token, and it is scored."""
    around = posed.around.clone()
    around[0, 0] = IGNORED
    return replace(posed, around=around)


def _from_elsewhere(posed, batch):
    """One word around each is the last of the vocabulary, wherever that stands."""
    return replace(posed, around=posed.around.where(posed.around == IGNORED, SITE.vocabulary - 1))


def _around_by_chance(kind):
    def pose(self, batch, salt):
        posed = kind.pose(self, batch, salt)
        return replace(posed, around=posed.around[..., torch.randperm(posed.around.shape[-1])])

    return pose


for mistake, pose, check in (
    ("words around it in an order of chance", _around_by_chance, objectives.what_it_draws_depends_on_the_row_alone),
    (
        "a word that is around itself",
        _posed(_around_itself_too),
        objectives.what_stands_around_a_token_is_near_it_and_not_itself,
    ),
    (
        "words of other documents",
        _across_documents,
        objectives.what_stands_around_a_token_is_near_it_and_not_itself,
    ),
    (
        "a word of which nothing is told",
        _posed(_all_scored),
        objectives.what_stands_around_a_token_is_near_it_and_not_itself,
    ),
    ("words from elsewhere", _posed(_from_elsewhere), objectives.what_stands_around_a_token_is_near_it_and_not_itself),
):
    KILLS.plant(check, mistake, bag, partial(bag, pose=pose), SITE)

KILLS.plant(
    objectives.nothing_scored_can_be_read,
    "a causal model that scores what it reads",
    following,
    partial(following, pose=_posed(_scores_what_it_reads)),
    SITE,
)
KILLS.plant(
    objectives.its_likelihood_is_that_of_all_tokens,
    "bits per byte of a suffix",
    suffix,
    partial(suffix, likelihood=True),
    SITE,
)


def _loss(change):
    """Gives what `change(loss, hidden, batch)` makes of the right loss."""

    def made(kind):
        return lambda self, hidden, batch: change(kind.forward(self, hidden, batch), hidden, batch)

    return made


def _in_pieces(loss, hidden, batch):
    """Scores as many rows at once as logits may be held, and forgets what is left over."""
    rows = cross_entropy.MOST_LOGITS // len(hidden.head.weight)
    states, targets = hidden.states.flatten(0, 1), batch.targets.flatten()
    if rows >= len(states):
        return loss
    pieces = range(0, len(states) - len(states) % rows, rows)
    return sum(hidden.head.cross_entropy(states[at : at + rows], targets[at : at + rows]) for at in pieces)


for mistake, change, check in (
    ("a mean over the tokens", lambda loss, _, batch: loss / batch.scored, objectives.its_loss_is_a_sum),
    (
        "a mean over the rows",
        lambda loss, _, batch: loss / len(batch.tokens),
        objectives.its_loss_is_a_sum,
    ),
    (
        "a weight of states in the loss",
        lambda loss, hidden, _: loss + 1e-2 * hidden.states.square().mean(),
        objectives.its_loss_is_a_sum,
    ),
    ("the last piece forgotten", _in_pieces, objectives.in_chunks_its_loss_is_the_same),
):
    KILLS.plant(check, mistake, following, partial(following, forward=_loss(change)), SITE)
