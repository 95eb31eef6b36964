"""Byte-level byte pairs from a `tokenizer.json`, the file of Hugging Face's tokenizers library.

Such a file writes the 256 bytes as printable characters (Radford et al. 2019): those that are printable stand for
themselves, the others for the code points from 256 on, in order. What is read here has exactly the ids of that
library; a file of which that is not certain is `OtherPipelineError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from partwise import PartError

from .added_tokens import AddedToken
from .bpe import BytePairTokenizer, Form, problem_with
from .byte_letters import byte_letters
from .family_marks import marks_beside
from .merging import Made, Pair, other
from .named_files import read_named
from .pipelines import steps
from .published import pattern_of
from .table import without_surrogates

_SPARE = 1_000_000
"""Most ids that may stand for nothing; far more would be a mistake, and would take memory."""
_CHANGES = ("dropout", "continuing_subword_prefix", "end_of_word_suffix")
"""Settings that would make it a model of another kind."""


def read_content(path: Path) -> dict[str, Any]:
    """What a `tokenizer.json` holds.

    Raises:
        PartError: there is no such file, or it holds no tokenizer.
    """
    try:
        content = json.loads(read_named(path, "file", "a tokenizer.json"))
        if not isinstance(content["model"], dict):
            raise TypeError("model is no object")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PartError(f"file: {path} is no tokenizer.json of byte pairs or others: {_named(error)}") from error
    return dict(content)


def read_tokenizer_json(
    path: Path, content: Mapping[str, Any], end: int | None, vocab_size: int | None
) -> BytePairTokenizer:
    """The tokenizer of a file.

    Args:
        path: of the file, beside which others may say what begins and ends texts.
        content: of the file.
        end: id of the token that ends a text; None: as these files say.
        vocab_size: ids there are in all, some of which may stand for nothing; None: as many as the file has.

    Raises:
        OtherPipelineError: it is a tokenizer of a form that is not read here.
        PartError: it is damaged, or nothing says which token ends a text.
    """
    model = content["model"]
    _refuse_other_models(model, path)
    try:
        vocabulary = _ids(model["vocab"].items())
        added = added_tokens(content)
        names = _ids((token.content, token.id) for token in added)
        merges = [_pair(merge) for merge in model["merges"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PartError(f"file: {path} is no tokenizer.json of byte pairs: {_named(error)}") from error
    form = _form(content, path)
    pattern = pattern_of(content.get("pre_tokenizer"))
    if pattern is None:
        raise other(path, f"its pre_tokenizer cuts texts in a way that is {_unknown(content.get('pre_tokenizer'))}")
    size = _size([*vocabulary.values(), *names.values()], vocab_size, path)
    marks = marks_beside(path, content, {**vocabulary, **names}, end)
    check_marks(marks, size, path)
    added = [token if token.id != marks.end else _as_special(token) for token in added]
    made = Made(vocabulary, merges, bool(model.get("ignore_merges")))
    made.check_order(path)
    tokens = _tokens(made, added, size, pattern, path)
    if problem := problem_with(tokens):
        raise PartError(f"file: {path}: {problem}")
    _check_added_ids(added, vocabulary, path)
    specials = {token.id: without_surrogates(token.content) for token in added if token.special}
    if tokens[marks.end] is not None or marks.end not in specials:
        named = ", ".join(f"{token} ({name})" for token, name in sorted(specials.items())[:10]) or "there is none"
        raise PartError(f"end: {marks.end} is no special token of {path}; its special tokens: {named}")
    # Without others, special tokens make no difference to texts, and their names are kept already.
    kept = added if any(not token.special or token.has_rules for token in added) else []
    return BytePairTokenizer(tokens, pattern, marks, specials, form, kept)


def check_marks(marks: Any, size: int, path: Path) -> None:
    """
    Raises:
        PartError: one of them is no id.
    """
    beyond = [token for token in (marks.end, marks.begin, marks.start, *marks.ends) if not 0 <= token < size]
    if beyond:
        raise PartError(
            f"end: {beyond[0]} is no special token of {path}, which has {size} ids; correct the ids of begin and end "
            "in config.json and generation_config.json beside it, or give end"
        )


def added_tokens(content: Mapping[str, Any]) -> list[AddedToken]:
    """The file's added tokens.

    Raises:
        ValueError, KeyError or TypeError: they are not as they must be.
    """
    flags = ("single_word", "lstrip", "rstrip")
    return [
        AddedToken(
            token["id"],
            token["content"],
            special=bool(token.get("special", True)),
            normalized=bool(token.get("normalized", not token.get("special", True))),
            **{flag: bool(token.get(flag)) for flag in flags},
        )
        for token in content.get("added_tokens") or []
    ]


def _as_special(token: AddedToken) -> AddedToken:
    """The end token is special, whatever the file says, as transformers makes it."""
    return AddedToken(token.id, token.content, True, token.single_word, token.lstrip, token.rstrip, token.normalized)


def _ids(pairs: Iterable[tuple[Any, Any]]) -> dict[str, int]:
    """Tokens to their ids, which are checked."""
    ids = dict(pairs)
    for text, token in ids.items():
        if not isinstance(text, str) or type(token) is not int or token < 0:
            raise ValueError(f"the id of {str(text)[:60]!r} is {str(token)[:60]}")
    if len(set(ids.values())) < len(ids):
        raise ValueError("two tokens have one id")
    return ids


def _pair(merge: Any) -> Pair:
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


def _check_added_ids(added: list[AddedToken], vocabulary: Mapping[str, int], path: Path) -> None:
    """The library does not read the ids of added tokens: it counts them on from the vocabulary."""
    taken, highest = set(vocabulary.values()), -1
    for token in added:
        own = vocabulary.get(token.content, max(highest + 1, len(vocabulary)))
        highest = max(highest, own)
        if token.id in taken and token.content not in vocabulary:
            raise PartError(f"file: {path} is no tokenizer.json of byte pairs: two tokens have one id, {token.id}")
        if token.id != own:
            raise PartError(
                f"file: {path} gives its added token {token.content!r} the id {token.id}, where the tokenizers library "
                f"counts to {own}; a file with gaps between its ids is not read"
            )


def _tokens(made: Made, added: list[AddedToken], size: int, pattern: str, path: Path) -> list[bytes | None]:
    """Bytes by rank. A token that is in the vocabulary and an added one, too, keeps its bytes if it can be made."""
    back = {character: byte for byte, character in enumerate(byte_letters())}
    by_content = {token.content: token for token in added}
    tokens: list[bytes | None] = [None] * size
    for text, rank in made.vocabulary.items():
        token = by_content.get(text)
        if token is not None and token.special:
            if made.from_text(text, pattern):
                raise other(path, f"the special token {text!r} is made of text, too")
            continue
        if token is not None and not made.by_merges(text):
            continue
        try:
            tokens[rank] = bytes(back[character] for character in text)
        except KeyError as error:
            raise other(path, f"its token {text!r} is not written in the letters of bytes") from error
        if token is not None and tokens[rank] != text.encode():
            raise other(path, f"its added token {text!r} stands for other bytes, too")
        made.check(text, path)
    return tokens


def _refuse_other_models(model: Mapping[str, Any], path: Path) -> None:
    if model.get("type", "BPE") != "BPE":
        raise other(path, f"it is not of plain byte-level pairs; its model is {_unknown(model.get('type'))}")
    if found := [change for change in _CHANGES if model.get(change)]:
        raise other(path, f"it is not of plain byte-level pairs; its {found[0]} is {model[found[0]]!r}")


def _form(content: Mapping[str, Any], path: Path) -> Form | None:
    """The form of Unicode that texts are put into first, as Qwen's are."""
    normalizer = content.get("normalizer")
    form = list(steps(normalizer))
    if form == [{"type": "NFC"}]:
        return "NFC"
    if form:
        raise other(path, f"its normalizer is {_unknown(normalizer)}")
    return None


def _unknown(step: Any) -> str:
    return f"not known here: {json.dumps(step)[:200]}"


def _named(error: Exception) -> str:
    return f"{type(error).__name__} {error}"
