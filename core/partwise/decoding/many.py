"""Many prompts at once: a text that ends makes room for the next, so that no row waits for the longest.

Each text has a generator of its own, and a sampler of its own that sees one row: what it writes is what it would write
alone, up to the rounding of a product that is computed for several rows at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from partwise.data.batch import Batch
from partwise.data.marks import marks_of
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError
from partwise.modules.modes import evaluating
from partwise.modules.protocols import Model

from .decoder import Decoder
from .generate import generate_text, refuse_long_source
from .places import Places, rows_can_change
from .prompts import source_prompt, text_prompt
from .stops import Row, StopStrings
from .writing import Writing, device_of

SLACK = 64
"""Places beyond the longest text, so that all texts move once in so many steps."""


@dataclass(frozen=True)
class Wanted:
    """A prompt to continue, or a source to answer."""

    prompt: str
    seed: int = 0
    """Of its sampler."""
    place: str = ""
    """Where it was given, for messages."""


def generate_many(
    model: Model, tokenizer: Tokenizer, wanted: Sequence[Wanted], writing: Writing, rows: int = 16
) -> Iterator[tuple[int, str]]:
    """The index and the text of each prompt, as `generate_text` writes it, in the order in which they end.

    What is wrong with any prompt is said at once. Where a model's rows cannot change while it decodes, or a sampler
    needs more than a row (beam search), prompts are answered one after the other.

    Args:
        rows: texts to write at once.

    Raises:
        InputError: a source is empty, or longer than the model's context; a stop string is empty; special tokens are
            asked for, and the tokenizer has none with names; there is a draft.
    """
    if rows < 1:
        raise InputError(f"texts are written in one row or more, not {rows}")
    if writing.draft is not None:
        raise InputError("a draft writes one text at a time, and not many side by side; leave it out")
    common = _Common(model, tokenizer, writing, StopStrings(writing.stop, tokenizer), device_of(model))
    prompts = [_encoded(model, tokenizer, one, writing) for one in wanted]

    def alone(index: int) -> str:
        one = wanted[index]
        return "".join(generate_text(model, tokenizer, one.prompt, writing, one.seed))

    if not wanted or rows == 1 or not rows_can_change(model):
        return ((index, alone(index)) for index in range(len(wanted)))
    stripped = [(writing.pairs or not one.prompt) and not tokenizer.lossless for one in wanted]
    texts = _refilled(common, [prompt.to(common.device) for prompt in prompts], [one.seed for one in wanted], rows)
    return (
        (index, alone(index) if text is None else text.lstrip(" ") if stripped[index] else text)
        for index, text in texts
    )


def _encoded(model: Model, tokenizer: Tokenizer, wanted: Wanted, writing: Writing) -> Batch:
    begin = source_prompt if writing.pairs else text_prompt
    try:
        prompt = begin(tokenizer, [wanted.prompt], writing.special)
        refuse_long_source(model, prompt)
    except InputError as error:
        raise InputError(f"{wanted.place}: {error}" if wanted.place else str(error)) from error
    return prompt


@dataclass(frozen=True)
class _Common:
    """What all texts have in common."""

    model: Model
    tokenizer: Tokenizer
    writing: Writing
    stops: StopStrings
    device: torch.device

    def room(self, prompt: Batch) -> int:
        """Tokens that the states would hold for this text alone."""
        return min(self.model.context, prompt.tokens.shape[1] + self.writing.limit)


class _NotByRowError(Exception):
    """A sampler needs more than one row for a text."""


class _Text(Decoder):
    """A text among others, as its sampler sees it: a decoder of one row, whose tokens the others are waiting for."""

    def __init__(self, index: int, prompt: Batch, seed: int, common: _Common) -> None:
        self.index = index
        writing, tokenizer = common.writing, common.tokenizer
        self.end, self.ends = tokenizer.end, (*marks_of(tokenizer).ends, *writing.ends)
        self._stops = common.stops.completed if common.stops else None
        self._room = common.room(prompt)
        self._has_source = prompt.source is not None
        self._prompt = prompt.tokens[:, -self._room :]
        self._source = prompt.source
        self._fill(self._prompt)
        self._given: int | None = None
        self._row, self._written, self._bytes_of = Row(common.stops), 0, tokenizer.token_bytes
        self._limit, self._shown = writing.limit, [""]
        self._sampler, self._generator = writing.sampler, torch.Generator(common.device).manual_seed(seed)
        self._tokens: Iterator[Tensor] | None = None

    def _fill(self, tokens: Tensor) -> None:
        self._padding = None
        self._length = tokens.shape[1]
        self._window = tokens.new_empty(1, self._room)
        self._window[:, : self._length] = tokens

    @property
    def length(self) -> int:
        return self._length

    @property
    def prompt(self) -> Batch:
        """What the model must read before it goes on."""
        text = self._window[:, : self._length]
        return Batch(text, text, source=self._source)

    def write(self, logits: Tensor) -> int | None:
        """The next token after logits [1, V]; None if the text is over."""
        self.logits = logits
        if self._tokens is None:
            self._tokens = self._sampler.generate(self, self._limit, self._generator)
        tokens = next(self._tokens, None)
        if tokens is None:
            return None
        self._given = token = int(tokens)
        if token in self.ends:
            return None
        self._shown.append(self._row.add(self._bytes_of(token)))
        self._written += 1
        return None if self._row.ended or self._written == self._limit else token

    def append(self, token: int) -> bool:
        """Whether the model can read the token where it is; else the window begins anew with its last half, or a text
        with a source is as good as over."""
        if self._length < self._room:
            self._window[0, self._length] = token
            self._length += 1
            return True
        if not self._has_source:
            self._fill(self._last_half(self._window.new_tensor([token])).tokens)
        return False

    def finish(self) -> None:
        """Writes on where only the end is possible."""
        certain = torch.full_like(self.logits, -torch.inf)
        certain[:, self.ends[0]] = 0.0
        while self.write(certain) is not None:
            pass

    @property
    def shown(self) -> str:
        """All of the text, now that it is over."""
        return "".join(self._shown) + self._row.rest()

    @property
    def must_end(self) -> bool:
        """Whether there is no room, and nothing that could be forgotten."""
        return self._has_source and self._length == self._room

    def advance(self, tokens: Tensor) -> None:
        if self._given is None or tokens.tolist() != [self._given]:
            raise _NotByRowError
        self._given = None

    def reorder(self, rows: Tensor) -> None:
        raise _NotByRowError


def _refilled(
    common: _Common, prompts: Sequence[Batch], seeds: Sequence[int], rows: int
) -> Iterator[tuple[int, str | None]]:
    """Index and text of each prompt; None for a text that a sampler cannot write row by row."""
    coming = iter(range(len(prompts)))
    longest = max(common.room(prompt) for prompt in prompts)
    room = min(common.model.context, longest + SLACK)
    memory = max(0 if prompt.source is None else prompt.source.shape[1] for prompt in prompts)
    places = Places(common.model, room, common.tokenizer.end, common.writing.chunk, memory)

    def following() -> _Text | None:
        index = next(coming, None)
        return None if index is None else _Text(index, prompts[index], seeds[index], common)

    texts = [text for _ in range(rows) if (text := following()) is not None]
    with evaluating(common.model):
        places.begin([text.prompt for text in texts])
        while texts:
            tokens, anew, idle = [], dict[int, _Text | None](), list[int]()
            for row, text in enumerate(texts):
                try:
                    token = text.write(places.logits[row : row + 1])
                except _NotByRowError:
                    yield from ((other.index, None) for other in texts)
                    yield from ((index, None) for index in coming)
                    return
                over = token is None
                if token is not None and text.must_end:
                    text.finish()
                    over = True
                if over:
                    yield text.index, text.shown
                    anew[row] = following()
                elif token is not None and not text.append(token):
                    anew[row] = text
                if row in anew:
                    idle.append(row)
                tokens.append(common.tokenizer.end if token is None else token)
            going = [text for row, text in enumerate(texts) if row not in anew]
            if going:
                before = max(text.length for text in going) - 1
                places.step(torch.tensor(tokens, device=common.device), idle, before)
            texts = _exchanged(places, texts, anew, bool(going))


def _exchanged(places: Places, texts: list[_Text], anew: dict[int, _Text | None], going: bool) -> list[_Text]:
    """The texts after some rows have begun anew, or have gone without a successor."""
    coming = {row: text for row, text in anew.items() if text is not None}
    left = [row for row in range(len(texts)) if row not in anew or row in coming]
    texts = [coming.get(row, text) for row, text in enumerate(texts)]
    if not left:
        return []
    if not going:
        places.begin([texts[row].prompt for row in left])
        return [texts[row] for row in left]
    if coming:
        places.put(list(coming), [text.prompt for text in coming.values()])
    if len(left) < len(texts):
        places.keep(left)
    return [texts[row] for row in left]


__all__ = ["Wanted", "generate_many"]
