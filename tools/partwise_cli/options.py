"""The options that several commands share."""

from __future__ import annotations

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

overrides = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=JSON",
    help="Change the recipe first, as in --set model.position=rope; may be repeated.",
)

device = click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute."
)

recipe = click.argument("recipe", metavar="RECIPE")

run = click.argument("run", metavar="RUN")
