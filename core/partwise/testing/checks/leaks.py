"""What must not reach an output, seen in training and where sizes coincide: the future, other rows, padding.

In training a batch cannot be compared with its rows, as chance differs. But a part of the input can be changed while
the rest, and the seed, stay: what may not depend on that part must then be the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from partwise.parts.part import Part
from partwise.testing.probes import MEMORY, flow_of, model_batch, numbers, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close_at_positions, require, skip

from .mixers import HUGE, B, T, empty_state, memory_of, only_if_it_decodes, run
from .training import under


@check("mixer", "block")
def in_training_nothing_leaks_either(part: Part, site: Any) -> None:
    """In training, too, an output depends on no later token, no other row, no padding and no other document."""
    module, x, memory = shaken(part, site).train(), numbers(B, T, site.width), memory_of(site)
    huge, middle = HUGE * numbers(B, T, site.width, seed=4), T // 2
    positions = torch.arange(T)

    def compare(what: str, hidden: Tensor, seen: Tensor, padding: Any = None, documents: Any = None) -> None:
        """With something else where `hidden`, the outputs where `seen` stay."""
        flow = flow_of(0, T, memory, padding, documents)
        one, other = (under(1, partial(module, given, flow)) for given in (x, x.where(~hidden, huge)))
        close_at_positions(other.where(seen, 0.0), one.where(seen, 0.0), f"in training, with another {what}")

    def of(where: Tensor) -> Tensor:
        return where.expand(B, T)[..., None]

    rows = (torch.arange(B) == 1)[:, None]
    compare("text in row 1", of(rows), of(~rows))
    if site.causal and not site.reads_memory:
        compare("future", of(positions >= middle), of(positions < middle))
    for side, kept in (("left", positions >= 3), ("right", positions < T - 3)):
        padding = kept.expand(B, T).clone()
        padding[0] = True
        compare(f"padding on the {side}", ~of(padding), of(padding), padding=padding)
    if not site.reads_memory:
        documents = (positions >= middle).long().expand(B, T)
        compare("document beside it", of(positions < middle), of(positions >= middle), documents=documents)


@check("mixer", "block")
def in_training_padding_of_the_memory_is_not_read(part: Part, site: Any) -> None:
    """In training, too, what padding of the memory contains does not matter, and every output depends on the rest."""
    if site.memory_width is None:
        skip("there is no memory here")
    module = shaken(part, site).train()
    for length in (T, 5):
        x, memory = numbers(B, length, site.width), numbers(B, 5, site.memory_width, seed=2)
        padding = torch.ones(B, 5, dtype=torch.bool)
        padding[0, -2:] = padding[1, :3] = False
        other = memory.where(padding[..., None], HUGE)
        flows = [flow_of(0, length, given, memory_padding=padding) for given in (memory, other)]
        one, two = (under(1, partial(module, x, flow)) for flow in flows)
        close_at_positions(two, one, "in training, with something else in the padding of the memory")


@check("mixer", "block")
def flows_are_not_changed(part: Part, site: Any) -> None:
    """It leaves positions, padding, documents and memory as they are, in training and in evaluation."""
    x, memory = numbers(B, T, site.width), memory_of(site)
    padding = torch.ones(B, T, dtype=torch.bool)
    padding[1, :3] = False
    flows = [flow_of(0, T, memory, padding), flow_of(0, T, memory, None, torch.arange(T).ge(4).long().expand(B, T))]
    for mode in (False, True):
        module = shaken(part, site).train(mode)
        for flow in flows:
            before = {name: value.clone() for name, value in vars(flow).items() if isinstance(value, Tensor)}
            module(x, flow)
            for name, value in before.items():
                same = value.equal(getattr(flow, name))
                require(same, f"it changes {name} of its flow in place{' in training' if mode else ''}")


@check("mixer", "block")
def sizes_that_coincide_make_no_difference(part: Part, site: Any) -> None:
    """Text, memory and batch may be equally long: each row is what it is alone, a beginning what it is in the whole."""
    module, n = shaken(part, site), 4
    x = numbers(n, n, site.width)
    memory = None if site.memory_width is None else numbers(n, n, site.memory_width, seed=2)
    lengths, late = torch.tensor([n, 1, 3, 2])[:, None], torch.arange(n) >= torch.tensor([0, 3, 1, 2])[:, None]
    kept = None if memory is None else torch.arange(n) < lengths
    whole = module(x, flow_of(0, n, memory, memory_padding=kept))
    padded = module(x, flow_of(0, n, memory, late, memory_padding=kept))
    for row in range(n):
        here = None if memory is None else memory[row : row + 1, : int(lengths[row])]
        alone = module(x[row : row + 1], flow_of(0, n, here))
        what = f"row {row} of {n} with {n} tokens" + (
            "" if memory is None else f", a memory of {n} (some of it padding)"
        )
        close_at_positions(whole[row : row + 1], alone, f"{what}, and by itself")
        alone = module(x[row : row + 1, late[row]], flow_of(0, int(late[row].sum()), here))
        close_at_positions(padded[row : row + 1, late[row]], alone, f"{what}, padded, and by itself")
    if site.causal or site.reads_memory:
        begun = module(x[:, : n - 1], flow_of(0, n - 1, memory, memory_padding=kept))
        what = f"a text of {n - 1}" + ("" if memory is None else f" over a memory of {n}")
        close_at_positions(begun, whole[:, : n - 1], f"{what}, and as the beginning of {n}")


@check("mixer", "block")
def decodings_do_not_meet(part: Part, site: Any) -> None:
    """Two texts decoded in turns, by one module or by two of its kind, each give the result of one pass."""
    only_if_it_decodes(site)
    one, two = shaken(part, site, seed=1), shaken(part, site, seed=2)
    x, other, memory = numbers(B, T, site.width), numbers(B, T, site.width, seed=5), memory_of(site)
    streams = [(one, x), (two, x), (one, other)]
    states = [empty_state(part, module, site, B, T) for module, _ in streams]
    pieces: list[list[Tensor]] = [[] for _ in streams]
    for t in range(T):
        for (module, text), state, outputs in zip(streams, states, pieces, strict=True):
            outputs.append(module(text[:, t : t + 1], flow_of(t, t + 1, memory), state))
    for (module, text), outputs in zip(streams, pieces, strict=True):
        close_at_positions(
            torch.cat(outputs, 1), run(module, site, text), "decoded in turns with others, and in one pass"
        )


@check("mixer", "block")
def decoding_over_a_padded_memory_equals_one_pass(part: Part, site: Any) -> None:
    """While it decodes, too, padding of the memory is not read."""
    if site.memory_width is None:
        skip("there is no memory here")
    module, x, memory = shaken(part, site), numbers(B, T, site.width), memory_of(site)
    padding = torch.ones(B, MEMORY, dtype=torch.bool)
    padding[0, -2:] = padding[1, :3] = False
    whole = module(x, flow_of(0, T, memory, memory_padding=padding))
    state = empty_state(part, module, site, B, T)
    pieces = [
        module(x[:, start:end], flow_of(start, end, memory, memory_padding=padding), state)
        for start, end in pairwise((0, 2, *range(3, T + 1)))
    ]
    close_at_positions(torch.cat(pieces, 1), whole, "decoded over a memory with padding, and in one pass")


@check("model")
def in_training_logits_do_not_leak_either(part: Any, site: Any) -> None:
    """In training, too, logits depend on no later token, no other row, and nothing behind padding on the right."""
    model, batch = shaken(part, site).train(), model_batch(part, site, B, T)
    other, middle = (batch.tokens + 1) % site.vocabulary, T // 2
    before = under(1, lambda: model(batch))
    late = replace(batch, tokens=torch.cat((batch.tokens[:, :middle], other[:, middle:]), 1))
    what = "in training, with other tokens that come later"
    close_at_positions(under(1, lambda: model(late))[:, :middle], before[:, :middle], what)
    first = replace(batch, tokens=torch.cat((batch.tokens[:1], other[1:])))
    close_at_positions(under(1, lambda: model(first))[:1], before[:1], "in training, with other tokens in other rows")
    padding = torch.arange(T).lt(middle).expand(B, T)
    one, two = (
        under(1, partial(model, replace(batch, tokens=ids, padding=padding)))[:, :middle]
        for ids in (batch.tokens, late.tokens)
    )
    close_at_positions(two, one, "in training, with other padding on the right")


@check("model")
def a_source_may_be_as_long_as_its_target(part: Any, site: Any) -> None:
    """A text of pairs whose source is as long as the target, and some of it padding, is what it is by itself."""
    if part.reads != "pair":
        skip("it reads no source")
    model, batch = shaken(part, site), model_batch(part, site, B, 5)
    assert batch.source is not None
    assert batch.source_padding is not None
    whole = model(batch)
    for length in (5, 4):
        for row in range(B):
            kept = batch.source_padding[row]
            alone = replace(
                batch,
                tokens=batch.tokens[row : row + 1, :length],
                targets=batch.targets[row : row + 1, :length],
                source=batch.source[row : row + 1, kept],
                source_padding=None,
            )
            what = f"{length} tokens of a row after its source of {int(kept.sum())}, and in a batch of 5 after 5"
            close_at_positions(model(alone), whole[row : row + 1, :length], what)
