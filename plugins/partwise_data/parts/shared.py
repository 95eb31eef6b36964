"""Knobs that several data parts share: shares that are held out, and the sizes of generated tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from partwise.parts import DataPart, DataSite

if TYPE_CHECKING:
    from partwise_data.drawing import GeneratedTask, Task

Share = Annotated[float, Field(ge=0, lt=1)]

SAMPLES = Path(__file__).parents[1] / "samples"
"""Small files for trying the parts that read files."""


class HeldOut(DataPart):
    """Base of the parts that divide given texts into splits."""

    valid: Share = 0.05
    """Fraction held out to validate on."""
    test: Share = 0.05
    """Fraction held out to test on."""

    @model_validator(mode="after")
    def _leave_some_to_train_on(self) -> Self:
        if self.valid + self.test >= 1:
            raise ValueError(
                f"valid {self.valid} and test {self.test} leave nothing to train on; together, less than 1"
            )
        return self


class Generated(DataPart):
    """Base of the generated tasks. Their sources are all different, within a split and between splits, unless
    `training_repeats`."""

    size: PositiveInt = 20_000
    """Examples to train on."""
    valid: NonNegativeInt = 1_000
    """Examples to validate on."""
    test: NonNegativeInt = 1_000
    """Examples to test on."""
    seed: NonNegativeInt = 0
    """Seed from which the examples are drawn."""

    def build(self, site: DataSite) -> GeneratedTask:
        from partwise_data.drawing import GeneratedTask, Sizes

        sizes = Sizes(self.size, self.valid, self.test)
        return GeneratedTask(self.task(), sizes, self.seed, self.test_task(), self.training_repeats())

    def task(self) -> Task:
        """What is to be learned."""
        raise NotImplementedError

    def test_task(self) -> Task | None:
        """What is tested, where that is not what is learned: longer examples of it, say."""
        return None

    def training_repeats(self) -> bool:
        """Whether examples to train on are drawn independently. No source is in two splits all the same."""
        return False
