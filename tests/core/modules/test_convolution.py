"""The causal depthwise convolution against PyTorch's, and with padding, documents and states."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from partwise.modules import CausalConvolution, Flow, State, causal_flow, reordered

B, T, C = 3, 9, 4
DOCUMENTS = torch.tensor([[0, 0, 0, 0, 1, 1, 2, 2, 2], [7] * 9, [0, 1, 0, 0, 0, 0, 1, 1, 1]])
"""In the last row, two documents have one number; they are neither neighbours nor one."""
LEFT = torch.arange(T) >= torch.tensor([[0], [2], [8]])
every_kernel = pytest.mark.parametrize("kernel", [1, 2, 4, 12])


def built(kernel: int, bias: bool = True) -> CausalConvolution:
    return CausalConvolution(C, kernel, bias).double()


def numbers() -> Tensor:
    return torch.randn(B, T, C, dtype=torch.float64)


def flow(start: int, end: int, padding: Tensor | None = None, documents: Tensor | None = None) -> Flow:
    padding = None if padding is None else padding[:, :end]
    return Flow(torch.arange(start, end), start, padding, None if documents is None else documents[:, :end])


def theirs(module: CausalConvolution, x: Tensor) -> Tensor:
    """PyTorch's, over one text by itself: [T, C]."""
    conv = nn.Conv1d(C, C, module.kernel, groups=C, padding=module.kernel - 1, bias=module.bias is not None).double()
    conv.load_state_dict(module.state_dict())
    return conv(x.t()[None])[0, :, : len(x)].t()


def in_pieces(
    module: CausalConvolution,
    x: Tensor,
    cuts: list[int],
    padding: Tensor | None = None,
    documents: Tensor | None = None,
) -> tuple[Tensor, State]:
    state = module.empty_state(len(x), T, x)
    bounds = pairwise([0, *cuts, T])
    pieces = [module(x[:, s:e], flow(s, e, padding, documents), state) for s, e in bounds]
    return torch.cat(pieces, 1), state


@every_kernel
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_torchs_depthwise_convolution_padded_on_the_left(kernel: int, bias: bool) -> None:
    module, x = built(kernel, bias), numbers()
    expected = torch.stack([theirs(module, row) for row in x])
    torch.testing.assert_close(module(x, causal_flow(T)), expected, atol=1e-12, rtol=0)


@every_kernel
def test_padding_on_the_left_counts_as_zero_whatever_it_holds(kernel: int) -> None:
    module = built(kernel)
    x = numbers().masked_fill(~LEFT[..., None], float("nan"))
    y = module(x, flow(0, T, LEFT))
    for row in range(B):
        torch.testing.assert_close(y[row, LEFT[row]], theirs(module, x[row, LEFT[row]]), atol=1e-12, rtol=0)
    y.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


@every_kernel
def test_no_tap_reaches_another_document(kernel: int) -> None:
    module, x = built(kernel), numbers()
    y = module(x, flow(0, T, documents=DOCUMENTS))
    for row, cuts in enumerate(([0, 4, 6, 9], [0, 9], [0, 1, 2, 6, 9])):
        expected = torch.cat([theirs(module, x[row, s:e]) for s, e in pairwise(cuts)])
        torch.testing.assert_close(y[row], expected, atol=1e-12, rtol=0)


@every_kernel
@pytest.mark.parametrize("cuts", [[0], [1], [8], [3, 5], [*range(1, T)]])
@pytest.mark.parametrize("padding", [None, LEFT], ids=["", "padded"])
@pytest.mark.parametrize("documents", [None, DOCUMENTS], ids=["", "packed"])
def test_pieces_over_a_state_equal_one_pass(
    kernel: int, cuts: list[int], padding: Tensor | None, documents: Tensor | None
) -> None:
    module, x = built(kernel), numbers()
    y, state = in_pieces(module, x, cuts, padding, documents)
    torch.testing.assert_close(y, module(x, flow(0, T, padding, documents)), atol=1e-12, rtol=0)
    assert state["inputs"].shape == (B, kernel - 1, C)


def test_the_state_is_updated_in_place_and_its_rows_can_change_places() -> None:
    module, x, rows = built(4), numbers(), torch.tensor([2, 0, 0, 1])
    state = module.empty_state(B, T, x)
    place = state["inputs"]
    module(x[:, :5], flow(0, 5), state)
    assert state["inputs"] is place
    assert torch.equal(place, x[:, 2:5])
    rest = module(x[rows, 5:], flow(5, T), reordered(state, rows))
    torch.testing.assert_close(rest, module(x, flow(0, T))[rows, 5:], atol=1e-12, rtol=0)


def test_it_keeps_the_dtype_of_its_input() -> None:
    assert CausalConvolution(C, 4)(torch.randn(1, 5, C).bfloat16(), causal_flow(5)).dtype == torch.bfloat16


def test_it_compiles_to_one_graph_with_padding_documents_and_a_state() -> None:
    module, x = built(4), numbers()
    state, other = module.empty_state(B, T, x), module.empty_state(B, T, x)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    expected = module(x, flow(0, T, LEFT, DOCUMENTS), state)
    torch.testing.assert_close(compiled(x, flow(0, T, LEFT, DOCUMENTS), other), expected)
    assert torch.equal(state["inputs"], other["inputs"])
