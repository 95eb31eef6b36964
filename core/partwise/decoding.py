"""Writing with a model: `Decoder` is what samplers see of it, `generate_text` what users see of both."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .errors import InputError
from .evaluation import evaluating
from .flow import IGNORED, Batch
from .interfaces import Model, Sampler, Tokenizer


class Decoder:
    """A model that writes: the logits of the next token, and a way to say which token it was.

    The model's states hold `room` tokens. When they are full, a model without a source starts anew from the
    last half of them, so that writing can go on for ever (a sliding window: what is older is forgotten). A model
    with a source cannot forget how far it has come; when its states are full it must end: from then on the end
    token is certain.
    """

    def __init__(self, model: Model, prompt: Batch, end: int, room: int) -> None:
        """
        Args:
            model: in evaluation mode.
            prompt: what is there already, padded on the left; of more than `room` tokens, the last are read.
            end: id of the token that ends a text.
            room: tokens the states can hold; as a rule `model.context`, beyond which a model was not trained.

        Raises:
            InputError: there is no room, or no token to begin with.
        """
        if room < 1 or prompt.tokens.shape[1] < 1:
            raise InputError(f"a decoder needs room for a token and a token to begin with; room is {room}")
        self.end = end
        """Id of the token that ends a text."""
        self._model = model
        self._room = room
        self._has_source = prompt.source is not None
        if prompt.tokens.shape[1] > room:
            padding = None if prompt.padding is None else prompt.padding[:, -room:]
            prompt = Batch(
                prompt.tokens[:, -room:],
                prompt.targets[:, -room:],
                padding,
                source=prompt.source,
                source_padding=prompt.source_padding,
            )
        self.logits: Tensor
        """[B, V] of the next token in each row."""
        self._begin(prompt)

    @torch.inference_mode()
    def _begin(self, prompt: Batch) -> None:
        self.logits, self._decoding = self._model.begin(prompt, self._room)
        B, self._length = prompt.tokens.shape
        self._window = prompt.tokens.new_empty(B, self._room)
        self._window[:, : self._length] = prompt.tokens
        self._padding = prompt.padding

    @torch.inference_mode()
    def advance(self, tokens: Tensor) -> None:
        """Appends tokens [B], one per row; `logits` are then those of the next."""
        if self._length < self._room:
            self._window[:, self._length] = tokens
            self._length += 1
            self.logits = self._model.step(tokens, self._decoding)
        elif self._has_source:
            self.logits = torch.full_like(self.logits, -torch.inf)
            self.logits[:, self.end] = 0.0
        else:
            self._begin(self._last_half(tokens))

    def _last_half(self, tokens: Tensor) -> Batch:
        """The newest `room // 2` tokens (at least one), of which `tokens` are the last, as a prompt."""
        start = self._room + 1 - max(1, self._room // 2)
        kept = torch.cat((self._window[:, start:], tokens[:, None]), 1)
        padding = None
        if self._padding is not None and start < self._padding.shape[1]:
            padding = torch.ones_like(kept, dtype=torch.bool)
            padding[:, : self._padding.shape[1] - start] = self._padding[:, start:]
        return Batch(kept, torch.full_like(kept, IGNORED), padding)

    @torch.inference_mode()
    def reorder(self, rows: Tensor) -> None:
        """Makes row i continue what row `rows[i]` wrote so far; `rows` may be longer or shorter than B."""
        self._decoding.reorder(rows)
        self.logits = self.logits.index_select(0, rows)
        self._window = self._window.index_select(0, rows)
        if self._padding is not None:
            self._padding = self._padding.index_select(0, rows)


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
