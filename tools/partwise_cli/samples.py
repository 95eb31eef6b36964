"""What a freshly trained model writes: the sample that ends `partwise train`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from partwise.errors import PartwiseError

from .text import visible

if TYPE_CHECKING:
    from partwise.data import ChatTemplate
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


class Reply(Sample):
    """An answer in a conversation."""


def samples(reopened: Reopened) -> Iterator[Sample]:
    """Answers to the first prompts of the valid split if the data has any; else one text without a prompt.

    Nothing of a model that was trained to see both ways, and so cannot write.
    """
    if not reopened.recipe.objective.causal:
        return

    template = reopened.chat_template()
    if template is not None:
        yield from _first_answers(reopened, template)
        return
    prompts = list(islice(_prompts(reopened), ANSWERS))
    if prompts:
        for prompt, expected, limit in prompts:
            yield Sample(prompt, _written(reopened, prompt, limit), expected)
    else:
        yield Sample("", _written(reopened, "", TOKENS))


def _first_answers(reopened: Reopened, template: ChatTemplate) -> Iterator[Sample]:
    """The first answers of conversations of the valid split, each after what stands before it."""
    from partwise.data import END_NAME, Turn

    try:
        _, end = template.around((Turn("user", "?"), Turn("assistant", "!")))
        examples = list(islice(reopened.data().examples("valid"), ANSWERS))
    except PartwiseError:
        return
    for example in examples:
        first = next(place for place, piece in enumerate(example.pieces) if piece.scored)
        prompt = "".join(piece.text for piece in example.pieces[:first])
        answer = "".join(piece.text for piece in takewhile(lambda piece: piece.scored, example.pieces[first:]))
        answer = answer.removesuffix(end.rstrip() or end)
        asked = prompt.replace(END_NAME, reopened.tokenizer.label(reopened.tokenizer.end))
        yield Reply(prompt, _written(reopened, asked, len(answer) + TOKENS, [end] if end else [], True), answer)


def _written(reopened: Reopened, prompt: str, limit: int, stop: Sequence[str] = (), special: bool = False) -> str:
    from partwise import workflow

    writing = workflow.writing_of(reopened, limit, stop=stop, special=special)
    return "".join(workflow.generate(reopened, prompt, writing, reopened.recipe.seed))


def _prompts(reopened: Reopened) -> Iterator[tuple[str, str, int]]:
    """The prompt and the expected answer of each example that has a prompt, and how many tokens may be written: as many
    as the answer has if the data teaches no model where an answer ends."""
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
                tokens = len(reopened.tokenizer.encode(learned))
                yield read, learned, tokens + TOKENS if example.pieces[-1].scored else tokens


def _one_line(text: str) -> str:
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
