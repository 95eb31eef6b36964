"""Each recurrence, step by step, against the equations of the textbooks written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite, MixerPart
from partwise_recurrent.parts import PARTS, Gru, Lstm, Rnn

SITE = LayerSite(width=6)
BOTH_WAYS = LayerSite(width=6, causal=False)
Weights = dict[str, Tensor]


def gates(weights: Weights, count: int, x: Tensor, h: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(W x + b, W h + b) for each gate, from torch's stacked matrices."""
    pairs = []
    for gate in range(count):
        from_x, from_h = (
            sum(weights[f"weight_{side}"].chunk(count)[gate][:, k] * value[k] for k in range(len(value)))
            + weights[f"bias_{side}"].chunk(count)[gate]
            for side, value in (("ih", x), ("hh", h))
        )
        pairs.append((from_x, from_h))
    return pairs


def step(part: MixerPart, weights: Weights, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step of one layer for one row: (h, c)."""
    match part:
        case Rnn():
            ((from_x, from_h),) = gates(weights, 1, x, h)
            total = from_x + from_h
            return (total.clamp(min=0) if part.nonlinearity == "relu" else torch.tanh(total)), c
        case Gru():
            reset, update, new = gates(weights, 3, x, h)
            r, z = torch.sigmoid(sum(reset)), torch.sigmoid(sum(update))
            n = torch.tanh(new[0] + r * new[1])
            return (1 - z) * n + z * h, c
    i, f, g, o = (sum(pair) for pair in gates(weights, 4, x, h))
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def layer(part: MixerPart, network: nn.Module, index: int, x: Tensor) -> Tensor:
    """One layer over one row [T, C], from zeros."""
    suffix = f"_l{index}"
    weights = {
        name.removesuffix(suffix): value.detach() for name, value in network.named_parameters() if name.endswith(suffix)
    }
    h = c = torch.zeros(weights["weight_hh"].shape[1])
    outputs = []
    for value in x:
        h, c = step(part, weights, value, h, c)
        outputs.append(h)
    return torch.stack(outputs)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [Rnn, Gru, Lstm])
def test_every_step_follows_the_equations(kind: type[MixerPart], layers: int) -> None:
    part = kind(layers=layers)
    module = part.assemble(SITE)
    x = torch.randn(2, 5, 6)
    y = module(x, causal_flow(5))
    for row in range(2):
        expected = x[row]
        for index in range(layers):
            expected = layer(part, module.network, index, expected)
        torch.testing.assert_close(y[row], expected, atol=1e-6, rtol=1e-5)


def test_the_nonlinearity_may_be_a_rectifier() -> None:
    part = Rnn(nonlinearity="relu")
    module = part.assemble(SITE)
    x = torch.randn(1, 5, 6)
    y = module(x, causal_flow(5))[0]
    torch.testing.assert_close(y, layer(part, module.network, 0, x[0]), atol=1e-6, rtol=1e-5)
    assert (y == 0).any()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [Rnn, Gru, Lstm])
def test_bidirectional_means_one_half_from_the_left_and_one_from_the_right(kind: type[MixerPart], layers: int) -> None:
    part = kind(bidirectional=True, layers=layers)
    module = part.assemble(BOTH_WAYS)
    x = torch.randn(1, 5, 6)
    expected = x[0]
    for on, back in zip(module.on, module.back, strict=True):
        halves = layer(part, on, 0, expected), layer(part, back, 0, expected.flip(0)).flip(0)
        assert halves[0].shape == (5, 3)
        expected = torch.cat(halves, -1)
    torch.testing.assert_close(module(x, causal_flow(5))[0], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("kind", "theirs"), [(Rnn, nn.RNN), (Gru, nn.GRU), (Lstm, nn.LSTM)])
def test_bidirectional_networks_equal_those_of_torch(kind: type[MixerPart], theirs: type[nn.RNNBase]) -> None:
    ours = kind(bidirectional=True, layers=2).assemble(BOTH_WAYS)
    other = theirs(6, 3, 2, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for index in range(2):
            for networks, suffix in ((ours.on, ""), (ours.back, "_reverse")):
                for name, weight in networks[index].named_parameters():
                    getattr(other, name.replace("_l0", f"_l{index}{suffix}")).copy_(weight)
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(ours(x, causal_flow(5)), other(x)[0], atol=1e-6, rtol=1e-5)


def test_the_gate_z_of_the_gru_keeps_the_old_state() -> None:
    module = Gru().assemble(SITE)
    with torch.no_grad():
        module.network.bias_ih_l0.chunk(3)[1].fill_(100.0)
    state = {"hidden": torch.randn(1, 6)}
    before = state["hidden"].clone()
    module(torch.randn(1, 4, 6), causal_flow(4), state)
    torch.testing.assert_close(state["hidden"], before)


@pytest.mark.parametrize("value", [1.0, -0.5])
def test_the_forget_gates_of_the_lstm_begin_with_the_bias_asked_for(value: float) -> None:
    network = Lstm(layers=2, forget_bias=value).assemble(SITE).network
    for index in (0, 1):
        total = (getattr(network, f"bias_ih_l{index}") + getattr(network, f"bias_hh_l{index}")).chunk(4)
        assert torch.equal(total[1], torch.full((6,), value))
        assert all(other.unique().numel() == 6 for other in (total[0], total[2], total[3]))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_dropout_acts_between_layers_in_training_only(part: type[MixerPart], both: bool) -> None:
    module = part(layers=2, dropout=0.5, bidirectional=both).assemble(BOTH_WAYS)
    x, flow = torch.randn(2, 5, 6), causal_flow(5)
    assert not torch.equal(module.train()(x, flow), module(x, flow))
    assert torch.equal(module.eval()(x, flow), module(x, flow))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("knobs", "site", "message"),
    [
        ({}, LayerSite(width=6, memory_width=6).over_memory(), "cannot read an encoder's states"),
        ({"bidirectional": True}, SITE, "may not see"),
        ({"bidirectional": True}, LayerSite(width=7, causal=False), "7 is odd"),
        ({"dropout": 0.1}, SITE, "there is only 1"),
    ],
)
def test_what_does_not_fit_its_site_is_refused(
    part: type[MixerPart], knobs: dict[str, object], site: LayerSite, message: str
) -> None:
    with pytest.raises(PartError, match=message):
        part(**knobs).assemble(site)
