"""The vectors of the tokens of a text: what lies near them, and a map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from partwise.data.batch import Batch

from .embeddings import analogy, nearest, principal_axes, unit_rows
from .facts import Analogy, Near, Neighbours, Place, Vectors
from .subject import Subject
from .tokens import token
from .words import WordTable, input_table

ASKED, NEAREST, ON_MAP, FEATURES = 24, 8, 72, 64
"""Most tokens of the text whose neighbours are shown, neighbours of each, tokens on the map, features of a strip."""


@torch.no_grad()
def vectors(one: Subject, ids: Sequence[int], asked: Sequence[tuple[str, str, str]]) -> Vectors | None:
    """What the table of a model says of the distinct tokens of a text; nothing if it is not of finite numbers.

    Raises:
        InputError: a word of an analogy is no token of this model.
    """
    name, table = table_of(one)
    known = WordTable(table, one.tokenizer)
    distinct = [id for id in dict.fromkeys(ids) if id < len(table)][:ASKED]
    if not distinct or not bool(table.isfinite().all()):
        return None
    units = unit_rows(table)
    near = {id: nearest(units @ units[id], {id}, NEAREST) for id in distinct}
    shown = list(
        dict.fromkeys([*distinct, *(row for k in range(NEAREST) for id in distinct for row in _at(near[id], k))])
    )
    shown = shown[:ON_MAP]
    places, explained = principal_axes(table[torch.tensor(shown, device=table.device)])

    def answered(words: tuple[str, str, str]) -> Analogy:
        a, b, c = map(known.token_of, words)
        return Analogy(*words, labelled(analogy(table, a, b, c, NEAREST)))

    def labelled(pairs: Sequence[tuple[int, float]]) -> tuple[Near, ...]:
        return tuple(Near(token(one.tokenizer, row), cosine) for row, cosine in pairs)

    return Vectors(
        table=name,
        features=table.shape[1],
        neighbours=tuple(Neighbours(token(one.tokenizer, id), labelled(near[id])) for id in distinct),
        analogies=tuple(map(answered, asked)),
        places=tuple(
            Place(token(one.tokenizer, id), float(x), float(y), id in near)
            for id, (x, y) in zip(shown, places.tolist(), strict=True)
        ),
        explained=explained,
        strips=tuple((token(one.tokenizer, id), tuple(table[id, :FEATURES].float().tolist())) for id in distinct[:8]),
    )


def _at(pairs: Sequence[tuple[int, float]], index: int) -> list[int]:
    return [pairs[index][0]] if index < len(pairs) else []


def table_of(one: Subject) -> tuple[str, Tensor]:
    """The vectors [V, C] that the tokens of a text are embedded by; where they have none, such as one-hot ones, those
    that the head compares with."""
    found = input_table(one.model)
    if found is not None:
        return "input", found
    one_token = torch.full((1, 1), one.tokenizer.end, device=one.device)
    source = one_token if one.reads_pairs else None
    return "head", one.model.hidden(Batch(one_token, one_token, source=source)).head.weight
