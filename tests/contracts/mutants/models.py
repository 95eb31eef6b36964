"""Mistakes in models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from partwise.modules import Carried, batch_flow
from partwise.parts import ModelPart
from partwise.testing import find
from partwise.testing.checks import carried, models

from .planting import Kills

SITE = ModelPart.sites()["recipe"]

KILLS = Kills()


def model(**methods: Callable[..., Any]) -> Any:
    """The first example of the language model, with methods exchanged."""
    return _with(_example("language_model"), methods)


def pair_model(**methods: Callable[..., Any]) -> Any:
    """The first example of the model of pairs, with methods exchanged."""
    return _with(_example("seq2seq"), methods)


def _example(name: str) -> Any:
    return next(iter(find(name).part.examples()))


def _with(example: Any, methods: dict[str, Callable[..., Any]]) -> Any:
    class Planted(type(example)):  # type: ignore[misc]
        """A model with a mistake in it."""

        name = "planted"

        def build(self, site: Any) -> Any:
            built = super().build(site)
            kind = type(built)
            built.__class__ = type("PlantedModel", (kind,), {key: value(kind) for key, value in methods.items()})
            return built

    return Planted(**{field: getattr(example, field) for field in type(example).model_fields})


def _in_bits(kind):
    return lambda self, batch: 1.44 * kind.loss(self, batch)


def _mean(kind):
    return lambda self, batch: kind.loss(self, batch) / batch.scored


def _flat(kind):
    def loss(self, batch):
        logits = kind.forward(self, batch).mean((0, 1)).expand(*batch.targets.shape, -1)
        return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="sum")

    return loss


def _reads_end(kind):
    def forward(self, batch):
        logits = kind.forward(self, batch)
        return logits + 0.01 * (batch.tokens.float() + 1).mean(1)[:, None, None] * torch.arange(logits.shape[-1])

    return forward


def _one_document(kind):
    def forward(self, batch):
        return kind.forward(self, type(batch)(batch.tokens, batch.targets, batch.padding))

    return forward


def _late(kind):
    def step(self, tokens, decoding):
        decoding.positions = torch.full((len(tokens),), decoding.length + 1)
        return kind.step(self, tokens, decoding)

    return step


def _blind_to_padding(kind):
    def begin(self, prompt, room):
        return kind.begin(self, type(prompt)(prompt.tokens, prompt.targets), room)

    return begin


def _counts_calls(kind):
    def step(self, tokens, decoding):
        return kind.step(self, tokens, decoding) + 0.1 * torch.arange(len(tokens))[:, None] * tokens[:, None]

    return step


def _begins_anew(kind):
    def extend(self, tokens, decoding, scored=1):
        if decoding.positions is None:
            decoding.positions = torch.zeros(len(tokens), dtype=torch.int64)
        else:
            decoding.positions = decoding.positions * 0
        return kind.extend(self, tokens, decoding, scored)

    return extend


for check, mistake, method in (
    (models.the_first_loss_is_that_of_guessing, "a loss in bits", {"loss": _in_bits}),
    (models.it_can_learn_a_batch_by_heart, "one distribution for all", {"loss": _flat}),
    (models.its_loss_is_cross_entropy_of_its_logits, "a mean for a sum", {"loss": _mean}),
    (models.padding_on_the_right_costs_nothing, "padding is read", {"forward": _reads_end}),
    (models.packed_texts_are_apart, "documents ignored", {"forward": _one_document}),
    (models.logits_do_not_see_the_future, "the mean of all tokens", {"forward": _reads_end}),
    (models.cached_decoding_equals_one_pass, "a position too far", {"step": _late}),
    (models.padded_prompts_continue_as_they_do_alone, "padding ignored", {"begin": _blind_to_padding}),
    (models.a_prompt_in_chunks_is_read_as_in_one, "each chunk counts from 0", {"extend": _begins_anew}),
    (models.rows_of_a_decoding_can_be_reordered, "rows told apart", {"step": _counts_calls}),
):
    KILLS.plant(check, mistake, model, partial(model, **method), SITE)


def _same_source(kind):
    def encode(self, batch):
        return kind.encode(self, batch) * 0

    return encode


def _padded_source(kind):
    def encode(self, batch):
        return kind.encode(self, batch) + batch.source.float().mean(1)[:, None, None]

    return encode


def _before_the_cap(kind):
    def hidden(self, batch):
        right = kind.hidden(self, batch)
        return replace(right, head=replace(right.head, scale=0.5))

    return hidden


def _one_too_wide(kind):
    return property(lambda self: self.stack.final_norm.weight.shape[0] + 1, lambda self, width: None)


def _without_flow(kind):
    def hidden(self, batch):
        right = kind.hidden(self, batch)
        return replace(right, flow=batch_flow(batch))

    return hidden


def _flow_without_tokens(kind):
    def hidden(self, batch):
        right = kind.hidden(self, batch)
        return replace(right, flow=replace(right.flow, tokens=None))

    return hidden


def _passed_twice(kind):
    def hidden(self, batch):
        kept = kind.hidden(self, batch)
        for name, terms in kept.flow.carried.terms.items():
            kept.flow.carried.terms[name] = terms * 2
        return kept

    return hidden


def _one_flow_for_all(kind):
    def read(self, batch):
        self.carried = getattr(self, "carried", None) or Carried()
        flow = batch_flow(batch, carried=self.carried)
        self.carried.terms.clear()
        self.carried.reports.clear()
        return self.stack(self.input(batch.tokens), flow), flow

    return read


for check, mistake, method in (
    (carried.its_hidden_states_give_its_logits, "a head of another scale", {"hidden": _before_the_cap}),
    (carried.its_hidden_states_give_its_logits, "another width", {"width": _one_too_wide}),
    (carried.its_hidden_states_give_its_logits, "a flow without tokens", {"hidden": _flow_without_tokens}),
    (carried.what_its_layers_leave_behind_is_kept, "another flow", {"hidden": _without_flow}),
    (carried.what_its_layers_leave_behind_is_kept, "terms counted twice", {"hidden": _passed_twice}),
    (carried.what_its_layers_leave_behind_is_kept, "shared from pass to pass", {"_read": _one_flow_for_all}),
):
    KILLS.plant(check, mistake, model, partial(model, **method), SITE)


def _encoder_alone(kind):
    def encode(self, batch, carried=None):
        return kind.encode(self, batch)

    return encode


KILLS.plant(
    carried.what_its_layers_leave_behind_is_kept,
    "the encoder's terms lost",
    pair_model,
    partial(pair_model, encode=_encoder_alone),
    SITE,
)
KILLS.plant(models.it_reads_its_source, "blind", pair_model, partial(pair_model, encode=_same_source), SITE)
KILLS.plant(
    models.it_reads_its_source,
    "reads padding",
    pair_model,
    partial(pair_model, encode=_padded_source),
    SITE,
)
