"""Byte-level byte pairs from a `tokenizer.json`, the file of Hugging Face's tokenizers library.

Such a file writes the 256 bytes as printable characters (Radford et al. 2019): those that are printable stand for
themselves, the others for the code points from 256 on, in order.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from partwise import PartError

from .bpe import BytePairTokenizer, problem_with

_LETTERS, _BEFORE_NUMBERS = r"[^\r\n\p{L}\p{N}]?\p{L}+", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_AFTER_NUMBERS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_KNOWN = {
    rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}{{1,3}}|{_AFTER_NUMBERS}": "llama3",
    rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}|{_AFTER_NUMBERS}": "qwen2",
}
"""Regular expressions as such files have them -> our names of the patterns."""


def read_tokenizer_json(path: Path, end: int | None, vocab_size: int | None) -> BytePairTokenizer:
    """The tokenizer of a file.

    Args:
        end: id of the token that ends a text; None: the last special token.
        vocab_size: ids there are in all, some of which may stand for nothing; None: as many as the file has.

    Raises:
        PartError: there is no such file, or it is none of byte-level pairs as they are known here.
    """
    try:
        content = json.loads(path.read_bytes())
        model, added = content["model"], content.get("added_tokens") or []
        vocabulary: dict[str, int] = model["vocab"]
        specials = sorted(token["id"] for token in added)
    except OSError as error:
        raise PartError(f"file: cannot read {path} ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PartError(f"file: {path} is no tokenizer.json: {type(error).__name__} {error}") from error
    if model.get("type", "BPE") != "BPE" or content.get("normalizer") is not None:
        raise PartError(f"file: {path} is not of byte-level pairs without a normalizer, which is all that is read here")
    pattern = _pattern(content.get("pre_tokenizer"), path)
    _check_merges(vocabulary, model.get("merges", []), path)
    count = 1 + max([*vocabulary.values(), *specials], default=-1)
    size = count if vocab_size is None else vocab_size
    if not count <= size <= count + 1_000_000:
        raise PartError(f"vocab_size: {path} has {count} ids, and {size} are asked for")
    tokens = _tokens(vocabulary, set(specials), size, path)
    if end is None and not specials:
        raise PartError(f"end: {path} has no special token; say which id ends a text")
    last = specials[-1] if end is None else end
    if not 0 <= last < size or tokens[last] is not None:
        raise PartError(f"end: {last} is no special token of {path}; its ids are {', '.join(map(str, specials[:10]))}")
    if problem := problem_with(tokens):
        raise PartError(f"file: {path}: {problem}")
    return BytePairTokenizer(tokens, pattern, last)


def _tokens(vocabulary: dict[str, int], specials: set[int], size: int, path: Path) -> list[bytes | None]:
    back = {character: byte for byte, character in enumerate(_characters())}
    tokens: list[bytes | None] = [None] * size
    for text, rank in vocabulary.items():
        if rank in specials:
            continue
        try:
            tokens[rank] = bytes(back[character] for character in text)
        except KeyError as error:
            raise PartError(f"file: {path}: token {text!r} is not written in the letters of bytes") from error
    return tokens


def _check_merges(vocabulary: dict[str, int], merges: list[Any], path: Path) -> None:
    """That the ids rise with the merges: then the lowest id first is the earliest merge first."""
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in merges]
    ranks = [vocabulary.get("".join(pair), -1) for pair in pairs]
    if any(later <= earlier for earlier, later in pairwise(ranks)):
        raise PartError(f"file: the ids of {path} are not in the order of its merges, which is all that is read here")


def _pattern(splitter: Any, path: Path) -> str:
    """Our name for how the file cuts texts."""
    match splitter:
        case {"type": "ByteLevel", **rest} if not rest.get("add_prefix_space") and rest.get("use_regex", True):
            return "gpt2"
        case {
            "type": "Sequence",
            "pretokenizers": [{"type": "Split", "pattern": {"Regex": regex}}, {"type": "ByteLevel"}],
        } if regex in _KNOWN:
            return _KNOWN[regex]
    raise PartError(f"file: {path} cuts texts in a way that is not known here: {json.dumps(splitter)[:200]}")


def _characters() -> list[str]:
    """How each byte is written."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]
