"""Schematics are drawn from what a module did; maps and bars from what it gave."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from partwise.catalogue import figures
from partwise.catalogue.cuts import SHARES, cuts
from partwise.catalogue.dataflow import Flowing, flowing
from partwise.catalogue.diagram import can_be_drawn, diagram
from partwise.catalogue.schematics import schematic
from partwise.catalogue.seen import LENGTH, seen
from partwise.catalogue.snippets import setting
from partwise.parts import kinds
from partwise.parts.registry import registry

from ..studies.report.pages import parsed
from .test_figures import heights


def part(kind: str, name: str) -> Any:
    return next(one.part for one in registry().entries() if (one.part.kind, one.name) == (kind, name))


def words(kind: str, name: str) -> list[str]:
    """What stands in a part's schematic, from above to below."""
    chosen = part(kind, name)
    drawing = next(iter(schematic(chosen, setting(chosen)))).drawing
    return [text.text for text in parsed(drawing).all("text")]


class Gated(nn.Module):
    """What a module may do: two children, a gate, a skip, views, and a mask that no input decides."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.gate, self.same = nn.Linear(4, 4), nn.Linear(4, 4), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(3).cumsum(0) * 2
        y = torch.sigmoid(self.gate(x)).view(3, 2, 2).transpose(1, 2).reshape(3, 4) * self.up(x)
        y = y * mask[:, None] * 0.5
        return self.same(x) + y


def flow_of(module: nn.Module) -> Flowing:
    x = torch.randn(3, 4)
    return flowing(module, lambda: module(x), {"x": x}, dict(module.named_children()))


def test_nodes_are_children_and_operations_in_order() -> None:
    nodes = flow_of(Gated()).nodes
    steps = [(one.label, [nodes[source].label for source in one.sources]) for one in nodes]
    assert steps == [
        ("x", []),
        ("gate", ["x"]),
        ("sigmoid", ["gate"]),
        ("up", ["x"]),
        ("×", ["sigmoid", "up"]),
        ("× weight", ["×"]),
        ("× 0.5", ["× weight"]),
        ("same", ["x"]),
        ("+", ["same", "× 0.5"]),
        ("output", ["+"]),
    ]


def test_watching_leaves_nothing_behind() -> None:
    module = Gated()
    flow_of(module)
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())


def test_a_pre_norm_block_is_norm_mixer_plus_norm_feedforward_plus() -> None:
    found = [word for word in words("block", "pre_norm") if not re.match("[A-Z]", word)]
    assert found == ["x", "mixer_norm", "mixer", "+", "feedforward_norm", "feedforward", "+", "output"]
    found = [word for word in words("block", "post_norm") if not re.match("[A-Z]", word)]
    assert found == ["x", "mixer", "+", "mixer_norm", "feedforward", "+", "feedforward_norm", "output"]


def test_the_branches_of_a_parallel_block_stand_side_by_side() -> None:
    chosen = part("block", "parallel")
    drawing = parsed(next(iter(schematic(chosen, setting(chosen)))).drawing)
    levels = {text.text: text["y"] for text in drawing.all("text")}
    assert levels["mixer"] == levels["feedforward"]


def test_a_decoder_reads_the_states_of_its_encoder() -> None:
    chosen = part("model", "seq2seq")
    one = setting(chosen)
    from partwise.catalogue.schematics import _flow

    nodes = _flow(one, next(iter(chosen.sites().values()))).nodes
    decoder = next(node for node in nodes if node.label == "decoder block 0")
    assert "encoder final_norm" in [nodes[source].label for source in decoder.sources]


def test_the_curve_of_an_activation_is_that_of_the_module() -> None:
    chosen = part("feedforward", "relu")
    _, curve = schematic(chosen, setting(chosen))
    (levels,) = heights(curve.drawing)
    assert len(levels) == 161
    assert max(levels[:81]) - min(levels[:81]) < 0.2
    rises = [before - after for before, after in pairwise(levels[80:])]
    assert max(rises) - min(rises) < 0.2


def test_a_causal_map_has_nothing_above_its_diagonal() -> None:
    chosen = part("attention", "multi_head")
    (found,) = seen(chosen, chosen(heads=1, window=3))
    cells = [box for box in parsed(found.drawing).all("rect") if "cell" in box["class"]]
    left, top = (min(float(box[axis]) for box in cells) for axis in ("x", "y"))
    places = {(round((float(box["y"]) - top) / 13), round((float(box["x"]) - left) / 13)) for box in cells}
    assert places == {(row, column) for row in range(LENGTH) for column in range(LENGTH) if 0 <= row - column < 3}


def test_bars_of_a_sampler_are_what_it_leaves() -> None:
    chosen = part("sampler", "top_k")
    (found,) = cuts(chosen, chosen(k=3))
    shown = [text.text for text in parsed(found.drawing).all("text") if re.fullmatch(r"[\d.]+", text.text)]
    kept = sum(SHARES[:3])
    assert shown == [f"{share / kept:.3f}" for share in SHARES[:3]] + ["0"] * 9
    assert not list(cuts(part("sampler", "beam"), part("sampler", "beam")()))


def test_too_much_to_see_is_not_drawn() -> None:
    class Long(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(40):
                x = x.tanh() + x
            return x

    assert not can_be_drawn(flow_of(Long()))
    assert not can_be_drawn(flow_of(nn.Identity()))


def test_names_of_others_are_text() -> None:
    class Nasty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("<script>alert(1)</script>", nn.Linear(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            (child,) = self.children()
            return child(x).tanh() + x

    drawing = diagram(flow_of(Nasty()), "<b>", "</desc><script>")
    assert "<script>" not in drawing
    assert "<b>" not in drawing


def test_a_part_that_fails_while_it_is_drawn_has_no_picture() -> None:
    class Failing(kinds.NormPart):
        """A norm that cannot be run."""

        name = "failing"

        def build(self, site: Any) -> nn.Module:
            raise RuntimeError("never")

    assert figures.figures(Failing) == ()


def test_most_parts_that_compute_something_have_a_picture() -> None:
    drawn = {"attention", "block", "feedforward", "model", "residual", "schedule", "score"}
    without = [
        f"{one.part.kind} {one.name}"
        for one in registry().entries()
        if one.part.kind in drawn and one.plugin.builtin and not figures.figures(one.part)
    ]
    # A group of layers is drawn layer by layer, in the models that have it; a product of many keys is too much to see.
    assert without == ["block repeat", "feedforward product_key_memory"]
