from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

from partwise import PartError
from partwise.assembly.build import assemble
from partwise.assembly.inspection import Inspection, inspect_model
from partwise.data import Batch
from partwise.modules import tensors_of
from partwise.parts import FeedForwardPart, LayerSite, ModelPart, ModelSite, resolve_part

V, C, T, H = 13, 8, 16, 2
SITE = ModelSite(V)


def model(mixer: Any = None, **knobs: Any) -> ModelPart:
    block = {"use": "pre_norm", "mixer": mixer or {"use": "multi_head", "heads": H}}
    settings = {"use": "language_model", "width": C, "context": T, "position": "learned", "blocks": [block], "depth": 3}
    return cast(ModelPart, resolve_part(ModelPart, settings | knobs))


def pairs() -> ModelPart:
    attention = {"use": "multi_head", "heads": H}
    settings = {
        "use": "seq2seq",
        "width": C,
        "context": T,
        "encoder": [{"use": "post_norm", "mixer": attention}],
        "decoder": [{"use": "post_norm", "mixer": attention, "cross": attention}],
    }
    return cast(ModelPart, resolve_part(ModelPart, settings))


def by_path(inspection: Inspection) -> dict[str, Any]:
    return {row.path: row for row in inspection.rows}


@pytest.mark.parametrize("part", [model(), model(tie=False, head_bias=True), model("gru", position="none"), pairs()])
def test_parameters_are_those_of_the_model_built_for_real(part: ModelPart) -> None:
    network = cast(nn.Module, assemble(part, SITE, 0))
    inspection = inspect_model(part, SITE)
    assert inspection.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert inspection.rows[0].parameters == inspection.parameters
    assert (inspection.vocabulary, inspection.context) == (V, T)


def test_layers_that_are_alike_are_one_row() -> None:
    rows = by_path(inspect_model(model(), SITE))
    blocks = rows["stack.blocks.0"]
    assert blocks.count == 3
    assert "stack.blocks.1" not in rows
    # 4 C^2 + 4 C for attention, 8 C^2 + 5 C for the feed-forward, 2 C for each of two norms.
    assert blocks.parameters == 3 * (12 * C * C + 13 * C)


def test_layers_that_differ_are_rows_of_their_own() -> None:
    block = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": H}}
    rows = by_path(inspect_model(model(blocks=[block, block, {"use": "recurrent", "mixer": "gru"}], depth=3), SITE))
    assert [rows[f"stack.blocks.{index}"].count for index in (0, 2)] == [2, 1]


def test_rows_show_shapes_of_outputs_and_weights() -> None:
    rows = by_path(inspect_model(model(), SITE))
    assert rows["input.embedding"].output == ("B", "T", C)
    assert rows["input.embedding"].weights == {"weight": (V, C)}
    assert rows["stack.blocks.0.feedforward.up"].output == ("B", "T", 4 * C)
    assert rows["head"].output == ("B", "T", V)


def test_flops_are_two_per_multiply_and_add_of_matrix_products() -> None:
    flops = inspect_model(model(), SITE).flops_per_token
    layer = 2 * (4 * C * C + 8 * C * C)
    # Scores and weighted sums over all T keys; a kernel that knows the mask may be counted at half of that.
    attention = 2 * 2 * T * C
    output = 2 * C * V
    assert flops in (
        pytest.approx(3 * (layer + attention) + output),
        pytest.approx(3 * (layer + attention / 2) + output),
    )


def test_attention_remembers_keys_and_values_for_each_token() -> None:
    inspection = inspect_model(model(), SITE)
    assert inspection.state_bytes_per_token == 3 * 2 * C * 4
    assert inspection.state_bytes_fixed == 0


