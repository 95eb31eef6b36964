"""The fast encoder of byte pairs: gigatoken, which comes with `pip install 'partwise[fast]'`.

It remembers which tokens a pre-token becomes, and is some twenty times as fast as tiktoken. It is used only where it
gives the same ids: that is tried with texts that are hard to cut, and with the texts at hand. A text with a code point
that Python's edition of Unicode does not know is left to tiktoken, because the two follow different editions, and one
may take for a letter what the other does not.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from .huggingface_form import byte_pairs
from .published import splitter_of
from .table import Ids, joined

# As gigatoken writes the one pattern that it does not know in our way of writing it.
_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s+"
)
_TRIED = 300_000
"""Characters of the texts at hand that are tried."""
_CODE_POINTS = 0x110000


class RefusedError(Exception):
    """The fast encoder does not do; the message says why."""


class FastEncoder:
    """Encodes many texts at once, without holding Python's global lock."""

    def __init__(self, tokens: Sequence[bytes | None], pattern: str, slow: Callable[[str], list[int]]) -> None:
        """
        Args:
            tokens: by rank.
            pattern: name of the one that splits texts into pre-tokens.
            slow: encodes what is not known to be encoded alike.

        Raises:
            ImportError: gigatoken is not installed.
            RefusedError: it does not read such a tokenizer.
        """
        import gigatoken

        self._slow = slow
        content = byte_pairs(tokens, pattern, None, {}, [])
        if pattern == "cl100k":
            content["pre_tokenizer"] = json.loads(json.dumps(splitter_of(pattern)))
            content["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": _CL100K}
        try:
            self._backend = gigatoken.Tokenizer.from_json(json.dumps(content)).backend
        except Exception as error:  # it raises bare errors, for whatever it does not know
            raise RefusedError(f"it does not read it ({_first_line(error)})") from error

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Ids of all texts, one after the other, and the number of ids of each."""
        strange = [not text.isascii() and _is_strange(text) for text in texts]
        if not any(strange):
            return self._encode(texts)
        ids, lengths = self._encode([text for text, apart in zip(texts, strange, strict=True) if not apart])
        known = iter(np.split(ids, lengths.cumsum()[:-1]))
        several = zip(texts, strange, strict=True)
        return joined(np.array(self._slow(text), np.uint32) if apart else next(known) for text, apart in several)

    def _encode(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        # In one call: only that lets other threads run meanwhile, and may be called by several at once.
        found = self._backend.encode_batch(list(texts), parallel=False).layout
        offsets = np.asarray(found.offsets.data)
        return np.asarray(found.content.data)[offsets[0] : offsets[-1]], np.diff(offsets)

    def compare(self, texts: Sequence[str]) -> None:
        """
        Raises:
            RefusedError: one of the texts has other ids than the slow way gives.
        """
        ids, lengths = self.encode(texts)
        start = 0
        for text, length in zip(texts, lengths.tolist(), strict=True):
            if ids[start : start + length].tolist() != self._slow(text):
                raise RefusedError(f"it gives other ids for {text[:40]!r}")
            start += length


def fast_encoder(
    tokens: Sequence[bytes | None], pattern: str, encode: Callable[[str], list[int]], at_hand: Sequence[str]
) -> tuple[FastEncoder | None, str | None]:
    """The fast encoder, and None in its place if it is not installed or gives other ids than `encode`; then, too, why.

    Args:
        at_hand: texts that are to be encoded.
    """
    try:
        encoder = FastEncoder(tokens, pattern, encode)
        encoder.compare(hard_texts())
        encoder.compare(_some(at_hand))
    except ImportError:
        return None, None
    except RefusedError as reason:
        return (
            None,
            f"gigatoken is not used for this tokenizer: {reason}. tiktoken takes its place, some 20 times slower",
        )
    return encoder, None


def _some(texts: Sequence[str]) -> list[str]:
    """The first of them."""
    some: list[str] = []
    size = 0
    for text in texts:
        if size >= _TRIED:
            break
        some.append(text[: _TRIED - size])
        size += len(some[-1])
    return some


@cache
def hard_texts() -> tuple[str, ...]:
    """Texts on which encoders may differ: what is at the edge of each class of characters, in places where classes
    matter; long runs; and what is special to some tokenizer."""
    kinds = _kinds()
    changes = np.flatnonzero(kinds[1:] != kinds[:-1])
    edges = np.union1d(changes, changes + 1)
    signs = map(chr, edges[~np.isin(kinds[edges], _APART)].tolist())
    cut = "".join(f"a{sign}b {sign}1{sign}\n{sign}{sign} '{sign}s. {sign}\t {sign}A{sign}" for sign in signs)
    runs = (
        " " * 25_000 + "x",
        "\n" * 20_001 + " y",
        "\n \r\n" * 5_000,
        "\u3000" * 11_000 + "漢",
        "a" * 3_000,
        "7" * 3_001,
    )
    contractions = " ".join(f"{letter}'{end}{letter}" for letter in ("I", "x", "é", "1", " ") for end in _ENDINGS)
    named = "<|endoftext|> <|end|> <s></s> <unk> <0x0A> <|im_start|> \ufeff\x00\x01 e\u0301 👩‍👩‍👧"
    return ("", " ", "\n", cut, *runs, contractions, named)


@cache
def _kinds() -> Ids:
    """The category of each code point, of two letters."""
    return np.frombuffer("".join(map(unicodedata.category, map(chr, range(_CODE_POINTS)))).encode(), "S2")


@cache
def _is_unknown() -> Ids:
    """Whether a code point has no meaning yet, for each."""
    return _kinds() == b"Cn"


def _is_strange(text: str) -> bool:
    """Whether there is a code point without a meaning in a text."""
    others = text.encode().translate(None, _ASCII).decode()
    return bool(_is_unknown()[np.frombuffer(others.encode("utf-32-le"), "<u4")].any())


_ASCII = bytes(range(128))
_APART = (b"Cn", b"Cs")
_ENDINGS = ("s", "S", "t", "re", "RE", "ve", "Ve", "m", "ll", "LL", "d", "ſ", "K", "sd", "l")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no details"])[0][:120]
