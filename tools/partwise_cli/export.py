"""`partwise export`: a run as a checkpoint for transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from . import options
from .output import print_json, write
from .runs import directory_of


@click.command("export")
@options.run
@click.argument("out", type=options.directory, metavar="DIR")
@click.option("--family", metavar="NAME", help="Family to write it as; by default the first that fits.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Type of the tensors; by default float32, or that of the checkpoint that the run was imported from.",
)
@options.weight_map
@options.as_json
def command(
    run: str,
    out: Path,
    family: str | None,
    dtype: Literal["float32", "bfloat16", "float16"] | None,
    map_file: Path | None,
    as_json: bool,
) -> None:
    """Write a run as a checkpoint that transformers loads.

    Writes config.json, generation_config.json, model.safetensors and the tokenizer, so that transformers reads and
    writes the same text: it puts before a prompt what this run's texts begin with. That works if a family of
    transformers has every choice of the run's recipe: GPT-2 has those of `gpt`. If none has, the message shows the
    first difference for each.

    \b
    Example:
      partwise export runs/gpt-1f0c2d3e4b-s0 exported/gpt
    """
    from partwise.huggingface.convert import export_run

    written = export_run(directory_of(run), out, family, dtype, map_file)
    if as_json:
        print_json({"checkpoint": str(out), "model_type": written.model_type, "architecture": written.architecture})
        return
    if not (out / "tokenizer.json").is_file():
        write("note: this run's tokenizer has no form for transformers; only partwise import can read it", err=True)
    write(f"checkpoint: {out}\nto load it: transformers.{written.architecture}.from_pretrained({str(out)!r})")
