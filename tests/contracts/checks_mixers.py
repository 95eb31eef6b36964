"""What everything that moves information between positions must hold: mixers, attentions, and whole blocks.

A mixer and a block differ only in how their states are made, which `empty_state` below hides. B rows, T
positions. Where a check says nothing about a site (causality in an encoder), `applies` says so beforehand.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from partwise import Part
from partwise.flow import State, reordered, tensors_of

from .catalogue import MEMORY_WIDTH, family
from .checks_modules import close
from .probes import MEMORY, flow_of, numbers, shaken

B, T = 3, 7
LEFT = torch.tensor([[True] * T, [False] * 2 + [True] * (T - 2), [False] * 5 + [True] * (T - 5)])
RIGHT = LEFT.flip(1)
DOCUMENTS = torch.tensor([[0] * T, [0, 0, 0, 1, 1, 1, 1], [4, 4, 5, 6, 6, 6, 6]])
HUGE = 1e3


def is_causal(site: Any) -> bool:
    """Whether a position may see only itself and what came before."""
    return site.causal and not site.reads_memory


def decodes(site: Any) -> bool:
    """Whether a mixer here is used one token after the other: in a decoder, over itself or over a memory."""
    return site.causal or site.reads_memory


def check_the_future_is_not_seen(part: Part, site: Any) -> None:
    """However large a change, no output before it moves."""
    module, x = shaken(part, site), numbers(B, T, site.width)
    before = run(module, site, x)
    for t in (1, T // 2, T - 1):
        changed = x.clone()
        changed[:, t:] += HUGE * numbers(B, T - t, site.width, seed=3)
        close(run(module, site, changed)[:, :t], before[:, :t], f"outputs before position {t}, which was changed")


def check_no_gradient_reaches_the_future(part: Part, site: Any) -> None:
    """d y_i / d x_j = 0 for j > i: what the outputs do not show (a straight-through estimate) training would use."""
    module, x = shaken(part, site), numbers(B, T, site.width).requires_grad_()
    output = run(module, site, x)
    for i in range(T - 1):
        (gradient,) = torch.autograd.grad(output[:, i].sum(), x, retain_graph=True)
        leak = gradient[:, i + 1 :].abs().max()
        assert leak == 0, f"output {i} depends on positions after it: a gradient of {leak:.3g} reaches them"


def check_information_moves(part: Part, site: Any) -> None:
    """The last output depends on the position before it; over a memory, every output on the memory."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width).requires_grad_(), memory_of(site)
    if site.reads_memory:
        changed = run(module, site, x, memory=memory + 1.0)
        moved = (changed - run(module, site, x)).abs().amax(-1)
        assert moved.min() > 0, "there are outputs to which the memory makes no difference"
    else:
        (gradient,) = torch.autograd.grad(run(module, site, x)[:, -1].square().sum(), x)
        assert gradient[:, -2].abs().max() > 0, "the last output does not depend on the position before it"


def check_cached_decoding(part: Part, site: Any) -> None:
    """In pieces of any length, with a state, the result is that of one pass; the state is updated in place."""
    module, x = shaken(part, site), numbers(B, T, site.width)
    full = run(module, site, x)
    ones = [*range(T + 1)]
    for cuts in (ones, [0, T - 1, T], [0, 1, 4, T], [0, 3, 4, 6, T]):
        state = empty_state(part, module, site, B, T + 2)
        places = [tensor.data_ptr() for tensor in tensors_of(state)]
        parts = [step(module, site, x, start, end, state) for start, end in pairwise(cuts)]
        close(torch.cat(parts, 1), full, f"in pieces cut at {cuts} and in one")
        assert places == [t.data_ptr() for t in tensors_of(state)], "the state is replaced, not updated in place"


def check_states_can_be_reordered(part: Part, site: Any) -> None:
    """Rows of a state can change places, be dropped and be doubled (beam search), and so can what they continue."""
    module, x, rows = shaken(part, site), numbers(B, T, site.width), torch.tensor([2, 0, 0, 1])
    state = empty_state(part, module, site, B, T)
    for tensor in tensors_of(state):
        assert tensor.shape[0] == B, f"a tensor of the state has shape {tuple(tensor.shape)}; the batch comes first"
    step(module, site, x, 0, 3, state)
    state = reordered(state, rows)
    memory = memory_of(site)
    memory = None if memory is None else memory[rows]
    rest = [module(x[rows, t : t + 1], flow_of(t, t + 1, memory), state) for t in range(3, T)]
    close(torch.cat(rest, 1), run(module, site, x)[rows, 3:], "after its rows changed places")


def check_state_dtype(part: Part, site: Any) -> None:
    """States are of the dtype that is asked for, and empty ones differ in nothing but their size."""
    module = shaken(part, site).double()
    state = empty_state(part, module, site, B, T, torch.float64)
    for tensor in tensors_of(state):
        assert tensor.dtype in (torch.float64, torch.int64, torch.bool), f"asked for float64, got {tensor.dtype}"
    x = numbers(B, T, site.width).double()
    memory = memory_of(site)
    memory = None if memory is None else memory.double()
    full = module(x, flow_of(0, T, memory))
    pieces = [module(x[:, t : t + 1], flow_of(t, t + 1, memory), state) for t in range(T)]
    close(torch.cat(pieces, 1), full, "cached and full in float64", 1e-9, 1e-9)


