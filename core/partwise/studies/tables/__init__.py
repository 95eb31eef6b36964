"""A study's figures as tables, every digit of them: CSV beside the report, and frames of pandas.

columns      what a table and a column are; docs/results.md says the same of each
facts        runs, variants, trials and curves: what was measured
found        contrasts, effects and ladder: what the analysis makes of it
documented   all of them described, for docs/results.md
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from partwise.errors import InputError
from partwise.recipe.suggestions import did_you_mean
from partwise.storage.atomic import made
from partwise.storage.outputs import write_output
from partwise.studies.stamp import TABLES, table_in

from .columns import Cell, Table, as_csv

if TYPE_CHECKING:
    from partwise.studies.analysis import Analysis
    from partwise.studies.results import Results

__all__ = ["all_tables", "table", "write_tables"]


def all_tables() -> dict[str, Table]:
    """Name -> table, in the order in which they are described."""
    from .facts import CURVES, RUNS, TRIALS, VARIANTS
    from .found import CONTRASTS, EFFECTS, LADDER

    return {one.name: one for one in (RUNS, VARIANTS, CONTRASTS, EFFECTS, LADDER, TRIALS, CURVES)}


def table(name: str, results: Results, analysis: Analysis) -> tuple[list[str], list[list[Cell]]]:
    """The names of the columns of a table, and its rows.

    Raises:
        InputError: there is no such table.
    """
    if name not in TABLES:
        raise InputError(f"there is no table {name!r}{did_you_mean(name, TABLES)}; there are {', '.join(TABLES)}")
    return all_tables()[name].of(results, analysis)


def write_tables(results: Results, analysis: Analysis, directory: Path) -> list[Path]:
    """Writes those that have rows to a study's directory, as tables/NAME.csv; of the others no old one is left.

    Raises:
        WorkError: a file cannot be written.
    """
    paths = []
    for name, one in all_tables().items():
        path = table_in(directory, name)
        head, rows = one.of(results, analysis)
        if not rows:
            path.unlink(missing_ok=True)
            continue
        made(path.parent)
        write_output(path, as_csv(head, rows))
        paths.append(path)
    return paths
