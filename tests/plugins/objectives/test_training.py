"""Objectives in a whole training: what is logged, accumulated, compiled and rounded, and what evaluation leaves out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from partwise import RecipeError
from partwise.recipe import load
from partwise.runs import Run
from partwise.training import evaluate as evaluate_model
from partwise.workflow import evaluate, generate, reopen, train, writing_of

LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
FURTHER = {"use": "multi_token", "further": 2, "block": LAYER, "weight": 0.5}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


def recipe(tmp_path: Path, objective: Any, model: Any = None, **trainer: Any) -> Any:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    settings = {
        "partwise": 1,
        "name": "objective",
        "data": {"use": "text", "files": [str(text)]},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 16, "context": 12, "position": "learned", "blocks": [LAYER],
                  **(model or {})},
        "objective": objective,
        "trainer": {"use": "standard", "steps": 6, "batch_size": 4, "evaluate_every": 3, "evaluate_batches": 3,
                    "optimizer": {"use": "adamw", "lr": 0.01}, **trainer},
    }  # fmt: skip
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(settings))
    return load(path)


def trained(tmp_path: Path, name: str, objective: Any, **others: Any) -> Run:
    return train(recipe(tmp_path, objective, **others), tmp_path / name, device="cpu")


def rows(run: Run, figure: str) -> list[float]:
    return [row[figure] for row in run.rows() if figure in row]


def test_a_term_is_logged_beside_the_loss_and_evaluation_leaves_it_out(tmp_path: Path) -> None:
    plain, further = trained(tmp_path, "plain", "next_token"), trained(tmp_path, "further", FURTHER)
    assert rows(further, "loss")[0] == pytest.approx(rows(plain, "loss")[0]), "the same weights, the same batch"
    assert rows(further, "valid_loss")[0] == rows(plain, "valid_loss")[0]
    assert len(rows(further, "further_tokens")) == 6
    assert rows(further, "further_tokens")[-1] < rows(further, "further_tokens")[0]
    assert not rows(plain, "further_tokens")


@pytest.mark.parametrize("objective", [FURTHER, "masked", "prefix", {"use": "next_token", "z_loss": 0.01}])
def test_accumulated_batches_are_one_large_batch(tmp_path: Path, objective: Any) -> None:
    large = trained(tmp_path, "large", objective, batch_size=4)
    small = trained(tmp_path, "small", objective, batch_size=1, accumulate=4, evaluate_every=6)
    for figure in ("loss", "grad_norm", "further_tokens"):
        assert rows(small, figure) == pytest.approx(rows(large, figure), rel=1e-4)
    for name, weight in load_file(large.directory / "model.safetensors").items():
        torch.testing.assert_close(weight, load_file(small.directory / "model.safetensors")[name], rtol=1e-3, atol=1e-4)


def test_compiled_it_trains_as_it_does_eagerly(tmp_path: Path) -> None:
    eager, compiled = (trained(tmp_path, str(how), FURTHER, compile=how) for how in (None, "eager"))
    for figure in ("loss", "further_tokens", "valid_loss"):
        assert rows(compiled, figure) == pytest.approx(rows(eager, figure), rel=1e-4)


def test_in_bfloat16_it_trains_about_the_same(tmp_path: Path) -> None:
    exact, rounded = (trained(tmp_path, how, FURTHER, precision=how) for how in ("float32", "bfloat16"))
    for figure in ("loss", "further_tokens"):
        assert rows(rounded, figure) == pytest.approx(rows(exact, figure), rel=0.02)


def test_a_masked_model_learns_to_fill_in_and_cannot_write(tmp_path: Path) -> None:
    run = trained(
        tmp_path,
        "masked",
        {"use": "masked", "rate": 0.25},
        model={"width": 32},
        steps=150,
        evaluate_every=150,
        batch_size=16,
    )
    before, after = rows(run, "valid_loss")
    assert after < 0.75 * before
    assert all(row["valid_bits_per_byte"] is None for row in run.rows() if "valid_loss" in row)
    reopened = reopen(run.directory, "cpu")
    assert evaluate(reopened, "valid", limit=3).loss == pytest.approx(after)
    with pytest.raises(Exception, match="cannot write: its objective 'masked'"):
        list(generate(reopened, "the quick", writing_of(reopened, 5)))


def test_evaluation_of_a_masked_model_does_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    reopened = reopen(trained(tmp_path, "masked", "masked").directory, "cpu")
    batches = reopened.prepare().batches
    whole, one = (evaluate_model(reopened.model, batches, "valid", size).loss for size in (16, 1))
    assert one == pytest.approx(whole, rel=1e-6)


def test_an_objective_that_does_not_suit_the_model_is_told_at_its_place(tmp_path: Path) -> None:
    recipe(tmp_path, "masked")
    settings = json.loads((tmp_path / "recipe.json").read_text())
    settings["model"] = {"use": "seq2seq", "width": 16, "context": 12, "encoder": [LAYER],
                         "decoder": [{**LAYER, "cross": LAYER["mixer"]}]}  # fmt: skip
    settings["data"] = "dates"
    (tmp_path / "recipe.json").write_text(json.dumps(settings))
    with pytest.raises(RecipeError, match="'masked' is for a model that reads running sequences") as caught:
        train(load(tmp_path / "recipe.json"), tmp_path / "run", device="cpu")
    assert "at objective" in str(caught.value)
    assert not (tmp_path / "run").exists()
