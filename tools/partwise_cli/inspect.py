"""`partwise inspect`: what a model is made of, and what it costs, without its weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .output import heading, paragraph, print_json, show_columns, write
from .text import in_bytes, in_words
from .tree import show_tree

if TYPE_CHECKING:
    from partwise.assembly.activations import TrainingCosts
    from partwise.assembly.inspection import Inspection


@click.command("inspect")
@options.recipe
@options.overrides
@options.start
@click.option("--vocabulary", type=options.whole(1), metavar="N", help="Number of tokens, in place of the tokenizer's.")
@click.option("--training", is_flag=True, help="Show what training takes, too: memory of activations, FLOPs.")
@options.as_json
def command(
    recipe: str, overrides: tuple[str, ...], start: Path | None, vocabulary: int | None, training: bool, as_json: bool
) -> None:
    """Show a recipe's model: modules, shapes, parameters, costs.

    No memory is taken for weights, so a model of any size can be inspected. Shapes name B for the batch,
    T for positions and, where a source is read, M for its positions.

    \b
    Examples:
      partwise inspect gpt
      partwise inspect gpt --training
      partwise inspect families/llama3-8b --json
    """
    from partwise import workflow
    from partwise.recipe import load

    loaded = load(recipe, options.with_start(overrides, start))
    found = workflow.inspect(loaded, vocabulary)
    exact = loaded.recipe.start is not None or workflow.planned_vocabulary(loaded.recipe)[1]
    source = "given" if vocabulary else "exact" if exact else "assumed"
    costs = workflow.training_costs(loaded, vocabulary) if training else None
    if as_json:
        told = {"name": loaded.recipe.name, **asdict(found), "learning": found.learning, "vocabulary_is": source}
        print_json(told | ({"training": costs and asdict(costs)} if training else {}))
        return
    heading(loaded.recipe.name)
    paragraph(loaded.recipe.about)
    write()
    show_tree(found)
    write()
    show_columns(_totals(found, source) + (_training(costs, found.context) if training else []))


def _training(costs: TrainingCosts | None, context: int) -> list[tuple[str, str]]:
    if costs is None:
        return [("training", "not counted: its work depends on the data")]
    more = costs.recomputed_flops / costs.flops if costs.flops else 0.0
    again = f"at most {in_bytes(costs.recomputed_activations)}, for {more:.0%} more FLOPs"
    return [
        ("training", f"{in_words(costs.flops / context, 'FLOPs')} per token, forward and backward"),
        ("activations", f"{in_bytes(costs.activations)} for each row of {context:,} tokens, in float32"),
        ("recomputed", f"{again} (trainer.recompute 1)"),
    ]


def _totals(found: Inspection, source: str) -> list[tuple[str, str]]:
    why = {"given": "as given", "exact": "at most", "assumed": "assumed: only the text can tell; see --vocabulary"}
    reasons = {one.figure: f"not counted: {one}" for one in found.uncounted}
    return [
        ("parameters", f"{found.parameters:,}" + f" ({in_words(found.parameters)})" * (found.parameters >= 1_000_000)),
        *_learning(found),
        ("weights", f"{in_bytes(4 * found.parameters)} in float32, {in_bytes(2 * found.parameters)} in bfloat16"),
        ("compute", reasons.get("FLOPs") or _compute(found)),
        ("decode state", reasons.get("decode state") or _decode_state(found)),
        ("context", f"{found.context:,} tokens"),
        ("vocabulary", f"{found.vocabulary:,} tokens ({why[source]})"),
    ]


def _learning(found: Inspection) -> list[tuple[str, str]]:
    """How many parameters learn, where some do not."""
    if not found.frozen:
        return []
    share = found.learning / found.parameters
    return [
        (
            "of these learn",
            f"{found.learning:,} ({share:.3g} of all)" if share < 0.001 else f"{found.learning:,} ({share:.1%})",
        )
    ]


def _compute(found: Inspection) -> str:
    return f"{in_words(found.flops_per_token or 0, 'FLOPs')} per token, forward, in a full context"


def _decode_state(found: Inspection) -> str:
    per_token, fixed = found.state_bytes_per_token or 0, found.state_bytes_fixed or 0
    state = [f"{in_bytes(per_token)} per token"] if per_token or not fixed else []
    state += [f"{in_bytes(fixed)} however long the text"] if fixed else []
    return f"{' and '.join(state)}, in float32"
