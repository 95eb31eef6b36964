"""What a study cannot do, found before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

from partwise.errors import InputError
from partwise.recipe import Problem, RejectedError
from partwise.recipe.suggestions import did_you_mean
from partwise.studies.definition.reading import LoadedStudy
from partwise.studies.definition.settings import Setting
from partwise.studies.definition.study import MOST_SEEDS, MetricChoice
from partwise.studies.validity import comparable, why_not_comparable

if TYPE_CHECKING:
    from partwise.data import Batches, Split, SplitFacts
    from partwise.parts import ObjectivePart
    from partwise.recipe import Recipe

    from .plan import PlannedVariant

FEWEST_EVALUATIONS = 4
"""Made while training, if a target is to be found between them."""


def refuse_too_many(seeds: int | tuple[int, ...]) -> None:
    """
    Raises:
        InputError: there are more seeds than any study is run with; their runs could not even be listed in good time.
    """
    count = seeds if isinstance(seeds, int) else len(seeds)
    if count > MOST_SEEDS:
        raise InputError(f"{count:,} seeds are too many; a study has at most {MOST_SEEDS:,}, and most need 3 to 30")


def refuse_seeds(study: LoadedStudy, seeds: tuple[int, ...]) -> None:
    """
    Raises:
        InputError: the study declares looks for another number of seeds, or tunes with some of these.
    """
    looks, tune = study.study.looks, study.study.tune
    if looks and looks[-1].seeds != len(seeds):
        raise InputError(f"the study declares its last look after {looks[-1].seeds} seeds; for {len(seeds)}, change it")
    if tune and set(seeds) & set(tune.seeds or ()):
        raise InputError("the study tunes with some of these seeds; tuning needs seeds of its own")


_Placed = TypeVar("_Placed", bound="Placed")


class Placed(Protocol):
    """A variant at its setting."""

    @property
    def setting(self) -> Setting: ...


def between(placed: Sequence[_Placed], tokenizer: Callable[[_Placed], str]) -> str | None:
    """What the tokenizer varies between: `variants`, `texts` or `sizes`; None if it is the same everywhere."""
    found = {(one.setting.size, one.setting.text): set[str]() for one in placed}
    for one in placed:
        found[one.setting.size, one.setting.text].add(tokenizer(one))
    if any(len(own) > 1 for own in found.values()):
        return "variants"
    for size, _ in found:
        if len({tuple(own) for (other, _), own in found.items() if other == size}) > 1:
            return "texts"
    return "sizes" if len({tuple(own) for own in found.values()}) > 1 else None


def refuse_metric_per_token(study: LoadedStudy, varies_between: str | None) -> None:
    """
    Raises:
        RecipeError: the tokenizer varies, and a metric is one per token.
    """
    problems = []
    for place, metric in study.study.metrics.items():
        name, evaluation = metric.name, metric.of_evaluation
        per_token = (
            evaluation is not None and name.partition(".")[2] in study.base.recipe.evaluations[evaluation].per_token()
        )
        varies = varies_between is not None
        if (varies and per_token) or not comparable(name, varies):
            why = why_not_comparable(name, varies_between or "variants")
            problems.append(Problem(why, study.at((*place, "name")).mark, (*place, "name")))
    if problems:
        raise RejectedError(problems)


def refuse_falling(study: LoadedStudy, bases: Sequence[PlannedVariant]) -> None:
    """
    Raises:
        RecipeError: a size of the ladder is smaller than the one before it.
    """
    if study.study.sizes is None or study.study.sizes.flops is not None:  # which rise by themselves
        return
    for first, then in pairwise(one for one in bases if one.setting.text == bases[0].setting.text):
        before, after = (one.costs.parameters * max(1, one.costs.tokens) for one in (first, then))
        if after < before:
            told = (
                f"sizes go from small to large, and {then.setting.size!r} ({then.costs.parameters:,} parameters, "
                f"{then.costs.tokens:,} tokens) is smaller than {first.setting.size!r} "
                f"({first.costs.parameters:,}, {first.costs.tokens:,})"
            )
            place = then.setting.of_size.path if then.setting.of_size else ("sizes",)
            raise RejectedError([Problem(told, study.at(place).head, place)])


def refuse_other_questions(study: LoadedStudy, recipes: Sequence[Recipe]) -> None:
    """
    Raises:
        RecipeError: the variants are scored on different tokens, so that their figures cannot be compared.
    """
    found = {json.dumps(one.objective.model_dump(mode="json"), sort_keys=True): one.objective for one in recipes}
    apart = next((one for one in found.values() if not one.likelihood), None)
    if len(found) < 2 or apart is None:
        return
    told = (
        f"the variants differ in their objective, and {apart.name!r} scores other tokens than the rest of them, so "
        "their figures cannot be compared; compare variants of one objective, or objectives that score every token"
    )
    places = [
        (*place, "name")
        for place, metric in study.study.metrics.items()
        if metric.of_evaluation is None  # an evaluation asks the same of all of them
    ]
    if places:
        raise RejectedError([Problem(told, study.at(place).mark, place) for place in places])


def refuse_unreached(study: LoadedStudy, recipe: Recipe) -> None:
    """
    Raises:
        RecipeError: the metric is how much training a target took, and the recipe is not evaluated on the way.
    """
    metrics = [study.study.metric, *study.study.secondary.values()]
    if any(one.asked().amount for one in metrics) and recipe.trainer.planned_evaluations() < FEWEST_EVALUATIONS:
        told = (
            "when a target is reached is read off the evaluations made while training, and there are "
            f"{recipe.trainer.planned_evaluations()} of them; set trainer.evaluate_every to less"
        )
        raise RejectedError([Problem(told, study.at(("metric", "name")).mark, ("metric", "name"))])


def refuse_unmeasurable(study: LoadedStudy, batches: Batches, objective: ObjectivePart) -> None:
    """
    Raises:
        RecipeError: a split that is measured is empty, a metric's context does not suit the texts, or the tokenizer
            or the objective rules a metric out.
    """
    tuned_on: tuple[Split, ...] = ("valid",) if study.study.tune else ()
    problems = []
    for place, metric in study.study.metrics.items():
        try:
            _refuse_unmeasurable(metric, tuned_on if place == ("metric",) else (), batches, objective)
        except InputError as error:
            problems.append(Problem(str(error), study.at(place).mark, place))
    if problems:
        raise RejectedError(problems)


def _refuse_unmeasurable(
    metric: MetricChoice, also: tuple[Split, ...], batches: Batches, objective: ObjectivePart
) -> None:
    """
    Raises:
        InputError: no model of this kind has such a figure on these texts.
    """
    figure = metric.of if metric.asked().amount else metric.name
    of_length = batches if metric.context is None else batches.of_length(metric.context)
    for split in dict.fromkeys((metric.split, *also)):
        of_length.evaluation(split, 1)
        _refuse_metric(figure, measured_on(of_length.encoded[split], metric.member))
    if figure == "bits_per_byte" and not objective.likelihood:
        raise InputError(
            f"there are no bits per byte: the objective {objective.name!r} scores only some of the tokens; "
            "compare the loss"
        )


def measured_on(split: SplitFacts, member: str | None) -> SplitFacts:
    """The split, or the member of a mixture that is measured.

    Raises:
        InputError: there is no such member.
    """
    if member is None:
        return split
    members = getattr(split, "members", {})
    if member not in members:
        has = f"there are {', '.join(members)}" if members else "the data are no mixture"
        raise InputError(f"the metric is to be measured on the member {member!r}{did_you_mean(member, members)}; {has}")
    found: SplitFacts = members[member]
    return found


def _refuse_metric(name: str, split: SplitFacts) -> None:
    """
    Raises:
        InputError: no model has such a figure on this split.
    """
    if not split.scored_tokens:
        raise InputError(f"the {split.name} split has no token that is scored; give the data more text")
    why = split.why_no_bits_per_byte() if name == "bits_per_byte" else None
    if why is not None:
        raise InputError(
            f"there are no bits per byte: {why}; use a tokenizer that loses nothing ('bpe', or 'sentencepiece' with "
            "byte_fallback), or compare the loss, if all variants share the tokenizer"
        )


__all__ = [
    "between",
    "measured_on",
    "refuse_falling",
    "refuse_metric_per_token",
    "refuse_other_questions",
    "refuse_seeds",
    "refuse_too_many",
    "refuse_unmeasurable",
    "refuse_unreached",
]
