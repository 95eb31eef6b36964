"""Text whose middle is to be filled in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from .shared import SAMPLES
from .wrapping import HeldOut, Wrapper

if TYPE_CHECKING:
    from partwise.data import Data

Probability = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]


class FillInTheMiddle(Wrapper):
    """Texts whose middle stands at their end, so that a model learns to fill in (Bavarian et al. 2022).

    A tokenizer that has special tokens of these names uses them; to any other they are added. Prompts have them with
    `partwise generate --special`.
    """

    name = "fill_in_the_middle"
    rate: Probability = 0.5
    """Share of the texts that are rearranged; the paper recommends 0.5 to 0.9."""
    spm: Probability = 0.5
    """Share of these in which the suffix comes first, before prefix and middle in one; in others, the prefix does."""
    longest: Annotated[int, Field(ge=2)] | None = 1000
    """Characters above which a document is cut, each stretch being rearranged or not by itself: the paper's context
    level, if a stretch fits the context. null: documents are rearranged whole, as on its document level."""
    held_out: HeldOut = "changed"
    """Whether texts to validate and test on are changed alike, or plain."""
    prefix: Name = "<|fim_prefix|>"
    """Name of the special token before the prefix."""
    suffix: Name = "<|fim_suffix|>"
    """Name of the special token before the suffix."""
    middle: Name = "<|fim_middle|>"
    """Name of the special token before the middle."""

    @model_validator(mode="after")
    def _three_names(self) -> Self:
        if len({self.prefix, self.suffix, self.middle}) < 3:
            raise ValueError(f"prefix {self.prefix!r}, suffix {self.suffix!r} and middle {self.middle!r} must differ")
        return self

    def specials(self) -> tuple[str, ...]:
        return self.prefix, self.suffix, self.middle

    def around(self, data: Data) -> Data:
        from partwise_data.infilling import Infilling
        from partwise_data.rewriting import Plan, Rewritten, cut_after

        cut = None if self.longest is None else cut_after(self.longest, "character")
        plan = Plan(self.seed, self.copies, self.held_out == "plain", cut, (self.longest,))
        infilling = Infilling(self.rate, self.spm, self.prefix, self.suffix, self.middle)
        return Rewritten(data, infilling, plan, "stream")

    @classmethod
    def examples(cls) -> Iterable[Self]:
        text: Any = {"use": "text", "files": [str(SAMPLES / "fables.txt")], "valid": 0.2, "test": 0.1}
        proverbs: Any = {**text, "files": [str(SAMPLES / "proverbs.jsonl")], "field": "proverb", "valid": 0.3}
        yield cls(data=text, longest=200)
        yield cls(
            data=proverbs, rate=0.9, spm=0.2, longest=None, seed=1, copies=2, held_out="plain", prefix="<PRE>",
            suffix="<SUF>", middle="<MID>",
        )  # fmt: skip


__all__ = ["FillInTheMiddle"]
