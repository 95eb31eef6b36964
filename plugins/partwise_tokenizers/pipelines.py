"""What the steps of a `tokenizer.json` do to texts: the bytes of its tokens, and whether every text comes back.

The steps are those of Hugging Face's tokenizers library. Radford et al. 2019 for letters that stand for bytes; Kudo and
Richardson 2018 for U+2581 in place of a space, and bytes for what has no piece; Devlin et al. 2019 for word pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .byte_letters import byte_letters

SPACE = "\u2581"
_APART = "\ufdd0"
"""Not a character of any text, by the Unicode standard."""
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
_CUTS = ("Split", "Digits", "Punctuation", "UnicodeScripts")
"""Steps that cut a text and, unless they say so, take nothing away."""


class Writing:
    """How the tokens of a file are written out."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        kinds = {str(step.get("type")) for key in ("decoder", "pre_tokenizer") for step in steps(content.get(key))}
        model = content["model"]
        self._letters = {letter: byte for byte, letter in enumerate(byte_letters())} if "ByteLevel" in kinds else {}
        self._prefix = model.get("continuing_subword_prefix") if model.get("type") == "WordPiece" else None
        self._suffix = model.get("end_of_word_suffix") or None
        self._by_words = model.get("type") in ("WordPiece", "WordLevel")
        self._fallback = bool(model.get("byte_fallback"))
        self.begins_with_space = self._by_words or any(map(_takes_first_space, steps(content.get("decoder"))))
        """Whether texts get a space in front, which decoding takes away again."""
        self.keeps_everything = bool(self._letters) and _keeps_everything(content, self._letters)
        """Whether every text comes back as it was; False where that is not certain."""
        bytes_spelled = {f"<0x{byte:02X}>" for byte in range(256)} if self._fallback else set(self._letters)
        self.knows_every_text = bool(bytes_spelled) and not self._by_words and bytes_spelled <= _pieces(model)
        """Whether nothing is ever unknown."""

    def bytes_of(self, text: str) -> bytes:
        """What a token of the vocabulary adds to a text."""
        if self._letters:
            if all(letter in self._letters for letter in text):
                return bytes(self._letters[letter] for letter in text)
            return text.encode()
        if self._fallback and (spelled := _BYTE.fullmatch(text)):
            return bytes([int(spelled[1], 16)])
        if self._prefix and text.startswith(self._prefix):
            return text.removeprefix(self._prefix).encode()
        if self._by_words:
            return f" {text}".encode()
        if self._suffix:
            return (text.removesuffix(self._suffix) + " " * text.endswith(self._suffix)).encode()
        return text.replace(SPACE, " ").encode()


def with_specials_apart(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The content with special tokens under names in the model's vocabulary that no text has; None if that is it as is.

    A model that looks whole words or pieces up in its vocabulary would find the names of special tokens in texts. The
    library then gives these tokens ids of its own, after the vocabulary.
    """
    model = content["model"]
    if model.get("type") not in ("Unigram", "WordLevel", "WordPiece"):
        return None
    special = {token["content"] for token in content.get("added_tokens") or [] if token.get("special", True)}
    special.discard(model.get("unk_token"))
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        if not special & vocabulary.keys():
            return None
        apart: Any = {_APART * (name in special) + name: token for name, token in vocabulary.items()}
    else:
        if not special & {name for name, _ in vocabulary}:
            return None
        kept = model.get("unk_id")
        apart = [
            [_APART * (name in special and token != kept) + name, score]
            for token, (name, score) in enumerate(vocabulary)
        ]
    return {**content, "model": {**model, "vocab": apart}}


def steps(step: Any) -> Iterator[Mapping[str, Any]]:
    """A step, or the steps of a sequence, in order."""
    if not isinstance(step, dict):
        return
    if step.get("type") != "Sequence":
        yield step
        return
    for several in ("normalizers", "pretokenizers", "processors", "decoders"):
        for one in step.get(several) or []:
            yield from steps(one)


def _pieces(model: Mapping[str, Any]) -> set[str]:
    """All tokens of a model, which some files list with a score each."""
    vocabulary = model["vocab"]
    return set(vocabulary) if isinstance(vocabulary, dict) else {str(piece[0]) for piece in vocabulary}


def _takes_first_space(decoder: Mapping[str, Any]) -> bool:
    match decoder:
        case {"type": "Metaspace", "prepend_scheme": str(scheme)}:
            return scheme != "never"
        case {"type": "Metaspace"}:
            return bool(decoder.get("add_prefix_space", True))
        case {"type": "Strip", "content": " ", "start": int(start)}:
            return start > 0
    return False


def _keeps_everything(content: Mapping[str, Any], letters: Mapping[str, int]) -> bool:
    """Whether these are byte pairs of all of a text, as it stands."""
    model, cuts = content["model"], list(steps(content.get("pre_tokenizer")))
    added = [token for token in content.get("added_tokens") or [] if not token.get("special", True)]
    whole_pieces = not any(model.get(key) for key in ("continuing_subword_prefix", "end_of_word_suffix"))
    return (
        model.get("type") == "BPE"
        and whole_pieces
        and not list(steps(content.get("normalizer")))
        and letters.keys() <= model["vocab"].keys()
        and not any(token.get("lstrip") or token.get("rstrip") for token in added)
        and cuts[-1:] != []
        and all(_only_cuts(cut) for cut in cuts[:-1])
        and cuts[-1].get("type") == "ByteLevel"
        and not cuts[-1].get("add_prefix_space", True)
    )


def _only_cuts(step: Mapping[str, Any]) -> bool:
    return step.get("type") in _CUTS and step.get("behavior") != "Removed"
