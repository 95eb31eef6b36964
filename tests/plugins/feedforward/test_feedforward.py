"""Feed-forwards against their formulas written out and against Hugging Face."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from transformers import GemmaConfig, LlamaConfig
from transformers.models.gemma.modeling_gemma import GemmaMLP
from transformers.models.llama.modeling_llama import LlamaMLP

from partwise.parts import FeedForwardPart, LayerSite
from partwise_feedforward.activations import ACTIVATIONS
from partwise_feedforward.parts import (
    PARTS,
    ActivationName,
    ClampedSwiGlu,
    GeGlu,
    Gelu,
    Glu,
    Mlp,
    ProductKeys,
    Relu,
    ReluSquared,
    SwiGlu,
)

SITE = LayerSite(width=6)
EXAMPLES = [
    pytest.param(example, id=f"{part.name}{index}")
    for part in PARTS
    if part is not ProductKeys
    for index, example in enumerate(part.examples())
]
GATED = (SwiGlu, ClampedSwiGlu, GeGlu, Glu)


def activation(part: FeedForwardPart, x: float) -> float:
    match part:
        case Mlp(activation="tanh"):
            return math.tanh(x)
        case Glu(activation="identity"):
            return x
        case Glu():
            return 1 / (1 + math.exp(-x))
        case ClampedSwiGlu():
            return min(x, part.limit) / (1 + math.exp(-part.slope * min(x, part.limit)))
        case Relu():
            return max(0.0, x)
        case ReluSquared():
            return max(0.0, x) ** 2
        case SwiGlu() | Mlp():
            return x / (1 + math.exp(-x))
        case Gelu(form="tanh") | GeGlu(form="tanh"):
            return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + math.erf(x / math.sqrt(2)))


def reference(part: FeedForwardPart, module: nn.Module, x: Tensor) -> Tensor:
    weights = {name: value.detach().double() for name, value in module.named_parameters()}

    def linear(name: str, x: Tensor) -> Tensor:
        y = weights[f"{name}.weight"] @ x
        return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y

    def acted(x: Tensor) -> Tensor:
        return torch.tensor([activation(part, value) for value in x.tolist()], dtype=torch.float64)

    x = x.double()
    if isinstance(part, ClampedSwiGlu):
        up = torch.tensor([max(-part.limit, min(value, part.limit)) + 1 for value in linear("up", x).tolist()])
        return linear("down", acted(linear("gate", x)) * up.double())
    if isinstance(part, GATED):
        return linear("down", acted(linear("gate", x)) * linear("up", x))
    return linear("down", acted(linear("up", x)))


@pytest.mark.parametrize("part", EXAMPLES)
def test_each_position_is_transformed_by_the_formula(part: FeedForwardPart) -> None:
    module = part.assemble(SITE).eval()
    x = torch.randn(2, 3, 6) * 3
    y = module(x)
    for row in range(2):
        for position in range(3):
            expected = reference(part, module, x[row, position]).float()
            torch.testing.assert_close(y[row, position], expected, atol=2e-6, rtol=2e-5)


@pytest.mark.parametrize(
    ("part", "width", "hidden"),
    [
        (Relu(), 6, 24),
        (Gelu(ratio=2.5), 6, 15),
        (Gelu(ratio=0.001), 6, 1),
        (Gelu(ratio=2.5, hidden=7), 6, 7),
        (SwiGlu(), 192, 512),
        (SwiGlu(), 128, 344),
        (SwiGlu(multiple_of=256), 4096, 11008),
        (GeGlu(ratio=2.0, multiple_of=1), 7, 14),
        (GeGlu(hidden=13), 7, 13),
    ],
)
def test_the_hidden_width_is_what_the_knobs_say(part: Relu | SwiGlu, width: int, hidden: int) -> None:
    assert part.hidden_width(width) == hidden
    with torch.device("meta"):
        module = part.assemble(LayerSite(width=width))
    assert module.up.weight.shape == (hidden, width)
    assert module.down.weight.shape == (width, hidden)


def test_gated_layers_have_about_as_many_weights_as_ungated_ones() -> None:
    def count(part: FeedForwardPart) -> int:
        return sum(weight.numel() for weight in part.assemble(LayerSite(width=240)).parameters())

    assert count(SwiGlu()) == count(Relu(bias=False))


@pytest.mark.parametrize(
    ("part", "other"),
    [
        (SwiGlu(hidden=20), LlamaMLP(LlamaConfig(hidden_size=6, num_attention_heads=1, intermediate_size=20))),
        (
            GeGlu(hidden=20, form="tanh"),
            GemmaMLP(GemmaConfig(hidden_size=6, intermediate_size=20, hidden_act="gelu_pytorch_tanh")),
        ),
    ],
)
def test_gated_layers_equal_those_of_hugging_face(part: FeedForwardPart, other: nn.Module) -> None:
    module = part.assemble(SITE)
    other.load_state_dict({name.replace(".", "_proj."): weight for name, weight in module.state_dict().items()})
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(module(x), other(x), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("part", EXAMPLES)
def test_the_last_layer_says_that_it_ends_the_branch(part: FeedForwardPart) -> None:
    module = part.assemble(SITE)
    ends = [name for name, child in module.named_modules() if getattr(child, "ends_residual_branch", False)]
    assert ends == ["down"]


@pytest.mark.parametrize("part", [Relu(dropout=0.5), SwiGlu(dropout=0.5, bias=True)])
def test_dropout_drops_hidden_features_in_training_only(part: FeedForwardPart) -> None:
    module = part.assemble(LayerSite(width=32))
    with torch.no_grad():
        module.down.weight.copy_(torch.eye(32, module.down.in_features))
        module.down.bias.fill_(8.0)
    x = torch.randn(200, 32)
    whole, dropped = module.eval()(x) - 8, module.train()(x) - 8
    alive = whole.abs() > 1e-3
    kept = dropped[alive].abs() > 1e-3
    assert 0.45 < kept.float().mean() < 0.55
    torch.testing.assert_close(dropped[alive][kept], 2 * whole[alive][kept], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("part", EXAMPLES)
def test_built_on_meta_and_filled_later_it_is_the_same(part: FeedForwardPart) -> None:
    torch.manual_seed(7)
    direct = part.assemble(SITE)
    with torch.device("meta"):
        later = part.assemble(SITE)
    later.to_empty(device="cpu")
    torch.manual_seed(7)
    for module in later.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    for name, weight in direct.state_dict().items():
        assert torch.equal(weight, later.state_dict()[name])


def test_layers_with_different_activations_print_differently() -> None:
    parts = [Relu(), ReluSquared(), Gelu(), Gelu(form="tanh"), SwiGlu(hidden=24), GeGlu(hidden=24)]
    assert len({str(part.assemble(SITE)) for part in parts}) == len(parts)
    names = [str(Mlp(activation=name).assemble(SITE)) for name in ACTIVATIONS]
    assert len(set(names)) == len(names)


# --- any activation


def test_the_knob_offers_every_activation_there_is() -> None:
    assert get_args(ActivationName) == tuple(ACTIVATIONS)


@pytest.mark.parametrize("name", get_args(ActivationName))
def test_activations_are_those_of_transformers_and_torch(name: str) -> None:
    from transformers.activations import ACT2FN

    theirs = {"identity": "linear", "relu_squared": "relu2", "gelu_tanh": "gelu_new", "gelu_sigmoid": "quick_gelu"}
    modules = {"elu": nn.ELU(), "selu": nn.SELU(), "softplus": nn.Softplus(), "sine": torch.sin}
    other = modules[name] if name in modules else ACT2FN[theirs.get(name, name)]
    x = torch.linspace(-30, 30, 601, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[name](x), other(x), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Mlp(activation="relu"), Relu()),
        (Mlp(activation="relu_squared"), ReluSquared()),
        (Mlp(activation="gelu"), Gelu()),
        (Mlp(activation="gelu_tanh"), Gelu(form="tanh")),
        (Glu(activation="silu"), SwiGlu()),
        (Glu(activation="gelu_tanh"), GeGlu(form="tanh")),
    ],
)
def test_a_layer_that_has_a_name_of_its_own_is_the_same_by_its_activation(
    one: FeedForwardPart, other: FeedForwardPart
) -> None:
    ones, others = one.assemble(SITE), other.assemble(SITE)
    others.load_state_dict(ones.state_dict())
    x = torch.randn(2, 5, 6)
    assert torch.equal(ones(x), others(x))
    assert str(ones) == str(others)


def test_a_gate_of_a_sigmoid_is_that_of_torch() -> None:
    module = Glu(hidden=10).assemble(SITE)
    x = torch.randn(2, 5, 6)
    hidden = nn.functional.glu(torch.cat((module.up(x), module.gate(x)), -1))
    torch.testing.assert_close(module(x), module.down(hidden))
