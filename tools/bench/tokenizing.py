"""The tokenizer rows: byte-level BPE on 10 MB of the source of Python's standard library."""

from __future__ import annotations

import sysconfig
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from measuring import Measure, one_by_one
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from partwise.parts import TokenizerPart, TokenizerSite, resolve_part

VOCABULARY, SIZE = 4096, 10_000_000


@cache
def _texts() -> list[str]:
    texts, size = [], 0
    for file in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if size >= SIZE or "site-packages" in file.parts:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        texts.append(text)
        size += len(text.encode())
    return texts


def _megabytes() -> float:
    return sum(len(text.encode()) for text in _texts()) / 1e6


def _train_ours() -> Any:
    return resolve_part(TokenizerPart, {"use": "bpe", "vocab_size": VOCABULARY}).assemble(
        TokenizerSite(lambda: _texts())
    )


def _train_theirs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_texts(), trainer)
    return tokenizer


def _rate(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return _megabytes() / (time.perf_counter() - start)


def training() -> Measure:
    """Both learn a vocabulary of the same size from the same texts; the peer uses every core."""
    _texts()
    return one_by_one(lambda: (_rate(_train_ours), _rate(_train_theirs)))


def encoding() -> Measure:
    """Both encode the same texts, one after the other, with their own vocabulary of the same size."""
    ours, theirs = _train_ours(), _train_theirs()
    return one_by_one(
        lambda: (
            _rate(lambda: [ours.encode(text) for text in _texts()]),
            _rate(lambda: [theirs.encode(text).ids for text in _texts()]),
        )
    )


def encoding_in_batches() -> Measure:
    """The same, the peer with every core at once: what it can do at best against one text after the other."""
    ours, theirs = _train_ours(), _train_theirs()
    return one_by_one(
        lambda: (
            _rate(lambda: [ours.encode(text) for text in _texts()]),
            _rate(lambda: [encoding.ids for encoding in theirs.encode_batch(_texts())]),
        )
    )
