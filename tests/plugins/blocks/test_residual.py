"""Each arrangement of branches, norms and residual connections against its formula."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError
from partwise.assembly.build import materialise, skeleton
from partwise.modules import Add, Flow, State, causal_flow
from partwise.parts import BlockPart, LayerSite, resolve_part
from partwise_blocks.output_norm import OutputNormBlock
from partwise_blocks.parallel import ParallelBlock
from partwise_blocks.parts import OutputNorm, Parallel, PostNorm, PreNorm, Recurrent, Repeat, Sandwich
from partwise_blocks.post_norm import PostNormBlock
from partwise_blocks.pre_norm import PreNormBlock
from partwise_blocks.recurrent import RecurrentBlock
from partwise_blocks.sandwich import SandwichBlock

B, T, C = 2, 5, 8
SITE = LayerSite(width=C, context=T)
DECODER = replace(SITE, memory_width=6)
ATTENTION = {"use": "multi_head", "heads": 2}


class Shift(nn.Module):
    """A mixer that a formula can follow: each position takes a multiple of the one before it."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        return self.factor * shifted(x)


def shifted(x: Tensor) -> Tensor:
    return torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1]), 1)


class Recall(nn.Module):
    """A mixer over the memory: adds its mean."""

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        return torch.tanh(x) + flow.memory.mean(1, keepdim=True)


def norms() -> tuple[Any, list[nn.LayerNorm]]:
    """A maker of norms with gains of their own, and the list of those it made."""
    made: list[nn.LayerNorm] = []

    def make() -> nn.LayerNorm:
        norm = nn.LayerNorm(C)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
        made.append(norm)
        return norm

    return make, made


def flow() -> Flow:
    return replace(causal_flow(T), memory=torch.randn(B, 3, C))


def test_pre_norm_is_x_plus_f_of_norm() -> None:
    make, (made) = norms()
    feedforward = nn.Linear(C, C)
    block = PreNormBlock(Shift(2.0), Recall(), feedforward, make, Add, 0.0)
    n1, n2, n3 = made
    x, here = torch.randn(B, T, C), flow()
    h = x + 2 * shifted(n1(x))
    h = h + torch.tanh(n2(h)) + here.memory.mean(1, keepdim=True)
    h = h + feedforward(n3(h))
    torch.testing.assert_close(block(x, here), h)


def test_post_norm_is_norm_of_x_plus_f() -> None:
    make, made = norms()
    feedforward = nn.Linear(C, C)
    block = PostNormBlock(Shift(2.0), Recall(), feedforward, make, Add, 0.0)
    n1, n2, n3 = made
    x, here = torch.randn(B, T, C), flow()
    h = n1(x + 2 * shifted(x))
    h = n2(h + torch.tanh(h) + here.memory.mean(1, keepdim=True))
    h = n3(h + feedforward(h))
    torch.testing.assert_close(block(x, here), h)


def test_sandwich_is_x_plus_norm_of_f_of_norm() -> None:
    make, _ = norms()
    feedforward = nn.Linear(C, C)
    block = SandwichBlock(Shift(2.0), Recall(), feedforward, make, Add, 0.0)
    x, here = torch.randn(B, T, C), flow()
    h = x + block.mixer_output_norm(2 * shifted(block.mixer_norm(x)))
    recalled = torch.tanh(block.cross_norm(h)) + here.memory.mean(1, keepdim=True)
    h = h + block.cross_output_norm(recalled)
    h = h + block.feedforward_output_norm(feedforward(block.feedforward_norm(h)))
    torch.testing.assert_close(block(x, here), h)


def test_output_norm_is_x_plus_norm_of_f() -> None:
    make, made = norms()
    feedforward = nn.Linear(C, C)
    block = OutputNormBlock(Shift(2.0), Recall(), feedforward, make, Add, 0.0)
    n1, n2, n3 = made
    x, here = torch.randn(B, T, C), flow()
    h = x + n1(2 * shifted(x))
    h = h + n2(torch.tanh(h) + here.memory.mean(1, keepdim=True))
    h = h + n3(feedforward(h))
    torch.testing.assert_close(block(x, here), h)


