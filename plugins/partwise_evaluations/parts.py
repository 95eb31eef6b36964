"""This plugin's parts, with their knobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from partwise import PartError
from partwise.parts import EvaluationPart, EvaluationSite

if TYPE_CHECKING:
    from torch import nn

    from partwise.evaluation import Goal
    from partwise_evaluations.answers import Answers as AnswersEvaluation
    from partwise_evaluations.choices import Choices as ChoicesEvaluation
    from partwise_evaluations.lengths import Lengths as LengthsEvaluation
    from partwise_evaluations.minimal_pairs import MinimalPairs as MinimalPairsEvaluation
    from partwise_evaluations.text import Texts

SAMPLES = Path(__file__).parent / "samples"
"""Small files for trying the parts."""

Name = Annotated[str, Field(min_length=1)]
Files = Annotated[tuple[Name, ...], Field(min_length=1)]


class Choices(EvaluationPart):
    """Multiple choice: of the choices after a prompt, the model should hold the right one most likely.

    Each line of the file is an object: {"prompt": "The capital of France is", "choices": ["Paris", "Rome"],
    "answer": 0}. The answer is the index of the right choice, or the choice itself.
    """

    name = "choices"
    needs = frozenset({"continuations"})

    file: Name
    """File of JSON lines, relative to the recipe's directory."""
    prompt_field: Name = "prompt"
    """Key of the prompt in each line; an empty prompt leaves the choice to begin the text."""
    choices_field: Name = "choices"
    """Key of the choices."""
    answer_field: Name = "answer"
    """Key of the right one."""
    separator: str = " "
    """What stands between prompt and choice. A model of pairs reads the prompt as its source, and takes none."""

    def build(self, site: EvaluationSite) -> ChoicesEvaluation:
        from partwise_evaluations.choices import Choices, read_questions

        fields = (self.prompt_field, self.choices_field, self.answer_field)
        return Choices(read_questions(self.file, site.directory, *fields), self.separator)

    def figures(self) -> Mapping[str, Goal]:
        return {"accuracy": "max", "normalised_accuracy": "max", "bits_per_byte": "min"}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "choices.jsonl"))
        fields = {"prompt_field": "ctx", "choices_field": "endings", "answer_field": "label"}
        yield cls(file=str(SAMPLES / "endings.jsonl"), separator="\n", every=5, **fields)


class MinimalPairs(EvaluationPart):
    """Of two sentences that differ in little, the model should hold the good one more likely, as a whole.

    Each line of the file is an object: {"sentence_good": "The cats sleep.", "sentence_bad": "The cats sleeps."}, the
    form of BLiMP (Warstadt et al. 2020, arXiv:1912.00582).
    """

    name = "minimal_pairs"
    needs = frozenset({"texts"})
    reads = frozenset({"sequence"})

    file: Name
    """File of JSON lines, relative to the recipe's directory."""
    good_field: Name = "sentence_good"
    """Key of the good sentence in each line."""
    bad_field: Name = "sentence_bad"
    """Key of the bad one."""

    def build(self, site: EvaluationSite) -> MinimalPairsEvaluation:
        from partwise_evaluations.minimal_pairs import MinimalPairs, read_pairs

        return MinimalPairs(read_pairs(self.file, site.directory, self.good_field, self.bad_field))

    def figures(self) -> Mapping[str, Goal]:
        return {"accuracy": "max", "margin": "max"}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "minimal_pairs.jsonl"))
        yield cls(file=str(SAMPLES / "swapped_pairs.jsonl"), good_field="right", bad_field="wrong", every=3)


