"""How likely a model holds several continuations of one prompt, which it reads only once.

The prompt is read into the model's states, as in decoding; these are copied for each continuation, whose tokens are
then read one by one. That takes as many passes as the longest continuation has tokens, so it pays where prompts are
long and continuations short.

Shapes: B rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from partwise.data.batch import Batch
from partwise.decoding.prompts import left_padded
from partwise.modules.protocols import Model
from partwise.modules.states import Decoding

from .rows import Row
from .scoring import Scored, of_logits, padded_right

PAYS = 8
"""How many times as long as its longest continuation a prompt must be to be read by itself."""

Group = list[Row]
"""Rows of one prompt."""


def by_prompt(rows: Iterable[Row]) -> tuple[list[Row], list[Group]]:
    """The rows that are best read alone, and those that are best read after their common prompt, by prompt. What
    decides is in the rows of one prompt: what else is asked for makes no difference."""
    groups: dict[tuple[tuple[int, ...], ...], Group] = {}
    for row in rows:
        groups.setdefault((row.source, row.before), []).append(row)
    alone: list[Row] = []
    together: list[Group] = []
    for (source, before), group in groups.items():
        longest = max(len(row.targets) for row in group)
        if len(group) > 1 and len(before) + len(source) >= PAYS * longest:
            together.append(group)
        else:
            alone += group
    return alone, together


def score_after_one_prompt(
    model: Model, groups: Sequence[Group], size: int, device: torch.device, fill: int
) -> dict[Row, Scored]:
    """The scored tokens of each row, as `score` gives them; at most `size` rows at a time, unless a group has more
    prompts than that."""
    found: dict[Row, Scored] = {}
    ordered = sorted(groups, key=lambda group: -len(group[0].before) - len(group[0].source))
    for some in _packed(ordered, size):
        rows = [(index, row) for index, group in enumerate(some) for row in group]
        room = max(len(row.before) for _, row in rows) + max(len(row.targets) for _, row in rows)
        logits, decoding = model.begin(_prompts(some, fill).to(device), room)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            origin = torch.tensor([index for index, _ in part], device=device)
            copied = replace(decoding)
            copied.reorder(origin)
            scored = _read_on(model, logits.index_select(0, origin), copied, [row for _, row in part], fill)
            found |= zip((row for _, row in part), scored, strict=True)
    return found


def _packed(groups: Sequence[Group], size: int) -> Iterator[list[Group]]:
    """Groups of at most `size` rows together, and one group at least."""
    packed: list[Group] = []
    for group in groups:
        if packed and sum(map(len, packed)) + len(group) > size:
            yield packed
            packed = []
        packed.append(group)
    if packed:
        yield packed


def _prompts(groups: Sequence[Group], fill: int) -> Batch:
    first = [group[0] for group in groups]
    prompts = left_padded([row.before for row in first], fill)
    if not first[0].source:
        return prompts
    source, padding = padded_right([row.source for row in first], fill)
    return replace(prompts, source=source, source_padding=padding)


def _read_on(model: Model, logits: Tensor, decoding: Decoding, rows: Sequence[Row], fill: int) -> list[Scored]:
    """Reads the rows' targets one after the other; `logits` are those of the first."""
    targets, _ = padded_right([row.targets for row in rows], fill)
    targets = targets.to(logits.device)
    nats, right = [], []
    for step, wanted in enumerate(targets.unbind(1)):
        if step:
            logits = model.step(targets[:, step - 1], decoding)
        some, hits = of_logits(logits, wanted)
        nats.append(some.cpu())
        right.append(hits.cpu())
    columns = zip(torch.stack(nats, 1), torch.stack(right, 1), rows, strict=True)
    return [Scored(some[: len(row.targets)], hits[: len(row.targets)]) for some, hits, row in columns]


__all__ = ["by_prompt", "score_after_one_prompt"]
