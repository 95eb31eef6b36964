"""This plugin's parts, with their knobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from partwise import InputError, PartError
from partwise.parts import DataPart, DataSite, EvaluationPart, EvaluationSite, resolve_part

if TYPE_CHECKING:
    from torch import nn

    from partwise.evaluation import Goal
    from partwise_evaluations.analogies import Analogies as AnalogiesEvaluation
    from partwise_evaluations.answers import Answers as AnswersEvaluation
    from partwise_evaluations.choices import Choices as ChoicesEvaluation
    from partwise_evaluations.harness import HarnessTask
    from partwise_evaluations.lengths import Lengths as LengthsEvaluation
    from partwise_evaluations.minimal_pairs import MinimalPairs as MinimalPairsEvaluation
    from partwise_evaluations.similarity import Similarity as SimilarityEvaluation
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
    """Files, relative to the recipe's directory; with * and ? for several, ** for any depth. They may be all that the
    data `text` reads: text, JSON lines, Parquet and CSV, each also compressed."""
    field: Name = "text"
    """In JSON lines, the key of the text; in Parquet and CSV, the name of its column."""
    separator: Name | None = None
    """In text files, what stands between documents; null: a file is a document."""

    def documents(self, directory: Path) -> list[str]:
        """The documents in the files, as the data `text` has them for training: in the order given, those of a pattern
        sorted, each file once; empty ones are left out.

        Raises:
            PartError: there is no such file, it cannot be read, a library that reads it is missing, or it has no
                document.
        """
        from partwise_evaluations.documents import documents_of

        settings = {"files": list(self.files), "field": self.field, "separator": self.separator, "valid": 0, "test": 0}
        try:
            part = resolve_part(DataPart, {"use": "text", **settings})
            assert isinstance(part, DataPart), "that is what was asked for"
            return list(documents_of(part.assemble(DataSite(directory))))
        except InputError as error:
            raise PartError(getattr(error, "message", str(error)), ("files",)) from error


class Text(ReadsTexts):
    """How well the model guesses other texts: bits per byte, which compares any tokenizers, and loss.

    Each document is read from its beginning, in windows of the model's context.
    """

    name = "text"

    end: bool = True
    """Whether the end of each document is to be guessed, too, as a message that restores them needs it.
    lm-evaluation-harness leaves it out."""

    def build(self, site: EvaluationSite) -> Texts:
        from partwise_evaluations.text import Texts

        return Texts(self.documents(site.directory), self.end)

    def figures(self) -> Mapping[str, Goal]:
        return {"bits_per_byte": "min", "loss": "min"}

    def per_token(self) -> frozenset[str]:
        return frozenset({"loss"})

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(files=(str(SAMPLES / "*.txt"),))
        yield cls(files=(str(SAMPLES / "short.txt"),), separator=".")
        yield cls(files=(str(SAMPLES / "long.txt"), str(SAMPLES / "documents.jsonl")), field="body", end=False, every=4)


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
        from partwise_evaluations.lengths import Lengths

        ends = {name: ceil(end * site.context) for name, end in zip(self.figures(), self.upto, strict=True)}
        return Lengths(self.documents(site.directory), ends)

    def figures(self) -> Mapping[str, Goal]:
        return {f"loss_to_{end:g}x": "min" for end in self.upto}

    def per_token(self) -> frozenset[str]:
        return frozenset(self.figures())

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(files=(str(SAMPLES / "long.txt"),))
        yield cls(files=(str(SAMPLES / "long.txt"),), separator=" ", upto=(0.25,))
        yield cls(files=(str(SAMPLES / "documents.jsonl"),), field="body", upto=(0.25, 0.75), every=7)


class ReadsVectors(EvaluationPart):
    """Base of the parts that look at the vectors of words, whatever the model was trained for."""

    def suits(self, model: nn.Module) -> None:
        from partwise.looking import embedding_table

        try:
            embedding_table(model)
        except InputError as error:
            raise PartError(f"{self.name!r} cannot judge this model: {error}") from None


class Similarity(ReadsVectors):
    """Words that people find alike should have vectors that are alike: rank correlation with human judgements.

    Each line of the file has two words and a number, with tabs or commas between them, as in WordSim-353 (Finkelstein
    et al. 2002) and SimLex-999 (Hill et al. 2015); the first line may have titles. Words without a vector of their own
    are left out.
    """

    name = "similarity"

    file: Name
    """File of judged pairs, relative to the recipe's directory."""
    score: Name | None = None
    """Title of the column with the judgement, "SimLex999" for one; null: the third column."""

    def build(self, site: EvaluationSite) -> SimilarityEvaluation:
        from partwise_evaluations.similarity import Similarity, read_pairs

        return Similarity(read_pairs(self.file, site.directory, self.score))

    def figures(self) -> Mapping[str, Goal]:
        return {"spearman": "max", "known": "max"}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "similarity.csv"))
        yield cls(file=str(SAMPLES / "similarity.tsv"), score="judged", every=5)


