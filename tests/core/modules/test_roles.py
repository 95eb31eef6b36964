"""What each parameter of a model is for."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from partwise.assembly import assemble
from partwise.modules import roles_of, stacked_rows
from partwise.parts import ModelPart, ModelSite, resolve_part

LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}


def roles(**knobs: Any) -> dict[str, str]:
    model: Any = {
        "use": "language_model",
        "width": 8,
        "context": 16,
        "blocks": (LAYER,),
        "position": "learned",
        **knobs,
    }
    return roles_of(assemble(resolve_part(ModelPart, model), ModelSite(vocabulary=13), 0))


def test_every_parameter_of_a_model_has_a_role() -> None:
    found = roles(tie=False, head_bias=True)
    assert found["input.embedding.weight"] == found["stack.position.weight"] == "embedding"
    assert found["head.linear.weight"] == "head"
    assert found["head.linear.bias"] == found["stack.final_norm.weight"] == "vector"
    hidden = {name for name, role in found.items() if role == "matrix"}
    assert hidden == {
        name for name in found if name.startswith("stack.blocks") and "weight" in name and "norm" not in name
    }


def test_a_tied_table_is_an_embedding() -> None:
    assert "head" not in roles().values()
    tied = nn.ModuleDict({"head": nn.Linear(4, 7, bias=False), "table": nn.Embedding(7, 4)})
    tied["head"].weight = tied["table"].weight
    assert roles_of(tied) == {"head.weight": "embedding"}


def test_what_brings_an_embedding_to_the_width_belongs_to_it() -> None:
    assert roles(embedding="one_hot", tie=False)["input.projection.weight"] == "embedding"


def test_the_outer_of_two_modules_says_what_a_parameter_is_for() -> None:
    class Routed(nn.Module):
        parameter_roles: ClassVar = {"router.weight": "router", "decay": "decay"}

        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(3, 2)
            self.router.parameter_roles = {"weight": "matrix", "bias": "offset"}
            self.decay = nn.Parameter(torch.ones(3))

    assert roles_of(nn.Sequential(Routed())) == {
        "0.decay": "decay",
        "0.router.weight": "router",
        "0.router.bias": "offset",
    }


def test_kernels_of_convolutions_are_no_matrices() -> None:
    assert roles_of(nn.Conv1d(4, 4, 3, groups=4)) == {"weight": "convolution", "bias": "vector"}


def test_it_is_known_which_weights_are_several_layers_in_one() -> None:
    model = assemble(
        resolve_part(ModelPart, {"use": "language_model", "width": 8, "context": 16, "blocks": (LAYER,)}),
        ModelSite(vocabulary=13),
        0,
    )
    assert list(stacked_rows(model).values()) == [[8, 8, 8]]
