"""What both models are asked: one pass, one with padding, and texts written from the cache.

Shapes: B rows, T positions, M positions of the source, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from partwise.data import IGNORED, Batch
from partwise.modules.protocols import Model

ROWS, LONGEST, PADDED = 2, 40, 7
PROMPT, WRITTEN = 9, 16


@dataclass(frozen=True)
class Questions:
    """Token ids, drawn once for both models."""

    tokens: Tensor
    """[B, T]; for a model of pairs, what its decoder reads."""
    padding: Tensor
    """Where the padded pass has tokens: [B, T], or [B, M] for a model of pairs."""
    source: Tensor | None
    """[B, M], what an encoder reads."""
    start: int
    """What a decoder reads first."""
    causal: bool

    @property
    def pads_left(self) -> bool:
        return self.source is None and self.causal

    @property
    def prompt(self) -> Tensor:
        """[B, P], from where texts are written."""
        if self.source is not None:
            return torch.full((ROWS, 1), self.start)
        return self.tokens[:, : min(PROMPT, self.tokens.shape[1] // 2)]

    @property
    def prompt_padding(self) -> Tensor:
        """The first row begins later."""
        mask = torch.ones_like(self.prompt, dtype=torch.bool)
        mask[0, : (mask.shape[1] - 1) // 2] = False
        return mask

    @property
    def steps(self) -> int:
        """Tokens to be written."""
        return min(WRITTEN, self.tokens.shape[1] - self.prompt.shape[1])


def drawn(config: Mapping[str, Any], vocabulary: int, context: int, pairs: bool, causal: bool, seed: int) -> Questions:
    """
    Args:
        config: theirs; its pad_token_id is not drawn, since some families take it for padding.
    """
    generator = torch.Generator().manual_seed(seed)
    length = min(LONGEST, context)
    pad = config.get("pad_token_id")
    allowed = torch.tensor([one for one in range(vocabulary) if one != pad])

    def ids(count: int) -> Tensor:
        return allowed[torch.randint(len(allowed), (ROWS, count), generator=generator)]

    tokens, source = ids(length), ids(length // 2) if pairs else None
    padding = torch.ones_like(tokens if source is None else source, dtype=torch.bool)
    cut = min(PADDED, padding.shape[1] // 2)
    if source is None and causal:
        padding[0, :cut] = False
    else:
        padding[0, -cut:] = False
    start = config.get("decoder_start_token_id")
    return Questions(tokens, padding, source, start if type(start) is int else 0, causal)


Pass = Callable[[], Tensor]


def our_pass(model: Model, asked: Questions, padded: bool) -> Pass:
    """One pass, to logits [B, T, V]."""
    mask = asked.padding if padded else None
    ignored = torch.full_like(asked.tokens, IGNORED)
    if asked.source is None:
        return lambda: model(Batch(asked.tokens, ignored, mask))
    return lambda: model(Batch(asked.tokens, ignored, source=asked.source, source_padding=mask))


def their_pass(model: Any, asked: Questions, padded: bool) -> Pass:
    named: dict[str, Any] = {"input_ids": asked.tokens}
    if asked.source is not None:
        named = {"input_ids": asked.source, "decoder_input_ids": asked.tokens}
    if padded:
        named["attention_mask"] = asked.padding.long()
        if asked.causal and asked.source is None and "position_ids" in inspect.signature(model.forward).parameters:
            # As `generate` counts: the first token has position 0, wherever it stands.
            named["position_ids"] = (asked.padding.long().cumsum(-1) - 1).clamp(min=0)
    return lambda: model(**named).logits


@dataclass(frozen=True)
class Written:
    """Texts that were written by always taking the likeliest token, through the cache."""

    tokens: Tensor
    """[B, steps]."""
    logits: Tensor
    """[steps, B, V], before each of them."""


def our_writing(model: Model, asked: Questions, forced: Tensor | None = None) -> Written:
    """
    Args:
        forced: [B, steps], tokens to be read in place of those that the model finds likeliest.
    """
    prompt = asked.prompt
    batch = Batch(prompt, torch.full_like(prompt, IGNORED), asked.prompt_padding)
    if asked.source is not None:
        batch = Batch(prompt, torch.full_like(prompt, IGNORED), source=asked.source, source_padding=asked.padding)
    logits, decoding = model.begin(batch, prompt.shape[1] + asked.steps)
    found = [logits]
    written = [logits.argmax(-1)]
    for step in range(asked.steps - 1):
        found.append(model.step(written[-1] if forced is None else forced[:, step], decoding))
        written.append(found[-1].argmax(-1))
    return Written(torch.stack(written, 1), torch.stack(found))


def their_writing(transformers: Any, model: Any, asked: Questions) -> Written:
    """By `generate`, with nothing of a checkpoint's own generation_config.json."""
    model.generation_config = transformers.GenerationConfig()
    settings = transformers.GenerationConfig(
        do_sample=False,
        max_new_tokens=asked.steps,
        pad_token_id=0,
        bos_token_id=0,
        decoder_start_token_id=None if asked.source is None else asked.start,
        output_logits=True,
        return_dict_in_generate=True,
    )
    source, mask = (asked.prompt, asked.prompt_padding) if asked.source is None else (asked.source, asked.padding)
    told = model.generate(source, attention_mask=mask.long(), generation_config=settings)
    return Written(told.sequences[:, -asked.steps :], torch.stack(told.logits))
