"""Parametrisations against the tables of their papers, read off whole models."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from partwise import PartError
from partwise.assembly import assemble
from partwise.modules import scales_of
from partwise.parts import ModelPart, ModelSite, ObjectivePart, OptimizerPart, OptimizerSite, resolve_part

MUP = {"use": "mup", "base_width": 8}
COMPLETEP = {"use": "completep", "base_width": 8, "base_depth": 1}


def model(parametrisation: Any = "standard", width: int = 32, depth: int = 2, seed: int = 0, **knobs: Any) -> Any:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    settings = {
        "use": "language_model", "width": width, "context": 16, "blocks": (layer,), "depth": depth, "tie": False,
        "parametrisation": parametrisation, **knobs,
    }  # fmt: skip
    return assemble(resolve_part(ModelPart, settings), ModelSite(vocabulary=13), seed)


def groups(built: Any, **knobs: Any) -> dict[str, dict[str, Any]]:
    optimizer: Any = resolve_part(
        OptimizerPart, {"use": "adamw", "lr": 0.01, "weight_decay": 0.1, "eps": 1e-8, **knobs}
    )
    found = optimizer.assemble(OptimizerSite(built)).param_groups
    return {group["name"]: group for group in found}


def test_mup_is_table_8_for_adam() -> None:
    standard, mup = model(), model(MUP)
    weights = {
        name: one / two
        for (name, one), two in zip(mup.state_dict().items(), standard.state_dict().values(), strict=True)
    }
    for name, ratio in weights.items():
        hidden = "blocks" in name and name.endswith("weight") and "norm" not in name
        assert torch.allclose(ratio[~ratio.isnan()], torch.tensor(0.5 if hidden else 1.0)), name
    assert mup.head.scale == 1 / 4
    assert mup.stack.blocks[0].mixer.scale == standard.stack.blocks[0].mixer.scale / 2
    found = groups(mup)
    assert {name: (group["lr"], group["weight_decay"]) for name, group in found.items()} == {
        "embedding": (0.01, 0.1),
        "head": (0.01, 0.1),
        "matrix": (0.0025, 0.4),
        "vector": (0.01, 0.0),
    }


def test_completep_is_table_1_with_alpha_1() -> None:
    built = model(COMPLETEP)
    found = {name: (group["lr"], group["weight_decay"], group["eps"]) for name, group in groups(built).items()}
    expected = {
        "embedding": (0.01, 0.1, 1e-8 / 4),
        "head": (0.01, 0.1, 1e-8 / 4),
        "matrix": (0.0025, 0.4, 1e-8 / 8),
        "vector": (0.01, 0.0, 1e-8 / 8),
    }
    assert found.keys() == expected.keys()
    assert all(found[name] == pytest.approx(expected[name], rel=1e-12) for name in expected)
    assert built.stack.blocks[0].mixer_join.factor == 0.5
    assert built.head.scale == 1 / 4


def test_completep_draws_what_ends_a_branch_as_at_its_base_depth() -> None:
    deep, shallow = model(COMPLETEP, depth=4), model(COMPLETEP, depth=1)
    name = "stack.blocks.0.mixer.output.weight"
    assert torch.equal(deep.state_dict()[name], shallow.state_dict()[name])
    assert torch.allclose(model(depth=4).state_dict()[name] * 2, model(depth=1).state_dict()[name])


def test_branches_join_with_the_inverse_of_the_depth() -> None:
    x = torch.randn(2, 3, 32)
    joint = model({**COMPLETEP, "base_width": 32}, depth=4).stack.blocks[0].mixer_join
    assert torch.allclose(joint.write(x, 8 * x), 3 * x)


def test_heads_that_multiply_keep_the_scale_of_their_scores() -> None:
    built = model({**MUP, "heads": "multiply"})
    assert built.stack.blocks[0].mixer.scale == model().stack.blocks[0].mixer.scale


@pytest.mark.parametrize("score", ["dot", "scaled_dot", "additive", {"use": "scaled_dot", "scale": 0.3}])
def test_every_score_takes_the_factor(score: Any) -> None:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2, "score": score, "backend": "eager"}}
    one, other = (model(which, blocks=(layer,)).stack.blocks[0].mixer.score for which in (MUP, "standard"))
    queries, keys = torch.randn(1, 2, 3, 16), torch.randn(1, 2, 4, 16)
    assert torch.allclose(one(queries, keys), other(queries, keys) / 2)


def test_an_initializer_that_follows_the_width_is_refused() -> None:
    with pytest.raises(PartError, match="'xavier' shrinks them, too"):
        model(MUP, initializer="xavier")


def test_rates_by_role_are_factors_of_those_of_the_parametrisation() -> None:
    assert groups(model(MUP), rates={"matrix": 0.5})["matrix"]["lr"] == 0.00125


def test_gradient_descent_is_refused_away_from_the_base() -> None:
    sgd: Any = resolve_part(OptimizerPart, {"use": "sgd"})
    sgd.assemble(OptimizerSite(model({**MUP, "base_width": 32})))
    with pytest.raises(PartError, match="are for Adam"):
        sgd.assemble(OptimizerSite(model(MUP)))


def with_objective(form: str, layer: Any, parametrisation: Any = "standard") -> Any:
    objective = resolve_part(ObjectivePart, {"use": "multi_token", "form": form, "block": layer, "weight": 0.5})
    settings = {
        "use": "language_model", "width": 32, "context": 16, "blocks": (layer,), "depth": 4,
        "parametrisation": parametrisation,
    }  # fmt: skip
    return assemble(resolve_part(ModelPart, settings), ModelSite(vocabulary=13, objective=objective), 0)


def test_the_modules_of_an_objective_are_scaled_as_well() -> None:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    one, other = (with_objective("chained", layer, which) for which in ("standard", MUP))
    scales = scales_of(other)
    scaled = [name for name in scales if name.startswith("objective.") and scales[name].weights == 0.5]
    assert scaled
    for name in scaled:
        assert torch.allclose(other.get_parameter(name), one.get_parameter(name) * 0.5)


@pytest.mark.parametrize("form", ["parallel", "chained"])
@pytest.mark.parametrize(
    "mixer", [{"use": "multi_head", "heads": 2}, {"use": "latent", "heads": 2, "kv_rank": 8}, "linear_head"]
)
def test_the_layers_of_an_objective_take_the_factors_of_scores_and_branches(form: str, mixer: Any) -> None:
    layer = {"use": "pre_norm", "mixer": mixer}
    plain, completep = (with_objective(form, layer, which).objective.layers[0] for which in ("standard", COMPLETEP))
    assert completep.mixer.score.scale == plain.mixer.score.scale / 2
    x, branch = torch.randn(2, 3, 32), torch.randn(2, 3, 32)
    assert torch.allclose(completep.mixer_join.write(x, branch), x + branch / 4)
    assert torch.allclose(plain.mixer_join.write(x, branch), x + branch)
