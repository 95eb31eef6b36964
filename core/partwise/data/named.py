"""Special tokens that are named in a text: of a prompt, or of a piece that says so (`Piece.named`).

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

from .protocols import Piece, Tokenizer

END_NAME = "<|end|>"
"""Names the token that ends a text, whatever its name in the tokenizer; unless that has another token of this name."""


def special_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text in which the names of special tokens are those tokens, and END_NAME is the token that ends a text.

    A tokenizer whose special tokens have no names knows END_NAME alone.
    """
    encode = getattr(tokenizer, "encode_special", tokenizer.encode)
    if END_NAME not in text or _is_one_token(tokenizer, encode(END_NAME)):
        return list(encode(text))
    ids: list[int] = []
    for part in text.split(END_NAME):
        ids += [*(encode(part) if part else ()), tokenizer.end]
    return ids[:-1]


def piece_ids(tokenizer: Tokenizer, piece: Piece) -> list[int]:
    """Ids of a piece, whose names of special tokens are those tokens if it says so."""
    return special_ids(tokenizer, piece.text) if piece.named else tokenizer.encode(piece.text)


def without_names(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> str:
    """A text without the names of the special tokens that its `ids` have: what these should decode to."""
    for token in ids:
        if not tokenizer.token_bytes(token) and token != tokenizer.unknown:
            name = END_NAME if token == tokenizer.end and END_NAME in text else tokenizer.label(token)
            text = text.replace(name, "", 1)
    return text


def _is_one_token(tokenizer: Tokenizer, ids: Sequence[int]) -> bool:
    return len(ids) == 1 and not tokenizer.token_bytes(ids[0])


__all__ = ["END_NAME", "piece_ids", "special_ids", "without_names"]
