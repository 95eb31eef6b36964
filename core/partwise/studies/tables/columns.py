"""Tables and their columns: each says what it holds, and how it is made from results."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from partwise.rendering.text import plain
from partwise.studies.analysis import Analysis
from partwise.studies.results import Metric, Results, Variant

Cell = str | int | float | None
Row = dict[str, Cell]
"""Column -> cell; what is missing is not known."""
Kind = Literal["text", "integer", "number", "yes or no"]


@dataclass(frozen=True)
class Column:
    """One column; `factor.*` stands for one of each factor."""

    name: str
    kind: Kind
    about: str


@dataclass(frozen=True)
class Table:
    """One table: what a row is, which columns it has, and how its rows are made."""

    name: str
    about: str
    columns: tuple[Column, ...]
    rows: Callable[[Results, Analysis], Iterator[Row]]

    def of(self, results: Results, analysis: Analysis) -> tuple[list[str], list[list[Cell]]]:
        """The names of its columns, and its rows. Every row ends with the results that it tells."""
        head = [name for column in self.columns for name in _expanded(column.name, results)]
        digest = results.digest
        rows = [{**row, "results": digest} for row in self.rows(results, analysis)]
        return head, [[row.get(name) for name in head] for row in rows]


RESULTS = Column("results", "text", "Which results the table tells: the ten digits that stand in the report, too.")
METRIC = (
    Column("metric", "text", "What is measured, as the report calls it: `bits per byte (valid)`."),
    Column("secondary", "text", "Name of the secondary metric; empty for the primary one."),
)
SETTING = (
    Column("size", "text", "Label of the size; empty in a study without sizes."),
    Column("text", "text", "Name of the text; empty in a study of one text."),
)
KNOBS = ("tuned", "matched", "scaled")
OF_VARIANT = (
    Column("parameters", "integer", "Weights of the model."),
    Column("flops_per_token", "number", "Forward FLOPs per token."),
    Column("tokens", "integer", "Tokens that a run is trained on."),
    Column("training_flops", "number", "FLOPs of a whole run, forward and backward."),
    Column("budget", "number", "Seconds that a run was expected to take, where variants are matched by them."),
    Column(
        "tuned.*",
        "text",
        "By knob: the value that tuning chose for the run or, of a variant, that most of its runs have.",
    ),
    Column("matched.*", "text", "By knob: the value that brings the variant to the budget."),
    Column("scaled.*", "text", "By knob: the value that follows from the size."),
)


def of_variant(variant: Variant) -> Row:
    """The cells of `OF_VARIANT`."""
    knobs = {f"{how}.{path}": cell(of) for how in KNOBS for path, of in getattr(variant, how).items()}
    return {
        "parameters": variant.parameters,
        "flops_per_token": variant.flops_per_token,
        "tokens": variant.tokens,
        "training_flops": variant.training_flops,
        "budget": variant.budget,
        **knobs,
    }


def levels_of(variant: Variant) -> Row:
    """The cells of `factor.*`."""
    return {f"factor.{factor}": level for factor, level in variant.levels.items()}


def of_metric(metric: Metric, secondary: str | None) -> Row:
    """The cells of `METRIC`."""
    return {"metric": metric.label, "secondary": secondary}


def cell(value: object) -> Cell:
    """A value as a cell: a number or a text as it is, anything else as JSON."""
    return value if value is None or isinstance(value, str | int | float) else plain(value)


def yes_or_no(value: bool) -> str:
    """`yes` or `no`, which no reader of CSV takes for a number."""
    return "yes" if value else "no"


def _expanded(name: str, results: Results) -> Sequence[str]:
    """The names that a column with a star stands for."""
    if not name.endswith(".*"):
        return [name]
    group = name.removesuffix(".*")
    found: Mapping[str, Iterable[str]] = {
        "factor": results.factors,
        "secondary": results.secondary,
        "knob": results.tuned_knobs,
        **{how: [path for one in results.variants for path in getattr(one, how)] for how in KNOBS},
    }
    return [f"{group}.{one}" for one in dict.fromkeys(found[group])]


def as_csv(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """As CSV; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    # Half a surrogate pair, which a name may hold, is no text that a file could.
    return text.getvalue().encode("utf-8", "replace").decode()


__all__ = [
    "KNOBS",
    "METRIC",
    "OF_VARIANT",
    "RESULTS",
    "SETTING",
    "Cell",
    "Column",
    "Row",
    "Table",
    "as_csv",
    "cell",
    "levels_of",
    "of_metric",
    "of_variant",
    "yes_or_no",
]
