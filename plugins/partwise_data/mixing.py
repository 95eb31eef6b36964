"""Several data sets as one, each with its share of what is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from partwise.data import Example, Member, Split

from .splits import digest


class MixedTexts:
    """The texts of all members. How often each is drawn in training is a matter of their weights, which change neither
    the texts nor how they are encoded."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self.members = dict(members)
        self.form: Literal["stream", "examples"] = next(iter(self.members.values())).data.form

    def examples(self, split: Split) -> Iterator[Example]:
        """The examples of one member after the other; where there are texts, ids without texts are passed over."""
        data = [member.data for member in self.members.values()]
        with_texts = [one for one in data if not hasattr(one, "ids") or getattr(one, "texts", None) is not None]
        for one in with_texts or data:
            yield from one.examples(split)

    def identity(self) -> str:
        return digest("mixture", 1, [[name, member.data.identity()] for name, member in self.members.items()])


__all__ = ["MixedTexts"]
