"""What everything that moves information between positions must do: mixers, attentions, and whole blocks.

A mixer and a block differ only in how their states are made, which `empty_state` below hides. B rows, T
positions. Where a check does not apply to a site (causality in an encoder) it is skipped there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from partwise.decoding.places import axes_of, move
from partwise.modules.states import State, reordered, tensors_of
from partwise.parts.part import Part
from partwise.testing.cases import family
from partwise.testing.probes import MEMORY, flow_of, numbers, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close_at_positions, gap, require, skip, smallest, violated

B, T = 3, 8
HUGE = 1e3


def only_if_causal(site: Any) -> None:
    if not site.causal or site.reads_memory:
        skip("here a position may see what comes after it")


def only_if_it_decodes(site: Any) -> None:
    if not (site.causal or site.reads_memory):
        skip("an encoder does not decode")


@check("mixer", "block")
def it_keeps_the_shape(part: Part, site: Any) -> None:
    """[B, T, C] to [B, T, C], in the dtype of the input."""
    x = numbers(B, T, site.width)
    output = run(shaken(part, site), site, x)
    require(output.shape == x.shape, f"{tuple(x.shape)} in, {tuple(output.shape)} out")
    require(output.dtype == x.dtype, f"{x.dtype} in, {output.dtype} out")


@check("mixer", "block")
def the_future_is_not_seen(part: Part, site: Any) -> None:
    """However much a token changes, no output before it changes."""
    only_if_causal(site)
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x = numbers(rows, length, site.width)
        before = run(module, site, x)
        for changed in range(1, length):
            other = x.clone()
            other[:, changed] += HUGE * numbers(rows, site.width, seed=3)
            after = run(module, site, other)
            for t in range(changed):
                if not torch.allclose(after[:, t], before[:, t], 1e-4, 1e-5):
                    violated(
                        f"position {t}'s output changed by {gap(after[:, t], before[:, t]):.2g} when token {changed} "
                        "changed: information leaks from the future"
                    )

    smallest(attempt, B, site.context)


@check("mixer", "block")
def no_gradient_reaches_the_future(part: Part, site: Any) -> None:
    """d y_i / d x_j = 0 for j > i: training would use a leak that outputs do not show (a straight-through estimate)."""
    only_if_causal(site)
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x = numbers(rows, length, site.width).requires_grad_()
        output = run(module, site, x)
        for i in range(length - 1):
            (gradient,) = torch.autograd.grad(output[:, i].sum(), x, retain_graph=True)
            for j in range(i + 1, length):
                leak = float(gradient[:, j].abs().max())
                require(leak == 0, f"the gradient of position {i}'s output with respect to token {j} is {leak:.2g}")

    smallest(attempt, B, T)


@check("mixer", "block")
def information_moves(part: Part, site: Any) -> None:
    """The last output depends on the position before it; with a memory, every output depends on the memory."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width).requires_grad_(), memory_of(site)
    if memory is not None and site.reads_memory:
        changed = run(module, site, x, memory=memory + 1.0)
        moved = (changed - run(module, site, x)).abs().amax(-1)
        require(moved.min() > 0, "there are outputs to which the memory makes no difference")
    else:
        (gradient,) = torch.autograd.grad(run(module, site, x)[:, -1].square().sum(), x)
        require(gradient[:, -2].abs().max() > 0, "the last output does not depend on the position before it")


@check("mixer", "block")
def decoding_in_pieces_equals_one_pass(part: Part, site: Any) -> None:
    """Decoding in pieces of any length, with a state that is updated in place, gives the result of one pass."""
    only_if_it_decodes(site)
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x = numbers(rows, length, site.width)
        full = run(module, site, x)
        half = length // 2
        for cuts in ([*range(length + 1)], [0, length - 1, length], [0, 1, half, length], [0, half, half + 1, length]):
            cuts = sorted(set(cuts))
            state = empty_state(part, module, site, rows, length + 2)
            places = [tensor.data_ptr() for tensor in tensors_of(state)]
            parts = [step(module, site, x, start, end, state) for start, end in pairwise(cuts)]
            close_at_positions(torch.cat(parts, 1), full, f"decoded in pieces cut at {cuts}, and in one")
            same = places == [tensor.data_ptr() for tensor in tensors_of(state)]
            require(same, "the tensors of the state are replaced while decoding, not updated in place")

    smallest(attempt, B, T)


