"""Where a study compares its variants: every size of its ladder on every text."""

from __future__ import annotations

from dataclasses import dataclass

from partwise.parts.part import Path
from partwise.recipe import Node, Problem, RejectedError
from partwise.recipe.overrides import Override
from partwise.studies.results import at_setting

from .changes import override_at, patch_of
from .designs import Level, label_of
from .reading import LoadedStudy

JUDGED = ("evaluations",)
"""What a text may change, besides what is trained: a text may bring evaluations of its own."""


@dataclass(frozen=True)
class Setting:
    """One size on one text, and what it changes in the base recipe before a variant does."""

    of_size: Level | None = None
    of_text: Level | None = None
    rung: int = 0
    """Index of the size."""

    @property
    def size(self) -> str | None:
        return None if self.of_size is None else self.of_size.label

    @property
    def text(self) -> str | None:
        return None if self.of_text is None else self.of_text.label

    @property
    def levels(self) -> list[Level]:
        return [one for one in (self.of_text, self.of_size) if one is not None]

    @property
    def changes(self) -> list[Override]:
        return [change for one in self.levels for change in one.changes]

    @property
    def text_changes(self) -> list[Override]:
        """Without those of its size."""
        return list(self.of_text.changes) if self.of_text is not None else []

    @property
    def words(self) -> str:
        """` at width 96 on wiki`; nothing in a study without sizes and texts."""
        return at_setting(self.size, self.text)


def settings_of(loaded: LoadedStudy, problems: list[Problem]) -> list[Setting]:
    """Every setting, from the smallest size to the largest, and at each size text by text.

    What is wrong with the values of sizes and texts is added to `problems`.
    """
    sizes, texts = _sizes(loaded, problems), _texts(loaded, problems)
    return [Setting(size, text, rung) for rung, size in enumerate(sizes) for text in texts]


def _sizes(loaded: LoadedStudy, problems: list[Problem]) -> list[Level | None]:
    if loaded.study.sizes is None:
        return [None]
    node, written = loaded.at(("sizes",)), loaded.at(("sizes", "values"))
    at = node.members.get("at")
    places = [] if at is None or at.value is None else list(at.value) if isinstance(at.value, tuple) else [at]
    found = list[Level | None]()
    for label, one, path in _labelled(written, places):
        try:
            changes = tuple(override_at(place, one) for place in places) if places else (patch_of(one),)
        except RejectedError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        if any(other is not None and other.label == label for other in found):
            problems.append(Problem(f"two sizes are called {label!r}", one.head, path))
        found.append(Level(label, changes, path, one))
    return found


def _labelled(written: Node, places: list[Node]) -> list[tuple[str, Node, Path]]:
    """Sizes as their readers know them: by their own names or, in an array, as `width 96`."""
    if isinstance(written.value, dict):
        return [(label, one, ("sizes", "values", label)) for label, one in written.members.items()]
    knob = str(places[0].value).rpartition(".")[2] if places else ""
    named = f"{knob} " if knob and not knob.isdecimal() and knob != "*" else ""
    items = written.value if isinstance(written.value, tuple) else ()
    return [(f"{named}{label_of(one)}", one, ("sizes", "values", index)) for index, one in enumerate(items)]


def _texts(loaded: LoadedStudy, problems: list[Problem]) -> list[Level | None]:
    found = list[Level | None]()
    for label, one in loaded.at(("texts",)).members.items() if loaded.study.texts else ():
        try:
            found.append(Level(label, (patch_of(one, JUDGED),), ("texts", label), one))
        except RejectedError as error:
            problems += error.problems
    return found or [None]


NOWHERE = Setting()
"""The one setting of a study without sizes and texts."""

__all__ = ["NOWHERE", "Setting", "settings_of"]
