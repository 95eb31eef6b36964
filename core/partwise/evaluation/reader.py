"""`Reader`: a trained model as evaluations see it. It reads texts in batches of similar length, and writes.

rows.py       texts to rows of token ids, as models read them
scoring.py    how likely a model holds the tokens of rows, each read whole
sharing.py    the same for continuations of one prompt, which is read once

Shapes: T positions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from partwise.data.protocols import Tokenizer
from partwise.decoding.generate import generate_texts
from partwise.decoding.prompts import source_prompt, text_prompt
from partwise.decoding.writing import Writing
from partwise.errors import InputError
from partwise.modules.protocols import Model

from .greedy import Greedy
from .readings import Likelihood, TextReading
from .rows import Row, Rows
from .scoring import Scored, as_batch, score
from .sharing import by_prompt, score_after_one_prompt


class Reader:
    """A trained model, handed to evaluations. What it gives depends on the model and the text alone: neither how many
    texts it is asked for at once nor their order matter beyond rounding."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        pairs: bool = False,
        rows: int = 16,
        device: torch.device | str = "cpu",
    ) -> None:
        """
        Args:
            model: the model itself, for what lies inside; in evaluation mode while it is evaluated.
            pairs: whether it answers a source, or continues a text.
            rows: rows that it reads at once.
            device: where the model is.
        """
        self.model, self.tokenizer, self.pairs, self.rows = model, tokenizer, pairs, rows
        self.device = torch.device(device)
        self.context = model.context
        """Longest text that the model was trained on, in tokens."""
        self.shortened = 0
        """Prompts read so far that were longer than the context, and lost their beginning."""
        self._rows = Rows(tokenizer, model.context, pairs)

    def log_likelihoods(self, requests: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """How likely the model holds a continuation after a prompt, for each (prompt, continuation). After an empty
        prompt, the continuation begins a text. A model of pairs reads the prompt as its source.

        Prompt and continuation are encoded together, and the continuation is what follows the tokens that the prompt
        alone begins with. Equal requests are read once. Continuations of one prompt share one pass over it, where that
        saves time.

        Raises:
            InputError: a continuation is empty, or longer than the model's context.
        """
        asked = {request: self._rows.of(*request) for request in dict.fromkeys(requests)}
        self.shortened += sum(row.shortened for row in asked.values())
        alone, together = by_prompt(asked.values())
        found = score(self.model, alone, self.rows, self.device, self.tokenizer.end)
        found |= score_after_one_prompt(self.model, together, self.rows, self.device, self.tokenizer.end)
        return [self._likelihood(found[asked[request]], asked[request].targets) for request in requests]

    def texts(self, texts: Iterable[str], length: int | None = None, end: bool = True) -> Iterator[TextReading]:
        """How likely the model holds each token of each text, in order.

        A text is read in windows of `length` tokens side by side; unless given, the model's context.

        Args:
            end: whether the token that ends a text is scored, too.

        Raises:
            InputError: the model answers sources, and reads no running text; or it has no positions for such a length.
        """
        self._reads_texts()
        for text in texts:
            yield self._reading(text, self._rows.windows(text, length or self.context, end))

    def rolling(self, texts: Iterable[str]) -> Iterator[TextReading]:
        """The same as lm-evaluation-harness reads texts: without their ends, and in windows of the model's context of
        which the last, too, is a whole context long, though only what none before it has read is scored.

        Raises:
            InputError: the model answers sources, and reads no running text.
        """
        self._reads_texts()
        for text in texts:
            yield self._reading(text, self._rows.rolling(text))

    def logits(self, text: str) -> Tensor:
        """[T + 1, V]: of each token of a text and of what follows it, from the beginning of the text on.

        Raises:
            InputError: the model answers sources.
        """
        self._reads_texts()
        (row,) = self._rows.windows(text, len(self.tokenizer.encode(text)) + 1)
        logits: Tensor = self.model(as_batch([row], self.tokenizer.end).to(self.device))
        return logits[0]

    def write(self, prompts: Sequence[str], limit: int, stop: Sequence[str] = ()) -> list[str]:
        """What the model writes after each prompt or, if it answers sources, as the answer: always the likeliest token.

        Args:
            limit: most tokens of a text.
            stop: strings before the first of which a text ends.

        Raises:
            InputError: a source is empty, or longer than the model's context; a stop string is empty.
        """
        begin = source_prompt if self.pairs else text_prompt
        lengths = [len(self.tokenizer.encode(prompt)) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda index: -lengths[index])
        written = [""] * len(prompts)
        for start in range(0, len(order), self.rows):
            some = order[start : start + self.rows]
            batch = begin(self.tokenizer, [prompts[index] for index in some])
            texts = generate_texts(self.model, self.tokenizer, batch, Writing(Greedy(), limit, stop))
            for index, pieces in zip(some, zip(*texts, strict=True), strict=False):
                written[index] = "".join(pieces)
        return written

    def _reads_texts(self) -> None:
        if self.pairs:
            raise InputError("this model answers a source, and reads no text by itself")

    def _reading(self, text: str, rows: Sequence[Row]) -> TextReading:
        found = score(self.model, rows, self.rows, self.device, self.tokenizer.end)
        ids = [token for row in rows for token in row.targets]
        size = len(text.encode("utf-8", "surrogatepass"))
        return TextReading(tuple(found[row].nats for row in rows), size, self._spelling(ids))

    def _likelihood(self, scored: Scored, targets: Sequence[int]) -> Likelihood:
        unknown = self.tokenizer.unknown
        spelled = targets.count(unknown) * (self.tokenizer.unknown_bits or 0.0) if unknown is not None else 0.0
        nats = float(scored.nats.sum()) + spelled * math.log(2)
        return Likelihood(nats, len(targets), bool(scored.right.all()))

    def _spelling(self, ids: Sequence[int]) -> float | None:
        tokenizer = self.tokenizer
        unknowns = ids.count(tokenizer.unknown) if tokenizer.unknown is not None else 0
        if not tokenizer.lossless or (unknowns and tokenizer.unknown_bits is None):
            return None
        return unknowns * (tokenizer.unknown_bits or 0.0)

    @property
    def restores(self) -> bool:
        """Whether its tokenizer loses nothing of a text, so that there are bits per byte."""
        return self.tokenizer.lossless


__all__ = ["Reader"]
