"""Chat templates in files: of Jinja, or a `tokenizer_config.json` as transformers writes it. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from partwise.errors import InputError
from partwise.storage.atomic import open_regular
from partwise.storage.text import decode_text

from .chat_template import ChatTemplate
from .named import END_NAME

BESIDE = "chat_template.jinja"
LARGEST = 1 << 24
"""Bytes of a file."""


def read_chat_template(path: Path, bos_token: str | None = None, eos_token: str | None = None) -> ChatTemplate:
    """A template from a file of Jinja, or from a `tokenizer_config.json`, which names the tokens that it inserts, too;
    newer checkpoints have the template itself in a `chat_template.jinja` beside that.

    Args:
        bos_token: taken in place of what the file says.
        eos_token: the same.

    Raises:
        InputError: there is no such file, or no template in it.
    """
    said = chat_settings(path) if path.suffix.lower() == ".json" else {"chat_template": _read(path)}
    if "chat_template" not in said:
        raise InputError(f"{path} has no chat_template, nor is there a {BESIDE} beside it")
    try:
        return chat_template_of(said, bos_token, eos_token)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def chat_template_of(said: dict[str, str], bos_token: str | None = None, eos_token: str | None = None) -> ChatTemplate:
    """The template of settings that have one.

    Raises:
        InputError: it is no Jinja.
    """
    begin = said.get("bos_token", "") if bos_token is None else bos_token
    end = said.get("eos_token", END_NAME) if eos_token is None else eos_token
    return ChatTemplate(said["chat_template"], begin, end)


def chat_settings(path: Path) -> dict[str, str]:
    """What a `tokenizer_config.json` says of conversations: "chat_template", "bos_token" and "eos_token", as far as it
    says anything.

    Raises:
        InputError: it cannot be read, or is not as transformers writes it.
    """
    content = _object(path)
    found = {key: content[key] for key in ("chat_template", "bos_token", "eos_token") if content.get(key) is not None}
    for key, value in found.items():
        match value:
            case {"content": str() as name} if key != "chat_template":
                found[key] = name
            case [*several] if key == "chat_template":
                by_name = {one.get("name"): one.get("template") for one in several if isinstance(one, dict)}
                found[key] = by_name.get("default")
    beside = path.with_name(BESIDE)
    if "chat_template" not in found and beside.is_file():
        found["chat_template"] = _read(beside)
    wrong = [key for key, value in found.items() if not isinstance(value, str)]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} should be a string, as transformers writes it")
    return found


def _object(path: Path) -> dict[str, Any]:
    text = _read(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} should be a JSON object, as a tokenizer_config.json is")
    return content


def _read(path: Path) -> str:
    try:
        with open_regular(path) as file:
            raw: bytes = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if len(raw) > LARGEST:
        raise InputError(f"{path} has more than {LARGEST >> 20} MiB, and is no chat template")
    return decode_text(raw, str(path), 0, path)


__all__ = ["chat_settings", "chat_template_of", "read_chat_template"]
