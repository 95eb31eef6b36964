"""Writing with a model: `Decoder` is what samplers see of it, `generate_text` what users see of both."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

import torch

from partwise.data.batch import IGNORED, Batch
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError
from partwise.modules.modes import evaluating
from partwise.modules.protocols import Model

from .decoder import Decoder
from .sampler import Sampler


def left_padded(rows: Sequence[Sequence[int]], end: int) -> Batch:
    """Token ids of unequal length as a prompt, padded on the left with `end`; an empty row becomes `end` itself."""
    filled = [list(row) or [end] for row in rows]
    longest = max(map(len, filled))
    tokens = torch.tensor([[end] * (longest - len(row)) + row for row in filled])
    lengths = torch.tensor([[len(row)] for row in filled])
    padding = torch.arange(longest) >= longest - lengths
    return Batch(tokens, torch.full_like(tokens, IGNORED), None if bool(padding.all()) else padding)


def text_prompt(tokenizer: Tokenizer, texts: Sequence[str]) -> Batch:
    """Beginnings of texts, to be continued by a language model; "" for a text of its own invention."""
    return left_padded([[tokenizer.end, *tokenizer.encode(text)] for text in texts], tokenizer.end)


def source_prompt(tokenizer: Tokenizer, sources: Sequence[str]) -> Batch:
    """Sources for a model of pairs, which begins each target with the end token.

    Raises:
        InputError: a source is empty; in training none is.
    """
    if not all(sources):
        raise InputError("this model answers a source, and an empty one says nothing; give it some text")
    ends = torch.full((len(sources), 1), tokenizer.end)
    # Sources stand as they do in training: padded on the right.
    flipped = left_padded([tokenizer.encode(source)[::-1] for source in sources], tokenizer.end)
    padding = None if flipped.padding is None else flipped.padding.flip(1)
    return Batch(ends, torch.full_like(ends, IGNORED), source=flipped.tokens.flip(1), source_padding=padding)


def generate_text(
    model: Model,
    tokenizer: Tokenizer,
    prompt: str,
    sampler: Sampler,
    limit: int,
    seed: int = 0,
    pairs: bool = False,
    device: torch.device | str = "cpu",
) -> Iterator[str]:
    """What the model, which is on `device`, writes after a prompt, in pieces that come as soon as their characters
    are complete; joined, they are at most `limit` tokens of text, without the prompt.

    With `pairs`, the prompt is a source and what is written its target. The same seed writes the same text.

    Raises:
        InputError: a source is empty, or longer than the model's context.
    """
    begin = source_prompt if pairs else text_prompt
    # A tokenizer of words puts a space before each, which at the beginning of a text is none of it.
    at_beginning = (pairs or not prompt) and not tokenizer.lossless
    for (piece,) in generate_texts(model, tokenizer, begin(tokenizer, [prompt]), sampler, limit, seed, device):
        text = piece.lstrip(" ") if at_beginning else piece
        if text:
            at_beginning = False
            yield text


def generate_texts(
    model: Model,
    tokenizer: Tokenizer,
    prompt: Batch,
    sampler: Sampler,
    limit: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Iterator[list[str]]:
    """`generate_text` for a batch (see `text_prompt` and `source_prompt`): one piece per row, maybe empty.

    Raises:
        InputError: a source is longer than the model's context.
    """
    if prompt.source is not None and prompt.source.shape[1] > model.context:
        raise InputError(
            f"a source of {prompt.source.shape[1]} tokens is too long for this model, whose context is {model.context}"
        )
    generator = torch.Generator(device).manual_seed(seed)
    with evaluating(model):
        # A shorter text needs no states for the longest one.
        room = min(model.context, prompt.tokens.shape[1] + limit)
        decoder = Decoder(model, prompt.to(device), tokenizer.end, room)
        rows = [codecs.getincrementaldecoder("utf-8")("replace") for _ in prompt.tokens]
        for tokens in sampler.generate(decoder, limit, generator):
            pairs = zip(rows, tokens.tolist(), strict=True)
            yield [row.decode(tokenizer.token_bytes(token)) for row, token in pairs]
    rest = [row.decode(b"", final=True) for row in rows]
    if any(rest):
        yield rest
