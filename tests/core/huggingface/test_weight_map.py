"""Each thing that a line of a weight map can say, beside the same in plain PyTorch; and back again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from partwise.errors import InputError
from partwise.huggingface.facts import Facts
from partwise.huggingface.weight_entry import Constant, WeightEntry
from partwise.huggingface.weight_map import WeightMap

FACTS = Facts({"model": {"width": 12, "blocks": [{"mixer": {"heads": 6, "kv_heads": 2, "kernel": 4}}]}})


class Holder(nn.Module):
    """Tensors of ours, by name."""

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {name: one.detach() for name, one in self.named_parameters()}


def mapped(
    *entries: dict[str, Any], ignore: tuple[str, ...] = (), constants: tuple[dict[str, Any], ...] = ()
) -> WeightMap:
    made = tuple(Constant(**one) for one in constants)
    return WeightMap([WeightEntry(**one) for one in entries], ignore, made, "acme.weights.json")


def there_and_back(weights: WeightMap, theirs: dict[str, Tensor], ours: Holder) -> dict[str, Tensor]:
    """What theirs become; what these become again is theirs."""
    made = weights.to_ours(theirs, ours, FACTS)
    again = weights.to_theirs(made, ours, FACTS)
    assert again.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0)
    return made


def test_groups_of_unlike_pieces_become_pieces_of_all_groups() -> None:
    """Falcon 40B: of each group of heads its queries, its key and its value, each 2 wide."""
    pieces = ["model.blocks.0.mixer.heads / model.blocks.0.mixer.kv_heads", 1, 1]
    line = {
        "ours": "qkv",
        "theirs": "query_key_value",
        "groups": {"count": "model.blocks.0.mixer.kv_heads", "pieces": pieces},
    }
    theirs = torch.randn(2 * (3 + 1 + 1) * 2, 12)
    grouped = theirs.view(2, 5, 2, 12)
    q, k, v = grouped[:, :3], grouped[:, 3:4], grouped[:, 4:]
    made = there_and_back(mapped(line), {"query_key_value": theirs}, Holder(qkv=(20, 12)))
    assert made["qkv"].equal(torch.cat([one.reshape(-1, 12) for one in (q, k, v)]))


def test_pieces_may_stand_in_another_order() -> None:
    line = {"ours": "both", "theirs": "both", "groups": {"count": -1, "pieces": [1, 2], "order": [1, 0]}}
    theirs = torch.arange(6.0)
    made = there_and_back(mapped(line), {"both": theirs}, Holder(both=(6,)))
    assert made["both"].tolist() == [1, 2, 4, 5, 0, 3]


def test_experts_of_their_own_are_stacked() -> None:
    """Mixtral: w1 is our gate, w3 our up, of each expert."""
    lines = [{"ours": ours, "theirs": f"experts.{{e}}.{theirs}"} for ours, theirs in (("gate", "w1"), ("up", "w3"))]
    theirs = {f"experts.{e}.{name}": torch.randn(5, 4) for e in range(3) for name in ("w1", "w3")}
    made = there_and_back(mapped(*lines), theirs, Holder(gate=(3, 5, 4), up=(3, 5, 4)))
    assert made["up"][2].equal(theirs["experts.2.w3"])


def test_experts_in_one_tensor_are_turned_and_cut_along_the_rows_of_each() -> None:
    """gpt-oss: [experts, in, 2 * out], in which gate and up take turns."""
    line = {
        "ours": ["gate", "up"], "theirs": "gate_up", "axis": 1, "transpose": True,
        "groups": {"count": -1, "pieces": [1, 1]},
    }  # fmt: skip
    theirs = torch.randn(3, 4, 10)
    made = there_and_back(mapped(line), {"gate_up": theirs}, Holder(gate=(3, 5, 4), up=(3, 5, 4)))
    assert made["gate"].equal(theirs[..., ::2].mT)
    assert made["up"].equal(theirs[..., 1::2].mT)


def test_some_rows_are_taken_and_the_others_filled_in_a_checkpoint() -> None:
    """OPT: the table of positions begins with two rows that no position has."""
    line = {"ours": "position", "theirs": "embed_positions", "rows": {"begin": 2, "fill": 7}}
    ours = Holder(position=(6, 3))
    theirs = torch.cat((torch.full((2, 3), 7.0), torch.randn(6, 3)))
    made = there_and_back(mapped(line), {"embed_positions": theirs}, ours)
    assert made["position"].equal(theirs[2:])


@pytest.mark.parametrize("transpose", [False, True])
def test_rows_of_one_tensor_go_to_several_of_ours_and_come_together_again(transpose: bool) -> None:
    lines = [
        {"ours": "z", "theirs": "in_proj", "rows": {"of": 9}, "transpose": transpose},
        {"ours": "dt", "theirs": "in_proj", "rows": {"begin": 4, "of": 9}, "transpose": transpose},
    ]
    theirs = torch.randn(9, 3)
    made = there_and_back(mapped(*lines), {"in_proj": theirs.T if transpose else theirs}, Holder(z=(4, 3), dt=(5, 3)))
    assert made["dt"].equal(theirs[4:])


def test_a_tensor_is_viewed_in_our_shape() -> None:
    """Mamba: the kernels of a convolution have an axis of one."""
    line = {"ours": "conv", "theirs": "conv1d", "reshape": [-1, 1, "model.blocks.0.mixer.kernel"]}
    theirs = torch.randn(6, 1, 4)
    made = there_and_back(mapped(line), {"conv1d": theirs}, Holder(conv=(6, 4)))
    assert made["conv"].equal(theirs[:, 0])


@pytest.mark.parametrize(("kv_heads", "order"), [(2, [0, 1]), (1, [1, 0])])
def test_a_line_applies_when_the_recipe_is_as_it_says(kv_heads: int, order: list[int]) -> None:
    few, many = ({"model.blocks.*.mixer.kv_heads": number} for number in (1, 2))
    weights = mapped(
        {"ours": "w", "theirs": "x", "when": few, "groups": {"count": 1, "pieces": [1, 1], "order": [1, 0]}},
        {"ours": "w", "theirs": "x", "when": many},
    )
    facts = Facts({"model": {"blocks": [{"mixer": {"kv_heads": kv_heads}}]}})
    made = weights.to_ours({"x": torch.tensor([0.0, 1.0])}, Holder(w=(2,)), facts)
    assert made["w"].tolist() == order


def test_a_constant_is_ignored_if_it_is_one_and_written_with_its_shape() -> None:
    weights = mapped(
        {"ours": "w", "theirs": "layers.0.w"},
        constants=({"name": "layers.{i}.bias", "shape": ["model.width"]}, {"name": "scale", "value": 1}),
    )
    theirs = {"layers.0.w": torch.randn(2), "layers.0.bias": torch.zeros(12), "scale": torch.ones(())}
    ours = Holder(w=(2,))
    made = weights.to_ours(theirs, ours, FACTS)
    again = weights.to_theirs(made, ours, FACTS)
    assert again.keys() == {"layers.0.w", "layers.0.bias"}
    assert again["layers.0.bias"].equal(theirs["layers.0.bias"])
    theirs["layers.0.bias"][3] = 0.5
    with pytest.raises(InputError, match=r"layers\.0\.bias is not 0 everywhere, as acme\.weights\.json expects"):
        weights.to_ours(theirs, ours, FACTS)


@given(
    count=st.integers(1, 4), pieces=st.lists(st.integers(1, 4), min_size=2, max_size=4), unit=st.integers(1, 3),
    axis=st.integers(0, 1), transpose=st.booleans(), data=st.data(),
)  # fmt: skip
def test_whatever_is_grouped_comes_back(
    count: int, pieces: list[int], unit: int, axis: int, transpose: bool, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(pieces))))
    rows = count * sum(pieces) * unit
    line = {
        "ours": "w", "theirs": "w", "axis": axis, "transpose": transpose,
        "groups": {"count": count, "pieces": pieces, "order": order},
    }  # fmt: skip
    ours = Holder(w=(rows, 2) if not axis else (3, rows, 2))
    theirs = mapped(line).to_theirs(ours.tensors, ours, FACTS)
    assert mapped(line).to_ours(theirs, ours, FACTS)["w"].equal(ours.w)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"groups": {"count": 2, "pieces": [1, 2]}}, "the 8 rows for this model's w are not 2"),
        ({"groups": {"count": "model.depth", "pieces": [1, 1]}}, "model.depth is not in this recipe; write it there"),
        ({"groups": {"count": "model.width / 5", "pieces": [1, 1]}}, "which is 2.4 in this recipe: no whole number"),
        ({"rows": {"begin": 1, "of": 12}}, r"theirs is \(8, 3\), where 8 rows for w are taken from row 1 on, of 12"),
        ({"reshape": [8, 3]}, r"theirs \(8, 3\) in the checkpoint, but this model's w is \(8, 2\)"),
    ],
)
def test_what_does_not_fit_is_told_with_its_sizes(line: dict[str, Any], told: str) -> None:
    weights = mapped({"ours": "w", "theirs": "theirs", **line})
    with pytest.raises(InputError, match=told.replace("write it there", "write it in the recipe")):
        weights.to_ours({"theirs": torch.randn(8, 3)}, Holder(w=(8, 2 if "reshape" in line else 3)), FACTS)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"groups": {"count": 1, "pieces": [1, 1]}, "regroup": {"shape": [-1], "order": [0]}}, "give one of them"),
        ({"groups": {"count": 1, "pieces": [2, -1]}}, "the size of a piece is 1 or more"),
        ({"groups": {"count": "2 +", "pieces": [1, 1]}}, "expected paths of the recipe and numbers"),
        ({"groups": {"count": 1, "pieces": [1, 1], "order": [0, 0]}}, "order has each piece once"),
        ({"reshape": [-1, -1]}, "only one size can be the rest"),
        ({"theirs": ["a", "b"], "rows": {}}, "rows is for one of theirs, got 2"),
        ({"theirs": "experts.{e}.w", "reshape": [2]}, "reshape is not for experts"),
        ({"ours": "w.{e}"}, "in which {i} stands for a layer, got"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(line: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        WeightEntry.model_validate({"ours": "w", "theirs": "theirs", **line})
