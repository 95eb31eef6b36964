"""Each residual connection against its formula: alone, position by position, and in a stack of layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError
from partwise.assembly import assemble, inspect_model
from partwise.data import Batch
from partwise.modules import causal_flow
from partwise.parts import LayerSite, ModelPart, ModelSite, ResidualPart, ResidualSite, SharedResidual, resolve_part
from partwise_blocks.parts import PostNorm
from partwise_residuals.hyper_connections import HyperConnection, Streams

B, T, C, N = 2, 4, 6, 3
ATTENTION = {"use": "multi_head", "heads": 2}
LAYER = {"use": "pre_norm", "mixer": ATTENTION, "feedforward": "gelu"}


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def joint(name: str, at: int = 1, **knobs: Any) -> Any:
    """What stands at the first branch of layer `at` of four."""
    part: Any = resolve_part(ResidualPart, {"use": name, **knobs})
    return part.build(ResidualSite(C, layer=at, depth=4, branch=2 * at)).double()


def model(residual: Any, **knobs: Any) -> Any:
    """Its parameters are drawn by their paths, so that two models have the same where they have the same modules."""
    settings = {"use": "language_model", "width": C, "context": 8, "position": "learned", "blocks": [LAYER], "depth": 3,
                "residual": residual, **knobs}  # fmt: skip
    part: Any = resolve_part(ModelPart, settings)
    return assemble(part, ModelSite(vocabulary=11), seed=0).eval()


def logits(residual: Any, **knobs: Any) -> Tensor:
    ids = torch.arange(8).view(1, 8)
    result: Tensor = model(residual, **knobs)(Batch(ids, ids))
    return result


X, Y = numbers(B, T, C), numbers(B, T, C, seed=1)


def test_of_one_stream_each_is_as_its_formula_says() -> None:
    scale, rezero = joint("layer_scale"), joint("rezero")
    torch.testing.assert_close(scale.write(X, Y), X + 0.1 * Y)
    torch.testing.assert_close(rezero.write(X, Y), X)
    with torch.no_grad():
        scale.gain.copy_(torch.arange(C))
        rezero.factor.fill_(-0.5)
    torch.testing.assert_close(scale.write(X, Y), X + torch.arange(C) * Y)
    torch.testing.assert_close(rezero.write(X, Y), X - 0.5 * Y)
    torch.testing.assert_close(joint("scaled", stream=1.5, branch=0.2).write(X, Y), 1.5 * X + 0.2 * Y)
    for one in (scale, rezero, joint("scaled")):
        assert one.read(X) is X


def test_what_only_adds_computes_what_a_model_without_a_choice_did() -> None:
    torch.testing.assert_close(logits({"use": "scaled"}), logits("add"))
    torch.testing.assert_close(logits({"use": "stochastic_depth", "drop": 0.5}), logits("add"))
    torch.testing.assert_close(logits("first_stream"), logits("add"))
    assert not torch.allclose(logits("rezero"), logits("add"))


@pytest.mark.parametrize("dynamic", [False, True])
def test_one_hyper_connected_stream_adds_at_first(dynamic: bool) -> None:
    found = logits({"use": "hyper_connections", "streams": 1, "dynamic": dynamic})
    torch.testing.assert_close(found, logits("add"))


def test_several_hyper_connected_streams_are_alike_at_first() -> None:
    """Every stream takes every branch, and the top has their sum."""
    several = logits({"use": "hyper_connections", "streams": 4}, final_norm="none")
    torch.testing.assert_close(several, 4 * logits("add", final_norm="none"))


def shaken(module: Any) -> Any:
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.add_(0.4 * numbers(*parameter.shape, seed=10 + index))
    return module


@pytest.mark.parametrize("dynamic", [False, True])
def test_hyper_connections_are_those_of_the_paper_at_every_position(dynamic: bool) -> None:
    """Equations 1 to 5, and 10 to 13 for weights that depend on the streams, as loops over streams."""
    one = shaken(HyperConnection(C, N, 1, dynamic).double())
    stream = numbers(B, T, N, C, seed=2)
    read, written = one.read(stream), one.write(stream, Y)
    for b in range(B):
        for t in range(T):
            inputs, mixing, outputs = (
                weights.detach().clone() for weights in (one.input_weights, one.mixing, one.output_weights)
            )
            if dynamic:
                own = one.dynamic
                for i in range(N):
                    h = stream[b, t, i]
                    h = (h - h.mean()) / (h.var(unbiased=False) + 1e-5).sqrt() * own.norm.weight + own.norm.bias
                    inputs[i] += own.input_scale[0] * torch.tanh(sum(h[c] * own.input_matrix[c] for c in range(C)))
                    outputs[i] += own.output_scale[0] * torch.tanh(sum(h[c] * own.output_matrix[c] for c in range(C)))
                    for j in range(N):
                        inner = sum(h[c] * own.mixing_matrix[c, j] for c in range(C))
                        mixing[i, j] += own.input_scale[0] * torch.tanh(inner)
            torch.testing.assert_close(read[b, t], sum(inputs[i] * stream[b, t, i] for i in range(N)))
            for j in range(N):
                mixed = sum(mixing[i, j] * stream[b, t, i] for i in range(N))
                torch.testing.assert_close(written[b, t, j], mixed + outputs[j] * Y[b, t])


def test_branches_of_hyper_connections_take_turns_in_what_they_read() -> None:
    part: Any = resolve_part(ResidualPart, {"use": "hyper_connections", "streams": 3, "dynamic": False})
    shared = SharedResidual(part)
    joints = [shared.join(LayerSite(C)) for _ in range(5)]
    stream = numbers(B, T, 3, C).float()
    for index, one in enumerate(joints):
        torch.testing.assert_close(one.read(stream), stream[:, :, index % 3])


def test_streams_begin_as_the_embedding_and_end_as_their_sum() -> None:
    ends = Streams(N)
    torch.testing.assert_close(ends.open(X), torch.stack([X] * N, 2))
    torch.testing.assert_close(ends.close(ends.open(X)), N * X)


def test_the_first_stream_is_mixed_in_before_every_branch() -> None:
    part: Any = resolve_part(ResidualPart, {"use": "first_stream", "stream": 0.9, "first": 0.2})
    ends, joints = (
        part.build_ends(LayerSite(C)),
        [part.build(ResidualSite(C, 0, 2, index)).double() for index in (0, 1)],
    )
    stream, x = ends.open(X), X
    for one, branch in zip(joints, (torch.tanh, torch.sin), strict=True):
        x = 0.9 * x + 0.2 * X
        torch.testing.assert_close(one.read(stream), x)
        stream = one.write(stream, branch(one.read(stream)))
        x = x + branch(x)
    torch.testing.assert_close(ends.close(stream), x)


def test_a_branch_is_left_out_for_whole_rows_more_often_further_up() -> None:
    drops = [joint("stochastic_depth", at=layer, drop=0.4).drop for layer in range(4)]
    assert drops == pytest.approx([0.1, 0.2, 0.3, 0.4])
    one, rows = joint("stochastic_depth", at=3, drop=0.4).train(), 4000
    torch.manual_seed(0)
    added = one.write(torch.zeros(rows, 2, C), torch.ones(rows, 2, C))
    assert added.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert (added == added[:, :1, :1]).all(), "a row is left out whole"
    # The mean is 1 and has the variance 0.4 / 0.6 / rows: six deviations are 0.08.
    assert added.mean().item() == pytest.approx(1.0, abs=0.08)
    torch.testing.assert_close(one.eval().write(X, Y), X + Y)


def test_with_post_norm_scaled_is_deep_norm() -> None:
    """Wang et al. 2022: norm(alpha x + f(x)) for each branch f."""
    alpha, x = 1.8, numbers(B, T, 8).float()
    part: Any = resolve_part(ResidualPart, {"use": "scaled", "stream": alpha})
    site = LayerSite(8, residual=SharedResidual(part))
    block: Any = PostNorm.model_validate({"mixer": ATTENTION, "feedforward": "gelu"}).build(site).eval()
    flow = causal_flow(T)
    h = nn.functional.layer_norm(alpha * x + block.mixer(x, flow), (8,))
    h = nn.functional.layer_norm(alpha * h + block.feedforward(h), (8,))
    torch.testing.assert_close(block(x, flow), h)


@pytest.mark.parametrize("residual", ["first_stream", "hyper_connections"])
def test_a_norm_of_the_sum_is_refused_where_there_are_several_streams(residual: str) -> None:
    with pytest.raises(PartError, match="use pre_norm or sandwich"):
        model(residual, blocks=[{**LAYER, "use": "post_norm"}], final_norm="none")


@pytest.mark.parametrize("residual", ["scaled", "rezero", "hyper_connections"])
def test_layers_without_a_stream_stand_only_beside_what_adds(residual: str) -> None:
    recurrent = {"use": "recurrent", "mixer": "gru"}
    model("add", blocks=[recurrent, LAYER])
    with pytest.raises(PartError, match='or the residual "add"'):
        model(residual, blocks=[recurrent, LAYER])


def test_inspect_counts_what_a_residual_adds() -> None:
    """Parameters of each of the six branches; FLOPs of the matrix products by which streams depend on each other."""

    def inspected(residual: Any) -> Any:
        settings = {"use": "language_model", "width": C, "context": 8, "position": "learned", "blocks": [LAYER],
                    "depth": 3, "residual": residual}  # fmt: skip
        part: Any = resolve_part(ModelPart, settings)
        return inspect_model(part, ModelSite(vocabulary=11))

    add, scale = inspected("add"), inspected("layer_scale")
    assert scale.parameters - add.parameters == 6 * C
    assert scale.flops_per_token == add.flops_per_token
    fixed, moving = (
        inspected({"use": "hyper_connections", "streams": N, "dynamic": dynamic}) for dynamic in (False, True)
    )
    assert fixed.parameters - add.parameters == 6 * (N * N + 2 * N)
    assert moving.parameters - fixed.parameters == 6 * (2 * C + 2 * C + C * N + 2)
    mixing = 2 * N * N * C
    assert fixed.flops_per_token - add.flops_per_token == 6 * mixing
    assert moving.flops_per_token - fixed.flops_per_token == 6 * (2 * N * C * 2 + 2 * N * C * N)
