"""`partwise schema`: JSON Schema of every recipe and study that can be written with what is installed."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .output import STANDARD_OUTPUT, print_json, write, write_file
from .text import visible


@click.command("schema")
@click.option("--out", type=options.output, metavar="FILE", help="Write it to a file; - is standard output.")
@click.option("--study", is_flag=True, help="The schema of studies, instead of that of recipes.")
@click.option("--results", is_flag=True, help="The schema of a study's results.json, instead of that of recipes.")
@click.option("--weights", is_flag=True, help="The schema of weight maps, instead of that of recipes.")
def command(out: Path | None, study: bool, results: bool, weights: bool) -> None:
    """Print the JSON Schema of recipes, studies, or weight maps.

    Or of the results of studies. It has every part that is installed. An editor that uses it completes and checks
    files as you type. Print it again after you install a plugin.

    \b
    Example:
      partwise schema --out recipe.schema.json
    """
    if study + results + weights > 1:
        raise click.UsageError("--study, --results and --weights ask for different schemas; give one of them")
    if weights:
        from partwise.huggingface.family import map_schema

        schema = map_schema()
    elif study:
        from partwise.studies.definition.schema import study_schema

        schema = study_schema()
    elif results:
        from partwise.studies.tables.schema import results_schema

        schema = results_schema()
    else:
        from partwise.recipe import json_schema

        schema = json_schema()
    if out is None or out == STANDARD_OUTPUT:
        print_json(schema)
        return
    from partwise.storage.atomic import json_text

    write_file(out, json_text(schema))
    write(f"wrote {visible(str(out))}")
