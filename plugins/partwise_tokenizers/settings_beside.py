"""What the files beside a `tokenizer.json` say of it: `tokenizer_config.json`, `special_tokens_map.json` and
`added_tokens.json`, which transformers reads with it.

Every key is heard, or changes no ids, or is refused by its name. What they say twice must agree: the tokenizer would
otherwise be one in this program and another in the next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from partwise import PartError

from .pipelines import steps

CONFIG, SPECIALS, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_WITHOUT_EFFECT = re.compile(
    r"""
    # names of tokens, which say no id of a text, and lists of them, which are among the added tokens
    \w+_token | (bos|eos|unk|sep|pad|cls|mask)_token_id | \w*special_tokens | extra_ids
    # what is decided here: whether marks stand around a text
    | add_(bos|eos)_token | post_processor
    # chats, batches, decoding
    | chat_template\w* | response_\w+ | chat_control_tokens | use_default_system_prompt | clean_up_tokenization_spaces
    | spaces_between_special_tokens | padding\w* | truncation\w* | pad_to_multiple_of | max_len(gth)? | stride
    | model_max_length | model_input_names | return_token_type_ids | \w*token_type_id\w* | errors | split_special_tokens
    | max_model_input_sizes | trim_offsets | only_label_first_subword
    # where it came from, and how it was made into a tokenizer.json
    | tokenizer_class | tokenizer_type | (tokenizer|special_tokens_map|full_tokenizer|vocab|merges|spm)_file
    | _?name_or_path | processor_class | init_inputs | is_local | local_files_only | backend | legacy\w* | from_slow
    | use_fast | verbose | revision | _commit_hash | transformers_version | model_type | files_loaded | __type
    | trust_remote_code | use_auth_token | fast\w* | (torch_)?dtype | offset | mask_token_sent
    | keep_accents | remove_space | do_basic_tokenize | device_map | vocab_size | added_tokens_decoder
    # languages and images, which are no texts
    | \w*lang\w* | image_\w+ | video_\w+ | audio_\w+ | vision_\w+ | num_image\w*
    """,
    re.VERBOSE,
)
_ONLY_WITHOUT = ("auto_map", "sp_model_kwargs", "never_split", "fix_mistral_regex")
"""Keys that are heard if they say nothing: they would change ids in ways that are not in the file."""
_BERT = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def read_settings(path: Path) -> dict[str, Any]:
    """What the settings of a tokenizer say; older checkpoints name special tokens in a file of their own.

    Raises:
        PartError: a file is damaged.
    """
    settings = read_beside(path, CONFIG)
    return settings if "added_tokens_decoder" in settings else {**settings, **read_beside(path, SPECIALS)}


def read_beside(path: Path, name: str) -> dict[str, Any]:
    """What the file of that name in the same directory says; nothing where there is none.

    Raises:
        PartError: it is there, and no JSON object.
    """
    file = path.parent / name
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise PartError(f"file: {file}, which says how texts begin and end, cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise PartError(f"file: {file}, which says how texts begin and end, holds no JSON object")
    return found


def with_settings(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The content of a `tokenizer.json` with the tokens that the files beside it add.

    Raises:
        PartError: a key of them is not known, or contradicts the file.
    """
    settings = read_beside(path, CONFIG)
    for key, value in settings.items():
        _refuse_unheard(path.parent / CONFIG, key, value)
    _refuse_contradictions(path.parent / CONFIG, settings, content)
    added = _with_added(path, settings, content)
    return content if added is None else {**content, "added_tokens": added}


def _refuse_unheard(file: Path, key: str, value: Any) -> None:
    if key in _ONLY_WITHOUT:
        if value:
            raise PartError(
                f"file: {file} sets {key} to {_shown(value)}, which changes ids in a way that tokenizer.json does not "
                f"say; load it with transformers and save it again, or take {key} out if its ids do not depend on it"
            )
    elif key not in (*_BERT, "add_prefix_space") and not _WITHOUT_EFFECT.fullmatch(key):
        raise PartError(
            f"file: {file} sets {key} to {_shown(value)}, which is not known here; take it out if it changes no ids"
        )


