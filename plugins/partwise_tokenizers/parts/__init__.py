"""The built-in tokenizers."""

from __future__ import annotations

from .byte_pairs import Bpe, Pattern, Tiktoken, TokenizerJson
from .characters_and_words import Char, Word
from .sentencepiece import SentencePiece, SentencePieceModel
from .shared import SAMPLES

PARTS = (Char, Word, Bpe, Tiktoken, TokenizerJson, SentencePiece, SentencePieceModel)

__all__ = [
    "PARTS",
    "SAMPLES",
    "Bpe",
    "Char",
    "Pattern",
    "SentencePiece",
    "SentencePieceModel",
    "Tiktoken",
    "TokenizerJson",
    "Word",
]
