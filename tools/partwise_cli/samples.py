"""What a freshly trained model writes: the sample that ends `partwise train`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from partwise.errors import PartwiseError

from .text import visible

if TYPE_CHECKING:
    from partwise.workflow.reopening import Reopened

TOKENS = 120
"""Length of a sample of running text."""
ANSWERS = 5
"""Samples of data that consists of prompts and answers."""


@dataclass(frozen=True)
class Sample:
    """One thing the model wrote."""

    prompt: str
    text: str
    expected: str | None = None
    """What the data set holds in its place; None if it is running text."""

    def __str__(self) -> str:
        if self.expected is None:
            return visible(self.prompt + self.text)
        verdict = "right" if self.text == self.expected else f"expected {_one_line(self.expected)}"
        return f"{_one_line(self.prompt)} -> {_one_line(self.text)}   ({verdict})"


def samples(reopened: Reopened) -> Iterator[Sample]:
    """Answers to the first prompts of the valid split if the data has any; else one text without a prompt.

    Nothing of a model that was trained to see both ways, and so cannot write.
    """
    from partwise import workflow

    if not reopened.recipe.objective.causal:
        return

    prompts = list(islice(_prompts(reopened), ANSWERS))
    seed = reopened.recipe.seed
    if prompts:
        for prompt, expected in prompts:
            yield Sample(prompt, "".join(workflow.generate(reopened, prompt, len(expected) + TOKENS, seed)), expected)
    else:
        yield Sample("", "".join(workflow.generate(reopened, "", TOKENS, seed)))


def _prompts(reopened: Reopened) -> Iterator[tuple[str, str]]:
    """The prompt and the expected answer of each example that has a prompt."""
    try:
        data = reopened.data()
    except PartwiseError:
        if reopened.recipe.model.reads == "pair":
            raise  # it only answers
        return
    if data.form == "examples":
        for example in islice(data.examples("valid"), ANSWERS):
            read, learned = ("".join(p.text for p in example.pieces if p.scored is scored) for scored in (False, True))
            if read:
                yield read, learned


def _one_line(text: str) -> str:
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
