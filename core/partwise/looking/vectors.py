"""The vectors of the tokens of a text: what lies near them, and a map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from partwise.data.batch import Batch
from partwise.errors import InputError

from .embeddings import analogy, nearest, principal_axes, unit_rows
from .facts import Analogy, Near, Neighbours, Place, Vectors
from .subject import Subject
from .tokens import token

ASKED, NEAREST, ON_MAP, FEATURES = 24, 8, 72, 64
"""Most tokens of the text whose neighbours are shown, neighbours of each, tokens on the map, features of a strip."""


@torch.no_grad()
def vectors(one: Subject, ids: Sequence[int], asked: Sequence[tuple[str, str, str]]) -> Vectors | None:
    """What the table of a model says of the distinct tokens of a text.

    Raises:
        InputError: a word of an analogy is no token of this model.
    """
    name, table = table_of(one)
    distinct = [id for id in dict.fromkeys(ids) if id < len(table)][:ASKED]
    if not distinct:
        return None
    units = unit_rows(table)
    near = {id: nearest(units @ units[id], {id}, NEAREST) for id in distinct}
    shown = list(
        dict.fromkeys([*distinct, *(row for k in range(NEAREST) for id in distinct for row in _at(near[id], k))])
    )
    shown = shown[:ON_MAP]
    places, explained = principal_axes(table[torch.tensor(shown, device=table.device)])

    def answered(words: tuple[str, str, str]) -> Analogy:
        a, b, c = (id_of(one, word) for word in words)
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


def id_of(one: Subject, word: str) -> int:
    """The one token that a word is, also with a space before it, as words have in running text.

    Raises:
        InputError: it is none, or several.
    """
    cuts = [one.tokenizer.encode(text) for text in (word, f" {word}")]
    single = [ids[0] for ids in cuts if len(ids) == 1 and ids[0] != one.tokenizer.unknown]
    if single:
        return single[0]
    if one.tokenizer.unknown is not None and cuts[0] == [one.tokenizer.unknown]:
        raise InputError(f"{word!r} is not in the vocabulary of {one.name!r}; name a word that is")
    pieces = " ".join(repr(one.tokenizer.label(id)) for id in cuts[0][:8])
    raise InputError(
        f"{word!r} is not one token for {one.name!r} but {len(cuts[0])} ({pieces}); name a word that is one"
    )


def table_of(one: Subject) -> tuple[str, Tensor]:
    """The vectors [V, C] that the tokens of a text are embedded by; where they have none, such as one-hot ones, those
    that the head compares with."""
    for module in one.module.modules():
        make = getattr(module, "weight_for_head", None)
        found = make() if callable(make) else None
        if isinstance(found, Tensor):
            return "input", found
    one_token = torch.full((1, 1), one.tokenizer.end, device=one.device)
    source = one_token if one.reads_pairs else None
    return "head", one.model.hidden(Batch(one_token, one_token, source=source)).head.weight


def is_one_hot(model: nn.Module) -> bool:
    """Whether tokens come in as indicator vectors."""
    tables = (getattr(module, "weight_for_head", None) for module in model.modules())
    return any(table() is None for table in tables if callable(table))
