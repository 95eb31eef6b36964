"""`make families`: compares every family that ships with transformers, and writes docs/families.md."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import transformers

from partwise.huggingface.families import families
from partwise.recipe import load

from .parity import Parity, compared, parameters
from .reduced import FAMILIES, Reduced

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
HEAD = (
    "Family", "Recipe", "Published", "Ours", "float32", "float64", "Padded", "Greedy text", "Tensors", "Reloaded"
)  # fmt: skip
INTRODUCTION = """# Public families

Each family is a recipe at full size and a [weight map](maps.md), both in [recipes/families](../recipes/families). A
checkpoint of it becomes a run with `partwise import DIRECTORY`, and a run of such a model a checkpoint with
`partwise export RUN DIRECTORY`.

`make families` writes this page. *Published* and *ours* are parameters at full size. All else is about a reduced
checkpoint with random weights that transformers has written: the largest difference of any logit after import, in
float32, in float64 (what transformers computes in float32 whatever the weights are, such as norms, softmax and angles,
is taken in float64, too), and in float64 where the texts of a batch are of different lengths; whether greedy decoding
from the cache, of such texts, writes the same tokens; whether export gives back every tensor to the bit; and whether
what transformers loads from it gives the same logits to the bit. The standard deviation of logits is {least} to {most}.
"""


def main() -> None:
    """Writes the page; the families named on the command line are only compared and shown."""
    transformers.utils.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    wanted = sys.argv[1:]
    results = []
    for reduced in FAMILIES:
        if not wanted or reduced.map in wanted:
            with TemporaryDirectory() as place:
                results.append((reduced, compared(reduced, Path(place))))
            print(f"{reduced.map}: {results[-1][1]}", flush=True)
    if not wanted:
        PAGE.write_text(page(results))
        print(f"written: {PAGE}")


def page(results: list[tuple[Reduced, Parity]]) -> str:
    """The whole page."""
    spreads = [parity.spread for _, parity in results]
    notes = [f"- {title(reduced)}: {reduced.rounded}." for reduced, _ in results if reduced.rounded]
    return "\n".join(
        [
            INTRODUCTION.format(least=f"{min(spreads):.2g}", most=f"{max(spreads):.2g}"),
            f"| {' | '.join(HEAD)} |",
            f"|{'|'.join('---' if index < 2 else '--:' for index in range(len(HEAD)))}|",
            *(f"| {' | '.join(row(reduced, parity))} |" for reduced, parity in results),
            "",
            "Where fewer digits agree in float64, transformers has rounded something:",
            "",
            *notes,
            "",
            f"Compared with transformers {version('transformers')} and torch {version('torch')}.",
            "",
        ]
    )


def row(reduced: Reduced, parity: Parity) -> tuple[str, ...]:
    """One line of the table, from the family on."""
    return (
        *facts(reduced),
        f"{parameters(reduced.recipe):,}",
        *(f"{value:.1e}" for value in (parity.float32, parity.float64, parity.padded)),
        "-" if parity.same_text is None else _said(parity.same_text),
        _said(parity.same_tensors),
        _said(parity.same_reloaded),
    )


def facts(reduced: Reduced) -> tuple[str, str, str]:
    """What a line begins with, and no run changes: family, recipe, published parameters."""
    return title(reduced), f"`families/{reduced.recipe}`", f"{reduced.parameters:,}"


def title(reduced: Reduced) -> str:
    """The model's name, from what the recipe says of itself."""
    return (
        f"{load(f'families/{reduced.recipe}').recipe.about.partition(' (')[0]} (`{families()[reduced.map].model_type}`)"
    )


def _said(equal: bool) -> str:
    return "equal" if equal else "**differs**"


if __name__ == "__main__":
    main()
