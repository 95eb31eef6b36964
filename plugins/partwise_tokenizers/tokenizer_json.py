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
from .named_files import read_named
from .table import without_surrogates

_LETTERS, _BEFORE_NUMBERS = r"[^\r\n\p{L}\p{N}]?\p{L}+", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_AFTER_NUMBERS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_KNOWN = {
    rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}{{1,3}}|{_AFTER_NUMBERS}": "llama3",
    rf"{_BEFORE_NUMBERS}|{_LETTERS}|\p{{N}}|{_AFTER_NUMBERS}": "qwen2",
}
"""Regular expressions as such files have them -> our names of the patterns."""
_SPARE = 1_000_000
"""Most ids that may stand for nothing; far more would be a mistake, and would take memory."""
_CHANGES = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
"""Settings that would make it a model of another kind."""


def read_tokenizer_json(path: Path, end: int | None, vocab_size: int | None) -> BytePairTokenizer:
    """The tokenizer of a file.

    Args:
        end: id of the token that ends a text; None: the last special token.
        vocab_size: ids there are in all, some of which may stand for nothing; None: as many as the file has.

    Raises:
        PartError: there is no such file, or it does not hold byte-level pairs of a form known here.
    """
    try:
        content = json.loads(read_named(path, "file", "a tokenizer.json"))
        model = content["model"]
        _refuse_other_models(model, path)
        vocabulary = _ids(model["vocab"].items())
        specials = _ids((token["content"], token["id"]) for token in content.get("added_tokens") or [])
        merges = [_pair(merge) for merge in model["merges"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PartError(f"file: {path} is no tokenizer.json of byte pairs: {type(error).__name__} {error}") from error
    names = {token: without_surrogates(text) or f"<special {token}>" for text, token in specials.items()}
    composed = _composed(content, path)
    pattern = _pattern(content.get("pre_tokenizer"), path)
    _check_merges(vocabulary, merges, bool(model.get("ignore_merges")), set(names), path)
    tokens = _tokens(vocabulary, set(names), _size([*vocabulary.values(), *names], vocab_size, path), path)
    if problem := problem_with(tokens):
        raise PartError(f"file: {path}: {problem}")
    return BytePairTokenizer(tokens, pattern, _end(end, names, tokens, path), names, composed)


def _ids(pairs: Any) -> dict[str, int]:
    """Tokens to their ids, which are checked."""
    ids = dict(pairs)
    for text, token in ids.items():
        if not isinstance(text, str) or type(token) is not int or token < 0:
            raise ValueError(f"the id of {str(text)[:60]!r} is {str(token)[:60]}")
    if len(set(ids.values())) < len(ids):
        raise ValueError("two tokens have one id")
    return ids


def _pair(merge: Any) -> tuple[str, str]:
    """One merge, which older files write as "a b" and newer ones as ["a", "b"]."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def _size(ids: list[int], asked: int | None, path: Path) -> int:
    count = 1 + max(ids, default=-1)
    if count > len(ids) + _SPARE:
        raise PartError(f"file: {path} has {len(ids)} tokens, and one of them has the id {count - 1}")
    size = count if asked is None else asked
    if not count <= size <= count + _SPARE:
        raise PartError(f"vocab_size: {path} has {count} ids, and {size} are asked for; leave vocab_size out")
    return size


def _end(asked: int | None, specials: dict[int, str], tokens: list[bytes | None], path: Path) -> int:
    if asked is None and not specials:
        raise PartError(f"end: {path} has no special token; say which id ends a text")
    end = max(specials) if asked is None else asked
    if end >= len(tokens) or tokens[end] is not None:
        named = ", ".join(f"{token} ({name})" for token, name in sorted(specials.items())[:10]) or "there is none"
        raise PartError(f"end: {end} is no special token of {path}; its special tokens: {named}")
    return end


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


def _check_merges(
    vocabulary: dict[str, int], merges: list[tuple[str, str]], ignored: bool, specials: set[int], path: Path
) -> None:
    """Checks that the ids rise with the merges: then the lowest id first is the earliest merge first. Several merges
    may make one token (Llama 3). A pre-token that is a token becomes one at once: that is what `ignored` merges mean,
    and what merging comes to if every token has a merge."""
    ranks = [vocabulary.get("".join(pair), -1) for pair in merges]
    if any(later < earlier for earlier, later in pairwise([0, *ranks])):
        raise PartError(f"file: the ids of {path} are not in the order of its merges, which is all that is read here")
    made = {*ranks, *specials}
    unmade = next((text for text, token in vocabulary.items() if len(text) > 1 and token not in made), None)
    if unmade is not None and not ignored:
        raise PartError(f"file: {path} has tokens that no merge makes, such as {unmade!r}, which is not read here")


def _refuse_other_models(model: dict[str, Any], path: Path) -> None:
    if model.get("type", "BPE") != "BPE" or any(model.get(change) for change in _CHANGES):
        raise PartError(f"file: {path} is not of plain byte-level pairs, which is all that is read here")


def _composed(content: dict[str, Any], path: Path) -> bool:
    """Whether texts are put into Unicode's form NFC first, as Qwen's are."""
    normalizer = content.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):
        raise PartError(f"file: the normalizer of {path} is not known here: {json.dumps(normalizer)[:200]}")
    return normalizer is not None


def _pattern(splitter: Any, path: Path) -> str:
    """Our name for the file's pre-tokenization."""
    match splitter:
        case {"type": "ByteLevel", **rest} if not rest.get("add_prefix_space") and rest.get("use_regex", True):
            return "gpt2"
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", **split},
                {"type": "ByteLevel", "use_regex": False, **rest},
            ],
        } if regex in _KNOWN and not split.get("invert") and not rest.get("add_prefix_space"):
            return _KNOWN[regex]
    raise PartError(f"file: {path} cuts texts in a way that is not known here: {json.dumps(splitter)[:200]}")


def _characters() -> list[str]:
    """How each byte is written."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]
