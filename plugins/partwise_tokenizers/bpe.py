"""Byte-level byte-pair encoding: every text has ids, frequent stretches of text few of them.

Radford et al., "Language models are unsupervised multitask learners" (GPT-2, 2019). The merging itself is done
by tiktoken, which always joins the neighbours whose union has the lowest rank. That is what training did:
the first merge to make a string of bytes is the only one that ever can.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import tiktoken

from . import saved as read
from .patterns import PATTERNS
from .table import TokenTable, whole

BYTES = tuple(bytes([byte]) for byte in range(256))


class BytePairTokenizer(TokenTable):
    """Tokens by rank, then the end token. The rank is the id; a rank that nobody uses is None and adds nothing."""

    def __init__(self, tokens: Sequence[bytes | None], pattern: str, end: int | None = None) -> None:
        """`tokens` must be distinct and hold every single byte; `pattern` names one of `PATTERNS`, which cuts texts.
        `end`, if given, is a rank that is None and stands for the end token in place of one more id."""
        super().__init__([token or b"" for token in tokens], end)
        self._tokens = list(tokens)
        self._pattern = pattern
        ranks = {token: rank for rank, token in enumerate(tokens) if token is not None}
        self._encoding = tiktoken.Encoding(
            "partwise", pat_str=PATTERNS[pattern], mergeable_ranks=ranks, special_tokens={}
        )

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        return self._encoding.encode_ordinary(whole(text))

    def to_json(self) -> dict[str, Any]:
        """The name of the pattern, and the tokens by rank in base64; the end token's id if it is one of them."""
        tokens = [None if token is None else base64.b64encode(token).decode() for token in self._tokens]
        own_end = {"end": self.end} if self.end < len(tokens) else {}
        return {"pattern": self._pattern, "tokens": tokens, **own_end}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> BytePairTokenizer:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is nothing that `to_json` gives.
        """
        pattern = read.field(saved, "pattern", str)
        if pattern not in PATTERNS:
            raise read.damaged(f"'pattern' should be one of {', '.join(PATTERNS)}, found {pattern!r}")
        tokens = [
            None if token is None else read.binary(token, f"tokens[{rank}]")
            for rank, token in enumerate(read.field(saved, "tokens", list))
        ]
        problem = problem_with(tokens)
        if problem is not None:
            raise read.damaged(problem)
        end = read.field(saved, "end", int) if "end" in saved else None
        if end is not None and not (0 <= end < len(tokens) and tokens[end] is None):
            raise read.damaged(f"'end' should be the id of a token without bytes, found {end}")
        return cls(tokens, pattern, end)


def problem_with(tokens: Sequence[bytes | None]) -> str | None:
    """Why these tokens cannot encode every text; None if they can."""
    known = {token for token in tokens if token is not None}
    if b"" in known:
        return "a token is empty"
    if len(known) < sum(token is not None for token in tokens):
        return "a token occurs twice"
    missing = [byte for byte in BYTES if byte not in known]
    if missing:
        return f"{len(missing)} of the 256 single bytes are no tokens, for example {missing[0]!r}"
    return None
