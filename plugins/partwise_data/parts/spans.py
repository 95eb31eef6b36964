"""Text with gaps, and what stood in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator

from .shared import SAMPLES
from .wrapping import Unit, Wrapper

if TYPE_CHECKING:
    from partwise.data import Data


class SpanCorruption(Wrapper):
    """Texts with gaps, and what is missing as the target: how T5 was trained (Raffel et al. 2020).

    They are pairs for an encoder and a decoder; a language model reads the one and then the other. Spans are of words
    or characters, since data know no tokens. A tokenizer that has special tokens of the sentinels' names uses them.
    """

    name = "span_corruption"
    density: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the text that is left out."""
    mean: Annotated[float, Field(ge=1)] = 3.0
    """Mean length of what is left out at one place, in units."""
    unit: Unit = "word"
    """What is counted, and left out whole: word, with the white space round it, or character."""
    longest: Annotated[int, Field(ge=2)] = 100
    """Units above which a document is cut into several examples; source and target each have to fit the context."""
    sentinel: str = "<extra_id_{}>"
    """Name of the special tokens that stand for what is left out, with {} for their number from 0."""

    @field_validator("sentinel")
    @classmethod
    def _has_a_number(cls, sentinel: str) -> str:
        if sentinel.count("{}") != 1 or set(sentinel.replace("{}", "")) & set("{}"):
            raise ValueError(f'expected a name with {{}} for the number, such as "<extra_id_{{}}>", got {sentinel!r}')
        return sentinel

    def specials(self) -> tuple[str, ...]:
        from partwise_data.spans import spans_in

        most = max(spans_in(length, self.density, self.mean)[1] for length in range(1, self.longest + 1))
        return tuple(self.sentinel.format(number) for number in range(most + 1))

    def around(self, data: Data) -> Data:
        from partwise_data.rewriting import Plan, Rewritten, cut_after
        from partwise_data.spans import SpanCorruption as Corruption

        corruption = Corruption(self.density, self.mean, self.unit, self.sentinel)
        plan = Plan(self.seed, self.copies, False, cut_after(self.longest, self.unit), (self.longest,))
        return Rewritten(data, corruption, plan, "examples")

    @classmethod
    def examples(cls) -> Iterable[Self]:
        text: Any = {"use": "text", "files": [str(SAMPLES / "fables.txt")], "valid": 0.2, "test": 0.1}
        proverbs: Any = {**text, "files": [str(SAMPLES / "proverbs.jsonl")], "field": "proverb", "valid": 0.3}
        yield cls(data=text, longest=40)
        yield cls(data=proverbs, density=0.3, mean=5.0, unit="character", longest=30, seed=1, copies=2, sentinel="<{}>")


__all__ = ["SpanCorruption"]
