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
from .family_marks import marks_beside
from .table import REPLACEMENT, TokenTable, without_surrogates
from .tokenizer_json import OtherPipelineError, added_tokens, byte_letters, check_marks

if TYPE_CHECKING:
    import tokenizers

_SPACE = "\u2581"


class LibraryTokenizer(TokenTable):
    """A tokenizer of the library. Ids are the library's; bytes of tokens are what its decoders make of them."""

    lossless = False

    def __init__(self, content: Mapping[str, Any], marks: Marks, vocab_size: int) -> None:
        """`content` is that of a `tokenizer.json`; ValueError if the library does not read it."""
        self._content = dict(content)
        self._tokenizer = _loaded(self._content)
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        unknown = self._content["model"].get("unk_token")
        unknown = self._content["model"].get("unk_id") if unknown is None else self._tokenizer.token_to_id(unknown)
        self.unknown: int | None = unknown if isinstance(unknown, int) and 0 <= unknown < vocab_size else None
        self._specials = {token.id: token.content for token in added_tokens(self._content) if token.special}
        self._added = {token.id: token.content for token in added_tokens(self._content)}
        self._written = _Writing(self._content)
        super().__init__([self._bytes_of(token) for token in range(vocab_size)], marks)

    def _bytes_of(self, token: int) -> bytes:
        if token == self.unknown:
            return REPLACEMENT.encode()
        text = self._tokenizer.id_to_token(token)
        if text is None or token in self._specials:
            return b""
        return without_surrogates(text).encode() if token in self._added else self._written.bytes_of(text)

    def encode(self, text: str) -> list[int]:
        """Ids of a text."""
        ids: list[int] = self._tokenizer.encode(without_surrogates(text), add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without special tokens and without the space that some put before every text."""
        text = super().decode(ids)
        return text.removeprefix(" ") if self._written.begins_with_space else text

    def label(self, token: int) -> str:
        """A token as people read it."""
        return self._specials.get(token) or super().label(token) or f"<unused {token}>"

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


class _Writing:
    """How the tokens of a file are written out."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        kinds = set(_types(content.get("decoder"))) | set(_types(content.get("pre_tokenizer")))
        self._letters = {letter: byte for byte, letter in enumerate(byte_letters())} if "ByteLevel" in kinds else {}
        model = content["model"]
        self._prefix = model.get("continuing_subword_prefix") if model.get("type") == "WordPiece" else None
        self._suffix = model.get("end_of_word_suffix") or None
        self._by_words = model.get("type") in ("WordPiece", "WordLevel")
        self._fallback = bool(model.get("byte_fallback"))
        self.begins_with_space = not self._letters
        """Whether words bring a space along, which the beginning of a text does without."""

    def bytes_of(self, text: str) -> bytes:
        if self._letters:
            if all(letter in self._letters for letter in text):
                return bytes(self._letters[letter] for letter in text)
            return text.encode()
        if self._fallback and len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
            return bytes([int(text[3:5], 16)])
        if self._prefix and text.startswith(self._prefix):
            return text.removeprefix(self._prefix).encode()
        if self._by_words:
            return f" {text}".encode()
        if self._suffix:
            return (text.removesuffix(self._suffix) + " " * text.endswith(self._suffix)).encode()
        return text.replace(_SPACE, " ").encode()


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


def _types(step: Any) -> list[str]:
    """The kinds of a step and of all within it."""
    if isinstance(step, list):
        return [kind for one in step for kind in _types(one)]
    if not isinstance(step, dict):
        return []
    return [str(step.get("type")), *(kind for value in step.values() for kind in _types(value))]
