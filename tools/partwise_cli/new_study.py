"""`partwise new study`: a study file from options, or what could be varied in a recipe."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from shlex import quote

import click

from . import options
from .output import heading, paragraph, print_json, said, show_columns, write
from .text import visible

DESIGNS = ("one_at_a_time", "leave_one_out", "grid", "list", "fractional")


@click.command("study")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--base", required=True, metavar="RECIPE", help="The recipe that is varied: a name or a file.")
@click.option(
    "--vary",
    multiple=True,
    metavar="PATH=VALUES",
    help="A factor: model.position=rope,alibi. A slot alone takes every part that fits there.",
)
@click.option("--variant", multiple=True, metavar="NAME=PATCH", help="Instead, a variant of the design list.")
@click.option("--design", type=click.Choice(DESIGNS), help="Which combinations are run.  [default: one_at_a_time]")
@click.option("--resolution", type=options.whole(3), metavar="3|4|5", help="Of the design fractional.")
@click.option("--seeds", type=options.whole(1), default=5, show_default=True, metavar="N", help="Runs of each variant.")
@click.option("--metric", default="loss", show_default=True, metavar="METRIC", help="What the verdicts are about.")
@click.option("--smallest-effect", type=float, metavar="X", help="The smallest difference that matters.")
@click.option("--spread", type=float, metavar="X", help="Expected standard deviation between seeds, for the plan.")
@click.option("--secondary", multiple=True, metavar="METRIC", help="What else is measured.")
@click.option("--sizes", metavar="PATH=VALUES", help="A ladder of sizes: model.width=64,96,128.")
@click.option("--tokens-per-parameter", type=float, metavar="X", help="How long each size is trained.")
@click.option("--text", multiple=True, metavar="NAME=PATCH", help="A data set, on which everything is compared.")
@click.option("--match", metavar="QUANTITY=PATH", help="A budget, and the knob that brings every variant to it.")
@click.option(
    "--tune", multiple=True, metavar="PATH=VALUES", help="A knob tuned for each variant; a range is 1e-4..1e-2."
)
@click.option("--draws", type=options.whole(2), metavar="N", help="Combinations of tuned knobs that are drawn.")
@click.option("--look", multiple=True, metavar="SEEDS=ALPHA", help="A declared point at which it may end early.")
@click.option("--about", metavar="TEXT", help="What the study asks.")
@click.option("--in", "directory", type=options.directory, default=".", metavar="DIR", help="Write it there, not here.")
@options.as_json
def study(
    name: str | None,
    base: str,
    vary: tuple[str, ...],
    variant: tuple[str, ...],
    design: str | None,
    resolution: int | None,
    seeds: int,
    metric: str,
    smallest_effect: float | None,
    spread: float | None,
    secondary: tuple[str, ...],
    sizes: str | None,
    tokens_per_parameter: float | None,
    text: tuple[str, ...],
    match: str | None,
    tune: tuple[str, ...],
    draws: int | None,
    look: tuple[str, ...],
    about: str | None,
    directory: Path,
    as_json: bool,
) -> None:
    """Write a study file, or list what could be varied.

    Without --vary or --variant it lists the slots of the base recipe, what stands in each, and which parts fit there
    as they are. With them it writes NAME.json, once it is known that every variant can be built.

    Values are read as those of --set, with commas between them. For leave_one_out, the one value of each --vary is
    what stands there when the part is left out: "model.blocks.*.feedforward=null".

    \b
    Examples:
      partwise new study --base gpt
      partwise new study positions-here --base gpt --vary model.position=learned,rope,alibi
      partwise new study norms-here --base gpt --vary "model.blocks.*.norm,model.final_norm=rms_norm,none" --seeds 3
      partwise new study rates --base char-rnn --vary model.width=64,128 --tune trainer.optimizer.lr=1e-3,3e-3
    """
    if name is None and not vary and not variant:
        _list(base, as_json)
        return
    if name is None:
        raise click.UsageError("a study needs a name: partwise new study NAME --base ...")
    from partwise.scaffold import AskedStudy, new_study

    asked = AskedStudy(
        base=base,
        vary=vary,
        variant=variant,
        design=design,
        resolution=resolution,
        seeds=seeds,
        metric=metric,
        smallest_effect=smallest_effect,
        spread=spread,
        secondary=secondary,
        sizes=sizes,
        tokens_per_parameter=tokens_per_parameter,
        text=text,
        match=match,
        tune=tune,
        draws=draws,
        look=look,
        about=about,
    )
    place, found = new_study(name, asked, directory)
    names = list(dict.fromkeys(one.name for one in found.candidates))
    if as_json:
        print_json({"file": str(place), "variants": names})
        return
    where = quote(visible(str(place)))
    write(f"made {visible(str(place))}: {', '.join(names)}; next:")
    write(f"  partwise ablate {where} --plan")
    write(f"  partwise ablate {where}")


def _list(base: str, as_json: bool) -> None:
    from partwise.recipe import load
    from partwise.scaffold import numbers_of, slots_of

    loaded = load(base)
    numbers = numbers_of(loaded)
    if as_json:
        slots = [asdict(one) for one in slots_of(loaded)]
        print_json({"base": loaded.recipe.name, "slots": slots, "numbers": [asdict(one) for one in numbers]})
        return
    said("building a variant with each part that could stand somewhere")
    found = list(slots_of(loaded))
    heading(f"What could be varied in {loaded.recipe.name}")
    rows = [(one.path, ", ".join(one.now), ", ".join(one.fits) or "-") for one in found]
    show_columns(rows, header=("slot", "now", "fits as it is"), wraps=2)
    write()
    heading("Numbers")
    show_columns([(one.path, f"{one.now}") for one in numbers])
    write()
    first = next((one for one in found if len(one.fits) > 1 and one.path.startswith("model.")), None)
    example = "model.width=64,128" if first is None else f"{first.path}={','.join(first.fits[:2])}"
    paragraph(
        "Parts that a knob must be set for are not listed (`--json` says why), and other knobs can be varied as well: "
        f"`partwise parts KIND NAME`. next: partwise new study NAME --base {visible(base)} --vary '{example}'"
    )
