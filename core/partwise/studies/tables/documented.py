"""The files of a study's directory described, as Markdown: docs/results.md holds exactly this."""

from __future__ import annotations

from partwise.documented import Documented, field_docs
from partwise.studies import results

from . import all_tables
from .columns import Column, Table

MODELS: dict[type[Documented], str] = {
    results.Results: "The whole file",
    results.Metric: "`metric`, and each of `secondary`",
    results.Variant: "Each of `variants`",
    results.Outcome: "Each of `outcomes`",
    results.Figure: "Each `secondary` of an outcome",
    results.Trial: "Each of `trials`",
    results.Drawn: "A range in `tuned_knobs`",
    results.Halving: "`halving`",
    results.Look: "Each of `looks`",
    results.LookElsewhere: "Each of `elsewhere`",
}


def described_tables() -> str:
    """A section for each table, with a row for each of its columns."""
    return "\n\n".join(map(_table, all_tables().values()))


def described_results() -> str:
    """A section for each kind of record in results.json, with a row for each of its fields."""
    return "\n\n".join(_model(model, what) for model, what in MODELS.items())


def _table(table: Table) -> str:
    rows = "\n".join(map(_column, table.columns))
    return f"### {table.name}.csv\n\n{table.about}\n\n| column | holds | what |\n|---|---|---|\n{rows}"


def _column(column: Column) -> str:
    return f"| `{column.name}` | {column.kind} | {column.about} |"


def _model(model: type[Documented], what: str) -> str:
    rows = "\n".join(
        f"| `{name}` | {' '.join(text.split())} |"
        for name, text in field_docs(model).items()
        if not model.model_fields[name].exclude
    )
    return f"### {what}\n\n| field | what |\n|---|---|\n{rows}"


__all__ = ["described_results", "described_tables"]
