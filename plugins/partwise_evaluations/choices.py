"""Multiple choice by likelihood (Brown et al. 2020, GPT-3, arXiv:2005.14165, section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.evaluation import Figure, Reader, mean, ratio

from .items import Line, existing, items_in, shown, text_of, value_of


@dataclass(frozen=True)
class Question:
    """A prompt and its choices."""

    prompt: str
    choices: tuple[str, ...]
    right: int
    """Index of the right one."""


@dataclass(frozen=True)
class Choices:
    """Three figures of what a model would choose.

    accuracy               the right choice is the likeliest of all
    normalised_accuracy    it is the likeliest per byte of the choice, so that long ones are at no disadvantage
    bits_per_byte          how well the model knows the right choice, separator included, whatever it would choose
    """

    questions: Sequence[Question]
    separator: str

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        between = "" if reader.pairs else self.separator
        texts = [
            [(between if one.prompt else "") + choice for choice in one.choices] for one in self.questions
        ]  # fmt: skip
        found = iter(
            reader.log_likelihoods(
                [(one.prompt, text) for one, some in zip(self.questions, texts, strict=True) for text in some]
            )
        )
        plain, per_byte, bits, sizes = list[float](), list[float](), list[float](), list[float]()
        for question, some in zip(self.questions, texts, strict=True):
            likelihoods = [next(found) for _ in some]
            nats = [one.nats for one in likelihoods]
            shares = [one / _bytes(choice) for one, choice in zip(nats, question.choices, strict=True)]
            plain.append(float(_least(nats) == question.right))
            per_byte.append(float(_least(shares) == question.right))
            bits.append(likelihoods[question.right].bits)
            sizes.append(_bytes(some[question.right]))
        figures = {"accuracy": mean(plain), "normalised_accuracy": mean(per_byte)}
        return figures | ({"bits_per_byte": ratio(bits, sizes)} if reader.restores else {})


def read_questions(name: str, directory: Path, prompt: str, choices: str, answer: str) -> list[Question]:
    """The questions in a file of JSON lines, whose keys are `prompt`, `choices` and `answer`.

    Raises:
        PartError: a line is no question; names the line.
    """

    def question(line: Line) -> Question:
        options = value_of(line, choices, "choices_field")
        if (
            not isinstance(options, list)
            or len(options) < 2
            or not all(isinstance(one, str) and one for one in options)
        ):
            raise ValueError(
                f"{choices!r} should be an array of two strings or more, none empty, and is {shown(options)}"
            )
        right = _index(value_of(line, answer, "answer_field"), options, answer)
        if options.count(options[right]) > 1:
            raise ValueError(
                f"the right one of {choices!r} is there twice, so that no answer is wrong; leave the line out"
            )
        return Question(text_of(line, prompt, "prompt_field", empty=True), tuple(options), right)

    return items_in(existing(name, directory, "file"), question)


def _index(answer: Any, options: Sequence[str], key: str) -> int:
    if isinstance(answer, str) and answer in options:
        return options.index(answer)
    if type(answer) is int and 0 <= answer < len(options):
        return answer
    raise ValueError(
        f"{key!r} is {shown(answer)}, and there are {len(options)} choices; write the index of the right one, 0 to "
        f"{len(options) - 1}, or its text"
    )


def _least(values: Sequence[float]) -> int:
    """The index of the least; the first of equal ones."""
    return min(range(len(values)), key=values.__getitem__)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


__all__ = ["Choices", "Question", "read_questions"]
