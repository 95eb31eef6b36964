"""How a checkpoint has texts drawn, against transformers' own filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from partwise import InputError
from partwise.huggingface.writing import kept_of, sampler_changes, settings_kept, settings_of
from partwise.parts.kinds import SamplerPart
from partwise.parts.slot import resolve_part

LLAMA = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}
CASES = [
    {"do_sample": True},
    {"do_sample": True, "top_k": 0},
    {"do_sample": True, "top_k": 5},
    {"do_sample": True, "temperature": 1.7, "top_k": None},
    {"do_sample": True, "top_k": 0, "min_p": 0.1},
    LLAMA,
    {"do_sample": True, "temperature": 0.8, "top_k": 20, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.05},
]


def sampler(settings: dict[str, Any], place: Path, config: dict[str, Any] | None = None) -> Any:
    (place / "generation_config.json").write_text(json.dumps(settings))
    (change,) = sampler_changes(config or {}, place)
    return json.loads(change.removeprefix("sampler="))


@pytest.mark.parametrize("settings", CASES, ids=json.dumps)
def test_a_token_is_as_likely_as_transformers_has_it(settings: dict[str, Any], tmp_path: Path) -> None:
    from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

    given = {key: value for key, value in settings.items() if value is not None and key != "repetition_penalty"}
    asked = GenerationConfig(**{"top_k": 50, **given})
    model = GPT2LMHeadModel(GPT2Config(vocab_size=120, n_embd=4, n_layer=0, n_head=1))
    theirs = model._get_logits_processor(asked, input_ids_seq_length=1, device="cpu")
    logits = 3 * torch.randn(6, 120)
    ours = resolve_part(SamplerPart, sampler(settings, tmp_path)).assemble(None).filter(logits.clone())
    assert torch.allclose(theirs(torch.zeros(6, 1).long(), logits.clone()).softmax(-1), ours.softmax(-1), atol=1e-6)


@pytest.mark.parametrize("settings", CASES, ids=json.dumps)
def test_what_is_imported_is_exported_as_it_was(settings: dict[str, Any], tmp_path: Path) -> None:
    first = sampler(settings, tmp_path)
    resolved = resolve_part(SamplerPart, first).model_dump(mode="json")
    assert sampler(settings_of(resolved), tmp_path) == first


def test_what_no_sampler_says_is_kept_and_nothing_else(tmp_path: Path) -> None:
    said = {"repetition_penalty": 1.05, "suppress_tokens": [1, 2], "pad_token_id": 0, "max_length": None}
    others = {"do_sample": True, "temperature": 0.6, "eos_token_id": [1, 2], "transformers_version": "5.0.0"}
    (tmp_path / "generation_config.json").write_text(json.dumps({**said, **others, "watermarking_config": {"x": 1}}))
    assert settings_kept(tmp_path) == said
    assert settings_kept(tmp_path / "elsewhere") == {}
    assert kept_of("a stranger's lock") == {}


def test_without_drawing_it_is_the_likeliest_token_and_nothing_said_leaves_the_recipes_sampler(tmp_path: Path) -> None:
    assert sampler({"do_sample": False, "temperature": 0.6}, tmp_path) == {"use": "greedy"}
    assert settings_of({"use": "greedy"}) == {"do_sample": False}
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 2}')
    assert sampler_changes(LLAMA, tmp_path) == [], "the file of its own counts"
    (tmp_path / "generation_config.json").unlink()
    assert json.loads(sampler_changes(LLAMA, tmp_path)[0].removeprefix("sampler="))["use"] == "chain"


@pytest.mark.parametrize("steps", [["top_p", "temperature"], ["temperature", "temperature"], ["other"]])
def test_an_order_that_transformers_has_not_is_not_exported(steps: list[str]) -> None:
    assert (
        settings_of({"use": "chain", "samplers": [{"use": name, "p": 0.5, "temperature": 2} for name in steps]}) == {}
    )
    assert settings_of({"use": "beam", "width": 4}) == {}
    assert settings_of(None) == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": "warm"}, 'temperature is "warm"'),
        ({"temperature": 0}, "temperature is 0"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"top_p": True}, "top_p is true"),
    ],
)
def test_settings_that_nothing_can_be_drawn_with_are_refused_with_their_file(
    wrong: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        sampler({"do_sample": True, **wrong}, tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'generation_config.json'}: {said}")