class Analogies(ReadsVectors):
    """King is to man as queen to woman: the word nearest to king - man + woman should be queen.

    The file has the form of Google's questions-words (Mikolov et al. 2013, arXiv:1301.3781): four words in a line,
    "man king woman queen", under lines that name a section, ": family". The three given words are no answer. Questions
    with a word that has no vector of its own are left out.
    """

    name = "analogies"

    file: Name
    """File of questions, relative to the recipe's directory."""
    sections: tuple[Name, ...] = ()
    """Sections that get a figure of their own, `accuracy_family` for "family"."""

    def build(self, site: EvaluationSite) -> AnalogiesEvaluation:
        from partwise_evaluations.analogies import Analogies, read_questions

        return Analogies(read_questions(self.file, site.directory, self.sections), self.sections)

    def figures(self) -> Mapping[str, Goal]:
        return {"accuracy": "max", "known": "max", **{f"accuracy_{one}": "max" for one in self.sections}}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(file=str(SAMPLES / "letters.txt"))
        yield cls(file=str(SAMPLES / "analogies.txt"), sections=("vowels",), every=4)


class Harness(EvaluationPart):
    """A task of EleutherAI's lm-evaluation-harness, or a group of tasks: needs `pip install 'partwise[harness]'`.

    Nothing is downloaded. A task in `include_path` reads files (`dataset_path: json`, say), whose names are relative to
    its YAML file; a data set of the Hugging Face hub must be in the cache of the library datasets. A YAML file may name
    Python functions, which are run.
    """

    name = "harness"
    needs = frozenset({"continuations", "writing"})
    known_failures = MappingProxyType(
        {"the_order_of_items_makes_no_difference[1]": "limit takes the first items, as the harness does"}
    )

    task: Name
    """Name of the task or group."""
    include_path: Name | None = None
    """Directory with the YAML file of the task, relative to the recipe's; the tasks that the harness comes with are not
    looked at then. null: these alone."""
    metrics: Files = ("acc",)
    """Figures of the task that are wanted, as the harness calls them. After several filters: "exact_match.strict"."""
    lower_is_better: tuple[Name, ...] = (
        "bits_per_byte",
        "brier_score",
        "byte_perplexity",
        "perplexity",
        "ter",
        "word_perplexity",
    )
    """Those of the metrics of which less is better."""
    num_fewshot: NonNegativeInt | None = None
    """Solved examples before each question; null: as many as the task says."""
    limit: PositiveInt | None = None
    """Items at most, the first of each task; null: all."""

    def build(self, site: EvaluationSite) -> HarnessTask:
        if find_spec("lm_eval") is None:
            raise PartError(f"{self.name} needs the package lm_eval: pip install 'partwise[{self.name}]'")
        from partwise_evaluations.harness import load_task, prepared
        from partwise_evaluations.items import existing_directory

        place = (
            None if self.include_path is None else existing_directory(self.include_path, site.directory, "include_path")
        )
        return prepared(self.task, load_task(self.task, place), self.figures(), self.num_fewshot, self.limit)

    def figures(self) -> Mapping[str, Goal]:
        return {metric: "min" if metric in self.lower_is_better else "max" for metric in self.metrics}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        tasks = str(SAMPLES / "tasks")
        yield cls(task="cloze", include_path=tasks)
        yield cls(task="stories", include_path=tasks, metrics=("bits_per_byte", "word_perplexity"), limit=2, every=4)
        yield cls(task="cloze", include_path=tasks, metrics=("acc_bytes", "acc"), num_fewshot=1)
        yield cls(task="sums", include_path=tasks, metrics=("exact_match",), lower_is_better=())


PARTS = (Analogies, Answers, Choices, Harness, Lengths, MinimalPairs, Similarity, Text)
