"""How good a model is on a split: cross-entropy, perplexity, and bits per byte, which compares tokenizers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from partwise.data.protocols import Split
from partwise.errors import InputError
from partwise.metric_names import of_member
from partwise.modules.modes import evaluating
from partwise.modules.objective import objective_of
from partwise.modules.protocols import Model

from .distributed import current_processes

if TYPE_CHECKING:
    from partwise.data.batch import Batch
    from partwise.data.batches import Batches

STRETCHES = 50
"""Parts of a split whose figures are kept: enough to tell their spread, and few enough to be written down."""


@dataclass(frozen=True)
class Metrics:
    """Figures of one split."""

    loss: float
    """Nats per scored token."""
    perplexity: float
    """exp(loss): as unsure as if choosing among this many tokens."""
    bits_per_byte: float | None
    """Bits the model needs per byte of text; None where the tokenizer loses text or cannot spell an unknown, and where
    the objective predicts only some of the tokens."""
    tokens: int
    """Scored tokens."""
    accuracy: float | None = None
    """Share of scored tokens that the model holds most likely; None where it was not asked for."""
    stretches: tuple[Stretch, ...] = field(default=(), repr=False, compare=False)
    """The same figures of the text in up to 50 stretches, in order: how far they lie apart tells how certain the
    figures of a text of this length are."""
    members: Mapping[str, Metrics] = field(default_factory=dict, repr=False)
    """The same figures of each member, if the data are a mixture; the others are those of all their tokens together."""

    def figures(self) -> dict[str, float | None]:
        """The figures of each member by the names under which a run logs them."""
        found: dict[str, float | None] = {}
        for name, one in self.members.items():
            found[of_member(name, "loss")] = one.loss
            if one.bits_per_byte is not None:
                found[of_member(name, "bits_per_byte")] = one.bits_per_byte
            if one.accuracy is not None:
                found[of_member(name, "accuracy")] = one.accuracy
        return found


@dataclass(frozen=True)
class Stretch:
    """Figures of some consecutive batches."""

    tokens: int
    """Scored tokens; weighted by these, the stretches' figures have those of the whole as their mean."""
    loss: float
    bits_per_byte: float | None
    accuracy: float | None


def evaluate(
    model: Model,
    batches: Batches,
    split: Split,
    size: int,
    limit: int | None = None,
    device: torch.device | str = "cpu",
    loss: Callable[[Batch], Tensor] | None = None,
    accuracy: bool = False,
) -> Metrics:
    """Evaluates `model` on a split, in float32.

    Processes that train together share the batches between them; the figures are the same to the last bit for any
    number of processes. Dropout is off meanwhile, nothing random is drawn, and the model's mode is restored.

    Args:
        size: rows of a batch.
        limit: batches at most, spread over the split; None: all.
        device: where the model is.
        loss: used in place of the model's own loss, for a model that several processes hold together.
        accuracy: whether to measure it; needs logits [B, T, V], which the loss alone may do without.

    Raises:
        InputError: the split holds no scored token.
    """
    processes, objective = current_processes(), objective_of(model)
    likelihood = objective is None or objective.likelihood
    if names := batches.members(split):
        batches.evaluation(split, size)  # raises if a member has nothing to evaluate on
        total = batches.rows_in(split)
        found: dict[str, Metrics] = {}
        for name in names:
            own = batches.of_member(split, name)
            most = None if limit is None else max(1, round(limit * own.rows_in(split) / total))
            found[name] = evaluate(model, own, split, size, most, device, loss, accuracy)
        whole = batches.encoded[split]
        sizes = {name: batches.of_member(split, name).encoded[split].scored_tokens for name in names}
        weights = {name: one.tokens if limit is None else sizes[name] for name, one in found.items()}
        return _together(found, weights, whole.bits_per_byte if likelihood else _no_bits)
    rows: list[Tensor] = []
    # Not inference_mode: a table that a module computes once and keeps must still serve training afterwards.
    with evaluating(model), torch.no_grad():
        for group in _in_groups(batches.evaluation(split, size, limit), processes.count):
            # All processes take part in every round, as a sharded model needs. One that has no batch of its own left
            # computes another's, which does not count.
            batch = group[min(processes.rank, len(group) - 1)]
            batch = (batch if objective is None else objective.pose(batch, None)).to(device)
            nats = (loss or model.loss)(batch)
            right = (model(batch).argmax(-1) == batch.targets).sum() if accuracy else torch.zeros_like(nats)
            figures = torch.stack([nats.float(), batch.scored.float(), right.float()])
            rows.append(figures if processes.rank < len(group) else torch.zeros_like(figures))
    # One transfer from the device in all; summed in double precision, in the order of the batches.
    table = torch.zeros(len(rows), processes.count, 3, dtype=torch.float64)
    if rows:
        table[:, processes.rank] = torch.stack(rows).cpu().double()
    processes.sum(table)
    scored = int(table[..., 1].sum())
    if not scored:
        raise InputError(f"the {split} split holds no token to be scored: give the data more text, or evaluate another")
    mean = math.fsum(table[..., 0].flatten().tolist()) / scored
    share = float(table[..., 2].sum()) / scored if accuracy else None
    encoded = batches.encoded[split]
    bits = encoded.bits_per_byte if likelihood else _no_bits
    parts = tuple(_stretches(table.flatten(0, 1), bits, accuracy))
    return Metrics(mean, perplexity(mean), bits(mean), scored, share, parts)


def _together(
    members: Mapping[str, Metrics], weights: Mapping[str, int], bits_per_byte: Callable[[float], float | None]
) -> Metrics:
    """The figures of all tokens of the members of a mixture.

    Args:
        weights: tokens of each member, whether all of them were evaluated or not.
    """
    total, tokens = sum(weights.values()), sum(one.tokens for one in members.values())
    loss = math.fsum(one.loss * weights[name] for name, one in members.items()) / total
    right = [one.accuracy * weights[name] for name, one in members.items() if one.accuracy is not None]
    accuracy = math.fsum(right) / total if right else None
    # With the weight of their member, and by the bytes of the whole, so that their mean is the figure of the whole.
    stretches = [
        replace(part, tokens=round(part.tokens * weights[name] / one.tokens), bits_per_byte=bits_per_byte(part.loss))
        for name, one in members.items()
        for part in one.stretches
    ]
    return Metrics(loss, perplexity(loss), bits_per_byte(loss), tokens, accuracy, tuple(stretches), members)


def _no_bits(nats: float) -> None:
    return None


def _stretches(table: Tensor, bits_per_byte: Callable[[float], float | None], accuracy: bool) -> Iterator[Stretch]:
    """Of [batches, 3], consecutive ones together."""
    for part in table[table[:, 1] > 0].tensor_split(STRETCHES):
        nats, tokens, right = part.sum(0).tolist()
        if tokens:
            loss = nats / tokens
            yield Stretch(int(tokens), loss, bits_per_byte(loss), right / tokens if accuracy else None)


def _in_groups(batches: Iterator[Batch], count: int) -> Iterator[list[Batch]]:
    """The batches, `count` at a time; fewer the last time."""
    while group := list(islice(batches, count)):
        yield group


def perplexity(loss: float) -> float:
    """exp(loss); infinite where that is too large for a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
