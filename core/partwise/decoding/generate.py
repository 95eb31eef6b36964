"""Generating text: a model writes after a prompt what a sampler chooses, and a tokenizer turns it into characters."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from partwise.data.batch import Batch
from partwise.data.marks import marks_of
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError, WorkError
from partwise.modules.modes import evaluating
from partwise.modules.protocols import Model

from .decoder import Decoder
from .prompts import source_prompt, text_prompt
from .revisable import Revisable
from .speculative import refuse_draft, speculated
from .stops import Row, StopStrings
from .writing import Writing, device_of


def generate_text(model: Model, tokenizer: Tokenizer, prompt: str, writing: Writing, seed: int = 0) -> Iterator[str]:
    """The text that a model writes after a prompt, in pieces that come as soon as their characters are complete.

    The prompt is not repeated. The same seed writes the same text. What is wrong with the prompt is said at once, not
    when the first piece is asked for.

    Raises:
        InputError: a source is empty, or longer than the model's context; a stop string is empty; special tokens are
            asked for, and the tokenizer has none with names; the text cannot be written with the draft.
    """
    begin = source_prompt if writing.pairs else text_prompt
    # A tokenizer of words puts a space before each word; at the beginning of a text it does not belong there.
    at_beginning = (writing.pairs or not prompt) and not tokenizer.lossless
    pieces = generate_texts(model, tokenizer, begin(tokenizer, [prompt], writing.special), writing, seed)
    return _without_spaces_first((piece for (piece,) in pieces), at_beginning)


def _without_spaces_first(pieces: Iterator[str], at_beginning: bool) -> Iterator[str]:
    for piece in pieces:
        text = piece.lstrip(" ") if at_beginning else piece
        if text:
            at_beginning = False
            yield text


def generate_texts(
    model: Model, tokenizer: Tokenizer, prompt: Batch, writing: Writing, seed: int = 0
) -> Iterator[list[str]]:
    """`generate_text` for a batch: yields one piece per row, which may be empty.

    Args:
        prompt: from `text_prompt` or `source_prompt`, which have heeded what `writing` says of prompts.

    Raises:
        InputError: a source is longer than the model's context; a stop string is empty; this text cannot be written
            with the draft.
    """
    refuse_long_source(model, prompt)
    if writing.draft is not None:
        refuse_draft(model, writing.draft, writing.sampler)
        if len(prompt.tokens) != 1:
            raise InputError(f"a draft writes one text at a time, not {len(prompt.tokens)} side by side; leave it out")
        if prompt.source is not None:
            raise InputError("this model answers a source, which a draft would not know; leave the draft out")
    return _pieces(model, tokenizer, prompt, writing, seed, StopStrings(writing.stop, tokenizer))


def refuse_long_source(model: Model, prompt: Batch) -> None:
    """
    Raises:
        InputError: a source is longer than the model's context.
    """
    if prompt.source is not None and prompt.source.shape[1] > model.context:
        raise InputError(
            f"a source of {prompt.source.shape[1]} tokens is too long for this model, whose context is {model.context}"
        )


def _pieces(
    model: Model, tokenizer: Tokenizer, prompt: Batch, writing: Writing, seed: int, stops: StopStrings
) -> Iterator[list[str]]:
    ends = (*marks_of(tokenizer).ends, *writing.ends)
    with evaluating(model):
        rows = [Row(stops) for _ in prompt.tokens]
        ended = [False] * len(rows)
        for tokens in _tokens(model, tokenizer.end, ends, prompt, writing, seed, stops):
            ids = tokens.tolist()
            # A sampler of a plugin may know of one end token only, and write on after another.
            ended = [over or token in ends for over, token in zip(ended, ids, strict=True)]
            yield [
                "" if over else row.add(tokenizer.token_bytes(token))
                for row, token, over in zip(rows, ids, ended, strict=True)
            ]
            ended = [over or row.ended for over, row in zip(ended, rows, strict=True)]
            if all(ended):
                break
    rest = [row.rest() for row in rows]
    if any(rest):
        yield rest


def _tokens(
    model: Model, end: int, ends: tuple[int, ...], prompt: Batch, writing: Writing, seed: int, stops: StopStrings
) -> Iterator[Tensor]:
    """Tokens [B], one per row."""
    device = device_of(model)
    generator, prompt = torch.Generator(device).manual_seed(seed), prompt.to(device)
    # A short text needs no states for a whole context.
    room = min(model.context, prompt.tokens.shape[1] + writing.limit)
    if writing.draft is None:
        completed = stops.completed if stops else None
        decoder = Decoder(model, prompt, end, room, ends, completed, writing.chunk)
        yield from writing.sampler.generate(decoder, writing.limit, generator)
        return
    with evaluating(writing.draft.model):
        target = Revisable(model, prompt, end, room, ends, writing.chunk)
        try:
            draft = Revisable(writing.draft.model, prompt, end, room, ends, writing.chunk)
        except WorkError as error:
            raise WorkError(f"the draft: {error}") from error
        yield from speculated(target, draft, writing, generator)
