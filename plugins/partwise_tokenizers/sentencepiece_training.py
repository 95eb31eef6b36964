"""Trains SentencePiece models that keep every text as it is.

By default, SentencePiece drops newlines, folds spaces, normalises, and begins every text with a space. Here it
does none of these, and newline and tab are tokens of their own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import sentencepiece

from partwise import PartError

from .sentencepiece_model import SentencePieceTokenizer
from .table import without_surrogates

LONGEST = 100_000
"""Characters of a training sentence; longer lines are cut, because SentencePiece would skip them."""

# Characters that end a sentence: those with tokens of their own, and those that SentencePiece reserves.
_BETWEEN_SENTENCES = re.compile("[\n\t\u2581\u2585]")


def train_sentencepiece(
    texts: Iterable[str],
    model_type: Literal["bpe", "unigram"],
    vocab_size: int,
    byte_fallback: bool,
    character_coverage: float,
) -> SentencePieceTokenizer:
    """Trains a model of `vocab_size` ids, the end token included; the same texts give the same model.

    Raises:
        PartError: the texts are too small, or too varied, for the vocabulary.
    """
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_sentences(texts),
            model_writer=written,
            model_type=model_type,
            vocab_size=vocab_size - 1,
            byte_fallback=byte_fallback,
            character_coverage=character_coverage,
            user_defined_symbols=["\n", "\t"],
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            max_sentence_length=4 * LONGEST,
            num_threads=1,  # the unigram model depends on the order of sums, and so on the number of threads
            minloglevel=4,
        )
    except RuntimeError as error:
        raise PartError(_advice(str(error), vocab_size)) from error
    return SentencePieceTokenizer(written.getvalue())


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for line in _BETWEEN_SENTENCES.split(without_surrogates(text)):
            yield from (line[start : start + LONGEST] for start in range(0, len(line), LONGEST))


def _advice(problem: str, vocab_size: int) -> str:
    """SentencePiece's complaint in terms of the part's knobs; sizes count the end token."""
    if too_high := re.search(r"value <= (\d+)", problem):
        largest = int(too_high[1]) + 1
        return f"vocab_size {vocab_size} is more than these texts can fill; {largest} is the largest that works"
    if too_low := re.search(r"(\d+) vs (\d+)", problem):
        smallest = int(too_low[2]) + 1
        return (
            f"vocab_size {vocab_size} has no room for the characters of these texts; give at least {smallest}, "
            "or lower character_coverage"
        )
    if "sentences_.empty()" in problem:
        return "there is no text to train on: the training split is empty"
    return f"SentencePiece could not be trained: {problem}"
