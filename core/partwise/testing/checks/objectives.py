"""What every objective must do: what it hides and scores, and its loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from partwise.data.batch import IGNORED, Batch
from partwise.modules import cross_entropy
from partwise.modules.cross_entropy import LinearHead
from partwise.modules.hidden import Hidden
from partwise.modules.passes import batch_flow
from partwise.testing.probes import build, numbers, probe, shaken, tokens
from partwise.testing.registering import check
from partwise.testing.violation import close, require

from .training import under

B, T = 4, 24


@check("objective")
def what_it_draws_depends_on_the_row_alone(part: Any, site: Any) -> None:
    """A row is posed the same in any batch and at every call; padding and the order of rows play no part."""
    objective, batch = build(part, site), _batch(site)
    for salt in (None, 5):
        whole = objective.pose(batch, salt)
        _same(objective.pose(batch, salt), whole, "a batch that is posed twice")
        rows = [objective.pose(_row(batch, row), salt) for row in range(B)]
        _same(_stacked(rows), whole, "rows that are posed alone, and in a batch")
        longer = replace(
            batch,
            tokens=_longer(batch.tokens, 0),
            targets=_longer(batch.targets, IGNORED),
            padding=_longer(torch.ones(B, T, dtype=torch.bool), False),
        )
        padded = objective.pose(longer, salt)
        around = None if padded.around is None else padded.around[:, :T]
        cut = replace(padded, tokens=padded.tokens[:, :T], targets=padded.targets[:, :T], padding=None, around=around)
        _same(cut, whole, "rows with padding, and without")
        require(bool((padded.targets[:, T:] == IGNORED).all()), "it scores padding")


@check("objective")
def it_scores_something_in_every_row_and_changes_no_batch(part: Any, site: Any) -> None:
    """In every row something is scored, in training and in evaluation, and the given batch stays as it was."""
    objective, batch = build(part, site), _batch(site)
    before = batch.tokens.clone(), batch.targets.clone()
    for salt in (None, 1, 2, 3):
        posed = objective.pose(batch, salt)
        require(bool((posed.targets != IGNORED).any(1).all()), "in some row nothing is scored")
        known = (posed.tokens >= 0) & (posed.tokens < site.vocabulary)
        require(bool(known.all()), "it makes ids that are beyond the vocabulary")
    require(batch.tokens.equal(before[0]) and batch.targets.equal(before[1]), "it changes the given batch in place")


@check("objective")
def what_else_a_batch_holds_is_kept(part: Any, site: Any) -> None:
    """Padding, documents and the source of a posed batch are those of the batch, which keeps its shape."""
    objective, ids = build(part, site), torch.arange(T).expand(B, T)
    batch = replace(
        _batch(site), padding=ids < T - 2, documents=ids // 8, source=ids[:, :5] % 7, source_padding=ids[:, :5] < 4
    )
    batch = replace(batch, targets=batch.targets.masked_fill(ids >= T - 2, IGNORED))
    for salt in (None, 1):
        posed = objective.pose(batch, salt)
        for name, given in vars(batch).items():
            if given is None:
                continue
            there = getattr(posed, name)
            kept = there is not None and there.shape == given.shape and there.dtype == given.dtype
            require(kept, f"the posed batch has no {name}, or of another shape or type")
            require(name in ("tokens", "targets") or there.equal(given), f"it changes the {name} of the batch")


@check("objective")
def nothing_scored_can_be_read(part: Any, site: Any) -> None:
    """What sees the past only is scored on what follows; what sees both ways has hidden most of what is scored."""
    objective, batch = build(part, site), _batch(site)
    for salt in (None, 1, 2):
        posed = objective.pose(batch, salt)
        scored = posed.targets != IGNORED
        if part.causal:
            require(posed.tokens.equal(batch.tokens), "it changes what a causal model reads, which predicts the rest")
            right = posed.targets[scored].equal(batch.targets[scored])
            require(right, "a causal model predicts what follows, and it scores something else")
            continue
        require(posed.targets[scored].equal(batch.tokens[scored]), "it does not score what stood there")
        if not part.around:
            hidden = (posed.tokens != batch.tokens)[scored].float().mean().item()
            require(hidden > 0.25, f"of the scored tokens, only {hidden:.0%} are hidden; the others can be read")


@check("objective")
def what_stands_around_a_token_is_near_it_and_not_itself(part: Any, site: Any) -> None:
    """What a token is predicted from stands elsewhere in its document, and wherever one is scored there is some."""
    ids = numbers(B, site.vocabulary - len(site.reserved)).argsort(1)  # in each row all differ
    here = torch.arange(ids.shape[1])
    for documents in (None, (here // 4).expand(B, -1)):
        batch = Batch(ids, ids, documents=documents)
        for salt in (None, 1, 2):
            around = build(part, site).pose(batch, salt).around
            require(
                part.around == (around is not None), f"`around` is {part.around}, and the posed batch has it or not"
            )
            if around is None:
                continue
            scored = build(part, site).pose(batch, salt).targets != IGNORED
            there = around != IGNORED
            require(bool(there.any(-1)[scored].all()), "it scores a token that nothing is told of")
            found = (around[..., None] == ids[:, None, None, :]).any(-2)  # [B, T, T]: which of the row stand around
            require(bool((found.sum(-1) == there.sum(-1)).all()), "around a token it has some that the row does not")
            require(
                not bool(found[:, here, here].any()), "a token stands around itself, and so is predicted from itself"
            )
            if documents is not None:
                other = documents[:, :, None] != documents[:, None, :]
                require(not bool((found & other).any()), "around a token it has some of another document")


@check("objective")
def its_likelihood_is_that_of_all_tokens(part: Any, site: Any) -> None:
    """`likelihood` says of part and module whether every token is scored, each from what stands before it."""
    objective, batch = build(part, site), _batch(site)
    require(objective.likelihood == part.likelihood, "`likelihood` of the part and of its module disagree")
    everything = objective.pose(batch, None).targets.equal(batch.targets) and part.causal
    told = "every token is scored" if everything else "not every token is scored"
    require(everything == part.likelihood, f"`likelihood` is {part.likelihood}, and {told}")


@check("objective")
def its_loss_is_a_sum(part: Any, site: Any) -> None:
    """Its loss is summed over what is scored: that of a batch is the sum of those of its rows, and nothing costs 0."""
    objective, table = shaken(part, site), numbers(site.vocabulary, site.width, seed=3)
    states, posed = numbers(B, T, site.width), objective.pose(_batch(site), 1)

    def loss(rows: slice, batch: Batch) -> Tensor:
        head = LinearHead(table)
        nats: Tensor = objective(Hidden(states[rows], batch_flow(batch), head, lambda ids: table[ids]), batch)
        require(nats.ndim == 0, f"its loss has the shape {tuple(nats.shape)}, and is to be a scalar")
        return nats

    # Of each row but the first, some targets are left, so that a mean over rows would show.
    fewer = posed.targets.masked_fill(torch.arange(T) >= T - 5 * torch.arange(B)[:, None], IGNORED)
    posed = replace(posed, targets=fewer)
    alone = [loss(slice(row, row + 1), _row(posed, row)) for row in range(B)]
    close(loss(slice(None), posed), torch.stack(alone).sum(), "the loss of a batch, and those of its rows together")
    nothing = replace(posed, targets=torch.full_like(posed.targets, IGNORED))
    close(loss(slice(None), nothing), torch.zeros(()), "the loss where nothing is scored, and 0")


@check("objective")
def in_chunks_its_loss_is_the_same(part: Any, site: Any) -> None:
    """Its loss and gradient are the same if logits are made a few rows at a time."""
    objective, call = shaken(part, site).train(), probe(part, site, 3, 6)
    most = cross_entropy.MOST_LOGITS
    try:
        whole = _with_gradient(objective, call)
        cross_entropy.MOST_LOGITS = 4 * site.vocabulary
        chunked = _with_gradient(objective, call)
    finally:
        cross_entropy.MOST_LOGITS = most
    for ours, theirs in zip(chunked, whole, strict=True):
        close(ours, theirs, "the loss in chunks, and in one piece")


def _with_gradient(objective: Any, call: Any) -> list[Tensor]:
    x = call.inputs[0].clone().requires_grad_()
    loss = under(1, lambda: call.call(objective, x, *call.inputs[1:])[0])
    return [loss.detach(), *torch.autograd.grad(loss, x)]


def _batch(site: Any) -> Batch:
    ids = tokens(B, T + 1, below=site.vocabulary - len(site.reserved))
    return Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())


def _row(batch: Batch, row: int) -> Batch:
    return Batch(batch.tokens[row : row + 1], batch.targets[row : row + 1])


def _stacked(rows: list[Batch]) -> Batch:
    around = [row.around for row in rows if row.around is not None]
    return Batch(
        torch.cat([row.tokens for row in rows]),
        torch.cat([row.targets for row in rows]),
        around=torch.cat(around) if around else None,
    )


def _longer(values: Tensor, fill: float) -> Tensor:
    return torch.cat((values, values.new_full((B, 3), fill)), dim=1)


def _same(one: Batch, other: Batch, what: str) -> None:
    require(one.tokens.equal(other.tokens) and one.targets.equal(other.targets), f"{what}, read or score other tokens")
    near = [batch.around for batch in (one, other) if batch.around is not None]
    require(len(near) != 1 and (not near or near[0].equal(near[1])), f"{what}, have other tokens around a position")
