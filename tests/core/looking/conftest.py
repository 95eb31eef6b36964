from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from partwise.looking import Look, look

from ...browser import browser as browser

BLOCK = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": "relu"}
RECIPE: Mapping[str, Any] = {
    "partwise": 1,
    "name": "small",
    "data": {"use": "grammar", "words": 3, "size": 3000, "valid": 400, "test": 400},
    "tokenizer": "char",
    "model": {"use": "language_model", "width": 8, "depth": 2, "context": 16, "blocks": [BLOCK]},
    "trainer": {"use": "standard", "steps": 4, "batch_size": 4, "optimizer": "adam"},
}


def changed(**model: Any) -> dict[str, Any]:
    """The recipe with another model."""
    return {**RECIPE, "model": {**RECIPE["model"], **model}}


def with_mixer(mixer: Any) -> dict[str, Any]:
    return changed(blocks=[{**BLOCK, "mixer": mixer}], depth=1)


PAIRS: Mapping[str, Any] = {
    **RECIPE,
    "name": "pairs",
    "data": {"use": "reverse", "size": 200, "valid": 20, "test": 20},
    "model": {
        "use": "seq2seq", "width": 8, "context": 32,
        "encoder": [{"use": "recurrent", "mixer": {"use": "lstm", "bidirectional": True}}], "final_norm": "none",
        "decoder": [
            {"use": "recurrent", "mixer": "gru", "cross": {"use": "multi_head", "heads": 1, "score": "additive"}}
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def small() -> Look:
    """A look at a model with its first weights."""
    return look(RECIPE, "the dog runs", device="cpu")


@pytest.fixture(scope="session")
def looked() -> Callable[..., Look]:
    return lambda recipe, *texts, **named: look(recipe, *texts, device="cpu", **named)
