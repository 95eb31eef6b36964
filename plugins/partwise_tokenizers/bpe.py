"""Byte-level byte-pair encoding: every text has ids, and frequent strings need few of them.

Radford et al., "Language models are unsupervised multitask learners" (GPT-2, 2019). The merging itself is done
by tiktoken, which always joins the neighbours whose union has the lowest rank. That repeats the training:
only one merge can ever make a given string of bytes, the first that did. Large data is encoded by gigatoken, where
that is installed and gives the same ids.
"""

from __future__ import annotations

import base64
import re
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import regex
import tiktoken

from partwise.data import Marks

from . import family_marks, restoring
from .added_tokens import AddedToken, AddedTokens
from .merge_steps import merge_steps
from .patterns import LONGEST_SPACE, PATTERNS, whole_pattern
from .table import Ids, TokenTable, joined, without_surrogates

if TYPE_CHECKING:
    from .fast import FastEncoder

Form = Literal["NFC"]
"""Forms of Unicode that texts may be put into."""
FORMS = get_args(Form)
_LONG_SPACE = re.compile(rf"\s{{{LONGEST_SPACE}}}")
_NEVER = {"\ufdd0never\ufdd0": 1 << 31}
"""A special token that no text is ever asked for, because tiktoken makes arrays slowly if there is none."""
_WORTH_IT = (4_000_000, 200)
"""Characters to encode, and some more for each token of the vocabulary, that make up for the time it takes to make the
fast encoder."""
_MAKING = Lock()
_MOST_COPIED = 1 << 16
"""Tokens of which each thread may have a table of its own, which takes some 200 bytes for each."""

BYTES = tuple(bytes([byte]) for byte in range(256))


class BytePairTokenizer(TokenTable):
    """Tokens by rank, then the end token. The rank is the id; an unused rank is None and adds nothing to a text, unless
    it is that of an added token."""

    def __init__(
        self,
        tokens: Sequence[bytes | None],
        pattern: str,
        marks: Marks | None = None,
        specials: Mapping[int, str] = MappingProxyType({}),
        form: Form | None = None,
        added: Sequence[AddedToken] = (),
    ) -> None:
        """`tokens` must be distinct and hold every single byte; `pattern` names the one of `PATTERNS` that
        splits texts into pre-tokens.
        `marks`, if given, say which rank that is None stands for the end token, in place of one more id. `specials`
        are the names of ranks that are None; no text encodes to them. Texts are put into Unicode's `form` first, and
        those that were in another come back in that one. `added` tokens are found in a text before it is split."""
        written = {token.id: without_surrogates(token.content).encode() for token in added if not token.special}
        super().__init__([token or written.get(rank, b"") for rank, token in enumerate(tokens)], marks)
        self.lossless = form is None and not any(token.lstrip or token.rstrip for token in added if not token.special)
        self._tokens, self._pattern, self._specials = list(tokens), pattern, dict(specials)
        self._form, self._added = form, list(added)
        self._finder = AddedTokens(self._added, self._normalized) if written else None
        ranks = {token: rank for rank, token in enumerate(tokens) if token is not None}
        make = partial(_table, pattern, ranks)
        self._tables = _Tables(make if len(tokens) <= _MOST_COPIED else cache(make))
        self._fast: FastEncoder | None = None
        self._characters, self._is_decided = 0, False
        self.encoding_note: str | None = None
        """Why the fast encoder is not used, once it has been tried and refused."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        text = without_surrogates(text)
        return self._encoded(self._normalized(text)) if self._finder is None else self._found(self._finder, text)

    def encode_array(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Ids of all texts, one after the other, and the number of ids of each."""
        if self._finder is not None:
            return joined(np.array(self.encode(text), np.uint32) for text in texts)
        texts = [self._normalized(without_surrogates(text)) for text in texts]
        fast = self._fast_encoder(texts)
        return joined(map(self._encoded_array, texts)) if fast is None else fast.encode(texts)

    def _fast_encoder(self, texts: Sequence[str]) -> FastEncoder | None:
        """The fast encoder, made once there is so much to encode that it is worth it."""
        if self._is_decided:
            return self._fast
        self._characters += sum(map(len, texts))
        if self._characters >= _WORTH_IT[0] + _WORTH_IT[1] * self.vocab_size and _MAKING.acquire(blocking=False):
            from .fast import fast_encoder

            try:
                if not self._is_decided:
                    found = fast_encoder(self._tokens, self._pattern, self._encoded, texts)
                    self._fast, self.encoding_note = found
                    self._is_decided = True
            finally:
                _MAKING.release()
        return self._fast

    def encode_special(self, text: str) -> list[int]:
        """Ids of a text in which the names of special tokens are those tokens."""
        listed, names = {token.id for token in self._added}, {self.end: self.label(self.end), **self._specials}
        named = [AddedToken(token, name, special=True) for token, name in names.items() if token not in listed]
        finder = AddedTokens([*self._added, *named], self._normalized, special_too=True)
        return self._found(finder, without_surrogates(text))

    def _found(self, finder: AddedTokens, text: str) -> list[int]:
        ids: list[int] = []
        for token, part in finder.split(text):
            ids += self._encoded(part) if token is None else [token]
        return ids

    def merge_steps(self, text: str) -> list[tuple[str, list[list[str]]]]:
        """Each word that the text is split into, with its pieces at first, which are bytes, and after each merge."""
        return merge_steps(self._normalized(without_surrogates(text)), self._pattern, self._tokens)

    def _encoded_array(self, text: str) -> Ids:
        if _has_long_space(text):
            return np.array(self._encoded(text), np.uint32)
        return self._tables.encoding.encode_to_numpy(text, disallowed_special=())

    def _encoded(self, text: str) -> list[int]:
        if not _has_long_space(text):
            return self._tables.encoding.encode_ordinary(text)
        # The pattern that tiktoken runs cuts white space that is as long.
        pre_tokens = regex.findall(whole_pattern(self._pattern), text)
        return [token for pre_token in pre_tokens for token in self._tables.encoding._encode_single_piece(pre_token)]

    def _normalized(self, text: str) -> str:
        return text if self._form is None else unicodedata.normalize(self._form, text)

    def label(self, token: int) -> str:
        """A token as people read it; special tokens have the names that their file gives them."""
        return self._specials.get(token) or super().label(token) or f"<unused {token}>"

    def to_tokenizer_json(self) -> dict[str, Any]:
        """The tokenizer in the form of Hugging Face's tokenizers library."""
        from .huggingface_form import byte_pairs

        return byte_pairs(self._tokens, self._pattern, self._form, self.special_names(), self._added)

    def to_json(self) -> dict[str, Any]:
        """The name of the pattern, and the tokens by rank in base64; if there are any, what begins and ends texts, the
        names of special tokens, the form that texts are put into, and added tokens."""
        tokens = [None if token is None else base64.b64encode(token).decode() for token in self._tokens]
        own_end: dict[str, Any] = {"end": self.end} if self.end < len(tokens) else {}
        if own_end and self.marks != Marks.plain(self.end):
            own_end["marks"] = family_marks.to_json(self.marks)
        specials = {"specials": {str(token): name for token, name in self._specials.items()}} if self._specials else {}
        form = {} if self._form is None else {"form": self._form}
        added = {"added": [token.to_json() for token in self._added]} if self._added else {}
        return {"pattern": self._pattern, "tokens": tokens, **own_end, **specials, **form, **added}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_json, (self.to_json(),)  # a thread's table cannot be sent to another process

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
        form = saved.get("form")
        if "form" in saved and form not in FORMS:
            raise restoring.damaged(f"'form' should be one of {', '.join(FORMS)} or left out, found {form!r}")
        return cls(
            tokens, pattern, _marks(saved, end, len(tokens)), _specials(saved, tokens), form, _added(saved, tokens)
        )


