"""Byte-level byte-pair encoding: every text has ids, and frequent strings need few of them.

Radford et al., "Language models are unsupervised multitask learners" (GPT-2, 2019). The merging itself is done
by tiktoken, which always joins the neighbours whose union has the lowest rank. That repeats the training:
only one merge can ever make a given string of bytes, the first that did.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import tiktoken

from . import restoring
from .patterns import PATTERNS
from .table import TokenTable, without_surrogates

BYTES = tuple(bytes([byte]) for byte in range(256))


class BytePairTokenizer(TokenTable):
    """Tokens by rank, then the end token. The rank is the id; an unused rank is None and adds nothing to a text."""

    def __init__(
        self,
        tokens: Sequence[bytes | None],
        pattern: str,
        end: int | None = None,
        specials: Mapping[int, str] = MappingProxyType({}),
        composed: bool = False,
    ) -> None:
        """`tokens` must be distinct and hold every single byte; `pattern` names the one of `PATTERNS` that
        splits texts into pre-tokens.
        `end`, if given, is a rank that is None and stands for the end token in place of one more id. `specials` are
        the names of ranks that are None; no text encodes to them. `composed` texts are put into Unicode's form NFC
        first, and those that were in another come back in that one."""
        super().__init__([token or b"" for token in tokens], end)
        self.lossless = not composed
        self._tokens, self._pattern, self._specials = list(tokens), pattern, dict(specials)
        ranks = {token: rank for rank, token in enumerate(tokens) if token is not None}
        self._encoding = tiktoken.Encoding(
            "partwise", pat_str=PATTERNS[pattern], mergeable_ranks=ranks, special_tokens={}
        )

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        text = without_surrogates(text)
        return self._encoding.encode_ordinary(text if self.lossless else unicodedata.normalize("NFC", text))

    def label(self, token: int) -> str:
        """A token as people read it; special tokens have the names that their file gives them."""
        return self._specials.get(token) or super().label(token) or f"<unused {token}>"

    def to_json(self) -> dict[str, Any]:
        """The name of the pattern, and the tokens by rank in base64; if there are any, the end token's id among them,
        the names of special tokens, and the form that texts are put into."""
        tokens = [None if token is None else base64.b64encode(token).decode() for token in self._tokens]
        own_end = {"end": self.end} if self.end < len(tokens) else {}
        specials = {"specials": {str(token): name for token, name in self._specials.items()}} if self._specials else {}
        form = {} if self.lossless else {"form": "NFC"}
        return {"pattern": self._pattern, "tokens": tokens, **own_end, **specials, **form}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> BytePairTokenizer:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is not what `to_json` gives.
        """
        pattern = restoring.field(saved, "pattern", str)
        if pattern not in PATTERNS:
            raise restoring.damaged(f"'pattern' should be one of {', '.join(PATTERNS)}, found {pattern!r}")
        tokens = [
            None if token is None else restoring.binary(token, f"tokens[{rank}]")
            for rank, token in enumerate(restoring.field(saved, "tokens", list))
        ]
        problem = problem_with(tokens)
        if problem is not None:
            raise restoring.damaged(problem)
        end = restoring.field(saved, "end", int) if "end" in saved else None
        if end is not None and not (0 <= end < len(tokens) and tokens[end] is None):
            raise restoring.damaged(f"'end' should be the id of a token without bytes, found {end}")
        if saved.get("form", "NFC") != "NFC":
            raise restoring.damaged(f"'form' should be NFC or left out, found {saved['form']!r}")
        return cls(tokens, pattern, end, _specials(saved, tokens), "form" in saved)


def _specials(saved: dict[str, Any], tokens: list[bytes | None]) -> dict[int, str]:
    """The names of special tokens by their ids."""
    named = restoring.field(saved, "specials", dict) if "specials" in saved else {}
    without_bytes = {str(token): token for token, content in enumerate(tokens) if content is None} if named else {}
    for token, name in named.items():
        if token not in without_bytes or not isinstance(name, str) or not name:
            raise restoring.damaged(f"'specials' should name ids of tokens without bytes, found {token!r}: {name!r}")
    return {without_bytes[token]: name for token, name in named.items()}


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
