"""Special tokens that data ask for: the tokenizer's own of these names, or ids beyond its vocabulary."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from partwise.errors import InputError, PartError

from .marks import marks_of
from .protocols import Tokenizer

NAMES, WITHIN = "specials", "tokenizer"
"""The keys of a tokenizer that was given special tokens, as JSON values."""


class WithSpecials:
    """A tokenizer with further special tokens after its own ids. It encodes texts as before, and has every other
    attribute of the tokenizer."""

    def __init__(self, tokenizer: Tokenizer, names: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.names = tuple(names)
        self.vocab_size = tokenizer.vocab_size + len(self.names)
        self._ids = {name: tokenizer.vocab_size + index for index, name in enumerate(self.names)}
        self._names = re.compile(f"({'|'.join(map(re.escape, sorted(self.names, key=len, reverse=True)))})")

    def __getattr__(self, name: str) -> Any:
        if name == "tokenizer":  # not yet set, while it is unpickled
            raise AttributeError(name)
        found = getattr(self.tokenizer, name)
        return partial(self._to_tokenizer_json, found) if name == "to_tokenizer_json" else found

    def encode_special(self, text: str) -> list[int]:
        """Ids of a text in which the names of special tokens are those tokens."""
        encode = getattr(self.tokenizer, "encode_special", self.tokenizer.encode)
        ids: list[int] = []
        for part in self._names.split(text):
            ids += [self._ids[part]] if part in self._ids else encode(part) if part else []
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""
        return self.tokenizer.decode([token for token in ids if token < self.tokenizer.vocab_size])

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that one id adds to a text."""
        return b"" if self._name(token) else self.tokenizer.token_bytes(token)

    def label(self, token: int) -> str:
        """A token for people to read."""
        return self._name(token) or self.tokenizer.label(token)

    def special_names(self) -> dict[int, str]:
        """Names of the ids that add nothing to a text, as far as the tokenizer names its own."""
        own: dict[int, str] = getattr(self.tokenizer, "special_names", dict)()
        return {**own, **{token: name for name, token in self._ids.items()}}

    def to_json(self) -> dict[str, Any]:
        """The tokenizer's own values, and the names of the further tokens."""
        return {NAMES: list(self.names), WITHIN: self.tokenizer.to_json()}

    def _to_tokenizer_json(self, write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The tokenizer in the form of Hugging Face's tokenizers library, where it has one."""
        content = write()
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        more = [{"id": token, "content": name, **flags} for name, token in self._ids.items()]
        return {**content, "added_tokens": [*content.get("added_tokens", []), *more]}

    def _name(self, token: int) -> str | None:
        beyond = token - self.tokenizer.vocab_size
        return self.names[beyond] if beyond >= 0 else None


def with_specials(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """The tokenizer, with a special token for every name for which it has none itself.

    Raises:
        PartError: a name is that of a token which ends or begins texts.
    """
    marks = marks_of(tokenizer)
    missing = []
    for name in dict.fromkeys(names):
        own = _own(tokenizer, name)
        if own is None:
            missing.append(name)
        elif own in (marks.end, marks.begin, *marks.ends):
            raise PartError(
                f"the data name a special token {name!r}, which begins or ends texts for this tokenizer; choose another"
            )
    return WithSpecials(tokenizer, missing) if missing else tokenizer


def id_of(tokenizer: Tokenizer, name: str) -> int:
    """The id of a special token.

    Raises:
        InputError: the tokenizer has no such special token.
    """
    own = _own(tokenizer, name)
    if own is None:
        raise InputError(
            f"the data use a special token {name!r}, which the tokenizer does not have: a part that makes data has to "
            "name it in its specials(), and a run whose tokenizer is used again must have been trained with it"
        )
    return own


def _own(tokenizer: Tokenizer, name: str) -> int | None:
    """The tokenizer's special token of this name."""
    encode = getattr(tokenizer, "encode_special", None)
    ids = encode(name) if encode is not None and name else []
    return ids[0] if len(ids) == 1 and not tokenizer.token_bytes(ids[0]) else None


__all__ = ["WithSpecials", "id_of", "with_specials"]
