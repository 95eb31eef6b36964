"""Recurrences as mixers: states, padding, documents, causality, assembly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from partwise.modules import Flow, State, causal_flow, reordered
from partwise.parts import LayerSite, MixerPart
from partwise_recurrent.parts import PARTS, Gru, Lstm, Rnn

SITE = LayerSite(width=6)
BOTH_WAYS = LayerSite(width=6, causal=False)
FORWARD = [Rnn(), Rnn(layers=2), Gru(), Gru(layers=2), Lstm(), Lstm(layers=2)]
BOTH = [part(bidirectional=True, layers=layers) for part in PARTS for layers in (1, 2)]


def name_of(part: object) -> str | None:
    return f"{part.name}{part.layers}{'both' * part.bidirectional}" if isinstance(part, MixerPart) else None


forward_only = pytest.mark.parametrize("part", FORWARD, ids=name_of)
every_recurrence = pytest.mark.parametrize("part", FORWARD + BOTH, ids=name_of)


def built(part: MixerPart) -> nn.Module:
    return part.assemble(BOTH_WAYS if part.bidirectional else SITE)


def flow(length: int, start: int = 0, padding: Tensor | None = None, documents: Tensor | None = None) -> Flow:
    return Flow(torch.arange(start, start + length), start=start, padding=padding, documents=documents)


def in_chunks(module: nn.Module, x: Tensor, cuts: list[int], padding: Tensor | None = None) -> tuple[Tensor, State]:
    """What the module gives for x in several passes over one state."""
    state = module.empty_state(x.shape[0], x.shape[1], x)
    outputs, bounds = [], [0, *cuts, x.shape[1]]
    for start, end in pairwise(bounds):
        seen = None if padding is None else padding[:, :end]
        outputs.append(module(x[:, start:end], flow(end - start, start, seen), state))
    return torch.cat(outputs, 1), state


# --- states -------------------------------------------------------------------------------------------


@forward_only
@pytest.mark.parametrize("cuts", [[0], [1], [6], [1, 2, 3, 4, 5, 6], [3, 5]])
def test_continuing_from_a_state_equals_one_pass(part: MixerPart, cuts: list[int]) -> None:
    module = built(part)
    x = torch.randn(3, 7, 6)
    torch.testing.assert_close(in_chunks(module, x, cuts)[0], module(x, flow(7)), atol=1e-6, rtol=1e-5)


@forward_only
def test_a_state_has_one_row_per_text_and_is_updated_in_place(part: MixerPart) -> None:
    module = built(part)
    like = torch.zeros(1, dtype=torch.float64)
    names = {"hidden", "cell"} if isinstance(part, Lstm) else {"hidden"}
    assert {name: value.shape for name, value in module.empty_state(3, 9, like).items()} == dict.fromkeys(
        names, (3, part.layers * 6)
    )
    state = module.double().empty_state(3, 9, like)
    given = dict(state)
    module(torch.randn(3, 2, 6, dtype=torch.float64), flow(2), state)
    assert all(state[name] is given[name] and state[name].dtype == torch.float64 for name in names)
    assert all(state[name].abs().sum(1).gt(0).all() for name in names)


@forward_only
def test_rows_of_a_state_can_be_reordered(part: MixerPart) -> None:
    module = built(part)
    x = torch.randn(3, 6, 6)
    _, state = in_chunks(module, x[:, :4], [])
    rows = torch.tensor([2, 0, 0, 1])
    y = module(x[rows, 4:], flow(2, start=4), reordered(state, rows))
    torch.testing.assert_close(y, module(x, flow(6))[rows, 4:], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("part", BOTH, ids=name_of)
def test_reading_bidirectional_has_no_state_and_refuses_one(part: MixerPart) -> None:
    module = built(part)
    assert module.empty_state(2, 5, torch.zeros(1)) == {}
    with pytest.raises(ValueError, match="a bidirectional recurrence cannot continue"):
        module(torch.randn(2, 5, 6), flow(5), {})


# --- padding ------------------------------------------------------------------------------------------

PADDINGS = {
    "left": [[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]],
    "right": [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]],
    "scattered": [[0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]],
    "none": [[1] * 6] * 3,
    "all": [[0] * 6] * 3,
}
every_padding = pytest.mark.parametrize(
    "padding", [torch.tensor(rows).bool() for rows in PADDINGS.values()], ids=PADDINGS
)


def singles(module: nn.Module, x: Tensor, keep: Callable[[int], Tensor]) -> Tensor:
    """Each row on its own, without its padding, the outputs put back among zeros."""
    y = torch.zeros_like(x)
    for row in range(len(x)):
        tokens = x[row : row + 1, keep(row)]
        if tokens.shape[1]:
            y[row, keep(row)] = module(tokens, flow(tokens.shape[1]))[0]
    return y


@every_recurrence
@every_padding
def test_padding_is_skipped_and_comes_out_as_zero(part: MixerPart, padding: Tensor) -> None:
    module = built(part)
    x = torch.randn(3, 6, 6)
    y = module(x, flow(6, padding=padding))
    torch.testing.assert_close(y, singles(module, x, lambda row: padding[row]), atol=1e-6, rtol=1e-5)
    assert (y[~padding] == 0).all()


@forward_only
@every_padding
@pytest.mark.parametrize("cuts", [[1], [2, 4], [1, 2, 3, 4, 5]])
def test_the_state_passes_through_padding_unchanged(part: MixerPart, padding: Tensor, cuts: list[int]) -> None:
    module = built(part)
    x = torch.randn(3, 6, 6)
    y, state = in_chunks(module, x, cuts, padding)
    torch.testing.assert_close(y, module(x, flow(6, padding=padding)), atol=1e-6, rtol=1e-5)
    for row in range(3):
        _, alone = in_chunks(module, x[row : row + 1, padding[row]], [])
        for name, value in alone.items():
            torch.testing.assert_close(state[name][row], value[0], atol=1e-6, rtol=1e-5)


@every_recurrence
def test_what_padding_contains_is_irrelevant_even_if_it_is_not_a_number(part: MixerPart) -> None:
    module = built(part)
    padding = torch.tensor(PADDINGS["scattered"]).bool()
    results = []
    for filling in (0.0, float("nan"), 1e30):
        x = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(1))
        x = x.masked_fill(~padding[..., None], filling).requires_grad_()
        module.zero_grad()
        y = module(x, flow(6, padding=padding))
        y.square().sum().backward()
        results.append([y.detach(), x.grad, *(weight.grad.clone() for weight in module.parameters())])
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other, strict=True))


# --- documents ----------------------------------------------------------------------------------------

# The first row ends in a document of the same number as the second.
DOCUMENTS = torch.tensor([[0, 0, 0, 1, 1, 2], [2, 2, 2, 2, 2, 2], [0, 1, 0, 0, 1, 1]])


@every_recurrence
@pytest.mark.parametrize("padded", [False, True])
def test_each_document_is_read_as_if_it_stood_alone(part: MixerPart, padded: bool) -> None:
    module = built(part)
    padding = torch.tensor([[1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 1, 1]]).bool() if padded else None
    x = torch.randn(3, 6, 6)
    y = module(x, flow(6, padding=padding, documents=DOCUMENTS))
    expected = torch.zeros_like(x)
    # In the padded third row document 1 vanishes between the two 0s, which then are one.
    pieces = [
        (0, [0, 1, 2]),
        (0, [3, 4]),
        (0, [5]),
        (1, [0, 1, 2, 3, 4, 5]),
        (2, [0]),
        (2, [1]),
        (2, [2, 3]),
        (2, [4, 5]),
    ]
    if padded:
        pieces = [(0, [0, 1]), (0, [3, 4]), (0, [5]), (1, [0, 1, 2, 3]), (2, [0, 2, 3]), (2, [4, 5])]
    for row, columns in pieces:
        expected[row, columns] = module(x[row : row + 1, columns], flow(len(columns)))[0]
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-5)


def test_documents_in_nothing_but_padding_give_zeros() -> None:
    padding = torch.zeros(3, 6, dtype=torch.bool)
    y = built(Gru())(torch.randn(3, 6, 6), flow(6, padding=padding, documents=DOCUMENTS))
    assert torch.equal(y, torch.zeros(3, 6, 6))


@forward_only
def test_documents_together_with_a_state_are_refused(part: MixerPart) -> None:
    module = built(part)
    with pytest.raises(ValueError, match="packed documents"):
        module(torch.randn(3, 6, 6), flow(6, documents=DOCUMENTS), module.empty_state(3, 6, torch.zeros(1)))


# --- causality ----------------------------------------------------------------------------------------


@forward_only
def test_a_change_is_never_seen_earlier_and_always_seen_later(part: MixerPart) -> None:
    module = built(part)
    x = torch.randn(1, 6, 6)
    changed = x.clone()
    changed[:, 3] += 100
    differs = (module(x, flow(6)) != module(changed, flow(6))).any(-1)[0]
    assert differs.tolist()[:4] == [False, False, False, True]


@every_recurrence
def test_no_gradient_comes_from_the_future_unless_it_is_read(part: MixerPart) -> None:
    module = built(part)
    x = torch.randn(1, 5, 6, requires_grad=True)
    y = module(x, flow(5))
    for position in range(5):
        (gradient,) = torch.autograd.grad(y[0, position].sum(), x, retain_graph=True)
        reached = gradient[0].abs().sum(-1) > 0
        assert reached.tolist() == [part.bidirectional or earlier <= position for earlier in range(5)]


# --- assembly -----------------------------------------------------------------------------------------

EXAMPLES = [pytest.param(example, id=name_of(example)) for part in PARTS for example in part.examples()]


@pytest.mark.parametrize("part", EXAMPLES)
def test_built_on_meta_and_filled_later_it_is_the_same(part: MixerPart) -> None:
    torch.manual_seed(7)
    direct = built(part)
    with torch.device("meta"):
        later = built(part)
    later.to_empty(device="cpu")
    torch.manual_seed(7)
    for module in later.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    x = torch.randn(2, 4, 6)
    assert direct.state_dict().keys() == later.state_dict().keys()
    for name, weight in direct.state_dict().items():
        assert torch.equal(weight, later.state_dict()[name])
    assert torch.equal(direct.eval()(x, flow(4)), later.eval()(x, flow(4)))


@every_recurrence
def test_floating_point_operations_are_counted_on_meta(part: MixerPart) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module = built(part)
        y = module(torch.empty(2, 5, 6), causal_flow(5, "meta"))
    assert y.is_meta
    assert y.shape == (2, 5, 6)
    matrices = sum(weight.numel() for weight in module.parameters() if weight.ndim == 2)
    assert counter.get_total_flops() == 2 * 2 * 5 * matrices


@every_recurrence
def test_gradients_are_right_with_padding(part: MixerPart) -> None:
    module = built(part).double()
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    padding = torch.tensor([[0, 1, 1], [1, 1, 0]]).bool()
    assert torch.autograd.gradcheck(lambda x: module(x, flow(3, padding=padding)), (x,), fast_mode=True)


def test_no_tokens_give_no_outputs() -> None:
    assert built(Gru())(torch.zeros(2, 0, 6), flow(0)).shape == (2, 0, 6)
