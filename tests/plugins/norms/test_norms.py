"""Norms against their formulas written out, against torch.nn and against Hugging Face."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.nemotron.modeling_nemotron import NemotronLayerNorm1P

from partwise import PartError
from partwise.parts import NormPart, WidthSite
from partwise_norms.parts import PARTS, DenseNorm, Dyt, GroupRmsNorm, LayerNorm, NoNorm, RmsNorm, Scale

SITE = WidthSite(width=12)
EXAMPLES = [
    pytest.param(example, id=f"{part.name}{index}") for part in PARTS for index, example in enumerate(part.examples())
]


def randomised(module: nn.Module) -> nn.Module:
    """The module with weights that are neither 0 nor 1."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_().add_(0.3)
    return module


def reference(part: NormPart, module: nn.Module, x: Tensor) -> Tensor:
    """The norm of one vector, by its formula."""
    weight = {name: value.detach().double() for name, value in module.named_parameters()}
    x = x.double()
    gain, offset = weight.get("weight", torch.ones(1)), weight.get("bias", torch.zeros(1))
    match part:
        case LayerNorm():
            mean = sum(x) / len(x)
            variance = sum((value - mean) ** 2 for value in x) / len(x)
            return (x - mean) / (variance + part.eps) ** 0.5 * (part.unit_offset + gain) + offset
        case RmsNorm():
            return x / (sum(value**2 for value in x) / len(x) + part.eps) ** 0.5 * (part.unit_offset + gain)
        case GroupRmsNorm():
            groups = x.split(len(x) // part.groups)
            roots = [(sum(value**2 for value in group) / len(group) + part.eps) ** 0.5 for group in groups]
            return torch.cat([group / root for group, root in zip(groups, roots, strict=True)]) * gain
        case Scale():
            return weight["length"] * x / max(sum(value**2 for value in x) ** 0.5, torch.tensor(part.eps))
        case Dyt():
            return torch.tanh(weight["alpha"] * x) * gain + offset
        case DenseNorm():
            y = weight["dense.weight"] @ x + weight["dense.bias"]
            if part.activation == "relu":
                y = y * (y > 0)
            elif part.activation == "gelu":
                y = y / 2 * (1 + torch.erf(y / 2**0.5))
            else:
                y = y / 2 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
            return reference(part.norm, module.norm, y)  # type: ignore[arg-type]
    return x


@pytest.mark.parametrize("part", EXAMPLES)
def test_each_position_is_brought_to_scale_by_the_formula(part: NormPart) -> None:
    module = randomised(part.assemble(SITE))
    x = torch.randn(2, 3, 12) * 2 + 1
    y = module(x)
    for row in range(2):
        for position in range(3):
            expected = reference(part, module, x[row, position]).float()
            torch.testing.assert_close(y[row, position], expected, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("part", EXAMPLES)
def test_a_new_norm_has_neutral_weights(part: NormPart) -> None:
    x = torch.randn(5, 12) * 30 + 10
    y = part.assemble(SITE)(x)
    match part:
        case LayerNorm():
            torch.testing.assert_close(y.mean(-1), torch.zeros(5), atol=1e-6, rtol=0)
            torch.testing.assert_close(y.std(-1, correction=0), torch.ones(5), atol=1e-2, rtol=0)
        case RmsNorm() | GroupRmsNorm():
            torch.testing.assert_close(y.square().mean(-1), torch.ones(5), atol=2e-2, rtol=0)
        case Scale(eps=eps) if eps < 1:
            torch.testing.assert_close(y.square().mean(-1), torch.ones(5))
        case Dyt():
            torch.testing.assert_close(y, torch.tanh(part.alpha * x))
        case NoNorm():
            assert y is x


@pytest.mark.parametrize(
    ("part", "weights"),
    [
        (LayerNorm(), {"weight", "bias"}),
        (LayerNorm(bias=False), {"weight"}),
        (LayerNorm(affine=False, bias=False), set()),
        (RmsNorm(), {"weight"}),
        (LayerNorm(bias=False, unit_offset=True), {"weight"}),
        (RmsNorm(affine=False), set()),
        (GroupRmsNorm(affine=False), set()),
        (NoNorm(), set()),
    ],
)
def test_only_what_the_knobs_ask_for_is_learned(part: NormPart, weights: set[str]) -> None:
    assert set(part.assemble(SITE).state_dict()) == weights


@pytest.mark.parametrize("shape", [(4, 7, 12), (1, 1, 12)])
def test_rms_norm_equals_hugging_face_llama(shape: tuple[int, ...]) -> None:
    ours, theirs = randomised(RmsNorm(eps=1e-5).assemble(SITE)), LlamaRMSNorm(12, eps=1e-5)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_norm_with_unit_offset_equals_hugging_face_nemotron(dtype: torch.dtype) -> None:
    ours, theirs = randomised(LayerNorm(unit_offset=True).assemble(SITE)).to(dtype), NemotronLayerNorm1P(12).to(dtype)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 7, 12).to(dtype)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("part", "other"), [(RmsNorm(), LlamaRMSNorm(512)), (RmsNorm(unit_offset=True), GemmaRMSNorm(512))]
)
def test_in_bfloat16_casts_come_in_the_order_of_each_family(part: RmsNorm, other: nn.Module) -> None:
    ours, theirs = randomised(part.assemble(WidthSite(width=512))).bfloat16(), other.bfloat16()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(64, 512).bfloat16()
    assert ours(x).dtype == torch.bfloat16
    differing = (ours(x) != theirs(x)).float().mean().item()
    assert differing < 0.005, "only where float32 sums in another order may tip a rounding"