@check("mixer", "block")
def decoding_goes_on_to_the_end_of_the_context(part: Part, site: Any) -> None:
    """Decoding token by token, up to the last that the state has room for, gives the result of one pass."""
    only_if_it_decodes(site)
    module, length = shaken(part, site), site.context

    def attempt(rows: int, length: int) -> None:
        x = numbers(rows, length, site.width)
        state = empty_state(part, module, site, rows, length)
        pieces = [step(module, site, x, t, t + 1, state) for t in range(length)]
        close_at_positions(torch.cat(pieces, 1), run(module, site, x), "token by token, and in one pass")

    smallest(attempt, 1, length)


@check("mixer", "block")
def states_begin_empty(part: Part, site: Any) -> None:
    """A second text decodes as the first did: an empty state holds nothing of what was decoded before."""
    only_if_it_decodes(site)
    module, x = shaken(part, site), numbers(B, T, site.width)

    def decode() -> Tensor:
        state = empty_state(part, module, site, B, T)
        return torch.cat([step(module, site, x, t, t + 1, state) for t in range(T)], 1)

    first = decode()
    close_at_positions(decode(), first, "decoded a second time, from a new state", 0, 0)


@check("mixer", "block")
def states_can_be_reordered(part: Part, site: Any) -> None:
    """Rows of a state can change places, be dropped and be doubled (beam search), and so can what they continue."""
    only_if_it_decodes(site)
    module, x, rows = shaken(part, site), numbers(B, T, site.width), torch.tensor([2, 0, 0, 1])
    state = empty_state(part, module, site, B, T)
    for tensor in tensors_of(state):
        require(
            tensor.shape[0] == B,
            f"for {B} rows a tensor of the state has shape {tuple(tensor.shape)}; the batch comes first",
        )
    step(module, site, x, 0, 3, state)
    state = reordered(state, rows)
    memory = memory_of(site)
    memory = None if memory is None else memory[rows]
    rest = [module(x[rows, t : t + 1], flow_of(t, t + 1, memory), state) for t in range(3, T)]
    close_at_positions(torch.cat(rest, 1), run(module, site, x)[rows, 3:], "after its rows changed places")


@check("mixer", "block")
def a_text_can_begin_while_others_go_on(part: Part, site: Any) -> None:
    """A text begins behind places that hold nothing, and then moves to the front of them, as where one text among
    several makes room for another. A mixer that cannot says `rows_begin_together`."""
    only_if_it_decodes(site)
    module, gap, moved = shaken(part, site), 4, 3
    if any(getattr(one, "rows_begin_together", False) for one in module.modules()):
        skip("it says that its rows begin together")

    def attempt(rows: int, length: int) -> None:
        x, memory, half = numbers(rows, length, site.width), memory_of(site, rows), length // 2
        there = torch.arange(gap + length).expand(rows, -1) >= gap
        state = empty_state(part, module, site, rows, gap + length)
        module(numbers(rows, 1, site.width, seed=4), flow_of(0, 1, memory, there), state)
        pieces = [module(x[:, :half], flow_of(gap, gap + half, memory, there), state)]
        try:
            axes = axes_of(*(empty_state(part, module, site, 1, n) for n in (2, 3)))
        except ValueError as error:
            violated(f"tokens lie along several axes of {error.args[0]!r} in its state, or take several places each")
        move(state, axes, moved, 0, gap + half - moved)
        start, there = gap + half - moved, there[:, moved:]
        pieces += [
            module(x[:, t : t + 1], flow_of(start + t - half, start + t - half + 1, memory, there), state)
            for t in range(half, length)
        ]
        close_at_positions(torch.cat(pieces, 1), run(module, site, x), "begun behind empty places and moved, and alone")

    smallest(attempt, B, T)


@check("mixer", "block")
def states_have_the_dtype_asked_for(part: Part, site: Any) -> None:
    """States are of the dtype that is asked for, and decoding keeps to it."""
    only_if_it_decodes(site)
    module = shaken(part, site).double()
    state = empty_state(part, module, site, B, T, torch.float64)
    for tensor in tensors_of(state):
        wanted = tensor.dtype in (torch.float64, torch.int64, torch.bool)
        require(wanted, f"asked for a state of float64, it makes one of {tensor.dtype}")
    x = numbers(B, T, site.width).double()
    memory = memory_of(site)
    memory = None if memory is None else memory.double()
    full = module(x, flow_of(0, T, memory))
    pieces = [module(x[:, t : t + 1], flow_of(t, t + 1, memory), state) for t in range(T)]
    close_at_positions(torch.cat(pieces, 1), full, "cached and full in float64", 1e-9, 1e-9)