class _Tables(threading.local):
    """What tiktoken encodes with: a table for each thread, because threads that share one hinder each other at every
    pre-token. Large ones are shared all the same, for the sake of memory."""

    def __init__(self, make: Callable[[], tiktoken.Encoding]) -> None:
        self.encoding = make()  # in each thread anew, when it first looks


def _table(pattern: str, ranks: dict[bytes, int]) -> tiktoken.Encoding:
    table = tiktoken.Encoding("partwise", pat_str=PATTERNS[pattern], mergeable_ranks=ranks, special_tokens=_NEVER)
    # The thread that uses it first is served before the others, which is worst if it encodes at the same time as they.
    table.encode_ordinary(" a 1!  \n")
    return table


def _has_long_space(text: str) -> bool:
    """Whether there is so much white space that the pattern which tiktoken runs would cut it."""
    half = LONGEST_SPACE // 2  # of a run that is as long, one of these stretches is all white space
    return any(
        text[start : start + half].isspace() for start in range(0, len(text) - LONGEST_SPACE + 1 + half, half)
    ) and (_LONG_SPACE.search(text) is not None)


def _marks(saved: dict[str, Any], end: int | None, count: int) -> Marks | None:
    if "marks" not in saved:
        return None if end is None else Marks.plain(end)
    marks = family_marks.from_json(saved, count)
    if marks.end != end:
        raise restoring.damaged(f"'marks' should have the end {end}, found {marks.end}")
    return marks


def _added(saved: dict[str, Any], tokens: list[bytes | None]) -> list[AddedToken]:
    listed = restoring.field(saved, "added", list) if "added" in saved else []
    return [AddedToken.from_json(one, len(tokens)) for one in listed]


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