def test_output_norm_arranges_its_branches_as_olmo_2_does() -> None:
    from transformers.models.olmo2.modeling_olmo2 import Olmo2Config, Olmo2DecoderLayer

    class Attention(nn.Module):
        def forward(self, hidden_states: Tensor, **others: Any) -> tuple[Tensor, None]:
            return 2 * shifted(hidden_states), None

    theirs = Olmo2DecoderLayer(Olmo2Config(hidden_size=C, num_attention_heads=2, intermediate_size=C), 0)
    theirs.self_attn = Attention()
    for norm in (theirs.post_attention_layernorm, theirs.post_feedforward_layernorm):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    given = iter((theirs.post_attention_layernorm, theirs.post_feedforward_layernorm))
    block = OutputNormBlock(Shift(2.0), None, theirs.mlp, lambda: next(given), Add, 0.0)
    x = torch.randn(B, T, C)
    expected = theirs(x)
    torch.testing.assert_close(block(x, causal_flow(T)), expected if torch.is_tensor(expected) else expected[0])


@pytest.mark.parametrize("shared", [True, False])
def test_parallel_is_x_plus_both_branches_of_the_same_x(shared: bool) -> None:
    make, made = norms()
    feedforward = nn.Linear(C, C)
    block = ParallelBlock(Shift(2.0), feedforward, make(), None if shared else make(), Add(), 0.0)
    x = torch.randn(B, T, C)
    expected = x + 2 * shifted(made[0](x)) + feedforward(made[-1](x))
    torch.testing.assert_close(block(x, causal_flow(T)), expected)
    assert len(made) == (1 if shared else 2)


def test_recurrent_is_the_mixer_alone() -> None:
    x = torch.randn(B, T, C)
    assert RecurrentBlock(Shift(2.0), None, C, 0.0)(x, causal_flow(T)).equal(2 * shifted(x))


def test_recurrent_with_cross_is_tanh_of_both_side_by_side() -> None:
    block = RecurrentBlock(Shift(2.0), Recall(), C, 0.0)
    x, here = torch.randn(B, T, C), flow()
    h = 2 * shifted(x)
    context = torch.tanh(h) + here.memory.mean(1, keepdim=True)
    left, right = block.combine.weight.split(C, 1)
    torch.testing.assert_close(block(x, here), torch.tanh(h @ left.T + context @ right.T + block.combine.bias))


def built(part: BlockPart, site: LayerSite = SITE) -> Any:
    return materialise(skeleton(part, site), 0).eval()  # type: ignore[arg-type, type-var]


def silenced(block: Any) -> Any:
    """The block with every weight of its branches at zero."""
    for branch in (block.mixer, block.feedforward, getattr(block, "cross", None)):
        if branch is not None:
            for parameter in branch.parameters():
                nn.init.zeros_(parameter)
    return block


@pytest.mark.parametrize("cls", [PreNorm, Sandwich, OutputNorm])
@pytest.mark.parametrize("cross", [None, ATTENTION])
def test_without_its_branches_a_residual_block_is_the_identity(cls: type[PreNorm], cross: Any) -> None:
    part = cls.model_validate({"mixer": ATTENTION, "cross": cross})
    x = torch.randn(B, T, C)
    here = replace(causal_flow(T), memory=torch.randn(B, 3, 6))
    assert silenced(built(part, DECODER))(x, here).equal(x)


def test_without_its_branches_a_parallel_block_is_the_identity() -> None:
    x = torch.randn(B, T, C)
    assert silenced(built(Parallel.model_validate({"mixer": ATTENTION})))(x, causal_flow(T)).equal(x)