@check("mixer", "block")
def decoding_continues_after_left_padding(part: Part, site: Any) -> None:
    """A prompt padded on the left continues from the cache as it would without the padding."""
    only_if_it_decodes(site)
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x, memory, padding = numbers(rows, length, site.width), memory_of(site, rows), _left(rows, length)
        whole = run(module, site, x, padding=padding)
        for first in (1, length // 2, length - 1):
            cuts = sorted({0, *range(max(1, first), length + 1)})
            state = empty_state(part, module, site, rows, length)
            pieces = [module(x[:, s:e], flow_of(s, e, memory, padding), state) for s, e in pairwise(cuts)]
            what = f"a padded prompt of {first} decoded, and in one pass"
            close_at_positions(_kept(torch.cat(pieces, 1), padding), _kept(whole, padding), what)

    smallest(attempt, B, T)


@check("mixer", "block")
def a_batch_equals_its_rows(part: Part, site: Any) -> None:
    """The rows of a batch do not affect each other."""
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x, memory = numbers(rows, length, site.width), memory_of(site, rows)
        whole = run(module, site, x)
        for row in range(rows):
            one = slice(row, row + 1)
            alone = module(x[one], flow_of(0, length, None if memory is None else memory[one]))
            close_at_positions(alone, whole[one], f"row {row} alone and in a batch of {rows}")

    smallest(attempt, B, T)


@check("mixer", "block")
def padding_is_not_read(part: Part, site: Any) -> None:
    """Padding on either side changes nothing, whatever it contains."""
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x, memory = numbers(rows, length, site.width), memory_of(site, rows)
        for side, padding in (("left", _left(rows, length)), ("right", _left(rows, length).flip(1))):
            output = run(module, site, x, padding=padding)
            filled = torch.where(padding[..., None], x, HUGE * numbers(rows, length, site.width, seed=4))
            other = run(module, site, filled, padding=padding)
            what = f"with something else in the padding on the {side}"
            close_at_positions(_kept(other, padding), _kept(output, padding), what)
            for row in range(rows):
                alone = x[row : row + 1, padding[row]]
                here = None if memory is None else memory[row : row + 1]
                expected = module(alone, flow_of(0, alone.shape[1], here))
                what = f"row {row} with padding on the {side} and without"
                close_at_positions(output[row : row + 1, padding[row]], expected, what)

    smallest(attempt, B, T)


@check("mixer", "block")
def packed_documents_are_apart(part: Part, site: Any) -> None:
    """Documents that are packed into one row give what each gives by itself."""
    module = shaken(part, site)

    def attempt(rows: int, length: int) -> None:
        x, memory, documents = numbers(rows, length, site.width), memory_of(site, rows), _documents(rows, length)
        packed = run(module, site, x, documents=documents)
        for row in range(rows):
            for document in documents[row].unique().tolist():
                here = documents[row] == document
                alone = x[row : row + 1, here]
                expected = module(alone, flow_of(0, alone.shape[1], None if memory is None else memory[row : row + 1]))
                what = f"document {document} packed into row {row} and by itself"
                close_at_positions(packed[row : row + 1, here], expected, what)

    smallest(attempt, B, T)


@check("mixer", "block")
def nothing_but_padding_stays_finite(part: Part, site: Any) -> None:
    """With a row of nothing but padding, outputs and gradients stay finite."""
    module, x = shaken(part, site), numbers(B, T, site.width).requires_grad_()
    padding = _left(B, T).flip(1)
    padding[0] = False
    output = run(module, site, x, padding=padding)
    require(output.isfinite().all(), "a row of nothing but padding gives outputs that are not finite")
    output.square().sum().backward()
    gradients_are_finite(module, x, "with a row of nothing but padding")


@check("mixer", "block")
def padding_of_the_memory_is_not_read(part: Part, site: Any) -> None:
    """What padding of the memory contains does not matter, and a memory of nothing but padding gives finite outputs."""
    if site.memory_width is None:
        skip("there is no memory here")
    module, x, memory = shaken(part, site), numbers(B, T, site.width), numbers(B, MEMORY, site.memory_width, seed=2)
    padding = torch.ones(B, MEMORY, dtype=torch.bool)
    padding[0, -2:] = padding[1, :3] = False
    output = module(x, flow_of(0, T, memory, memory_padding=padding))
    other = torch.where(padding[..., None], memory, HUGE)
    what = "with something else in the padding of the memory"
    close_at_positions(module(x, flow_of(0, T, other, memory_padding=padding)), output, what)
    alone = module(x[:1], flow_of(0, T, memory[:1, :-2]))
    close_at_positions(alone, output[:1], "with padding in the memory and without")
    padding[2] = False
    finite = module(x, flow_of(0, T, memory, memory_padding=padding)).isfinite().all()
    require(finite, "a memory of nothing but padding gives outputs that are not finite")


@check("attention")
def without_positions_order_does_not_matter(part: Any, site: Any) -> None:
    """Over a whole text and without positions, attention is equivariant to permutations of its input."""
    if site.causal:
        skip("a decoder's mask gives the order away")
    if part.sees_order():
        skip("it tells one order from another by itself")
    module = shaken(part, site)
    seen = torch.ones(T, T, dtype=torch.bool) if site.reads_memory else _sees(module, site)
    turns = not seen.all()
    if turns and not torch.equal(seen.flip(0, 1), seen) and seen.triu(1).any():
        skip("which positions it sees depends on their order, and not alike from both ends")

    def attempt(rows: int, length: int) -> None:
        x, order = numbers(rows, length, site.width), torch.arange(length).roll(1)
        if turns and length < T:
            return
        if turns:  # each sees its neighbours only, and they are the same from the other end
            order = torch.arange(length).flip(0)
        memory = memory_of(site, rows)
        turned = run(module, site, x[:, order], memory=None if memory is None else memory.flip(1))
        close_at_positions(turned, run(module, site, x)[:, order], f"in the order {order.tolist()}")

    smallest(attempt, B, T)


def _sees(module: Any, site: Any) -> Tensor:
    """[T, T] bool: whether the output of a position depends on the input of another."""
    x = numbers(1, T, site.width).requires_grad_()
    output = run(module, site, x)
    gradients = [torch.autograd.grad(output[:, t].square().sum(), x, retain_graph=True)[0] for t in range(T)]
    return torch.cat(gradients).abs().amax(-1) > 0


def _left(rows: int, length: int) -> Tensor:
    """Padding on the left: none in the first row, some in the second, most in the third."""
    padded = torch.tensor([0, length // 4 + 1, length - 2][:rows]).clamp(0, length - 1)
    return torch.arange(length) >= padded[:, None]


def _documents(rows: int, length: int) -> Tensor:
    """One in the first row, two in the second, one of two tokens and a rest in the third."""
    begins = torch.tensor([length, length // 2, 2][:rows])
    return 4 * torch.arange(rows)[:, None] + (torch.arange(length) >= begins[:, None]).long()


def _kept(x: Tensor, padding: Tensor) -> Tensor:
    return torch.where(padding[..., None], x, 0.0)


def gradients_are_finite(module: Any, x: Tensor, when: str) -> None:
    """After a backward pass; over a memory, x need not have one."""
    for name, tensor in (*module.named_parameters(), ("the input", x)):
        finite = tensor.grad is None or tensor.grad.isfinite().all()
        require(finite, f"{when} the gradient of {name} is not finite")


def memory_of(site: Any, rows: int = B) -> Tensor | None:
    """The states of an encoder, if the site has one."""
    return None if site.memory_width is None else numbers(rows, MEMORY, site.memory_width, seed=2)


def run(
    module: Any,
    site: Any,
    x: Tensor,
    memory: Tensor | None = None,
    padding: Tensor | None = None,
    documents: Tensor | None = None,
) -> Tensor:
    """One pass over all of x, with the site's memory unless one is given."""
    memory = memory_of(site, len(x)) if memory is None else memory
    return module(x, flow_of(0, x.shape[1], memory, padding, documents))


def step(module: Any, site: Any, x: Tensor, start: int, end: int, state: State) -> Tensor:
    """One pass over a piece of x, with a state."""
    return module(x[:, start:end], flow_of(start, end, memory_of(site, len(x))), state)


def empty_state(
    part: Part, module: Any, site: Any, rows: int, length: int, dtype: torch.dtype = torch.float32
) -> State:
    """A state for `length` tokens, or for the memory if the mixer reads one."""
    like = torch.zeros(1, dtype=dtype)
    if family(part) == "block":
        return module.empty_state(rows, length, MEMORY, like)
    return module.empty_state(rows, MEMORY if site.reads_memory else length, like)
