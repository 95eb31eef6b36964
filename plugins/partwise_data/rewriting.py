"""Running text that is changed at random: document by document, or stretch by stretch of long ones.

What is drawn for a stretch depends on its text and a seed alone, so that a document is always changed in the same way,
whatever stands beside it. To see it changed in several ways, the training split is gone through several times.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Protocol

from partwise import PartError
from partwise.data import Data, Example, Member, Piece, Split

from .drawing import Draw
from .mixing import MixedTexts
from .splits import digest

Unit = Literal["word", "character"]
Cut = Callable[[str, int], int | None]
"""Where the stretch ends that begins at a place of a text; None if the rest of the text is not longer than one."""
WORD = re.compile(r"\S+")
_WORD_WITH_SPACE = re.compile(r"\s*\S+\s*")


class Rewriter(Protocol):
    """How a stretch of text is changed: a frozen dataclass, whose fields are all that decides it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def closes(self) -> bool:
        """Whether a stretch that was changed is a text by itself."""
        ...

    def rewrite(self, text: str, draw: Draw) -> tuple[Piece, ...] | None:
        """What becomes of a stretch; None if it stays as it is."""
        ...


@dataclass(frozen=True)
class Plan:
    """How often and where texts are changed."""

    seed: int
    copies: int = 1
    """Times that the training split is gone through, each time with other random numbers."""
    plain: bool = False
    """Whether what is held out stays as it is."""
    cut: Cut | None = None
    """Where long documents are cut into stretches; None: nowhere."""
    facts: tuple[Any, ...] = ()
    """What the places of the cuts depend on."""


class Rewritten:
    """Texts of other data, changed."""

    def __init__(self, data: Data, rewriter: Rewriter, plan: Plan, form: Literal["stream", "examples"]) -> None:
        self.data, self.rewriter, self.plan, self.form = data, rewriter, plan, form

    def examples(self, split: Split) -> Iterator[Example]:
        if self.plan.plain and split != "train":
            yield from self.data.examples(split)
            return
        for copy in range(self.plan.copies if split == "train" else 1):
            yield from self._rewritten(split, copy)

    def _rewritten(self, split: Split, copy: int) -> Iterator[Example]:
        held: tuple[Piece, ...] = ()
        closed = True
        """Of what is held back until it is known whether the stretch after it begins a text."""
        for text, last in stretches(self.data.examples(split), self.plan.cut):
            changed = self.rewriter.rewrite(text, self._draw(text, copy)) if text else None
            alone = changed is not None and self.rewriter.closes
            if held and (text or closed):
                yield Example(held, ends=closed or alone)
                held = ()
            if text:
                held = changed if changed is not None else (Piece(text),)
            closed = last or alone
        if held:
            yield Example(held)

    def _draw(self, text: str, copy: int) -> Draw:
        of_text = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return Draw(f"{self.plan.seed} {copy} {of_text}")

    def listed(self) -> bool:
        listed = getattr(self.data, "listed", None)
        return listed is not None and bool(listed())

    def identity(self) -> str:
        plan = (self.plan.seed, self.plan.copies, self.plan.plain, self.plan.facts)
        name = type(self.rewriter).__name__
        return digest("rewritten", 1, name, asdict(self.rewriter), plan, self.data.identity())


def around(name: str, data: Data, make: Callable[[Data], Data]) -> Data:
    """Data around other data: of a mixture, around every member, so that each keeps its weight.

    Raises:
        PartError: the data are no running text.
    """
    members = getattr(data, "members", None)
    if members:
        return MixedTexts({key: Member(around(name, one.data, make), one.weight) for key, one in members.items()})
    if hasattr(data, "ids"):
        raise PartError(f"{name!r} changes text, and these data are token ids that others have made", ("data",))
    if data.form != "stream":
        raise PartError(f"{name!r} changes running text, and these data give examples; use it on texts", ("data",))
    return make(data)


def stretches(examples: Iterable[Example], cut: Cut | None) -> Iterator[tuple[str, bool]]:
    """Texts in stretches, and of each whether its text ends with it. Without `cut`, texts are whole."""
    portions: list[str] = []
    for example in examples:
        portions += [piece.text for piece in example.pieces]
        if cut is not None:
            text, start = "".join(portions), 0
            while (end := cut(text, start)) is not None:
                yield text[start:end], False
                start = end
            portions = [text[start:]]
        if example.ends:
            yield "".join(portions), True
            portions = []
    if portions:
        yield "".join(portions), True


def cut_after(most: int, unit: Unit, anywhere: bool = False) -> Cut:
    """Cuts after so many words; or before so many characters, where a line or at least a word ends; `anywhere`: after
    exactly so many."""
    return _after_words(most) if unit == "word" else _after_characters(most, "" if anywhere else "\n ")


def _after_characters(most: int, blanks: str) -> Cut:
    def cut(text: str, start: int) -> int | None:
        limit = start + most
        if len(text) <= limit:
            return None
        for blank in blanks:
            place = text.rfind(blank, start + most // 2, limit)
            if place >= 0:
                return place + 1
        return limit

    return cut


def _after_words(most: int) -> Cut:
    def cut(text: str, start: int) -> int | None:
        end = start
        for count, word in enumerate(_WORD_WITH_SPACE.finditer(text, start), start=1):
            if count > most:
                return end
            end = word.end()
        return None

    return cut


def units_of(text: str, unit: Unit) -> list[str]:
    """A text in units, which joined are the text: characters, or words with the white space round them."""
    return list(text) if unit == "character" else _WORD_WITH_SPACE.findall(text) or [text]


__all__ = ["WORD", "Plan", "Rewriter", "Rewritten", "Unit", "around", "cut_after", "stretches", "units_of"]
