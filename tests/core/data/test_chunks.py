"""Whatever the texts, the chunks and the threads: the arrays are those of a plain loop over the pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partwise import PartError
from partwise.data import EncodedSplit, Example, Piece, chunks, encode

from .texts import END, Bytes, Texts

Form = Literal["stream", "examples"]


class Arrays(Bytes):
    """The same ids, as arrays."""

    def encode_array(self, texts: Sequence[str]) -> tuple[Any, Any]:
        ids = [self.encode(text) for text in texts]
        return np.array([token for one in ids for token in one], np.uint16), np.array(list(map(len, ids)), np.int64)


class Forgetful(Bytes):
    """Puts texts into lower case."""

    lossless = False

    def encode(self, text: str) -> list[int]:
        return super().encode(text.lower())


def by_hand(examples: Sequence[Example], form: Form, tokenizer: Bytes) -> dict[str, Any]:
    """One piece after the other, as the words of `EncodedSplit` say."""
    tokens, scored, bounds, cuts, labels = [END], [False], [0], [], []
    count = text_bytes = unknowns = 0
    lossless, texts = True, hashlib.sha256()
    flags: list[tuple[bool, int]] = []
    for example in [*examples, None]:
        for piece in example.pieces if example else ():
            is_target = piece.scored or form == "stream"
            ids, raw = tokenizer.encode(piece.text), piece.text.encode("utf-8", "surrogatepass")
            texts.update((f"{int(is_target)} {len(raw)} " if piece.read else f"label {len(raw)} ").encode() + raw)
            flags.append((is_target and piece.read, len(tokens)))
            if not piece.read:
                labels.append(len(tokens))
            tokens += ids
            scored += [is_target] * len(ids)
            if is_target:
                count, text_bytes = count + len(ids), text_bytes + len(raw)
                unknowns += ids.count(257) if tokenizer.unknown else 0
            lossless &= tokenizer.decode(ids).encode() == raw or tokenizer.lossless
        if (flags and example is None) or (example is not None and example.ends):
            targets = [flag for flag, _ in flags]
            is_pair = len(set(targets)) == 2 and targets == sorted(targets)
            cuts.append(flags[targets.index(True)][1] if is_pair else -1)
            bounds.append(len(tokens))
            tokens.append(END)
            scored.append(not flags or flags[-1][0])
            count += scored[-1]
            texts.update(b"end ")
            flags = []
    more = {"scored": scored, "bounds": bounds, "cuts": cuts} if form == "examples" else {}
    facts = {"scored_tokens": count, "text_bytes": text_bytes, "unknowns": unknowns, "lossless": lossless}
    return {
        "tokens": tokens,
        "scored": None,
        "bounds": None,
        "cuts": None,
        "labels": labels if form == "examples" else None,
        **more,
        **facts,
        "data_hash": texts.hexdigest(),
    }


def plain(encoded: EncodedSplit) -> dict[str, Any]:
    names = ("tokens", "scored", "bounds", "cuts", "labels", "scored_tokens", "text_bytes", "unknowns", "lossless")
    found = {name: getattr(encoded, name) for name in (*names, "data_hash")}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}


texts = st.text(max_size=8)
pieces = st.builds(Piece, texts, st.booleans())
labelled = st.just((Piece("k", scored=False), Piece("v", read=False), Piece("l", scored=False)))
streams = st.lists(st.builds(Example, st.lists(pieces, max_size=3).map(tuple), st.booleans()), max_size=12)
examples = st.lists(st.builds(Example, st.lists(pieces, max_size=3).map(tuple) | labelled), max_size=12)


@pytest.mark.parametrize("form", ["stream", "examples"])
@given(drawn=st.data(), size=st.sampled_from([1, 5, 20, 1000]), workers=st.sampled_from(["1", "3"]))
@settings(deadline=None, max_examples=40)
def test_arrays_are_those_of_a_plain_loop(form: Form, drawn: st.DataObject, size: int, workers: str) -> None:
    given_texts = drawn.draw(streams if form == "stream" else examples)
    kind = drawn.draw(st.sampled_from([Bytes, Arrays, Forgetful]))
    tokenizer = kind(b"ae") if drawn.draw(st.booleans()) and kind is not Forgetful else kind()
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as place:
        patch.setattr(chunks, "CHUNK", size)
        patch.setenv("PARTWISE_WORKERS", workers)
        found = plain(encode(Texts(given_texts, form), tokenizer, "train", Path(place)))
    assert found == by_hand(given_texts, form, tokenizer)


def test_a_tokenizer_that_gives_ids_beyond_its_vocabulary_is_named(tmp_path: Path) -> None:
    class Wrong(Arrays):
        vocab_size = 100
        end = 99

    with pytest.raises(PartError, match=r"gives the id 122, and has a vocabulary of 100"):
        encode(Texts([Example((Piece("xyz"),))]), Wrong(), "train", tmp_path)


def test_a_tokenizer_whose_arrays_do_not_add_up_is_named(tmp_path: Path) -> None:
    class Wrong(Arrays):
        def encode_array(self, texts: Sequence[str]) -> tuple[Any, Any]:
            ids, lengths = super().encode_array(texts)
            return ids[1:], lengths

    with pytest.raises(PartError, match=r"encode_array gives 2 ids in 1 texts of 1"):
        encode(Texts([Example((Piece("xyz"),))]), Wrong(), "train", tmp_path)
