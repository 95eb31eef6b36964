"""The built-in models, embeddings and initializers."""

from __future__ import annotations

from .embeddings import Dense, OneHot, Segmented
from .initializers import Normal, Xavier
from .language_model import LanguageModelPart
from .seq2seq import Seq2SeqPart
from .word_vectors import WordVectorsPart

PARTS = (Dense, Segmented, OneHot, Normal, Xavier, LanguageModelPart, Seq2SeqPart, WordVectorsPart)

__all__ = [
    "PARTS",
    "Dense",
    "LanguageModelPart",
    "Normal",
    "OneHot",
    "Segmented",
    "Seq2SeqPart",
    "WordVectorsPart",
    "Xavier",
]
