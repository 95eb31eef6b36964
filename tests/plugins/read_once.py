"""A mixer against a plain loop over one text, however that text is given: padded, packed, in pieces, step by step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from partwise.modules import Flow, State, tensors_of, token_positions

Loop = Callable[[Any, Tensor], Tensor]
"""From the module and one text [T, C] to what the equations say of it."""

B, T = 3, 11
LEFT = torch.arange(T) >= torch.tensor([[0], [3], [T - 1]])
RIGHT = LEFT.flip(1)
DOCUMENTS = torch.tensor([[0] * 4 + [1] * 2 + [2] * 5, [7] * 11, [0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1]])
"""In the last row, two documents have one number; they are neither neighbours nor one."""
CUTS = ([], [0], [1], [T - 1], [4, 5], [2, 9], [*range(1, T)])


def shaken(module: Any) -> Any:
    """In float64, with noise on all weights."""
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def flow(start: int, end: int, padding: Tensor | None = None, documents: Tensor | None = None) -> Flow:
    """That of positions `start` to `end` of a text."""
    seen = [None if given is None else given[:, :end] for given in (padding, documents)]
    return Flow(token_positions(torch.empty(1, end), *seen)[..., start:], start, *seen)


def in_pieces(
    module: Any, x: Tensor, cuts: list[int], padding: Tensor | None = None, documents: Tensor | None = None
) -> tuple[Tensor, State]:
    """What the module gives for x in several passes over one state, and the state."""
    state = module.empty_state(*x.shape[:2], x)
    bounds = pairwise([0, *cuts, x.shape[1]])
    outputs = [module(x[:, s:e], flow(s, e, padding, documents), state) for s, e in bounds]
    return torch.cat(outputs, 1), state


def agrees_with(loop: Loop, module: Any, width: int) -> None:
    """Within 1e-9 in float64."""
    module = shaken(module)
    x = torch.randn(B, T, width, dtype=torch.float64)
    with torch.no_grad():
        _whole(loop, module, x)
        for padding in (LEFT, RIGHT):
            _padded(loop, module, x, padding)
        _packed(loop, module, x)
        _states_begin_alike(module, x)


def _whole(loop: Loop, module: Any, x: Tensor) -> None:
    expected = torch.stack([loop(module, row) for row in x])
    _close(module(x, flow(0, T)), expected, "in one pass")
    for cuts in CUTS:
        _close(in_pieces(module, x, cuts)[0], expected, f"in pieces cut at {cuts}")


def _padded(loop: Loop, module: Any, x: Tensor, padding: Tensor) -> None:
    filled = x.masked_fill(~padding[..., None], float("nan"))
    whole = module(filled, flow(0, T, padding))
    cuts = CUTS if padding is LEFT else []
    pieces = [in_pieces(module, filled, cut, padding)[0] for cut in cuts]
    for row in range(B):
        expected = loop(module, x[row, padding[row]])
        for y in (whole, *pieces):
            _close(y[row, padding[row]], expected, f"row {row} with padding")


def _packed(loop: Loop, module: Any, x: Tensor) -> None:
    bounds = ([0, 4, 6, T], [0, T], [0, 1, 2, 6, T])
    expected = torch.stack(
        [torch.cat([loop(module, x[row, s:e]) for s, e in pairwise(b)]) for row, b in enumerate(bounds)]
    )
    _close(module(x, flow(0, T, documents=DOCUMENTS)), expected, "packed")
    for cuts in CUTS:
        _close(in_pieces(module, x, cuts, documents=DOCUMENTS)[0], expected, f"packed, in pieces cut at {cuts}")


def _states_begin_alike(module: Any, x: Tensor) -> None:
    """After a document's first token, or after padding, a state is that of a text that begins there."""
    _, alone = in_pieces(module, x[:1, :1], [])
    begun = torch.tensor([[0] * (T - 1) + [1]])
    _, packed = in_pieces(module, torch.cat((x[:1, 1:], x[:1, :1]), 1), [5], documents=begun)
    _, padded = in_pieces(module, torch.cat((x[:1, 1:], x[:1, :1]), 1), [5], padding=begun.bool())
    for one, two, three in zip(*map(tensors_of, (alone, packed, padded)), strict=True):
        if one.shape == two.shape:  # one that grows with the text holds the rest, too
            _close(two, one, "the state after a document's first token")
            _close(three, one, "the state after padding and one token")


def _close(found: Tensor, expected: Tensor, what: str) -> None:
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9, msg=lambda told: f"{what}: {told}")


def step_seconds(module: Any, width: int, length: int = 2048, repeats: int = 3) -> float:
    """Processor time of the fastest of some forward and backward passes over one text."""
    import time

    x, best = torch.randn(1, length, width, requires_grad=True), float("inf")
    for _ in range(repeats):
        start = time.process_time()
        module(x, flow(0, length)).sum().backward()
        best = min(best, time.process_time() - start)
    return best
