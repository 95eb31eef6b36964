"""The figures as tables, every digit of them: one row per run, and one per variant."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from partwise.rendering.text import plain
from partwise.studies.results import Variant

from .report import Report

Cell = str | int | float | None
Table = tuple[list[str], list[list[Cell]]]
"""The names of the columns, and the rows."""


def results_csv(report: Report) -> str:
    """`results_table` as CSV; what is not known is empty."""
    return _csv(*results_table(report))


def summary_csv(report: Report) -> str:
    """`summary_table` as CSV; what is not known is empty."""
    return _csv(*summary_table(report))


def results_table(report: Report) -> Table:
    """One row per run: its variant's levels and sizes, its seed, what came of it."""
    r = report.results
    metric = [r.metric.name, r.metric.split]
    facts = {variant.name: variant for variant in r.variants}
    head = ["study", "variant", *_factors(report), "seed", "state", "metric", "split", "value", "seconds", "attempts",
            "parameters", "flops_per_token", "tokens", "identity", "error", "directory", *_knobs(report),
            "results"]  # fmt: skip
    digest = r.digest
    rows: list[list[Cell]] = []
    for run in r.outcomes:
        variant = facts[run.variant]
        levels = [variant.levels.get(factor) for factor in r.factors]
        sizes = [variant.parameters, variant.flops_per_token, variant.tokens]
        rows.append([r.study, run.variant, *levels, run.seed, run.state, *metric, run.metric, run.seconds, run.attempts,
                     *sizes, run.identity, run.error, run.directory, *_settings(report, variant), digest])  # fmt: skip
    return head, rows


def summary_table(report: Report) -> Table:
    """One row per variant: its runs, its mean, and its contrast with the baseline."""
    r = report.results
    head = ["variant", *_factors(report), "planned", "done", "diverged", "failed", "waiting",
            "mean", "sd", "pairs", "difference", "low", "high", "p", "p_adjusted", "p_equivalent", "correlation",
            "verdict", "simultaneous_low", "simultaneous_high", "detectable", "seeds_needed", "seeds_needed_low",
            "seeds_needed_high", "seeds_for_equivalence", "text_error", "parameters", "flops_per_token", "tokens",
            "seconds", "floor", "note", *_knobs(report), "results"]  # fmt: skip
    digest = r.digest
    rows: list[list[Cell]] = []
    for row in report.rows_as_studied:
        v, s, c = row.variant, row.summary, row.contrast
        compared: list[Cell] = [None] * 17
        if c:
            compared = [c.pairs, c.difference, c.low, c.high, c.p, c.p_adjusted, c.p_equivalent, c.correlation,
                        c.verdict, c.low_all, c.high_all, c.detectable, c.seeds_needed,
                        c.needed.fewest if c.needed else None, c.needed.most if c.needed else None,
                        c.equivalence.seeds if c.equivalence else None, c.text_error]  # fmt: skip
        levels = [v.levels.get(factor) for factor in r.factors]
        counts = [s.planned, s.done, s.diverged, s.failed, s.waiting]
        rows.append([v.name, *levels, *counts, s.mean, s.sd, *compared, v.parameters, v.flops_per_token, v.tokens,
                     row.seconds, v.floor, c.note if c else None, *_settings(report, v), digest])  # fmt: skip
    return head, rows


def _factors(report: Report) -> list[str]:
    return [f"factor.{factor}" for factor in report.results.factors]


def _knobs(report: Report) -> list[str]:
    """Columns of what was chosen for a variant alone: `tuned.trainer.optimizer.lr`."""
    variants = report.results.variants
    names = [*(f"tuned.{knob}" for v in variants for knob in v.tuned)]
    return [*dict.fromkeys([*names, *(f"matched.{knob}" for v in variants for knob in v.matched)])]


def _settings(report: Report, variant: Variant) -> list[Cell]:
    own = {f"{how}.{knob}": v for how in ("tuned", "matched") for knob, v in getattr(variant, how).items()}
    cells = [own.get(knob) for knob in _knobs(report)]
    return [cell if cell is None or isinstance(cell, str | int | float) else plain(cell) for cell in cells]


def _csv(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    # Half a surrogate pair, which a name may hold, is no text that a file could.
    return text.getvalue().encode("utf-8", "replace").decode()


__all__ = ["results_csv", "results_table", "summary_csv", "summary_table"]
