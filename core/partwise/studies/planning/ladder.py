"""What follows from a size: the steps of its runs, and a knob that its rule scales."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from partwise.errors import PartError
from partwise.parts.part import Path
from partwise.recipe import LoadedRecipe, Node, Problem, RejectedError
from partwise.recipe.overrides import Override
from partwise.recipe.paths import values_at
from partwise.recipe.reader.source import marked
from partwise.studies.definition.changes import override_at
from partwise.studies.definition.reading import LoadedStudy
from partwise.studies.definition.settings import Setting
from partwise.studies.definition.variants import changed

from .costs import PASSES, Ledger

DIGITS = 4
"""Of a knob that is scaled."""
MOST_FACTOR = 1e6
"""By which a rule scales a knob."""
MOST_UPDATES = 10**9
"""More than anyone trains for; whoever asks for more has written something else than what was meant."""


@dataclass(frozen=True)
class Rung:
    """What one setting asks of all variants alike."""

    tokens: float | None = None
    """To be trained on; None: as many as the recipe says."""
    factor: float | None = None
    """Of the knob that the study's rule scales; None: there is none."""


def rung_of(study: LoadedStudy, setting: Setting, base: LoadedRecipe, plain: LoadedRecipe, ledger: Ledger) -> Rung:
    """What follows from the base variant at a setting.

    Args:
        base: the base variant there.
        plain: the same without its size.

    Raises:
        RecipeError: the FLOPs of the base cannot be counted, or the rule of the rates gives no number.
    """
    sizes = study.study.sizes
    if sizes is None:
        return Rung()
    parameters = ledger.quantity(base, "parameters") or 0.0
    tokens = factor = None
    if sizes.tokens_per_parameter is not None:
        tokens = sizes.tokens_per_parameter * parameters
    if sizes.flops is not None:
        each = ledger.quantity(base, "flops")
        if not each:
            told = (
                "the base's FLOPs cannot be counted at this size, so that no steps follow from them (`partwise "
                'inspect` says why); give "tokens_per_parameter" instead'
            )
            raise _refused(study, ("sizes", "flops"), told)
        tokens = sizes.flops[setting.rung] / (PASSES * each)
    if sizes.rates is not None:
        factor = _factor(study, parameters / (ledger.quantity(plain, "parameters") or parameters), sizes.rates.power)
    return Rung(tokens, factor)


def _factor(study: LoadedStudy, ratio: float, power: float) -> float:
    with suppress(OverflowError):
        factor = ratio**power
        if MOST_FACTOR >= factor >= 1 / MOST_FACTOR:
            return factor
    told = (
        f"with {ratio:.3g} times the parameters, to the power of {power:g}, this makes no learning rate; usual is -0.33"
    )
    raise _refused(study, ("sizes", "rates", "power"), told)


def _refused(study: LoadedStudy, place: Path, told: str) -> RejectedError:
    return RejectedError([Problem(told, study.at(place).mark, place)])


def on_rung(
    study: LoadedStudy, loaded: LoadedRecipe, rung: Rung, ledger: Ledger
) -> tuple[LoadedRecipe, dict[str, Any]]:
    """A variant with what its setting asks, and what that changed: knob path -> value.

    Raises:
        RecipeError: its trainer cannot be told how many updates to make, or the knob is no number.
    """
    changes = list[Override]()
    if rung.tokens is not None:
        changes += _steps(study, loaded, rung.tokens, ledger)
    if rung.factor is not None:
        changes += _scaled(study, loaded, rung.factor)
    told = {".".join(change.path): change.value.plain() for change in changes}
    return (changed(loaded, changes), told) if changes else (loaded, {})


def _steps(study: LoadedStudy, loaded: LoadedRecipe, tokens: float, ledger: Ledger) -> list[Override]:
    trainer, sizes = loaded.recipe.trainer, study.study.sizes
    by: Path = ("sizes", "flops" if sizes is not None and sizes.flops is not None else "tokens_per_parameter")
    own, common = trainer.planned_updates(), study.base.recipe.trainer.planned_updates()
    if own != common:
        told = (
            f"here training makes {own} updates, and {common} in the base recipe, but with {by[-1]} the length of "
            "training follows from the size; let neither a size nor a variant change it"
        )
        raise _refused(study, by, told)
    each = trainer.rows_per_update() * ledger.prepared(loaded).tokens_per_row
    if not 0.5 < tokens / each < MOST_UPDATES:
        told = (
            f"{by[-1]} gives {tokens:.3g} tokens here, and one update takes {each:,}: that makes "
            f"{tokens / each:.3g} updates, and a training has 1 to {MOST_UPDATES:,}"
        )
        raise _refused(study, by, told)
    try:
        longer = trainer.of_length(round(tokens / each))
    except PartError as error:
        raise _refused(study, by, str(error)) from error
    mark = study.at(by).mark
    before, after = (one.model_dump(mode="json") for one in (trainer, longer))
    return [
        Override(("trainer", *path), (mark,) * (len(path) + 1), marked(value, mark))
        for path, value in _differing(before, after)
    ]


def _differing(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths at which two values of one shape differ; an array of numbers is one value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in after:
            yield from _differing(before.get(key), after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and any(isinstance(one, dict) for one in after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from _differing(*pair, (*path, str(index)))
    elif before != after:
        yield path, after


def _scaled(study: LoadedStudy, loaded: LoadedRecipe, factor: float) -> list[Override]:
    sizes = study.study.sizes
    if sizes is None or sizes.rates is None:
        return []
    place = Node(sizes.rates.at, study.at(("sizes", "rates", "at")).head)
    found = list(values_at(loaded.recipe.resolved(), sizes.rates.at))
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in found):
        raise RejectedError([Problem(f"{sizes.rates.at} is not a number, so that no rule can scale it", place.mark)])
    if len(set(found)) > 1:
        told = f"{sizes.rates.at} is {' and '.join(f'{one:g}' for one in found[:2])}; a rule scales one number"
        raise RejectedError([Problem(told, place.mark)])
    value: float = float(f"{found[0] * factor:.{DIGITS}g}") if found else 0.0
    if found and isinstance(found[0], int):
        value = max(1, round(found[0] * factor))
    return [override_at(place, Node(value, place.mark))]  # of a path that leads nowhere, applying it tells


__all__ = ["Rung", "on_rung", "rung_of"]
