"""Rates by role, in whole trainings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from partwise import RecipeError
from partwise.recipe import load
from partwise.workflow import check, train


def recipe(place: Path, **trainer: Any) -> Path:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    settings = {
        "partwise": 1,
        "name": "roles",
        "data": {"use": "reverse", "size": 50},
        "tokenizer": "char",
        "model": {"use": "language_model", "width": 8, "context": 32, "position": "learned", "blocks": [layer]},
        "trainer": {
            "use": "standard",
            "steps": 4,
            "batch_size": 4,
            "evaluate_batches": 1,
            "schedule": "constant",
            **trainer,
        },
    }
    path = place / "recipe.json"
    path.write_text(json.dumps(settings))
    return path


def test_each_role_whose_rate_differs_is_logged(tmp_path: Path) -> None:
    path = recipe(tmp_path, optimizer={"use": "adamw", "lr": 0.01, "rates": {"embedding": 0.5}})
    rows = train(load(path), tmp_path / "out", device="cpu").rows()
    assert {key: rows[-1][key] for key in rows[-1] if key.startswith("lr")} == {
        "lr": 0.01,
        "lr_embedding": 0.005,
        "lr_matrix": 0.01,
        "lr_vector": 0.01,
    }


def test_a_role_that_the_model_lacks_is_refused_before_data_is_read(tmp_path: Path) -> None:
    path = recipe(tmp_path, optimizer={"use": "adamw", "rates": {"router": 0.5}})
    with pytest.raises(RecipeError, match="no parameters of the role 'router'") as raised:
        check(load(path))
    assert "optimizer.rates" in str(raised.value)


def test_rates_may_be_set_from_the_command_line(tmp_path: Path) -> None:
    from partwise import change

    changed = change(str(recipe(tmp_path)), {"trainer.optimizer.rates": {"embedding": 0.5}})
    assert changed.recipe.model_dump(mode="json")["trainer"]["optimizer"]["rates"] == {"embedding": 0.5}
