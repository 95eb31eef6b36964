"""The checks themselves: planted mistakes in models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from . import catalogue, checks_models
from .catalogue import SITES
from .planting import Kill, Kills, tell_apart

SITE = SITES["model"]["recipe"]

KILLS = Kills()


def model(**methods: Callable[..., Any]) -> Any:
    """The first example of the language model, with methods exchanged."""
    return _with(_example("language_model"), methods)


def pair_model(**methods: Callable[..., Any]) -> Any:
    """The first example of the model of pairs, with methods exchanged."""
    return _with(_example("seq2seq"), methods)


def _example(name: str) -> Any:
    part = next(entry.part for entry in catalogue.entries("model") if entry.name == name)
    return catalogue.examples(part)[0]


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


def _steep(kind):
    return lambda self, batch: 500 * kind.forward(self, batch)


def _mean(kind):
    return lambda self, batch: kind.loss(self, batch) / batch.scored


def _flat(kind):
    return lambda self, batch: kind.forward(self, batch).mean(1, keepdim=True).expand(-1, batch.tokens.shape[1], -1)


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


for check, mistake, method in (
    (checks_models.check_first_loss_is_that_of_guessing, "steep logits", {"forward": _steep}),
    (checks_models.check_it_can_learn_a_batch_by_heart, "one distribution for all", {"forward": _flat}),
    (checks_models.check_loss_is_cross_entropy_of_the_logits, "a mean for a sum", {"loss": _mean}),
    (checks_models.check_padding_on_the_right_costs_nothing, "padding is read", {"forward": _reads_end}),
    (checks_models.check_packed_texts_are_apart, "documents ignored", {"forward": _one_document}),
    (checks_models.check_the_future_is_not_seen, "the mean of all tokens", {"forward": _reads_end}),
    (checks_models.check_cached_decoding, "a position too far", {"step": _late}),
    (checks_models.check_decoding_of_padded_prompts, "padding ignored", {"begin": _blind_to_padding}),
    (checks_models.check_rows_of_a_decoding_can_be_reordered, "rows told apart", {"step": _counts_calls}),
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


KILLS.plant(
    checks_models.check_it_reads_its_source, "blind", pair_model, partial(pair_model, encode=_same_source), SITE
)
KILLS.plant(
    checks_models.check_it_reads_its_source,
    "reads padding",
    pair_model,
    partial(pair_model, encode=_padded_source),
    SITE,
)


@KILLS.each()
def test_the_mistake_is_found(kill: Kill, tmp_path: Path) -> None:
    tell_apart(kill, tmp_path)
