"""A run's figures before and after its training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from partwise.metric_names import (
    LOSS,
    OF_EVERY_EVALUATION,
    VALID_ACCURACY,
    VALID_BITS_PER_BYTE,
    VALID_LOSS,
    VALID_PERPLEXITY,
    judged,
)

from .output import show_columns
from .text import figure

if TYPE_CHECKING:
    from partwise.evaluation import Goal

TRAIN_LOSS = "train_loss"
"""The loss on the batches of updates, in nats per token."""
Figures = dict[str, float | None]
"""`TRAIN_LOSS` and the figures of an evaluation by name; None where there is none."""


def before_and_after(rows: list[dict[str, Any]]) -> tuple[Figures, Figures]:
    """The figures of a run at its start and at its end, from its rows.

    The train loss at the end is the mean over the last 20 updates, since the loss on one batch is mostly chance.
    """
    first: Figures = {}
    last: Figures = {}
    losses = [row[LOSS] for row in rows if row.get(LOSS) is not None]
    first[TRAIN_LOSS] = losses[0] if losses else None
    last[TRAIN_LOSS] = sum(losses[-20:]) / len(losses[-20:]) if losses else None
    answers = any(VALID_ACCURACY in row for row in rows)
    evaluations = dict.fromkeys(name for row in rows for name in row if judged(name))
    for name in (*OF_EVERY_EVALUATION, *([VALID_ACCURACY] if answers else []), *evaluations):
        values = [row[name] for row in rows if row.get(name) is not None]
        first[name], last[name] = (values[0], values[-1]) if values else (None, None)
        if len(values) == 1 and judged(name):  # it ran at the end only
            first[name] = None
    return first, last


def comparison(before: Figures, after: Figures) -> list[tuple[str, str, str]]:
    """The rows of the table that ends a training."""
    names = {
        TRAIN_LOSS: "train loss (nats per token)",
        VALID_LOSS: "valid loss (nats per token)",
        VALID_PERPLEXITY: "valid perplexity",
        VALID_BITS_PER_BYTE: "valid bits per byte",
        VALID_ACCURACY: "valid accuracy",
    }
    names |= {name: name for name in after if judged(name)}
    return [(label, figure(before[name]), figure(after[name])) for name, label in names.items() if name in after]


class Judged(Protocol):
    """What there is to tell of a figure of an evaluation."""

    @property
    def value(self) -> float: ...

    @property
    def error(self) -> float | None: ...

    @property
    def count(self) -> int: ...


def show_judged(head: str, found: Iterable[tuple[str, Judged, Goal]]) -> None:
    """Shows figures of evaluations as a table whose first column is `head`: title, figure and goal of each."""
    rows = (
        (title, figure(one.value), figure(one.error), f"{one.count:,}", "lower" if goal == "min" else "higher")
        for title, one, goal in found
    )
    show_columns(rows, (head, "value", "standard error", "items", "better"), right=(1, 2, 3))
