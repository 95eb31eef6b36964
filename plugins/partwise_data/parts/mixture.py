"""Several data sets, drawn from with weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, model_validator

from partwise import PartError
from partwise.data import Member
from partwise.parts import DataPart, DataSite, slots

from .shared import SAMPLES

if TYPE_CHECKING:
    from partwise_data.mixing import MixedTexts

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


def _named(members: dict[str, Any]) -> dict[str, Any]:
    for name in members:
        if not re.fullmatch(_NAME, name):
            raise ValueError(
                f"{name!r} cannot name a member: use letters, digits, '_' and '-', the first a letter or digit; its "
                "figures are then called valid.NAME.loss"
            )
    return members


Members = Annotated[
    dict[str, slots.Data],
    Field(min_length=1, json_schema_extra={"propertyNames": {"pattern": f"^{_NAME}$"}}),
    AfterValidator(_named),
]


class Mixture(DataPart):
    """Texts of several sources, each with its share of the tokens trained on, whatever its size (Xie et al. 2023).

    Each member is evaluated by itself as well. Splits are the members' own; as a whole, the tokens of all of them count
    alike, whatever their weights. A tokenizer that is trained reads each member once.
    """

    name = "mixture"
    members: Members
    """The sources by name: running text all, or examples all."""
    weights: Mapping[str, NonNegativeFloat] = {}
    """Tokens trained on of each member, in proportion; 1 if it is not named. With 0, a member is only evaluated."""

    @model_validator(mode="after")
    def _weights_are_of_members(self) -> Self:
        for name in self.weights:
            if name not in self.members:
                near = get_close_matches(name, self.members, n=1)
                guess = f", did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"weights has {name!r}, which is no member{guess}; there are {', '.join(self.members)}"
                )
        if not any(self.weight_of(name) for name in self.members):
            raise ValueError("all weights are 0, so that nothing would be trained on; give one member more")
        return self

    def weight_of(self, name: str) -> float:
        """A member's weight."""
        return self.weights.get(name, 1.0)

    def build(self, site: DataSite) -> MixedTexts:
        from partwise_data.mixing import MixedTexts

        built = {name: Member(part.assemble(site), self.weight_of(name)) for name, part in self.members.items()}
        forms = {name: member.data.form for name, member in built.items()}
        streams = [name for name, form in forms.items() if form == "stream"]
        if streams and len(streams) < len(forms):
            other = next(name for name, form in forms.items() if form != "stream")
            raise PartError(
                f"{streams[0]!r} is running text and {other!r} gives examples, and a mixture is all of one; make two "
                "recipes, or leave one of them out",
                ("members", other),
            )
        return MixedTexts(built)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        text: Any = {"use": "text", "files": [str(SAMPLES / "fables.txt")], "valid": 0.2, "test": 0.1}
        lines: Any = {"use": "text", "files": [str(SAMPLES / "proverbs.jsonl")], "field": "proverb", "valid": 0.3}
        reverse: Any = {"use": "reverse", "size": 50, "valid": 10, "test": 10}
        texts: Any = {"fables": text, "proverbs": {**lines, "test": 0.2}}
        examples: Any = {"copied": {**reverse, "use": "copy", "seed": 1}, "reversed": reverse}
        yield cls(members=texts, weights={"fables": 0.25})
        yield cls(members=examples)


__all__ = ["Mixture"]
