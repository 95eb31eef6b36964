"""A SentencePiece model as a `tokenizer.json`, for Hugging Face's tokenizers library.

Kudo and Richardson, "SentencePiece" (2018). What that library does differently, whoever wrote the file:

- Where the name of a control piece or of a byte stands in a text, and a unigram model does not know its letters, it
  becomes that piece.
- It looks up whole graphemes in a map of characters (T5's, which normalises), where SentencePiece looks up the longest
  beginning of the rest: a long s (U+017F) with a zero-width joiner or an accent after it becomes "s", and loses
  what follows it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from partwise import PartError

from .added_tokens import AddedToken
from .sentencepiece_fields import Fields, Kind, Piece, read_fields
from .sentencepiece_model import SPACE

_UNREACHABLE = 100.0
"""How many times less likely (in logarithms) than any other a control piece is, which stands for no text."""


def pieces(model: bytes, specials: Mapping[int, str]) -> dict[str, Any]:
    """The content of a tokenizer.json.

    Args:
        model: content of a `.model` file.
        specials: ids and names of special tokens, those that the model does not have included.

    Raises:
        PartError: the model has no such form.
    """
    try:
        fields = read_fields(model)
    except ValueError as error:
        raise PartError(f"the model cannot be written as a tokenizer.json: {error}") from error
    unknown = next((place for place, piece in enumerate(fields.pieces) if piece.kind is Kind.UNKNOWN), None)
    names = {**({} if unknown is None else {unknown: fields.pieces[unknown].text}), **specials}
    defined = {place: piece.text for place, piece in enumerate(fields.pieces) if piece.kind is Kind.USER_DEFINED}
    listed = [AddedToken(token, name, special=token in names) for token, name in sorted({**defined, **names}.items())]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [token.to_json() for token in listed],
        "normalizer": _normalizer(fields),
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": _decoder(fields),
        "model": _by_pairs(fields, unknown) if fields.by_pairs else _unigram(fields, unknown),
    }


def _by_pairs(fields: Fields, unknown: int | None) -> dict[str, Any]:
    vocabulary = {piece.text: place for place, piece in enumerate(fields.pieces)}
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None if unknown is None else fields.pieces[unknown].text,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": fields.byte_fallback,
        "ignore_merges": False,
        "vocab": vocabulary,
        "merges": [list(pair) for pair in _merges(fields.pieces)],
    }


def _merges(every: tuple[Piece, ...]) -> Iterator[tuple[str, str]]:
    """All pairs whose union is a piece, the likeliest union first."""
    ids = {piece.text: place for place, piece in enumerate(every) if piece.kind is Kind.NORMAL}
    for text in sorted(ids, key=lambda one: (-every[ids[one]].score, ids[one])):
        halves = [(text[:cut], text[cut:]) for cut in range(1, len(text))]
        known = [pair for pair in halves if pair[0] in ids and pair[1] in ids]
        yield from sorted(known, key=lambda pair: (ids[pair[0]], ids[pair[1]]))


def _unigram(fields: Fields, unknown: int | None) -> dict[str, Any]:
    least = min((piece.score for piece in fields.pieces), default=0.0)
    never = _UNREACHABLE * min(least, -1.0)
    scores = [
        [piece.text, piece.score if piece.kind in (Kind.NORMAL, Kind.USER_DEFINED) else never]
        for piece in fields.pieces
    ]
    return {"type": "Unigram", "unk_id": unknown, "vocab": scores, "byte_fallback": fields.byte_fallback}


def _normalizer(fields: Fields) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    if fields.character_map:
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(fields.character_map).decode()})
    if fields.folds_spaces:
        steps += [_replace({"Regex": "^ +| +$"}, ""), _replace({"Regex": " {2,}"}, " ")]
    if fields.begins_with_space:
        steps.append({"type": "Prepend", "prepend": SPACE})
    return {"type": "Sequence", "normalizers": [*steps, _replace({"String": " "}, SPACE)]}


def _decoder(fields: Fields) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [_replace({"String": SPACE}, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if fields.begins_with_space:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}
