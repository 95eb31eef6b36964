"""Exact match: what a model writes must be the answer (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partwise.evaluation import Figure, Reader, mean

from .items import Line, existing, items_in, shown, text_of, value_of

Question = tuple[str, tuple[str, ...]]
"""A prompt and the answers that are right."""


@dataclass(frozen=True)
class Answers:
    """One figure, `exact_match`: the share of the prompts that the model answers rightly."""

    questions: Sequence[Question]
    limit: int
    stop: Sequence[str]

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        written = reader.write([prompt for prompt, _ in self.questions], self.limit, self.stop)
        pairs = zip(written, self.questions, strict=True)
        return {"exact_match": mean([float(text.strip() in answers) for text, (_, answers) in pairs])}


def read_questions(name: str, directory: Path, prompt: str, answer: str) -> list[Question]:
    """The questions in a file of JSON lines, whose keys are `prompt` and `answer`.

    Raises:
        PartError: a line is no question; names the line.
    """

    def question(line: Line) -> Question:
        value = value_of(line, answer, "answer_field")
        answers = value if isinstance(value, list) else [value]
        if not answers or not all(isinstance(one, str) for one in answers):
            raise ValueError(f"{answer!r} should be a string, or an array of several, and is {shown(value)}")
        return text_of(line, prompt, "prompt_field"), tuple(one.strip() for one in answers)

    return items_in(existing(name, directory, "file"), question)


__all__ = ["Answers", "read_questions"]