def check_a_batch_equals_its_rows(part: Part, site: Any) -> None:
    """Rows know nothing of each other."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width), memory_of(site)
    whole = run(module, site, x)
    for row in range(B):
        alone = module(x[row : row + 1], flow_of(0, T, None if memory is None else memory[row : row + 1]))
        close(alone[0], whole[row], f"row {row} alone and in a batch")


def check_padding_is_not_read(part: Part, site: Any) -> None:
    """Padding on either side changes nothing: neither what stands there, nor that something does."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width), memory_of(site)
    for side, padding in (("left", LEFT), ("right", RIGHT)):
        output = run(module, site, x, padding=padding)
        filled = torch.where(padding[..., None], x, HUGE * numbers(B, T, site.width, seed=4))
        other = run(module, site, filled, padding=padding)
        close(other[padding], output[padding], f"with something else in the padding on the {side}")
        for row in range(B):
            alone = x[row : row + 1, padding[row]]
            here = None if memory is None else memory[row : row + 1]
            expected = module(alone, flow_of(0, alone.shape[1], here))
            close(output[row, padding[row]], expected[0], f"row {row} with padding on the {side} and without")


def check_decoding_after_left_padding(part: Part, site: Any) -> None:
    """A prompt padded on the left continues from the cache as it would without the padding."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width), memory_of(site)
    for first in (1, 3, 6):
        padding = LEFT.clone()
        padding[2] = torch.arange(T) >= 5
        state = empty_state(part, module, site, B, T)
        pieces = [module(x[:, :first], flow_of(0, first, memory, padding), state)]
        pieces += [module(x[:, t : t + 1], flow_of(t, t + 1, memory, padding), state) for t in range(first, T)]
        whole = run(module, site, x, padding=padding)
        close(torch.cat(pieces, 1)[padding], whole[padding], f"a padded prompt of {first} decoded, and in one pass")


def check_packed_documents_are_apart(part: Part, site: Any) -> None:
    """Several documents in a row of a batch equal each by itself."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width), memory_of(site)
    packed = run(module, site, x, documents=DOCUMENTS)
    for row in range(B):
        for document in DOCUMENTS[row].unique().tolist():
            here = DOCUMENTS[row] == document
            alone = x[row : row + 1, here]
            expected = module(alone, flow_of(0, alone.shape[1], None if memory is None else memory[row : row + 1]))
            close(packed[row, here], expected[0], f"document {document} of row {row} packed and by itself")


def check_nothing_but_padding_stays_finite(part: Part, site: Any) -> None:
    """A row of padding only spoils neither outputs nor gradients."""
    module, x = shaken(part, site), numbers(B, T, site.width).requires_grad_()
    padding = RIGHT.clone()
    padding[0] = False
    output = run(module, site, x, padding=padding)
    assert output.isfinite().all(), "a row of nothing but padding gives what is not finite"
    output.square().sum().backward()
    for name, parameter in module.named_parameters():
        finite = parameter.grad is None or parameter.grad.isfinite().all()
        assert finite, f"with a row of nothing but padding the gradient of {name} is not finite"
    assert x.grad is not None
    assert x.grad.isfinite().all(), "with a row of nothing but padding the gradient of the input is not finite"


def check_padding_of_the_memory_is_not_read(part: Part, site: Any) -> None:
    """What stands where the memory is padded does not matter, and a memory of padding only stays finite."""
    module, x, memory = shaken(part, site), numbers(B, T, site.width), memory_of(site)
    padding = torch.ones(B, MEMORY, dtype=torch.bool)
    padding[0, -2:] = padding[1, :3] = False
    output = module(x, flow_of(0, T, memory, memory_padding=padding))
    other = torch.where(padding[..., None], memory, HUGE)
    close(module(x, flow_of(0, T, other, memory_padding=padding)), output, "with another padding of the memory")
    alone = module(x[:1], flow_of(0, T, memory[:1, :-2]))
    close(alone[0], output[0], "with padding in the memory and without")
    padding[2] = False
    finite = module(x, flow_of(0, T, memory, memory_padding=padding)).isfinite().all()
    assert finite, "a memory of nothing but padding gives what is not finite"


def check_shape(part: Part, site: Any) -> None:
    """[B, T, C] to [B, T, C], in the dtype of the input."""
    x = numbers(B, T, site.width)
    output = run(shaken(part, site), site, x)
    assert output.shape == x.shape, f"{tuple(x.shape)} in, {tuple(output.shape)} out"
    assert output.dtype == x.dtype, f"{x.dtype} in, {output.dtype} out"


def memory_of(site: Any) -> Tensor | None:
    """The encoder's states, where there is an encoder."""
    return None if site.memory_width is None else numbers(B, MEMORY, MEMORY_WIDTH, seed=2)


def run(module: nn.Module, site: Any, x: Tensor, **facts: Any) -> Tensor:
    """One pass over all of x."""
    return module(x, flow_of(0, x.shape[1], **{"memory": memory_of(site), **facts}))


def step(module: nn.Module, site: Any, x: Tensor, start: int, end: int, state: State) -> Tensor:
    """One pass over a piece of x, with a state; the memory is not there after the first."""
    return module(x[:, start:end], flow_of(start, end, memory_of(site)), state)


def empty_state(
    part: Part, module: Any, site: Any, rows: int, length: int, dtype: torch.dtype = torch.float32
) -> State:
    """A state for `length` tokens; for a mixer that reads a memory, for that."""
    like = torch.zeros(1, dtype=dtype)
    if family(part) == "block":
        return module.empty_state(rows, length, MEMORY, like)
    return module.empty_state(rows, MEMORY if site.reads_memory else length, like)
