"""Words and their vectors: those of a model's embedding, by what stands for them in its vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.data.protocols import Tokenizer
from partwise.errors import InputError
from partwise.modules.protocols import Model
from partwise.recipe.suggestions import did_you_mean
from partwise.wording import many

from .embeddings import analogy, neighbours, unit_rows

AT_ONCE = 2**24
"""Cosines that are computed at once."""


def input_table(model: nn.Module | Model) -> Tensor | None:
    """The table [V, C] that tokens are embedded by; None if they are one-hot. Of a model of pairs, the encoder's."""
    size = cast(Any, model).vocabulary
    for module in cast(nn.Module, model).modules():
        given = getattr(module, "weight_for_head", None)
        table: Tensor | None = given() if callable(given) else None
        if table is not None and table.ndim == 2 and len(table) >= size:
            return table
    return None


def embedding_table(model: nn.Module | Model) -> Tensor:
    """The table [V, C] of a model's embedding; of a model of pairs, that of the encoder's.

    Raises:
        InputError: it has none, because tokens are one-hot.
    """
    table = input_table(model)
    if table is not None:
        return table
    raise InputError(
        "this model has no table with a vector for each token: one-hot tokens are all equally far apart; use a model "
        'with a dense embedding ("embedding": "dense"), or the model "word_vectors"'
    )


@dataclass(frozen=True)
class WordTable:
    """The vectors of a vocabulary's words. Special tokens, and the one for unknown words, are none."""

    table: Tensor
    """[V, C]."""
    tokenizer: Tokenizer

    @classmethod
    def of(cls, model: nn.Module | Model, tokenizer: Tokenizer) -> WordTable:
        """Those of a model's embedding.

        Raises:
            InputError: it has no table of vectors.
        """
        return cls(embedding_table(model).detach(), tokenizer)

    @cached_property
    def ids(self) -> list[int]:
        """The tokens that are words or pieces of words."""
        tokenizer = self.tokenizer
        size = min(tokenizer.vocab_size, len(self.table))
        return [one for one in range(size) if one != tokenizer.unknown and tokenizer.token_bytes(one)]

    @cached_property
    def _rows(self) -> Mapping[int, int]:
        return {token: row for row, token in enumerate(self.ids)}

    @cached_property
    def _vectors(self) -> Tensor:
        return self.table[torch.tensor(self.ids, dtype=torch.int64, device=self.table.device)]

    @cached_property
    def _units(self) -> Tensor:
        return unit_rows(self._vectors)

    def token(self, word: str) -> int | None:
        """The one token of a word, as it stands after a space or, if that is none, by itself; None if it has none."""
        for form in (f" {word}", word):
            ids = self.tokenizer.encode(form)
            if len(ids) == 1 and ids[0] in self._rows:
                return ids[0]
        return None

    def token_of(self, word: str) -> int:
        """The one token of a word, as `token` finds it.

        Raises:
            InputError: the vocabulary does not have the word as one token.
        """
        token = self.token(word)
        if token is not None:
            return token
        pieces = self.tokenizer.encode(word)
        if not word.strip():
            raise InputError("an empty word has no vector; give one of the vocabulary")
        if len(pieces) > 1 and self.tokenizer.unknown not in pieces:
            shown = ", ".join(repr(self.tokenizer.label(one)) for one in pieces[:8])
            more = ", ..." if len(pieces) > 8 else ""
            raise InputError(
                f"{word!r} is {many(len(pieces), 'token')} here ({shown}{more}), and only single tokens have a vector"
            )
        words = [self.tokenizer.label(one).strip() for one in self.ids]
        raise InputError(
            f"{word!r} is not among the {len(words):,} words of this vocabulary{did_you_mean(word, words)}"
        )

    def neighbours(self, word: str, count: int) -> list[tuple[str, float]]:
        """The words whose vectors point most nearly where its own does, with the cosine of the angle between them.

        Raises:
            InputError: the vocabulary does not have the word as one token.
        """
        return self._told(neighbours(self._vectors, self._rows[self.token_of(word)], count))

    def analogy(self, word: str, minus: str, plus: str, count: int) -> list[tuple[str, float]]:
        """The words nearest to word - minus + plus, such as king - man + woman; the three themselves are left out.

        Raises:
            InputError: the vocabulary does not have one of the words as one token.
        """
        row, less, more = (self._rows[self.token_of(one)] for one in (word, minus, plus))
        return self._told(analogy(self._vectors, less, row, more, count))

    def cosines(self, pairs: Sequence[tuple[int, int]]) -> Tensor:
        """[N], the cosine of the angle between the vectors of two tokens, for each pair."""
        rows = self._tensor(pairs)
        return (self._units[rows[:, 0]] * self._units[rows[:, 1]]).sum(-1)

    def completions(self, questions: Sequence[tuple[int, int, int]]) -> list[int]:
        """The token that is to the third as the second is to the first, for each three: the best of `analogy`."""
        found: list[int] = []
        rows, units = self._tensor(questions), self._units
        for some in rows.split(max(1, AT_ONCE // max(1, len(units)))):
            a, b, c = (units[column] for column in some.unbind(1))
            cosines = ((b - a + c) @ units.T).scatter(1, some, -torch.inf)
            found += [self.ids[row] for row in cosines.argmax(1).tolist()]
        return found

    def _tensor(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        rows = [[self._rows[one] for one in some] for some in tokens]
        return torch.tensor(rows, dtype=torch.int64, device=self.table.device)

    def _told(self, found: list[tuple[int, float]]) -> list[tuple[str, float]]:
        return [(self.tokenizer.label(self.ids[row]), cosine) for row, cosine in found]


__all__ = ["WordTable", "embedding_table", "input_table"]
