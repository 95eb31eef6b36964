"""What `partwise ablate --plan` shows: runs, budgets, time, disk, and what the seeds can detect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .output import heading, paragraph, print_json, said, show_columns, write
from .text import duration, in_bytes, in_words

if TYPE_CHECKING:
    from partwise.studies.definition.study import Tuning
    from partwise.studies.directories import StudyDirectories
    from partwise.studies.forecast import Forecast
    from partwise.studies.planning.plan import Plan, PlannedVariant
    from partwise.studies.planning.timing import Estimate
    from partwise.studies.results import Key

LADDER = ("steps", "FLOPs")
"""Columns where there are sizes."""
HEADER = ("variant", "runs", "done", "parameters", "", "FLOPs per token", "", "tokens", "", "a run", "changed to match")


def show_plan(plan: Plan, where: StudyDirectories, as_json: bool) -> None:
    """Prints the plan of a study, and what it is expected to take."""
    from partwise.studies.forecast import forecast

    said("timing a few steps of each variant")
    found = forecast(plan, where)
    for key, why in (found.estimate.untimed if found.estimate else {}).items():
        said(f"note: {_title(plan, key)} could not be timed: {why}")
    if as_json:
        print_json(_described(plan, found))
        return
    study = plan.study.study
    heading(study.name)
    paragraph(study.about)
    write()
    for setting in plan.settings:
        here = [one for one in plan.variants if one.setting is setting]
        if setting.levels:
            write(f"{setting.words.strip()}:")
        header: tuple[str, ...] = HEADER
        right = tuple(range(1, 10))
        if setting.of_size is not None:
            header, right = (*HEADER[:-2], *LADDER, *HEADER[-2:]), tuple(range(1, 12))
        show_columns([_row(plan, found, one) for one in here], header=header, right=right)
        write()
    show_columns(_totals(plan, found))


def _row(plan: Plan, found: Forecast, variant: PlannedVariant) -> tuple[str, ...]:
    off = plan.mismatch(variant)
    each = found.estimate.seconds_per_run.get(variant.key) if found.estimate else None
    return (
        variant.name,
        str(len(plan.seeds)),
        str(found.done.get(variant.key, 0)),
        f"{variant.costs.parameters:,}",
        _share(off["parameters"]),
        "-" if variant.costs.flops_per_token is None else in_words(variant.costs.flops_per_token),
        _share(off["flops"]),
        in_words(variant.costs.tokens),
        _share(off["tokens"]),
        *(() if variant.setting.of_size is None else _on_ladder(variant)),
        "-" if each is None else duration(each),
        ", ".join(f"{path} {value}" for path, value in variant.matched.items()),
    )


def _on_ladder(variant: PlannedVariant) -> tuple[str, str]:
    """Updates of a run, and its FLOPs."""
    updates, flops = variant.loaded.recipe.trainer.planned_updates(), variant.described().training_flops
    return "-" if updates is None else f"{updates:,}", "-" if flops is None else in_words(flops)


def _title(plan: Plan, key: Key) -> str:
    return next(one.title for one in plan.variants if one.key == key)


def _share(share: float) -> str:
    return "" if abs(share) < 5e-5 else f"{share:+.2%}" if abs(share) < 0.1 else f"{share:+.0%}"


def _totals(plan: Plan, found: Forecast) -> list[tuple[str, str]]:
    from partwise.wording import many

    study = plan.study.study
    runs = len(plan.variants) * len(plan.seeds)
    places = len(plan.settings)
    size = f"{many(len(plan.names), 'variant')}, {many(len(plan.seeds), 'seed')}"
    size += "" if places == 1 else f", {_places(plan)}"
    rows = [("runs", f"{runs} ({size}), {sum(found.done.values())} done")]
    if found.trials:
        everywhere = "" if places == 1 else " at each setting"
        rows.append(
            (
                "tuning",
                f"{found.trials} trials, {_tuned(study.tune, len(plan.seeds))}{everywhere}, {found.trials_done} done",
            )
        )
    if found.estimate is not None:
        rows.append(("time", _time(plan, found.estimate, found.slots)))
        rows.append(("disk", f"about {in_bytes(found.estimate.bytes)}"))
    if study.match is not None and study.match.quantity == "seconds":
        rows.append(("budget", "equal wall time, measured on this machine by a few updates of each variant, and kept"))
    metric = study.metric.asked()
    rows.append(("metric", f"{metric.label}, {'less' if metric.goal == 'min' else 'more'} is better"))
    for name, one in study.secondary.items():
        asked = one.asked()
        rows.append(("also", f"{name}: {asked.label}, {'less' if asked.goal == 'min' else 'more'} is better"))
    rows += _followed(plan)
    rows.append(("detects", _detects(plan, found)))
    return rows


def _tuned(tune: Tuning | None, seeds: int) -> str:
    from partwise.studies.knobs import short_names
    from partwise.wording import joined, many

    assert tune is not None, "only then are there trials"
    knobs = joined(short_names(tune.by_path).values())
    how = f"{tune.draws} draws" if tune.draws else f"{tune.combinations} combinations"
    each = "for each of its seeds" if tune.seeds is None else many(len(tune.seeds), "seed")
    halved = "" if tune.halving is None else f"; {_halved(tune)}"
    return f"{tune.trials(seeds)} for each variant ({how} of {knobs}, {each}{halved})"


def _halved(tune: Tuning) -> str:
    """`of 9, these go on: 4 at 10 %, 2 at 30 %; that is 2.8 whole trainings instead of 9`."""
    from partwise.studies.planning.halving import counts, whole_trainings

    assert tune.halving is not None
    first, *later = counts(tune)
    on = ", ".join(f"{count} at {100 * share:.3g} %" for count, share in zip(later, tune.halving.rungs, strict=True))
    return f"of {first}, these go on: {on}; that is {whole_trainings(tune):.3g} whole trainings instead of {first}"


def _places(plan: Plan) -> str:
    from partwise.wording import many

    sizes, texts = (len({of for of in all_of if of is not None}) for all_of in zip(*_pairs(plan), strict=True))
    return ", ".join(many(count, what) for count, what in ((sizes, "size"), (texts, "text")) if count)


def _pairs(plan: Plan) -> list[tuple[str | None, str | None]]:
    return [(one.size, one.text) for one in plan.settings]


def _followed(plan: Plan) -> list[tuple[str, str]]:
    """What follows from the sizes, knob by knob as the base has it at each."""
    rows = []
    for one in plan.variants:
        if one.name == plan.base.name and one.scaled:
            told = ", ".join(f"{path} {value}" for path, value in one.scaled.items())
            rows.append(("scaled", f"{one.setting.words.strip()}: {told}"))
    return rows


def _time(plan: Plan, estimate: Estimate, slots: int) -> str:
    if estimate.seconds is None:
        return "unknown: no variant could be timed"
    told = f"about {duration(estimate.seconds)} in {slots} slots, timed on this machine"
    guessed = [_title(plan, key) for key in estimate.untimed if key in estimate.seconds_per_run]
    return told + (f" (for {', '.join(guessed)} estimated from another variant)" if guessed else "")


def _detects(plan: Plan, found: Forecast) -> str:
    if found.detectable_sds is None and len(plan.seeds) >= 3:
        return "unknown"
    if found.detectable_sds is None:
        return "nothing: below 3 seeds there is no verdict"
    from partwise.wording import many

    tests = many(found.tests, "comparison") if found.tests == plan.contrasts else many(found.tests, "test")
    condition = f"with 80 % power, {many(len(plan.seeds), 'seed')}, {tests}"
    if found.detectable is None:
        return (
            f"a difference of {found.detectable_sds:.2f} standard deviations of the paired difference, {condition}; "
            'with "spread" in the metric, or once some runs are done, it is given in the metric\'s unit'
        )
    smallest = plan.study.study.metric.smallest_effect
    if not _alike(found):
        each = "; ".join(f"{one.words} {_figure(one.detectable)}" for one in found.powers)
        return f"differences of these sizes, {condition}, if the spread found so far holds: {each}"
    words = f"a difference of {found.detectable:.4g}, {condition}, if {found.spread_from} of {found.spread:.3g} holds"
    if smallest is not None and found.seeds_needed is not None and found.detectable > smallest:
        words += f"; the smallest effect that matters, {smallest:g}, would take {found.seeds_needed} seeds"
    return words


def _alike(found: Forecast) -> bool:
    """Whether what is detected is the same at every setting, as where the study assumes one spread."""
    return len({one.detectable for one in found.powers}) < 2


def _figure(detectable: float | None) -> str:
    return "unknown" if detectable is None else f"{detectable:.4g}"


def _described(plan: Plan, found: Forecast) -> dict[str, Any]:
    variants = [
        {
            **variant.described().model_dump(mode="json"),
            "mismatch": plan.mismatch(variant),
            "updates": variant.loaded.recipe.trainer.planned_updates(),
            "done": found.done.get(variant.key, 0),
            "seconds": found.estimate.seconds_per_run.get(variant.key) if found.estimate else None,
            "runs": [{"seed": seed, "identity": variant.identity(seed)} for seed in plan.seeds],
        }
        for variant in plan.variants
    ]
    states = dict(Counter(found.states))
    figures = asdict(found)
    figures["done"] = _by_title(plan, found.done)
    if found.estimate is not None:
        for name in ("seconds_per_run", "untimed"):
            figures["estimate"][name] = _by_title(plan, getattr(found.estimate, name))
    return {"study": plan.study.study.name, "variants": variants, "states": states, **figures}


def _by_title(plan: Plan, of: Mapping[Key, Any]) -> dict[str, Any]:
    return {one.title: of[one.key] for one in plan.variants if one.key in of}