def test_grouped_heads_remember_less() -> None:
    inspection = inspect_model(model({"use": "multi_head", "heads": H, "kv_heads": 1}), SITE)
    assert inspection.state_bytes_per_token == 3 * 2 * (C // H) * 4


def test_a_recurrence_remembers_as_much_however_long_the_text() -> None:
    inspection = inspect_model(model("lstm", position="none"), SITE)
    assert inspection.state_bytes_per_token == 0
    assert inspection.state_bytes_fixed == 3 * 2 * C * 4


def test_a_decoder_remembers_its_source_besides() -> None:
    inspection = inspect_model(pairs(), SITE)
    assert inspection.state_bytes_per_token == 2 * C * 4
    assert inspection.state_bytes_fixed == 2 * C * 4 * T


@pytest.mark.parametrize("part", [model(), model("gru", position="none")])
def test_state_bytes_are_those_of_a_decoding_for_real(part: ModelPart) -> None:
    network = assemble(part, SITE, 0)
    tokens = torch.zeros(1, 1, dtype=torch.int64)
    _, decoding = network.begin(Batch(tokens, tokens), 10)
    real = sum(tensor.numel() * tensor.element_size() for state in decoding.states for tensor in tensors_of(state))
    inspection = inspect_model(part, SITE)
    assert real == 10 * inspection.state_bytes_per_token + inspection.state_bytes_fixed


def test_inspecting_leaves_no_trace_in_the_random_state() -> None:
    before = torch.get_rng_state()
    inspect_model(model(dropout=0.5), SITE)
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("context", [10**15, 2**64 - 1])
def test_a_context_beyond_what_can_be_counted_is_refused_in_words(context: int) -> None:
    with pytest.raises(PartError, match="more bytes than 64 bits can count"):
        inspect_model(model(context=context), ModelSite(7))


class Shifting(nn.Module):
    """Work that depends on the data: which operator asks for it is chosen by `how`."""

    def __init__(self, width: int, how: str) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "nonzero":
            x = x.clone().index_add_(1, (x[0, :, 0] > 0).nonzero()[:, 0], x[:, x[0, :, 0] > 0])
        elif self.how == "boolean":
            x = x + x[x > 0].sum()
        elif self.how == "item":
            x = x * x.abs().max().item()
        elif self.how == "if" and x.sum() > 0:
            x = -x
        elif self.how == "numpy":
            x = x + torch.from_numpy(x.detach().numpy())
        elif self.how == "raises":
            raise LookupError("no experts")
        y: torch.Tensor = self.linear(x)
        return y


class ShiftingPart(FeedForwardPart):
    """A feed-forward whose work depends on the data."""

    name = "shifting"
    how: str = "nonzero"

    def build(self, site: LayerSite) -> Shifting:
        return Shifting(site.width, self.how)


HOW = ["nonzero", "boolean", "item", "if", "numpy", "raises"]


@pytest.mark.parametrize("how", HOW)
def test_work_that_depends_on_data_is_not_counted_and_parameters_are_told(how: str) -> None:
    part = with_feedforward(ShiftingPart(how=how))
    found = inspect_model(part, SITE)
    network = cast(nn.Module, assemble(part, SITE, 0))
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert found.flops_per_token is None
    assert found.state_bytes_per_token == 3 * 2 * C * 4, "what can be counted still is"
    (problem,) = found.uncounted
    assert (problem.figure, problem.path, problem.type) == ("FLOPs", "stack.blocks.0.feedforward", "Shifting")
    assert ("no experts" if how == "raises" else "depends on the data") in problem.reason
    assert "FLOPs unknown" in repr(found)
    shapes = by_path(found)
    assert shapes["stack.blocks.0.mixer"].output == ("B", "T", C), "what comes before it is measured"
    assert shapes["stack.blocks.0.feedforward"].output is None


class Backwards(nn.Module):
    """Three layers that are alike, of which the last is called first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in reversed(self.layers):
            x = layer(x)
        return x


class BackwardsPart(FeedForwardPart):
    """Layers in the other order."""

    name = "backwards"

    def build(self, site: LayerSite) -> Backwards:
        return Backwards(site.width)


def test_layers_that_are_alike_may_be_called_in_any_order() -> None:
    plain = inspect_model(with_feedforward(None), SITE).flops_per_token
    found = inspect_model(with_feedforward(BackwardsPart()), SITE).flops_per_token
    assert plain is not None
    assert found is not None
    # Three layers of C x C in place of the two of the feed-forward, C x 4C and 4C x C; three blocks.
    assert plain - found == 3 * 2 * (8 - 3) * C * C


def with_feedforward(feedforward: FeedForwardPart | None) -> ModelPart:
    part = model()
    if feedforward is None:
        return part
    blocks = tuple(block.model_copy(update={"feedforward": feedforward}) for block in part.blocks)  # type: ignore[attr-defined]
    return part.model_copy(update={"blocks": blocks})
