"""The built-in tokenizers."""

from __future__ import annotations

from .byte_pairs import Bpe, Pattern, Tiktoken, TokenizerJson
from .characters_and_words import Char, Word
from .sentencepiece import SentencePiece
from .shared import SAMPLES

PARTS = (Char, Word, Bpe, Tiktoken, TokenizerJson, SentencePiece)

__all__ = ["PARTS", "SAMPLES", "Bpe", "Char", "Pattern", "SentencePiece", "Tiktoken", "TokenizerJson", "Word"]
