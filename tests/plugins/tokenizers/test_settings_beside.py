"""The files beside a tokenizer.json: heard as transformers hears them, or refused by the key's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from partwise import InputError
from partwise_tokenizers.parts import TokenizerJson

from .samples import site
from .test_added_tokens import END, library, metaspace, read, unigram, wordpiece

PLAIN = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": False}
GPT2 = json.loads(library("gpt2", added=False).to_str())


def told(folder: Path, content: Any, settings: dict[str, Any]) -> str:
    """What is wrong with these settings."""
    with pytest.raises(InputError) as caught:
        read(folder, content, {"tokenizer_config.json": settings})
    return str(caught.value)


@pytest.mark.parametrize("older", [False, True])
def test_tokens_that_are_added_beside_the_file_are_added(older: bool, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END}
    beside: dict[str, Any] = {"tokenizer_config.json": settings}
    if older:
        beside |= {"added_tokens.json": {"<one>": 421, "<two>": 422}}
        beside |= {"special_tokens_map.json": {"eos_token": END, "additional_special_tokens": ["<two>"]}}
    else:
        more = {421: {"content": "<one>", **PLAIN}, 422: {"content": "<two>", **PLAIN, "special": True}}
        settings["added_tokens_decoder"] = {420: {"content": END, **PLAIN, "special": True, "rstrip": True}, **more}
    ours: Any = read(tmp_path, GPT2, beside)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert ours.vocab_size == len(theirs) == 423
    for text in ("a<one>b <two> c", f"x{END}  y<two>"):
        assert ours.encode_special(text) == theirs.encode(text)
        # Of older checkpoints, transformers 5 does not mark as special what only special_tokens_map.json lists.
        assert older or ours.encode(text) == theirs.encode(text, split_special_tokens=True)
        assert 422 not in ours.encode(text)
    assert 421 in ours.encode("a<one>b")


def test_flags_beside_the_file_outdo_its_own(tmp_path: Path) -> None:
    settings = {"added_tokens_decoder": {"420": {"content": END, **PLAIN, "special": True, "rstrip": True}}}
    ours: Any = read(tmp_path, GPT2, {"tokenizer_config.json": settings})
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (
        ours.encode_special(f"x{END}  y") == theirs.encode(f"x{END}  y") == [*ours.encode("x"), 420, *ours.encode("y")]
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sentence_mode": "upper"}, 'sets sentence_mode to "upper", which is not known here'),
        ({"fix_mistral_regex": True}, "sets fix_mistral_regex to true, which changes ids"),
        ({"sp_model_kwargs": {"enable_sampling": True}}, "sets sp_model_kwargs to"),
        ({"auto_map": {"AutoTokenizer": ["x.Y", None]}}, "sets auto_map to"),
        ({"add_prefix_space": True}, r"sets add_prefix_space to true, but tokenizer\.json does not so"),
        ({"added_tokens_decoder": {"7": {"content": END}}}, "added_tokens_decoder gives .* the id 7, and .* 420"),
        ({"added_tokens_decoder": {"500": {"content": "<x>"}}}, "gives its added token '<x>' the id 500"),
        ({"added_tokens_decoder": [1]}, "added_tokens_decoder should have tokens by their ids"),
        ({"added_tokens_decoder": {"x": {"content": "<x>"}}}, "added_tokens_decoder should have tokens by their ids"),
        ({"eos_token": "<gone>"}, "says that eos_token is '<gone>', which is no token of tokenizer.json"),
        (
            {"eos_token": END, "bos_token": "<b>", "add_bos_token": True},
            "says that bos_token is '<b>', which is no token",
        ),
    ],
)
def test_what_is_not_heard_is_refused_by_its_name(settings: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read(tmp_path, GPT2, {"tokenizer_config.json": settings})


def test_ids_of_older_checkpoints_are_ids(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"added_tokens\.json gives '<x>' the id -1"):
        read(tmp_path, GPT2, {"added_tokens.json": {"<x>": -1}})


@pytest.mark.parametrize("key", ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
def test_bert_settings_agree_with_the_normaliser(key: str, tmp_path: Path) -> None:
    content = json.loads(wordpiece().to_str())
    assert read(tmp_path, content, {"tokenizer_config.json": {key: True, "sep_token": "[SEP]"}}).end == 3
    assert f"sets {key} to false, but tokenizer.json does so" in told(tmp_path, content, {key: False})


def test_a_prefix_space_agrees_with_the_file(tmp_path: Path) -> None:
    content = json.loads(metaspace().to_str())
    content["normalizer"] = None
    content["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    settings = {"eos_token": "</s>", "add_prefix_space": True}
    assert read(tmp_path, content, {"tokenizer_config.json": settings}).end == 2
    assert "but tokenizer.json does so" in told(tmp_path, content, {**settings, "add_prefix_space": False})


def test_what_families_say_is_heard_or_has_no_effect(tmp_path: Path) -> None:
    said = {
        "add_prefix_space": False,
        "additional_special_tokens": [END],
        "bos_token": None,
        "chat_template": "{{ messages }}",
        "clean_up_tokenization_spaces": False,
        "eos_token": END,
        "errors": "replace",
        "extra_special_tokens": {"image_token": "<image>"},
        "image_token": "<image>",
        "legacy": True,
        "model_input_names": ["input_ids"],
        "model_max_length": 10**30,
        "padding_side": "left",
        "sp_model_kwargs": {},
        "split_special_tokens": False,
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": END,
        "use_default_system_prompt": False,
    }
    assert read(tmp_path, GPT2, {"tokenizer_config.json": said}).end == 420


CLASSES = ["LlamaTokenizer", "GemmaTokenizer", "T5Tokenizer", "BertTokenizer", "GPT2Tokenizer", "Qwen2Tokenizer"]


@pytest.mark.parametrize("name", CLASSES)
def test_what_transformers_saves_is_read_and_has_its_ids(name: str, tmp_path: Path) -> None:
    made = {
        "LlamaTokenizer": metaspace,
        "GemmaTokenizer": metaspace,
        "T5Tokenizer": unigram,
        "BertTokenizer": wordpiece,
    }.get(name, lambda: library("gpt2", added=False))()
    model = json.loads(made.to_str())["model"]
    kind = getattr(transformers, name)
    vocabulary = {
        "vocab": model["vocab"] if isinstance(model["vocab"], dict) else [tuple(one) for one in model["vocab"]]
    }
    merges = {"merges": [tuple(merge) for merge in model["merges"]]} if "merges" in model else {}
    ends = {"bos_token": "<s>", "eos_token": "</s>"} if name == "GemmaTokenizer" else {}
    theirs = kind(**vocabulary, **merges, **ends)
    theirs.save_pretrained(tmp_path)
    ours: Any = TokenizerJson().assemble(site(directory=tmp_path))
    for text in ("The quick  fox's naïve 🦊\n jumps 13", " x", "a\u0301 狐狐 </s> [SEP]"):
        assert ours.encode_special(text) == theirs.encode(text, add_special_tokens=False)
        assert [*ours.before_source, *ours.encode_special(text), *ours.after_source] == theirs.encode(text)
