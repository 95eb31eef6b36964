"""Generated examples: drawn at random, the same on every machine, and never with one source in two splits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from partwise import PartError
from partwise.data import Example, Piece, Split
from partwise.wording import joined

from .splits import digest

T = TypeVar("T")


class Draw:
    """Random choices, built on `random.Random.random` alone: nothing else in the standard library is promised to draw
    the same from one version of Python to the next."""

    def __init__(self, seed: int | str) -> None:
        self.uniform = random.Random(seed).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self.uniform() * limit)

    def between(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`, both included."""
        return least + self.below(most - least + 1)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, in random order."""
        rest = list(items)
        for place in range(count):
            other = self.between(place, len(rest) - 1)
            rest[place], rest[other] = rest[other], rest[place]
        return rest[:count]


class Task(Protocol):
    """What is to be learned: a frozen dataclass. Its examples depend on its fields and on nothing else."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def sources(self) -> int:
        """How many different sources there are at least."""
        ...

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        """An example. Its first piece is the source, or begins with it; with labels, all that is read is the source."""
        ...


@dataclass(frozen=True)
class Sizes:
    """How many examples each split has."""

    train: int
    valid: int
    test: int


class GeneratedTask:
    """The examples of a task. Those held out are drawn first, so that a larger training set keeps them.

    Raises:
        PartError: the task has too few sources. Drawing most of them, each once, would take forever.
    """

    form: Literal["stream", "examples"] = "examples"

    def __init__(
        self, task: Task, sizes: Sizes, seed: int, test_task: Task | None = None, repeats: bool = False
    ) -> None:
        """
        Args:
            test_task: what the test split is drawn from; None: the task itself.
            repeats: whether examples to train on are drawn independently, so that one may come again; otherwise all
                differ.
        """
        if test_task is not None and 2 * sizes.test > test_task.sources:
            raise PartError(
                f"test {sizes.test} makes as many different examples, and these settings allow at most "
                f"{test_task.sources // 2} to test on; lower it, or allow more variety"
            )
        different = {"size": sizes.train, "valid": sizes.valid, "test": sizes.test}
        if repeats:
            del different["size"]
        if test_task is not None:
            del different["test"]
        wanted = sum(different.values())
        if 2 * wanted > task.sources:
            told = joined(f"{knob} {count}" for knob, count in different.items())
            raise PartError(
                f"{told} make {wanted} different examples, and these settings allow at most {task.sources // 2}; "
                "lower the sizes, or allow more variety"
            )
        self.task = task
        self.sizes = sizes
        self.seed = seed
        self.test_task = test_task
        self.repeats = repeats

    def examples(self, split: Split) -> Iterator[Example]:
        return iter(self._drawn[split])

    def listed(self) -> bool:
        return True

    def identity(self) -> str:
        other = () if self.test_task is None else (asdict(self.test_task),)
        again = ("repeats",) if self.repeats else ()
        return digest(type(self.task).__name__, 1, asdict(self.task), asdict(self.sizes), self.seed, *other, *again)

    @cached_property
    def _drawn(self) -> Mapping[Split, list[Example]]:
        draw, seen = Draw(self.seed), set[str]()
        valid = self._distinct(self.task, self.sizes.valid, draw, seen)
        test = self._distinct(self.test_task or self.task, self.sizes.test, draw, seen)
        train = self._distinct(self.task, self.sizes.train, draw, seen, self.repeats)
        return {"valid": valid, "test": test, "train": train}

    def _distinct(self, task: Task, count: int, draw: Draw, seen: set[str], repeats: bool = False) -> list[Example]:
        """Examples whose sources were not seen, and which are seen then; with `repeats`, one may come again."""
        examples: list[Example] = []
        while len(examples) < count:
            pieces = task.draw(draw)
            source = _source(pieces)
            if source not in seen:
                if not repeats:
                    seen.add(source)
                examples.append(Example(pieces))
        return examples


def _source(pieces: Sequence[Piece]) -> str:
    labelled = not all(piece.read for piece in pieces)
    return "".join(piece.text for piece in pieces if piece.read) if labelled else pieces[0].text


def word_list(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())
