"""Short convolutions and Canon layers against their equations, and against transformers' LFM2."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Lfm2Config
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv

from partwise import PartError
from partwise.modules import CausalConvolution, causal_flow
from partwise.parts import LayerSite, MixerPart
from partwise_convolution.parts import Canon, CanonFeedForward, ShortConvolution

from ..read_once import agrees_with

WIDTH = 6
SITE = LayerSite(width=WIDTH)
MEMORY = LayerSite(width=WIDTH, memory_width=6).over_memory()


def convolved(module: CausalConvolution, text: Tensor) -> Tensor:
    taps, outputs = module.weight[:, 0], []
    for t in range(len(text)):
        y = torch.zeros(text.shape[1]).double() if module.bias is None else module.bias
        for k in range(min(taps.shape[1], t + 1)):
            y = y + taps[:, -1 - k] * text[t - k]
        outputs.append(y)
    return torch.stack(outputs)


def gated(module: Any, text: Tensor) -> Tensor:
    before, after, value = module.input(text).split(WIDTH, -1)
    return module.output(after * convolved(module.convolution, before * value))


def canon(module: Any, text: Tensor) -> Tensor:
    return gated(module.mixer, text + convolved(module.convolution, text))


def around(module: Any, h: Tensor) -> Tensor:
    return h + convolved(module.convolution, h)


def canon_gelu(module: Any, text: Tensor) -> Tensor:
    """Canon-C, and Canon-D before the activation."""
    up, down = module.feedforward.up, module.feedforward.down.linear
    h = around(up, around(module, text) @ up.linear.weight.T + up.linear.bias)
    return h * (1 + torch.erf(h / 2**0.5)) / 2 @ down.weight.T + down.bias


def canon_swiglu(module: Any, text: Tensor) -> Tensor:
    """Canon-D alone, for the gate and what it scales."""
    parts = module.feedforward
    gate, up = (around(one, text @ one.linear.weight.T) for one in (parts.gate, parts.up))
    return gate * torch.sigmoid(gate) * up @ parts.down.linear.weight.T


def canon_before(module: Any, text: Tensor) -> Tensor:
    return torch.relu(around(module, text) @ module.feedforward.up.weight.T) @ module.feedforward.down.weight.T


@pytest.mark.parametrize(
    ("part", "loop"),
    [
        (ShortConvolution(), gated),
        (ShortConvolution(kernel=2, bias=True), gated),
        (ShortConvolution(gated=False), convolved),
        (ShortConvolution(gated=False, bias=True, kernel=3), convolved),
        (Canon(mixer="short_convolution"), canon),
        (Canon(mixer={"use": "short_convolution", "kernel": 2}, kernel=3, bias=True), canon),
        (CanonFeedForward(), canon_gelu),
        (CanonFeedForward(feedforward="swiglu", before=False, kernel=2, bias=True), canon_swiglu),
        (CanonFeedForward(feedforward={"use": "relu", "bias": False}, within=False), canon_before),
    ],
    ids=["gated", "gated with biases", "plain", "plain with a bias", "canon", "canon with a bias", "C and D", "D", "C"],
)
def test_it_follows_its_equations_however_a_text_is_given(part: MixerPart, loop: Any) -> None:
    agrees_with(loop, part.assemble(SITE), WIDTH)


def test_the_gated_form_equals_transformers_lfm2_on_the_same_weights() -> None:
    theirs = Lfm2ShortConv(Lfm2Config(hidden_size=WIDTH, conv_L_cache=3, conv_bias=True), 0).eval()
    ours = ShortConvolution(kernel=3, bias=True).assemble(SITE).eval()
    names = {"in_proj": "input", "conv": "convolution", "out_proj": "output"}
    split = (name.split(".") for name in theirs.state_dict())
    ours.load_state_dict({f"{names[a]}.{b}": theirs.state_dict()[f"{a}.{b}"] for a, b in split})
    x = torch.randn(2, 20, WIDTH)
    torch.testing.assert_close(ours(x, causal_flow(20)), theirs(x), atol=1e-6, rtol=1e-5)


def test_a_canon_layer_hands_its_site_to_the_mixer_in_it() -> None:
    module = Canon(mixer={"use": "multi_head", "heads": 2}).assemble(SITE)
    state = module.empty_state(2, 9, torch.zeros(1))
    assert state["convolution"]["inputs"].shape == (2, 3, WIDTH)
    assert state["mixer"].keys() == module.mixer.empty_state(2, 9, torch.zeros(1)).keys()


@pytest.mark.parametrize("part", [ShortConvolution(), Canon(mixer="short_convolution"), CanonFeedForward()])
def test_an_encoders_states_cannot_be_read(part: MixerPart) -> None:
    with pytest.raises(PartError, match="cannot read an encoder's states"):
        part.assemble(MEMORY)


def test_a_feed_forward_without_a_convolution_or_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(PartError, match="without a convolution it is a feed-forward and no mixer"):
        CanonFeedForward(before=False, within=False).assemble(SITE)
    with pytest.raises(PartError, match="feed-forward 'experts' hands nothing to its linear layers"):
        CanonFeedForward(feedforward="experts").assemble(SITE)
