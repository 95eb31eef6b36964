"""Documents that share a row of some length, as training packs them: outputs, and what is learned from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from partwise.parts.part import Part
from partwise.testing.probes import flow_of, numbers, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close, close_at_positions, skip

from .mixers import memory_of, run
from .training import random_in_training, under

SHARES = ((0.4, 0.1, 0.003, 0.2, 0.003, 0.1, 0.1), (0.3, 0.3, 0.3))
"""How long the documents of two rows are, of the whole; what is left is one more, and padding in the second row."""
LENGTH = 264
"""Tokens of a row: beyond the pieces of fast forms, and beyond what attention hides by a mask of all pairs."""

SUMMED = 1e-4
"""Share of a gradient that rounding may take: it is the sum of a thousand tokens, most of which cancels out."""


@check("mixer", "block")
def packed_documents_learn_what_they_learn_apart(
    part: Part, site: Any, length: int = LENGTH, rounding: float = 1e-4
) -> None:
    """In rows of some hundred tokens, some padded, documents give outputs and gradients as each does by itself, in
    training unless chance hides that."""
    if site.reads_memory:
        skip("it reads a memory, and no other position of the text")
    site = replace(site, context=max(site.context, length))
    module, documents = shaken(part, site).train(), torch.stack([_numbered(shares, length) for shares in SHARES])
    padding = documents >= 0
    documents = documents.cummax(1).values  # padding counts as the last document
    x, weights = numbers(2, length, site.width).requires_grad_(), numbers(2, length, site.width, seed=7)
    memory = memory_of(site, 2)
    packed = partial(run, module, site, x, memory, padding, documents)
    if random_in_training(module, packed):
        module.eval()
    whole = under(1, packed)
    size = max(1.0, float(whole.detach().abs().max()))
    together = _gradients(module, x, (whole * weights)[padding].sum())
    total = torch.zeros(())
    for row, here in _apart(documents, padding):
        mine = None if memory is None else memory[row : row + 1]
        alone = under(1, partial(module, x[row : row + 1, here], flow_of(0, int(here.sum()), mine)))
        what = f"a document of {int(here.sum())} tokens packed into a row of {length}, and by itself"
        close_at_positions(whole[row : row + 1, here] / size, alone / size, what, rounding)
        total = total + (alone * weights[row : row + 1, here]).sum()
    apart = _gradients(module, x, total)
    for name, ours in together.items():
        scale = max(1.0, float(apart[name].abs().max()))
        what = f"the gradient of {name} from packed documents, and from each apart"
        close(ours / scale, apart[name] / scale, what, SUMMED, SUMMED)


def _numbered(shares: tuple[float, ...], length: int) -> Tensor:
    """[T], the number of each token's document; -1 for padding, which only rows of few documents have."""
    sizes = [max(1, round(share * length)) for share in shares]
    rest = length - sum(sizes)
    ends = [rest] if len(shares) > 3 else [0, rest]
    names = [*range(len(sizes) + 1), -1][: len(sizes) + len(ends)]
    return torch.tensor(names).repeat_interleave(torch.tensor([*sizes, *ends]))


def _apart(documents: Tensor, padding: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Each document: its row, and where it stands there, [T] bool."""
    for row, names in enumerate(documents):
        for name in names[padding[row]].unique():
            yield row, (names == name) & padding[row]


def _gradients(module: Any, x: Tensor, loss: Tensor) -> dict[str, Tensor]:
    learned = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    found = torch.autograd.grad(loss, [x, *learned.values()], allow_unused=True, retain_graph=True)
    given = zip(("the input", *learned), (x, *learned.values()), found, strict=True)
    return {name: torch.zeros_like(to) if gradient is None else gradient for name, to, gradient in given}
