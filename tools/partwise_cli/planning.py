"""What `partwise ablate --plan` shows: runs, budgets, time, disk, and what the seeds can detect."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .output import heading, paragraph, print_json, said, show_columns, write
from .text import duration, in_bytes, in_words

if TYPE_CHECKING:
    from partwise.studies.definition.study import Tuning
    from partwise.studies.directories import StudyDirectories
    from partwise.studies.forecast import Forecast
    from partwise.studies.planning.plan import Plan
    from partwise.studies.planning.timing import Estimate

HEADER = ("variant", "runs", "done", "parameters", "", "FLOPs per token", "", "tokens", "", "a run", "changed to match")


def show_plan(plan: Plan, where: StudyDirectories, as_json: bool) -> None:
    """Prints the plan of a study, and what it is expected to take."""
    from partwise.studies.forecast import forecast

    said("timing a few steps of each variant")
    found = forecast(plan, where)
    for name, why in (found.estimate.untimed if found.estimate else {}).items():
        said(f"note: {name} could not be timed: {why}")
    if as_json:
        print_json(_described(plan, found))
        return
    study = plan.study.study
    heading(study.name)
    paragraph(study.about)
    write()
    show_columns(
        [_row(plan, found, index) for index in range(len(plan.variants))],
        header=HEADER,
        right=(1, 2, 3, 4, 5, 6, 7, 8, 9),
    )
    write()
    show_columns(_totals(plan, found))


def _row(plan: Plan, found: Forecast, index: int) -> tuple[str, ...]:
    variant = plan.variants[index]
    off = plan.mismatch(variant)
    each = found.estimate.seconds_per_run.get(variant.name) if found.estimate else None
    return (
        variant.name,
        str(len(plan.seeds)),
        str(found.done.get(variant.name, 0)),
        f"{variant.costs.parameters:,}",
        _share(off["parameters"]),
        "-" if variant.costs.flops_per_token is None else in_words(variant.costs.flops_per_token),
        _share(off["flops"]),
        in_words(variant.costs.tokens),
        _share(off["tokens"]),
        "-" if each is None else duration(each),
        ", ".join(f"{path} {value}" for path, value in variant.matched.items()),
    )


def _share(share: float) -> str:
    return "" if abs(share) < 5e-5 else f"{share:+.2%}" if abs(share) < 0.1 else f"{share:+.0%}"


def _totals(plan: Plan, found: Forecast) -> list[tuple[str, str]]:
    from partwise.wording import many

    study = plan.study.study
    runs = len(plan.variants) * len(plan.seeds)
    size = f"{many(len(plan.variants), 'variant')}, {many(len(plan.seeds), 'seed')}"
    rows = [("runs", f"{runs} ({size}), {sum(found.done.values())} done")]
    if found.trials:
        rows.append(("tuning", f"{found.trials} trials, {_tuned(study.tune)}, {found.trials_done} done"))
    if found.estimate is not None:
        rows.append(("time", _time(found.estimate, found.slots)))
        rows.append(("disk", f"about {in_bytes(found.estimate.bytes)}"))
    metric = study.metric.asked()
    rows.append(("metric", f"{metric.label}, {'less' if metric.goal == 'min' else 'more'} is better"))
    rows.append(("detects", _detects(plan, found)))
    return rows


def _tuned(tune: Tuning | None) -> str:
    from partwise.studies.knobs import short_names
    from partwise.wording import joined, many

    assert tune is not None, "only then are there trials"
    knobs = joined(short_names(tune.by_path).values())
    how = f"{tune.draws} draws" if tune.draws else f"{tune.combinations} combinations"
    return f"{tune.trials} for each variant ({how} of {knobs}, {many(len(tune.seeds), 'seed')})"


def _time(estimate: Estimate, slots: int) -> str:
    if estimate.seconds is None:
        return "unknown: no variant could be timed"
    told = f"about {duration(estimate.seconds)} in {slots} slots, timed on this machine"
    guessed = [name for name in estimate.untimed if name in estimate.seconds_per_run]
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
    words = f"a difference of {found.detectable:.4g}, {condition}, if {found.spread_from} of {found.spread:.3g} holds"
    if smallest is not None and found.seeds_needed is not None and found.detectable > smallest:
        words += f"; the smallest effect that matters, {smallest:g}, would take {found.seeds_needed} seeds"
    return words


def _described(plan: Plan, found: Forecast) -> dict[str, Any]:
    variants = [
        {
            **variant.described().model_dump(mode="json"),
            "mismatch": plan.mismatch(variant),
            "done": found.done.get(variant.name, 0),
            "runs": [{"seed": seed, "identity": variant.identity(seed)} for seed in plan.seeds],
        }
        for variant in plan.variants
    ]
    states = dict(Counter(found.states))
    return {"study": plan.study.study.name, "variants": variants, "states": states, **asdict(found)}