def test_the_two_cast_orders_are_told_apart_in_bfloat16() -> None:
    plain = randomised(RmsNorm().assemble(WidthSite(width=512))).bfloat16()
    offset = RmsNorm(unit_offset=True).assemble(WidthSite(width=512)).float()
    with torch.no_grad():
        offset.weight.copy_(plain.weight.float() - 1)
    x = torch.randn(64, 512).bfloat16()
    assert (plain(x) != offset(x)).float().mean() > 0.1


@pytest.mark.parametrize(
    "part",
    [RmsNorm(), RmsNorm(unit_offset=True), GroupRmsNorm(groups=2), Scale(), LayerNorm(), LayerNorm(unit_offset=True)],
)
def test_half_precision_is_computed_in_float32(part: NormPart) -> None:
    module = part.assemble(WidthSite(width=256))
    x = torch.full((1, 256), 3e4, dtype=torch.float16)
    x[0, 0] = -3e4
    exact = module(x.float())
    torch.testing.assert_close(module.half()(x).float(), exact, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("part", EXAMPLES)
def test_gradients_are_right(part: NormPart) -> None:
    module = randomised(part.assemble(SITE).double())
    x = torch.randn(3, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *weights: module(x), (x, *module.parameters()))


@pytest.mark.parametrize("part", EXAMPLES)
def test_built_on_meta_and_filled_later_it_is_the_same(part: NormPart) -> None:
    torch.manual_seed(0)
    direct = part.assemble(SITE)
    with torch.device("meta"):
        later = part.assemble(SITE)
    later.to_empty(device="cpu")
    for weight in later.parameters():
        weight.data.fill_(77)
    torch.manual_seed(0)
    for module in later.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    assert direct.state_dict().keys() == later.state_dict().keys()
    for name, weight in direct.state_dict().items():
        assert torch.equal(weight, later.state_dict()[name])


def test_a_vector_of_zeros_stays_finite() -> None:
    for part in PARTS:
        assert part().assemble(SITE)(torch.zeros(1, 12)).isfinite().all()


@pytest.mark.parametrize(
    ("part", "fix"),
    [
        (LayerNorm(affine=False), 'set "bias" to false'),
        (LayerNorm(affine=False, bias=False, unit_offset=True), "unit_offset"),
        (RmsNorm(affine=False, unit_offset=True), "unit_offset"),
        (GroupRmsNorm(groups=5), "groups 5 does not divide width 12"),
    ],
)
def test_knobs_that_contradict_each_other_are_refused(part: NormPart, fix: str) -> None:
    with pytest.raises(PartError, match=fix):
        part.assemble(SITE)
