"""Added tokens: strings that are one token wherever they stand, found before anything else is done to a text.

They are those of Hugging Face's `tokenizer.json`, and are found by its library's rules: first those that stand in the
text as it was written, from left to right, the longest at each place; then, in what is left and once it is
normalised, the others. A special one is text like any other, unless it is asked for, but it still hides those that
begin within it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import regex
import tiktoken

from . import restoring

Part = tuple[int | None, str]
"""An added token's id and its text, or None and text without any."""

_SPACE_AT_END = regex.compile(r"\s*\Z", regex.REVERSE)
_SPACE_AT_START = regex.compile(r"\s*")


@dataclass(frozen=True)
class AddedToken:
    """One of them; the fields are named as in the file."""

    id: int
    content: str
    special: bool = False
    """Whether it never stands for text."""
    single_word: bool = False
    """Whether it is found between characters that are no part of a word only."""
    lstrip: bool = False
    """Whether it takes the white space before it along."""
    rstrip: bool = False
    """Whether it takes the white space after it along."""
    normalized: bool = False
    """Whether it is looked for in the normalised text, in its normalised form."""

    @property
    def has_rules(self) -> bool:
        """Whether it is found in another way than wherever its text stands."""
        return self.single_word or self.lstrip or self.rstrip or self.normalized

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: object, vocab_size: int) -> AddedToken:
        """
        Raises:
            InputError: `saved` is not what `to_json` gives.
        """
        flags = ("special", "single_word", "lstrip", "rstrip", "normalized")
        if isinstance(saved, dict) and saved.keys() == {"id", "content", *flags}:
            token, content = saved["id"], saved["content"]
            is_id = type(token) is int and 0 <= token < vocab_size
            if is_id and isinstance(content, str) and content and all(type(saved[flag]) is bool for flag in flags):
                return cls(token, content, **{flag: saved[flag] for flag in flags})
        raise restoring.damaged(f"'added' should hold added tokens, found {str(saved)[:100]}")


class AddedTokens:
    """Finds added tokens in texts. Those that are special are told as text, unless they are asked for."""

    def __init__(
        self,
        tokens: Sequence[AddedToken],
        normalize: Callable[[str], str] = lambda text: text,
        special_too: bool = False,
    ) -> None:
        self._normalize = normalize
        plain, after = ([token for token in tokens if token.normalized is flag] for flag in (False, True))
        self._as_written = _Matcher([(token.content, token) for token in plain], special_too)
        self._normalized = _Matcher([(normalize(token.content), token) for token in after], special_too)

    def split(self, text: str) -> Iterator[Part]:
        """The text, normalised and in order, as added tokens and what stands between them."""
        for token, part in self._as_written.split(text):
            if token is not None:
                yield token, part
            else:
                yield from self._normalized.split(self._normalize(part))


class _Matcher:
    def __init__(self, tokens: Sequence[tuple[str, AddedToken]], special_too: bool) -> None:
        # Of tokens with one text the first counts, a special one before others.
        self._by_text: dict[str, AddedToken] = {}
        for text, token in sorted(tokens, key=lambda pair: not pair[1].special):
            if text:
                self._by_text.setdefault(text, token)
        self._special_too = special_too
        # A special token makes no cut, so without others there is nothing to look for.
        needed = any(special_too or not token.special for token in self._by_text.values())
        longest_first = sorted(self._by_text, key=len, reverse=True)
        self._pattern = regex.compile("|".join(map(regex.escape, longest_first))) if needed else None

    def split(self, text: str) -> Iterator[Part]:
        if self._pattern is None:
            if text:
                yield None, text
            return
        begun = 0
        for match in self._pattern.finditer(text):
            token = self._by_text[match[0]]
            start, stop = match.span()
            if (token.special and not self._special_too) or (token.single_word and _within_a_word(text, start, stop)):
                continue
            if token.lstrip:
                start = max(_SPACE_AT_END.search(text, 0, start).start(), begun)
            if token.rstrip:
                stop = _SPACE_AT_START.match(text, stop).end()
            if begun < start:
                yield None, text[begun:start]
            yield token.id, text[start:stop]
            begun = stop
        if begun < len(text):
            yield None, text[begun:]


def _within_a_word(text: str, start: int, stop: int) -> bool:
    return bool(_words().encode_ordinary(text[max(start - 1, 0) : start] + " " + text[stop : stop + 1]))


@cache
def _words() -> tiktoken.Encoding:
    """Finds characters of words, by the edition of Unicode that the library has."""
    return tiktoken.Encoding(
        "words", pat_str=r"\w", mergeable_ranks={bytes([byte]): byte for byte in range(256)}, special_tokens={}
    )
