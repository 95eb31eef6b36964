"""Tokenizers of other kinds from a `tokenizer.json`: WordPiece, Unigram, and all that is not read here, by Hugging
Face's own library. It is not installed with partwise, but by `pip install 'partwise[tokenizers]'`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise import PartError
from partwise.data import Marks

from . import family_marks, restoring
from .family_marks import around, marks_beside
from .merging import OtherPipelineError
from .pipelines import Writing, with_specials_apart
from .table import REPLACEMENT, TokenTable, without_surrogates
from .tokenizer_json import added_tokens, check_marks

if TYPE_CHECKING:
    import tokenizers


class LibraryTokenizer(TokenTable):
    """A tokenizer of the library. Ids are the library's; bytes of tokens are what its decoders make of them."""

    def __init__(self, content: Mapping[str, Any], marks: Marks, vocab_size: int) -> None:
        """`content` is that of a `tokenizer.json`; ValueError if the library does not read it."""
        self._content = dict(content)
        self._tokenizer = found = _loaded(self._content)
        self._names = {token: name for name, token in found.get_vocab(with_added_tokens=True).items()}
        self._own: dict[int, int] = {}
        if (guarded := with_specials_apart(self._content)) is not None:
            self._tokenizer = _loaded(guarded)
            added = ((token.id, self._tokenizer.token_to_id(token.content)) for token in added_tokens(self._content))
            self._own = {there: token for token, there in added if there is not None}
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._written = Writing(self._content)
        self.lossless = self._written.keeps_everything
        self.unknown = None if self._written.knows_every_text else self._unknown(vocab_size)
        self._specials = {token.id: token.content for token in added_tokens(self._content) if token.special}
        self._added = {token.id: token.content for token in added_tokens(self._content)}
        super().__init__([self._bytes_of(token) for token in range(vocab_size)], marks)

    def _unknown(self, vocab_size: int) -> int | None:
        model = self._content["model"]
        named = model.get("unk_token")
        unknown = model.get("unk_id") if named is None else self._tokenizer.token_to_id(str(named))
        return unknown if type(unknown) is int and 0 <= unknown < vocab_size else None

    def _bytes_of(self, token: int) -> bytes:
        if token == self.unknown:
            return REPLACEMENT.encode()
        text = self._names.get(token)
        if text is None or token in self._specials:
            return b""
        return without_surrogates(text).encode() if token in self._added else self._written.bytes_of(text)

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        ids: list[int] = self._tokenizer.encode(without_surrogates(text), add_special_tokens=False).ids
        return [self._own.get(token, token) for token in ids] if self._own else ids

    def encode_special(self, text: str) -> list[int]:
        """Ids of a text in which the names of special tokens are those tokens."""
        self._tokenizer.encode_special_tokens = False
        try:
            return self.encode(text)
        finally:
            self._tokenizer.encode_special_tokens = True

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens and without the space that some put before every text."""
        text = super().decode(ids)
        return text.removeprefix(" ") if self._written.begins_with_space else text

    def label(self, token: int) -> str:
        """A token as people read it."""
        return self._specials.get(token) or super().label(token) or f"<unused {token}>"

    def to_tokenizer_json(self) -> dict[str, Any]:
        """The content of the file; what puts marks around a text is left out where other files said otherwise."""
        said = around(self._content, {}, {name: token for token, name in self._names.items()})
        agrees = said == (self.marks.before_prompt, self.marks.after_source)
        content: dict[str, Any] = json.loads(json.dumps(self._content))
        return content if agrees else {**content, "post_processor": None}

    def to_json(self) -> dict[str, Any]:
        """The content of the file, what begins and ends texts, and the number of ids."""
        return {"library": self._content, "marks": family_marks.to_json(self.marks), "vocab_size": self.vocab_size}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> LibraryTokenizer:
        """The tokenizer that `to_json` described.

        Raises:
            InputError: `saved` is not what `to_json` gives, or the library is not installed.
        """
        content, size = restoring.field(saved, "library", dict), restoring.field(saved, "vocab_size", int)
        marks = family_marks.from_json(saved, size)
        try:
            return cls(content, marks, size)
        except ImportError as error:
            raise PartError(f"this tokenizer is read by Hugging Face's library; {_INSTALL}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise restoring.damaged(f"the tokenizers library does not read it ({error})") from error


_INSTALL = "install it with: pip install 'partwise[tokenizers]'"


def read_by_library(
    path: Path, content: Mapping[str, Any], end: int | None, vocab_size: int | None, reason: OtherPipelineError
) -> LibraryTokenizer:
    """The tokenizer of a file that `read_tokenizer_json` does not read, for a `reason`.

    Raises:
        PartError: the library is not installed, or does not read it either.
    """
    if content["model"].get("dropout"):
        raise reason
    try:
        found = _loaded(content)
        added = added_tokens(content)
    except ImportError:
        raise PartError(f"{reason}. Hugging Face's own library would read it; {_INSTALL}") from reason
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PartError(f"{reason}. Hugging Face's own library does not read it either: {error}") from error
    for token in added:
        if (own := found.token_to_id(token.content)) != token.id:
            raise PartError(
                f"file: {path} gives its added token {token.content!r} the id {token.id}, where the tokenizers library "
                f"counts to {own}; a file with gaps between its ids is not read"
            )
    names = found.get_vocab(with_added_tokens=True)
    count = max(names.values(), default=-1) + 1
    size = count if vocab_size is None else vocab_size
    if not count <= size <= count + 1_000_000:
        raise PartError(f"vocab_size: {path} has {count} ids, and {size} are asked for; leave vocab_size out")
    marks = marks_beside(path, content, names, end)
    check_marks(marks, size, path)
    if not any(token.special and token.id == marks.end for token in added):
        raise PartError(f"end: {marks.end} is no special token of {path}")
    return LibraryTokenizer(content, marks, size)


def _loaded(content: Mapping[str, Any]) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises bare exceptions, for whatever it finds
        raise ValueError(str(error)) from error
