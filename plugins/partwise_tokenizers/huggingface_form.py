"""Our tokenizers as a `tokenizer.json`, in the form of Hugging Face's tokenizers library.

That library gives an added token an id of its own only if it follows the vocabulary; so a special token that stands
among the others is in the vocabulary, too, where no text comes to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .added_tokens import AddedToken
from .byte_letters import byte_letters
from .published import splitter_of


def byte_pairs(
    tokens: Sequence[bytes | None],
    pattern: str,
    form: str | None,
    specials: Mapping[int, str],
    added: Sequence[AddedToken],
) -> dict[str, Any]:
    """Byte pairs by rank. tiktoken joins any two neighbours whose union is a token, the lowest first; so every such
    pair is a merge, and a pre-token that is a token becomes it at once."""
    letters = byte_letters()
    written = [None if token is None else "".join(letters[byte] for byte in token) for token in tokens]
    vocabulary = {text: rank for rank, text in enumerate(written) if text is not None}
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": True,
        "vocab": vocabulary,
        "merges": _all_pairs(vocabulary),
    }
    by_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    content = _content(model, vocabulary, specials, added)
    return {
        **content,
        "normalizer": None if form is None else {"type": form},
        "pre_tokenizer": splitter_of(pattern),
        "decoder": by_bytes,
    }


def by_words(
    tokens: Sequence[str],
    regex: str,
    unknown: int,
    specials: Mapping[int, str],
    normalizer: dict[str, Any] | None,
    decoder: dict[str, Any],
) -> dict[str, Any]:
    """Whole strings by their ids; a text is cut into what `regex` matches, and the rest is left out."""
    vocabulary = {token: rank for rank, token in enumerate(tokens)}
    names = {**specials, unknown: "<unk>"}
    content = _content({"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"}, vocabulary, names, [])
    vocabulary.setdefault("<unk>", unknown)
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Removed", "invert": True}
    return {**content, "normalizer": normalizer, "pre_tokenizer": split, "decoder": decoder}


def joining_words(closing: Iterable[str]) -> dict[str, Any]:
    """Puts a space before every word but those, and none at the very start."""
    marks = "".join(f"\\x{{{ord(mark):x}}}" for mark in sorted(closing))
    before = {"type": "Replace", "pattern": {"Regex": rf"\A(?!\A[{marks}]\z)"}, "content": " "}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    return {"type": "Sequence", "decoders": [before, {"type": "Fuse"}, strip]}


def _content(
    model: dict[str, Any], vocabulary: dict[str, int], specials: Mapping[int, str], added: Sequence[AddedToken]
) -> dict[str, Any]:
    listed = {token.id: token for token in added}
    taken = {*vocabulary, *(token.content for token in added)}
    for token, name in specials.items():
        if token not in listed:
            name = _free(name, taken)
            taken.add(name)
            listed[token] = AddedToken(token, name, special=True)
    for token in sorted(listed):
        if token < len(vocabulary) and listed[token].content not in vocabulary:
            vocabulary[listed[token].content] = token
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [listed[token].to_json() for token in sorted(listed)],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": model,
    }


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it that nothing else has."""
    found, count = name, 1
    while found in taken:
        count += 1
        found = f"{name} {count}"
    return found


def _all_pairs(vocabulary: Mapping[str, int]) -> list[list[str]]:
    """Both halves of every token that are tokens, by the id of their union."""
    pairs = []
    for text in sorted(vocabulary, key=vocabulary.__getitem__):
        halves = [(text[:cut], text[cut:]) for cut in range(1, len(text))]
        known = [pair for pair in halves if pair[0] in vocabulary and pair[1] in vocabulary]
        pairs += [list(pair) for pair in sorted(known, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))]
    return pairs
