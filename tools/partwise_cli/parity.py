"""`partwise parity`: a checkpoint's model beside that of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from partwise.huggingface.parity.pairs import WHOLE
from partwise.wording import many

from . import options
from .output import print_json, show_columns, write

if TYPE_CHECKING:
    from partwise.huggingface.parity.both import Check
    from partwise.huggingface.parity.comparing import Parity
    from partwise.huggingface.parity.locating import Compared, FirstDifference


@click.command("parity")
@click.argument("checkpoint", type=options.directory, metavar="CHECKPOINT")
@click.option("--recipe", metavar="RECIPE", help="Recipe that the settings change, in place of the map's.")
@options.weight_map
@click.option("--reduced", is_flag=True, help="Leave the weights that there are, and compare small random models.")
@click.option("--seed", type=options.whole(0), default=0, show_default=True, help="Of weights and of token ids.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    checkpoint: Path,
    recipe: str | None,
    map_file: Path | None,
    reduced: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Compare a checkpoint with Hugging Face transformers.

    Both read the same tokens: the logits in float32 and float64, a padded pass, and texts written from the cache are
    compared. If something differs, the first module that does is named. A directory with a config.json alone is
    compared at reduced sizes, with random weights. Differences count if they are larger than rounding explains, which
    is measured. The exit code is 1 if something differs, and 2 if the two cannot be compared.

    \b
    Examples:
      partwise parity ~/models/gpt2
      partwise parity granite --map granite.weights.json
    """
    from partwise.huggingface.parity.comparing import compare

    found = compare(checkpoint, recipe, map_file, reduced, seed)
    if as_json:
        print_json(_described(found))
    else:
        _show(found)
    context.exit(0 if found.equal else 1)


def _show(found: Parity) -> None:
    what = "at reduced sizes, with random weights" if found.reduced else "with the checkpoint's weights"
    write(
        f"{found.family.model_type} {what}: {many(found.parameters, 'parameter')}; transformers {found.transformers}\n"
    )
    header = ("", "", "largest difference", "rounding explains", "largest value")
    show_columns([_row(check) for check in found.checks], header, right=(2, 3, 4), wraps=1)
    if found.first is not None:
        _show_first(found.first)


def _show_first(first: FirstDifference) -> None:
    module = "the model, outside the modules that hold its weights" if first.module == WHOLE else str(first.module)
    write(f"\nfirst module that differs: {module}")
    if first.agreed is not None:
        write(f"  still equal: {_place(first.agreed)}")
    told = "the logits" if first.differs is None else f"{_place(first.differs)}, by {_amount(first.differs)}"
    write(f"  different:   {told}")


def _place(one: Compared) -> str:
    return f"what {one.pair} {'reads' if one.side == 'input' else 'gives'}"


def _amount(one: Compared) -> str:
    return f"{one.difference.largest:.2g} where values are up to {one.difference.scale:.2g}"


def _row(check: Check) -> tuple[str, ...]:
    verdict = {True: "equal", False: "differs", None: "not compared"}[check.equal]
    if check.difference is None:
        return check.name, f"{verdict}: {check.note}", "", "", ""
    return check.name, verdict, *(f"{one:.1e}" for one in _figures(check)), f"{check.difference.scale:.2g}"


def _figures(check: Check) -> tuple[float, float]:
    assert check.difference is not None
    return check.difference.largest, check.difference.bound


def _described(found: Parity) -> dict[str, Any]:
    first = found.first
    return {
        "equal": found.equal,
        "model_type": found.family.model_type,
        "map": str(found.family.file),
        "reduced": found.reduced,
        "config": dict(found.config),
        "parameters": found.parameters,
        "transformers": found.transformers,
        "checks": [
            {"name": one.name, "equal": one.equal, "note": one.note, **_numbers(one.difference)} for one in found.checks
        ],
        "first": None
        if first is None
        else {
            "ours": list(first.module.ours),
            "theirs": list(first.module.theirs),
            "equal": None if first.agreed is None else _module(first.agreed),
            "differs": None if first.differs is None else _module(first.differs),
        },
        "modules": [_module(one) for one in found.modules],
    }


def _module(one: Compared) -> dict[str, Any]:
    return {
        "ours": list(one.pair.ours),
        "theirs": list(one.pair.theirs),
        "side": one.side,
        "call": one.call,
        "equal": one.difference.equal,
        **_numbers(one.difference),
    }


def _numbers(far: Any) -> dict[str, float]:
    return {} if far is None else {"difference": far.largest, "bound": far.bound, "scale": far.scale}
