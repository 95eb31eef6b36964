"""Text in another order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, PositiveInt

from .shared import SAMPLES
from .wrapping import HeldOut, Unit, Wrapper

if TYPE_CHECKING:
    from partwise.data import Data


class Shuffled(Wrapper):
    """Texts whose words change places within windows: a probe of what order is worth (Sinha et al. 2021).

    The white space stays where it is, so that every text keeps its words, its length and its lines.
    """

    name = "shuffled"
    unit: Unit = "word"
    """What changes places: word or character, white space included."""
    window: Annotated[int, Field(ge=2)] | None = 10
    """Units within which they change places, counted from the beginning of a document; null: the whole document."""
    ngram: PositiveInt = 1
    """Units that follow each other and stay together."""
    held_out: HeldOut = "changed"
    """Whether texts to validate and test on are changed alike, or plain."""

    def around(self, data: Data) -> Data:
        from partwise_data.rewriting import Plan, Rewritten, cut_after
        from partwise_data.shuffling import Shuffling

        # Long documents are read in portions that hold whole windows.
        portion = None if self.window is None else self.window * max(1, 10_000 // self.window)
        cut = None if portion is None else cut_after(portion, self.unit, anywhere=True)
        plan = Plan(self.seed, self.copies, self.held_out == "plain", cut)
        return Rewritten(data, Shuffling(self.unit, self.window, self.ngram), plan, "stream")

    @classmethod
    def examples(cls) -> Iterable[Self]:
        text: Any = {"use": "text", "files": [str(SAMPLES / "fables.txt")], "valid": 0.2, "test": 0.1}
        proverbs: Any = {**text, "files": [str(SAMPLES / "proverbs.jsonl")], "field": "proverb", "valid": 0.3}
        yield cls(data=text)
        yield cls(data=proverbs, unit="character", window=4, ngram=2, seed=1, copies=2, held_out="plain")
        yield cls(data=text, window=None)


__all__ = ["Shuffled"]