class Answers(EvaluationPart):
    """Exact match by writing: the model answers each prompt, by its likeliest tokens, and the text must be the answer.

    Each line of the file is an object: {"prompt": "2 + 2 =", "answer": "4"}; several answers stand in an array. White
    space around an answer does not count.
    """

    name = "answers"
    needs = frozenset({"writing"})

    file: Name
    """File of JSON lines, relative to the recipe's directory."""
    prompt_field: Name = "prompt"
    """Key of the prompt in each line; what a model of pairs reads as its source."""
    answer_field: Name = "answer"
    """Key of the answer, or the answers."""
    limit: PositiveInt = 64
    """Most tokens that an answer may have."""
    stop: tuple[Name, ...] = ("\n",)
    """Strings before the first of which an answer ends; an end token ends it, too."""

    def build(self, site: EvaluationSite) -> AnswersEvaluation:
        from partwise_evaluations.answers import Answers, read_questions

        questions = read_questions(self.file, site.directory, self.prompt_field, self.answer_field)
        return Answers(questions, self.limit, self.stop)

    def figures(self) -> Mapping[str, Goal]:
        return {"exact_match": "max"}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "answers.jsonl"), limit=8)
        fields = {"prompt_field": "question", "answer_field": "answers"}
        yield cls(file=str(SAMPLES / "questions.jsonl"), limit=5, stop=("!", "?"), every=2, **fields)


class ReadsTexts(EvaluationPart):
    """Base of the parts that read whole texts."""

    needs = frozenset({"texts"})
    reads = frozenset({"sequence"})

    files: Files
    """Files, relative to the recipe's directory; with * and ? for several. One that ends in .jsonl has a document in
    each line, any other is one document."""
    field: Name = "text"
    """Key of the text in each line of a .jsonl file."""


class Text(ReadsTexts):
    """How well the model guesses other texts: bits per byte, which compares any tokenizers, and loss.

    Each document is read from its beginning, in windows of the model's context, and its end is scored.
    """

    name = "text"

    def build(self, site: EvaluationSite) -> Texts:
        from partwise_evaluations.documents import read_documents
        from partwise_evaluations.text import Texts

        return Texts(read_documents(self.files, site.directory, self.field))

    def figures(self) -> Mapping[str, Goal]:
        return {"bits_per_byte": "min", "loss": "min"}

    def per_token(self) -> frozenset[str]:
        return frozenset({"loss"})

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(files=(str(SAMPLES / "*.txt"),))
        yield cls(files=(str(SAMPLES / "long.txt"), str(SAMPLES / "documents.jsonl")), field="body", every=4)


class Lengths(ReadsTexts):
    """The loss by position in a text, also beyond the length that the model was trained on.

    Texts are read in windows as long as the farthest position; each figure is the loss of the tokens from one end to
    the next.
    """

    name = "lengths"

    upto: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)
    """Where the stretches end that figures are given for, as multiples of the model's context."""

    @field_validator("upto")
    @classmethod
    def _rising(cls, upto: tuple[float, ...]) -> tuple[float, ...]:
        if any(after <= before for before, after in pairwise(upto)):
            raise ValueError(f"each stretch ends beyond the one before, so these numbers rise; got {list(upto)}")
        return upto

    def suits(self, model: nn.Module) -> None:
        from partwise_evaluations.lengths import reaches

        length = ceil(self.upto[-1] * model.context)  # type: ignore[operator]
        problem = reaches(model, length)
        if problem:
            raise PartError(f"this model cannot read {length} tokens at once: {problem}", ("upto",))

    def build(self, site: EvaluationSite) -> LengthsEvaluation:
        from partwise_evaluations.documents import read_documents
        from partwise_evaluations.lengths import Lengths

        ends = {name: ceil(end * site.context) for name, end in zip(self.figures(), self.upto, strict=True)}
        return Lengths(read_documents(self.files, site.directory, self.field), ends)

    def figures(self) -> Mapping[str, Goal]:
        return {f"loss_to_{end:g}x": "min" for end in self.upto}

    def per_token(self) -> frozenset[str]:
        return frozenset(self.figures())

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(files=(str(SAMPLES / "long.txt"),))
        yield cls(files=(str(SAMPLES / "documents.jsonl"),), field="body", upto=(0.25, 0.75), every=7)


PARTS = (Answers, Choices, Lengths, MinimalPairs, Text)
