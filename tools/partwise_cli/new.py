"""`partwise new`: something to start from."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from . import options
from .new_study import study
from .output import print_json, write


@click.group("new")
def command() -> None:
    """Make something to start from: a study, or a plugin.

    \b
    Examples:
      partwise new study --base gpt
      partwise new study mine --base gpt --vary model.position=learned,rope
      partwise new plugin acme --kind attention
    """


@command.command("plugin")
@click.argument("name", metavar="NAME")
@click.option("--kind", default="attention", show_default=True, metavar="KIND", help="Kind of its example part.")
@click.option("--in", "parent", type=options.directory, default=".", metavar="DIR", help="Write it there, not here.")
@options.as_json
def plugin(name: str, kind: str, parent: Path, as_json: bool) -> None:
    """Write a small package with a part of your own in it.

    It installs, verifies and trains as it is; then change the formula. Its parts are called NAME/... in recipes.
    The kinds are adapter, attention, block, data, evaluation, feedforward, mixer, model, norm, objective,
    optimizer, parametrisation, position, residual, sampler, schedule, tokenizer, tracker and trainer; "own" is for
    a kind that partwise does not have.

    \b
    Example:
      partwise new plugin acme --kind attention
      pip install --editable acme
      partwise verify acme/sinks
      partwise train acme/example
    """
    from partwise.scaffold import OWN, PARTS, new_plugin

    place, part = new_plugin(name, kind, parent), f"{name}/{PARTS[kind]}"
    kind = OWN if kind == "own" else kind
    if as_json:
        print_json({"directory": str(place), "kind": kind, "part": part})
        return
    where = quote(str(place))
    write(f"made {place}, with the {kind} {part}; next:")
    write(f"  pip install --editable {where if '/' in where else './' + where}")
    write(f"  partwise verify {part}")
    write(f"  partwise train {name}/example")


command.add_command(study)