def _refuse_contradictions(file: Path, settings: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    for key, theirs in _said(content):
        if (said := settings.get(key)) is not None and bool(said) != theirs:
            raise PartError(
                f"file: {file} sets {key} to {_shown(said)}, but tokenizer.json does {'' if theirs else 'not '}so; "
                f"make the two agree: load it with transformers and save it again, or correct {key}"
            )


def _said(content: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What the file itself says of keys that settings may have, too."""
    for step in steps(content.get("normalizer")):
        if step.get("type") == "BertNormalizer":
            # Accents are stripped with capitals, unless that is said.
            accents = step.get("strip_accents")
            values = {**step, "strip_accents": step.get("lowercase") if accents is None else accents}
            yield from ((key, bool(values.get(theirs))) for key, theirs in _BERT.items())
    for step in steps(content.get("pre_tokenizer")):
        if step.get("type") == "ByteLevel":
            yield "add_prefix_space", bool(step.get("add_prefix_space", True))
        if step.get("type") == "Metaspace":
            scheme = step.get("prepend_scheme", "always" if step.get("add_prefix_space", True) else "never")
            yield "add_prefix_space", scheme != "never"


def _with_added(path: Path, settings: Mapping[str, Any], content: Mapping[str, Any]) -> list[Any] | None:
    """The file's added tokens, with those that are named beside it only and with the flags that are set there; None
    where nothing is named there."""
    listed = {token.get("content"): token for token in content.get("added_tokens") or [] if isinstance(token, dict)}
    if "added_tokens_decoder" in settings:
        place, outdo = f"{path.parent / CONFIG}: added_tokens_decoder", True
        more = _decoder(settings["added_tokens_decoder"], place)
    else:
        place, outdo = str(path.parent / ADDED), False
        more = _older(read_beside(path, ADDED), _names(read_settings(path)), place)
    for token in more:
        there = listed.get(token["content"])
        if there is not None and there.get("id") != token["id"]:
            raise PartError(
                f"file: {place} gives {token['content']!r} the id {token['id']}, and tokenizer.json {there.get('id')}"
            )
        if there is None or outdo:
            listed[token["content"]] = token
    return sorted(listed.values(), key=lambda token: int(token["id"])) if more else None


def _decoder(value: Any, place: str) -> list[dict[str, Any]]:
    """Tokens by their ids, each with all that is to know of it."""
    try:
        tokens = []
        for token, said in value.items():
            flags = {flag: bool(said.get(flag, flag == "normalized" and not said.get("special"))) for flag in _FLAGS}
            tokens.append({"id": int(token), "content": str(said["content"]), **flags})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PartError(f"file: {place} should have tokens by their ids, found {_shown(value)}") from error
    return tokens


def _older(ids: Mapping[str, Any], special: set[str], place: str) -> list[dict[str, Any]]:
    """Tokens and their ids."""
    if wrong := next((name for name, token in ids.items() if type(token) is not int or token < 0), None):
        raise PartError(f"file: {place} gives {wrong!r} the id {_shown(ids[wrong])}")
    by_name = {
        name: {**dict.fromkeys(_FLAGS, False), "normalized": name not in special, "special": name in special}
        for name in ids
    }
    return [{"id": ids[name], "content": name, **flags} for name, flags in by_name.items()]


def _names(settings: Mapping[str, Any]) -> set[str]:
    """All tokens that settings call special."""
    named = [value for key, value in settings.items() if key.endswith("_token")]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        several = settings.get(key) or []
        named += several if isinstance(several, list) else list(several.values())
    return {str(one.get("content")) if isinstance(one, dict) else str(one) for one in named}


def _shown(value: Any) -> str:
    told = json.dumps(value)
    return told if len(told) <= 60 else f"{told[:57]}..."
