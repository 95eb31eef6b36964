"""What begins and ends the texts of a public model, as the files beside its `tokenizer.json` say.

transformers puts before a prompt what `tokenizer_config.json` asks for, or else the template in `tokenizer.json`; it
ends a text at the ids of `generation_config.json`, or else of `config.json`; and these two name what a decoder of
pairs starts with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from partwise import PartError
from partwise.data import Marks

from . import restoring
from .settings_beside import CONFIG, read_beside, read_settings

_USUAL = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>", "<|end|>", "[SEP]", "<|eot_id|>")
"""Names by which an end token is known where no file says which it is."""
_SEQUENCES, _IDS = ("ends", "before_prompt", "before_source", "after_source"), ("end", "begin", "start")


def marks_beside(path: Path, content: Mapping[str, Any], names: Mapping[str, int], asked: int | None) -> Marks:
    """The marks of a tokenizer.

    Args:
        path: of its file.
        content: of its file.
        names: all tokens by their text, to their ids.
        asked: id of the end token; None: as the files say.

    Raises:
        PartError: nothing says which token ends a text.
    """
    config, generation = read_beside(path, "config.json"), read_beside(path, "generation_config.json")
    settings = read_settings(path)
    merged = {**config, **{key: value for key, value in generation.items() if value is not None}}
    ends = _ids(merged.get("eos_token_id"))
    own_end = _named(settings, "eos_token", names)
    end = asked if asked is not None else next(iter((*ends, *_some(own_end))), None)
    if end is None:
        _refuse_unknown_name(path, settings, "eos", names)
        end = _usual(path, content, names)
    for kind in ("bos", "eos"):
        if settings.get(f"add_{kind}_token"):
            _refuse_unknown_name(path, settings, kind, names)
    before, after = around(content, settings, names)
    bos = [*before[-1:], *_ids(merged.get("bos_token_id")), *_some(_named(settings, "bos_token", names)), end]
    start = [*_ids(merged.get("decoder_start_token_id")), *bos]
    return Marks(
        end=end,
        begin=bos[0],
        ends=tuple(dict.fromkeys(ends)) or (end,),
        before_prompt=before,
        start=start[0],
        before_source=before,
        after_source=after,
    )


def around(
    content: Mapping[str, Any], settings: Mapping[str, Any], names: Mapping[str, int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What stands before and after a text."""
    if "add_bos_token" in settings or "add_eos_token" in settings:
        return tuple(
            _some(_named(settings, f"{kind}_token", names)) if settings.get(f"add_{kind}_token") else ()
            for kind in ("bos", "eos")
        )  # type: ignore[return-value]
    before: list[int] = []
    after: list[int] = []
    for template in _templates(content.get("post_processor")):
        seen = False
        for piece in template:
            seen = seen or "Sequence" in piece
            if "SpecialToken" in piece and (token := names.get(piece["SpecialToken"].get("id"))) is not None:
                (after if seen else before).append(token)
    return tuple(before), tuple(after)


def _templates(processor: Any) -> Iterator[list[Any]]:
    match processor:
        case {"type": "TemplateProcessing", "single": list(single)}:
            yield single
        case {"type": "Sequence", "processors": list(several)}:
            for one in several:
                yield from _templates(one)
        case {"type": "RobertaProcessing" | "BertProcessing", "cls": [str(cls), _], "sep": [str(sep), _]}:
            yield [{"SpecialToken": {"id": cls}}, {"Sequence": {}}, {"SpecialToken": {"id": sep}}]


def _usual(path: Path, content: Mapping[str, Any], names: Mapping[str, int]) -> int:
    specials = {token["content"]: names[token["content"]] for token in _specials(content)}
    usual = [token for name, token in specials.items() if name in _USUAL]
    found = usual if usual else list(specials.values())
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{token} ({name})" for name, token in sorted(specials.items(), key=lambda one: one[1])[:10])
    if not listed:
        raise PartError(f"end: {path} has no special token; say which id ends a text")
    raise PartError(
        f"end: {path} does not say which of its special tokens ends a text: {listed}; give its id, or put the "
        "checkpoint's tokenizer_config.json or config.json beside the file"
    )


def _specials(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [token for token in content.get("added_tokens") or [] if token.get("special", True)]


def _refuse_unknown_name(path: Path, settings: Mapping[str, Any], kind: str, names: Mapping[str, int]) -> None:
    if settings.get(f"{kind}_token") and _named(settings, f"{kind}_token", names) is None:
        raise PartError(
            f"file: {path.parent / CONFIG} says that {kind}_token is {str(settings[f'{kind}_token'])[:60]!r}, which is "
            f"no token of {path.name}"
        )


def _named(settings: Mapping[str, Any], key: str, names: Mapping[str, int]) -> int | None:
    """The id of a token that the settings name, by its text or by an object that has it."""
    named = settings.get(key)
    named = named.get("content") if isinstance(named, dict) else named
    return names.get(named) if isinstance(named, str) else None


def _some(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)


def _ids(value: Any) -> list[int]:
    return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]


def to_json(marks: Marks) -> dict[str, Any]:
    """The marks as JSON values."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(marks).items()}


def from_json(saved: dict[str, Any], vocab_size: int) -> Marks:
    """The marks that `to_json` described.

    Raises:
        InputError: `saved` is not what `to_json` gives.
    """
    marks = restoring.field(saved, "marks", dict)
    if marks.keys() != {field.name for field in fields(Marks)}:
        raise restoring.damaged(f"'marks' should hold {', '.join(field.name for field in fields(Marks))}")
    for name, value in marks.items():
        ids = value if name in _SEQUENCES and isinstance(value, list) else [value]
        if not all(type(one) is int and 0 <= one < vocab_size for one in ids) or (name == "ends" and not value):
            raise restoring.damaged(f"'marks' should hold ids below {vocab_size}, found {name} {str(value)[:60]}")
        if (name in _IDS) != isinstance(value, int):
            raise restoring.damaged(f"'marks' should hold ids, found {name} {str(value)[:60]}")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in marks.items()}
    return Marks(**values)
