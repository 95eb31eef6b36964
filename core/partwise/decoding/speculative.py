"""Speculative decoding: a small model proposes some tokens, and a large one reads them in one pass.

After Leviathan, Kalman & Matias 2023 (arXiv:2211.17192). A proposed token is accepted with the probability
min(1, p / q), where p is the large model's and q the small one's; the first that is not is replaced by one drawn from
what p has in excess of q. So every token has the distribution that the large model gives it, whatever the small one
proposes: that only decides how many tokens a pass is worth.

Shapes: k tokens proposed, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from partwise.errors import InputError
from partwise.modules.protocols import Model

from .drawing import draw_from
from .revisable import Revisable
from .sampler import Sampler
from .writing import Draft, Writing, device_of

Distribution = Callable[[Tensor, Tensor], Tensor]
"""From logits [T, V], and the text [1, n] that ends before the last of them is chosen, to probabilities [T, V]."""


def refuse_draft(model: Model, draft: Draft, sampler: Sampler) -> None:
    """
    Raises:
        InputError: the model cannot write with this draft.
    """
    small = draft.model
    if draft.tokens < 1:
        raise InputError(f"a draft proposes one token at once or more, not {draft.tokens}")
    if not (hasattr(sampler, "filter") or hasattr(sampler, "filter_after")):
        raise InputError(
            f"the sampler {type(sampler).__name__} does not choose token by token from filtered logits, so that what "
            "a draft proposes cannot be judged; leave the draft out, or choose another sampler, such as greedy"
        )
    for name, one in (("model", model), ("draft", small)):
        if not hasattr(one, "extend"):
            raise InputError(f"the {name} cannot read several tokens at once (it has no extend); leave the draft out")
    if small.vocabulary != model.vocabulary:
        raise InputError(
            f"the draft has {small.vocabulary:,} tokens, and the model {model.vocabulary:,}; a draft must have been "
            "trained with the same tokenizer"
        )
    if small.context < model.context:
        raise InputError(
            f"the draft has a context of {small.context:,} tokens, and the model one of {model.context:,}; a draft's "
            "must not be shorter"
        )
    if device_of(small) != device_of(model):
        raise InputError(f"the draft is on {device_of(small)}, and the model on {device_of(model)}; move one of them")


def speculated(target: Revisable, draft: Revisable, writing: Writing, generator: Generator) -> Iterator[Tensor]:
    """Tokens [1] of a text, as the sampler would choose them from the target alone."""
    assert writing.draft is not None
    if writing.limit < 1:
        return
    distribution = distribution_of(writing.sampler)
    last = draw_from(distribution(target.logits, target.text), generator)
    yield last
    written = 1
    while written < writing.limit and not target.ended(last):
        # Each pass gives one token beyond those proposed, and the last of a text is not read.
        count = min(writing.draft.tokens, target.left - 1, writing.limit - written - 1)
        if count < 1:
            draft.read(last)
            last = draw_from(distribution(target.read(last), target.text), generator)
        else:
            target.mark()
            draft.mark()
            tokens, q = _proposed(draft, last, count, distribution, generator)
            p = distribution(target.read(torch.cat((last, tokens))), target.text)
            accepted, last = judged(tokens, p, q, generator)
            for one in (target, draft):
                one.take_back(len(tokens) - accepted)
            writing.draft.proposed += len(tokens)
            for token in tokens.split(1)[:accepted]:
                writing.draft.accepted += 1
                yield token
                if target.ended(token):
                    return
            written += accepted
        yield last
        written += 1


def _proposed(
    draft: Revisable, last: Tensor, count: int, distribution: Distribution, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Up to `count` tokens [k] after the last one, and the distributions [k, V] that they are drawn from."""
    tokens, q = list[Tensor](), list[Tensor]()
    while len(tokens) < count:
        q.append(distribution(draft.read(last), draft.text))
        last = draw_from(q[-1], generator)
        tokens.append(last)
        if draft.ended(last):
            break
    draft.note(last)
    return torch.cat(tokens), torch.cat(q)


def judged(tokens: Tensor, p: Tensor, q: Tensor, generator: Generator) -> tuple[int, Tensor]:
    """How many of the tokens [k] are accepted, and the one [1] that follows these.

    Args:
        p: [k + 1, V], the distribution that each token should have, and the one of a token after all of them.
        q: [k, V], the distributions that they were drawn from.
    """
    place = tokens[:, None]
    chance = torch.rand(len(tokens), 1, dtype=torch.float64, device=tokens.device, generator=generator)
    accepted = int((chance * q.gather(1, place) < p[:-1].gather(1, place)).cumprod(0).sum())
    wanted = p[accepted : accepted + 1]
    if accepted < len(tokens):
        excess = (wanted - q[accepted]).clamp_min(0)
        # Where rounding leaves nothing, the two are the same.
        wanted = excess if bool(excess.any()) else wanted
    return accepted, draw_from(wanted, generator)


def distribution_of(sampler: Sampler) -> Distribution:
    """What a sampler draws from that filters logits; `Greedy` leaves one token."""
    filters: Any = sampler
    if hasattr(sampler, "filter"):
        return lambda logits, text: _softmax(filters.filter(logits))

    def after(logits: Tensor, text: Tensor) -> Tensor:
        T, n = len(logits), text.shape[1]
        rows = [filters.filter_after(logits[t : t + 1], text[:, : n - T + 1 + t]) for t in range(T)]
        return _softmax(torch.cat(rows))

    return after


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(-1, torch.float32).double()


__all__ = ["distribution_of", "judged", "refuse_draft", "speculated"]
