"""`partwise import`: a public checkpoint as a run."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from . import options
from .output import print_json, write


@click.command("import")
@click.argument("checkpoint", type=options.directory, metavar="CHECKPOINT")
@click.option("--out", type=options.directory, metavar="DIR", help="Write the run there, not to runs/NAME.")
@options.weight_map
@options.as_json
def command(checkpoint: Path, out: Path | None, map_file: Path | None, as_json: bool) -> None:
    """Make a run from a Hugging Face checkpoint directory.

    The directory holds config.json, model.safetensors (or shards with their index) and tokenizer.json,
    or what `partwise export` wrote. Its settings become the run's recipe, whose parts you can then replace; its
    tensors become the run's weights. A setting that the family's weight map does not name is an error, unless it never
    changes what a model computes. generation_config.json and tokenizer_config.json say how its texts begin and end;
    if the first says that texts are drawn, its temperature, top_k, top_p and min_p become the recipe's sampler.

    \b
    Examples:
      partwise import ~/models/gpt2 --out runs/gpt2
      partwise import ~/models/granite --map granite.weights.json
    """
    from partwise.huggingface.convert import import_checkpoint

    run = import_checkpoint(checkpoint, out, map_file)
    if as_json:
        print_json({"run": str(run.directory), "name": run.recipe["name"], "checkpoint": str(checkpoint)})
        return
    write(f"run:  {run.directory}\nnext: partwise generate {quote(str(run.directory))} --prompt 'Once upon a time'")