def test_without_its_branches_a_post_norm_block_is_a_norm() -> None:
    x = torch.randn(B, T, C)
    block = silenced(built(PostNorm.model_validate({"mixer": ATTENTION, "feedforward": None})))
    torch.testing.assert_close(block(x, causal_flow(T)), nn.functional.layer_norm(x, (C,)))


@pytest.mark.parametrize("cls", [PreNorm, PostNorm, Sandwich])
def test_every_branch_has_norms_of_its_own(cls: type[PreNorm]) -> None:
    block = built(cls.model_validate({"mixer": ATTENTION, "cross": ATTENTION}), DECODER)
    count = sum(isinstance(module, nn.LayerNorm) for module in block.modules())
    assert count == (6 if cls is Sandwich else 3)


def test_a_layer_may_do_without_feed_forward() -> None:
    block = built(PreNorm.model_validate({"mixer": ATTENTION, "feedforward": None}))
    x = torch.randn(B, T, C)
    expected = x + block.mixer(nn.functional.layer_norm(x, (C,)), causal_flow(T))
    torch.testing.assert_close(block(x, causal_flow(T)), expected)


@pytest.mark.parametrize(
    "part",
    [
        PreNorm.model_validate({"mixer": ATTENTION, "dropout": 0.5}),
        PostNorm.model_validate({"mixer": ATTENTION, "dropout": 0.5}),
        Sandwich.model_validate({"mixer": ATTENTION, "dropout": 0.5}),
        Parallel.model_validate({"mixer": ATTENTION, "dropout": 0.5}),
        Recurrent.model_validate({"mixer": "gru", "dropout": 0.5}),
    ],
    ids=lambda part: part.name,
)
def test_dropout_acts_in_training_only(part: BlockPart) -> None:
    block, x = built(part), torch.randn(B, T, C)
    still = block(x, causal_flow(T))
    assert block(x, causal_flow(T)).equal(still)
    block.train()
    assert not block(x, causal_flow(T)).equal(still)


def test_dropout_of_a_pre_norm_block_drops_branches_and_not_the_stream() -> None:
    block, x = (
        built(PreNorm.model_validate({"mixer": ATTENTION, "feedforward": None, "dropout": 0.5})),
        torch.randn(B, T, C),
    )
    added = block(x, causal_flow(T)) - x
    block.train()
    noisy = block(x, causal_flow(T)) - x
    kept = noisy.abs() > 1e-6
    assert 0.2 < kept.float().mean() < 0.8
    torch.testing.assert_close(noisy[kept], 2 * added[kept], rtol=1e-4, atol=1e-5)


def test_cross_attention_without_an_encoder_is_refused() -> None:
    for cls in (PreNorm, PostNorm, Sandwich, Recurrent):
        part = cls.model_validate({"mixer": ATTENTION, "cross": ATTENTION})
        with pytest.raises(PartError, match="there is no encoder to attend to here"):
            part.assemble(SITE)


def test_what_cannot_read_a_memory_is_refused_as_cross_attention() -> None:
    with pytest.raises(PartError, match="a recurrence cannot read an encoder's states") as caught:
        PreNorm.model_validate({"mixer": ATTENTION, "cross": "gru"}).assemble(DECODER)
    assert caught.value.path == ("cross",)


def test_a_group_stands_for_its_layers_as_often_as_it_says() -> None:
    one, two = {"use": "recurrent", "mixer": "gru"}, {"use": "recurrent", "mixer": "rnn"}
    part = resolve_part(
        BlockPart, {"use": "repeat", "times": 2, "blocks": [one, {"use": "repeat", "times": 2, "blocks": [two]}]}
    )
    assert isinstance(part, Repeat)
    mixers = [layer.mixer.name for layer in part.unrolled()]
    assert mixers == ["gru", "rnn", "rnn", "gru", "rnn", "rnn"]


def test_a_group_cannot_stand_where_one_layer_must() -> None:
    part = next(iter(Repeat.examples()))
    with pytest.raises(PartError, match="put it in the `blocks` of a model"):
        part.assemble(SITE)
