"""Sizes are made smaller together, so that what divides what stays."""

from __future__ import annotations

from typing import Any

import pytest
import transformers

from partwise.huggingface.parity.reduced import reductions


def smallest(kind: str, **settings: Any) -> dict[str, Any]:
    config = getattr(transformers, f"{kind}Config")(**settings)
    return {**config.to_dict(), **next(reductions(settings, config.to_dict()))}


@pytest.mark.parametrize(
    ("kind", "settings", "heads", "kv_heads", "width"),
    [
        ("Llama", {"num_key_value_heads": 8}, 8, 2, 64),
        ("Llama", {}, 4, 4, 32),
        ("Falcon", {"multi_query": True}, 71, None, 568),
        ("Qwen2", {"hidden_size": 896, "num_attention_heads": 14, "num_key_value_heads": 2}, 14, 2, 112),
    ],
)
def test_heads_and_widths_keep_their_ratio(
    kind: str, settings: dict[str, Any], heads: int, kv_heads: int | None, width: int
) -> None:
    small = smallest(kind, **settings)
    assert (small["num_attention_heads"], small["hidden_size"]) == (heads, width)
    assert small.get("num_key_value_heads") == kv_heads or kv_heads is None
    assert small["vocab_size"] <= 512


def test_every_kind_of_layer_is_still_there() -> None:
    small = smallest("Gemma3Text", num_hidden_layers=26)
    kinds = smallest("Gemma3Text", num_hidden_layers=26)["layer_types"][: small["num_hidden_layers"]]
    assert set(kinds) == {"sliding_attention", "full_attention"}
    assert small["num_hidden_layers"] == 6


def test_ids_of_tokens_stay_within_the_vocabulary() -> None:
    assert smallest("GPT2")["eos_token_id"] < smallest("GPT2")["vocab_size"]


def test_where_smaller_vocabularies_are_refused_the_whole_one_is_tried() -> None:
    settings = {"model_type": "gpt2", "n_head": 8, "n_embd": 256, "vocab_size": 4000}
    first, second, *_ = reductions(settings, transformers.GPT2Config(**settings).to_dict())
    assert first["vocab_size"] == 500
    assert "vocab_size" not in second
    assert second["n_embd"] == first["n_embd"] == 32


def test_the_last_that_is_tried_leaves_heads_and_widths_alone() -> None:
    config = transformers.LlamaConfig()
    *_, last = reductions({}, config.to_dict())
    assert "hidden_size" not in last
    assert "num_attention_heads" not in last
