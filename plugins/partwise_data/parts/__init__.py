"""The built-in data: the text of Python's library, the user's own files, and generated tasks.

Generated tasks are drawn from a seed of their own (the knob `seed`), not from the run's: the runs of a
study differ in their weights and batches, and learn from the same data.
"""

from __future__ import annotations

from .addition import AdditionOfNumbers
from .conversations import Chat, SmallTalk
from .formal_languages import FormalLanguages
from .grammar import Grammar
from .infilling import FillInTheMiddle
from .mixture import Mixture
from .pair_tasks import Copy, Dates, Reverse, Sort
from .probes import AddingProblem, Modular, Recall
from .relations import Relations
from .shards import Shards
from .shared import SAMPLES, Generated
from .shuffled import Shuffled
from .spans import SpanCorruption
from .texts import Library, Pairs, Text

PARTS = (
    Library,
    Text,
    Pairs,
    Chat,
    SmallTalk,
    Dates,
    Copy,
    Reverse,
    Sort,
    Recall,
    AddingProblem,
    AdditionOfNumbers,
    Modular,
    FormalLanguages,
    Grammar,
    Relations,
    Mixture,
    FillInTheMiddle,
    SpanCorruption,
    Shuffled,
    Shards,
)

__all__ = [
    "PARTS",
    "SAMPLES",
    "AddingProblem",
    "AdditionOfNumbers",
    "Chat",
    "Copy",
    "Dates",
    "FillInTheMiddle",
    "FormalLanguages",
    "Generated",
    "Grammar",
    "Library",
    "Mixture",
    "Modular",
    "Pairs",
    "Recall",
    "Relations",
    "Reverse",
    "Shards",
    "Shuffled",
    "SmallTalk",
    "Sort",
    "SpanCorruption",
    "Text",
]
