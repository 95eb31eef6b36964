"""Experts in whole models: parameters and FLOPs as published, training, decoding, and what moves a bias."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from partwise import RecipeError
from partwise.assembly import inspect_model
from partwise.parts import ModelPart, ModelSite, resolve_part
from partwise.recipe import load
from partwise.runs import Run
from partwise.testing import all_checks
from partwise.workflow import train

SMALL = {"use": "swiglu", "hidden": 8}
BIASED = {"use": "experts", "experts": 4, "expert": SMALL, "router": {"use": "sigmoid", "bias_step": 0.005}}
BIAS = "stack.blocks.0.feedforward.router.bias"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def model(feedforward: Any, mixer: Any = None, **others: Any) -> dict[str, Any]:
    layer = {"use": "pre_norm", "mixer": mixer or {"use": "multi_head", "heads": 2}, "feedforward": feedforward}
    sizes = {"width": 16, "context": 12, "position": "learned", "blocks": [layer], **others}
    return {"use": "language_model", **sizes}


def trained(
    tmp_path: Path, name: str, feedforward: Any, objective: str = "next_token", report: Any = None, **trainer: Any
) -> Run:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    settings = {
        "partwise": 1,
        "name": "experts",
        "data": {"use": "text", "files": [str(text)]},
        "tokenizer": "char",
        "model": model(feedforward),
        "objective": objective,
        "trainer": {"use": "standard", "steps": 5, "batch_size": 4, "evaluate_every": 3, "evaluate_batches": 3,
                    "optimizer": {"use": "adamw", "lr": 0.01}, **trainer},
    }  # fmt: skip
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(settings))
    reporting = {} if report is None else {"report": report}
    return train(load(path), tmp_path / name, device="cpu", **reporting)


def rows(run: Run, figure: str) -> list[float]:
    return [row[figure] for row in run.rows() if figure in row]


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.directory / "model.safetensors")


def test_mixtral_8x7b_has_the_parameters_and_the_flops_that_are_published() -> None:
    layer = {
        "use": "pre_norm",
        "mixer": {"use": "multi_head", "heads": 32, "kv_heads": 8, "bias": False},
        "feedforward": {"use": "experts", "expert": {"use": "swiglu", "hidden": 14336}},
        "norm": "rms_norm",
    }
    sizes = {"width": 4096, "context": 64, "depth": 32, "blocks": [layer], "position": "rope", "tie": False}
    part: Any = resolve_part(ModelPart, {"use": "language_model", **sizes, "final_norm": "rms_norm"})
    found = inspect_model(part, ModelSite(vocabulary=32000))
    assert found.parameters == 46_702_792_704
    assert found.flops_per_token is not None
    # 12.9 billion parameters are active for a token; the embedding is looked up, and norms are no products.
    active = 12_879_925_248
    products = 2 * (active - 32000 * 4096 - 65 * 4096)
    scores = 2 * 2 * 64 * 4096 * 32
    assert found.flops_per_token == products + scores


@pytest.mark.parametrize(
    "feedforward",
    [
        {"use": "experts", "experts": 4, "expert": SMALL, "shared": SMALL},
        BIASED,
        {"use": "experts", "experts": 3, "expert": SMALL, "router": "hash"},
        {"use": "experts", "experts": 3, "expert": SMALL, "capacity": 1.0},
    ],
)
@pytest.mark.parametrize(
    "check",
    ["cached_decoding_equals_one_pass", "logits_do_not_see_the_future", "it_can_learn_a_batch_by_heart"],
)
def test_a_model_of_experts_keeps_the_contract_of_models(feedforward: Any, check: str) -> None:
    part = resolve_part(ModelPart, model(feedforward))
    next(one for one in all_checks() if one.name == check)(part, ModelSite(vocabulary=13))


def test_terms_and_load_are_logged(tmp_path: Path) -> None:
    run = trained(tmp_path, "run", {"use": "experts", "experts": 4, "expert": SMALL})
    for figure in ("expert_balance", "experts_busiest", "experts_entropy"):
        assert len(rows(run, figure)) == 5
    assert 1 <= rows(run, "expert_balance")[0] < 4
    assert all(1 / 4 <= share <= 1 for share in rows(run, "experts_busiest"))


def test_a_bias_moves_once_per_update_however_the_batch_is_cut(tmp_path: Path) -> None:
    large = trained(tmp_path, "large", BIASED)
    small = trained(tmp_path, "small", BIASED, batch_size=2, accumulate=2)
    moved = weights(large)[BIAS]
    assert moved.abs().max() > 0
    torch.testing.assert_close(moved / 0.005, (moved / 0.005).round(), msg="it moves by whole steps")
    torch.testing.assert_close(weights(small)[BIAS], moved)


def test_evaluation_moves_no_bias(tmp_path: Path) -> None:
    often = trained(tmp_path, "often", BIASED, evaluate_every=1)
    never = trained(tmp_path, "never", BIASED, evaluate_every=5)
    assert weights(often)[BIAS].equal(weights(never)[BIAS])


class KilledError(Exception):
    pass


def test_a_run_that_was_killed_ends_with_the_bits_of_one_that_was_not(tmp_path: Path) -> None:
    whole = trained(tmp_path, "whole", BIASED, checkpoint_every=2)

    def kill(progress: Any) -> None:
        if progress.step == 3:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tmp_path, "stopped", BIASED, checkpoint_every=2, report=kill)
    stopped = trained(tmp_path, "stopped", BIASED, checkpoint_every=2)
    for name, weight in weights(whole).items():
        assert weight.equal(weights(stopped)[name]), name


@pytest.mark.parametrize("feedforward", [BIASED, {"use": "experts", "experts": 4, "expert": SMALL, "capacity": 1.0}])
def test_compiled_it_trains_as_it_does_eagerly(tmp_path: Path, feedforward: Any) -> None:
    eager, compiled = (trained(tmp_path, str(how), feedforward, compile=how) for how in (None, "eager"))
    assert rows(compiled, "loss") == pytest.approx(rows(eager, "loss"), rel=1e-4)
    if feedforward is BIASED:
        torch.testing.assert_close(weights(compiled)[BIAS], weights(eager)[BIAS])


def test_a_masked_model_may_let_experts_choose(tmp_path: Path) -> None:
    chooses = {"use": "experts", "experts": 4, "expert": SMALL, "router": "expert_choice"}
    run = trained(tmp_path, "masked", chooses, objective="masked")
    assert rows(run, "experts_busiest")[0] == pytest.approx(1 / 4)
    with pytest.raises(RecipeError, match="a causal model must not see") as found:
        trained(tmp_path, "causal", chooses)
    assert "feedforward.router" in str(found.value)
