"""Which verdicts a reader may have seen before: at the looks of this study, and in other studies on the same runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from partwise.errors import PartwiseError

from .directories import RESULTS, StudyDirectories
from .results import Key, LookElsewhere, Results
from .stamp import stamp_of
from .validity import FEWEST_SEEDS


def verdicts_given(results: Results, directory: Path) -> dict[Key, list[int]]:
    """Variant -> the numbers of seeds at which a verdict on it was given; variants without any are left out.

    Verdicts are given at the declared looks, or at the end, once no run up to there is waiting: of the whole table or,
    if the report in `directory` tells exactly these results, of a variant by itself, at one size on one text.
    """
    waiting = {(run.key, run.seed) for run in results.outcomes if run.state == "waiting"}
    counts = [look.seeds for look in results.looks] or [len(results.seeds)]
    reached = {
        variant.key: {
            count
            for count in counts
            if count >= FEWEST_SEEDS
            and waiting.isdisjoint(
                (key, seed) for key in (variant.key, results.against(variant.key)) for seed in results.seeds[:count]
            )
        }
        for variant in results.variants
        if variant.name != results.baseline
    }
    stamp = stamp_of(directory)
    if reached and (stamp is None or not stamp.tells(results)):
        every = set.intersection(*reached.values())
        reached = dict.fromkeys(reached, every)
    return {key: sorted(found) for key, found in reached.items() if found}


def question(results: Results) -> dict[str, str]:
    """What a study asks of its runs, in words."""
    metric, looks = results.metric, ", ".join(f"{look.seeds} ({look.alpha:g})" for look in results.looks)
    batches = "all batches" if metric.batches is None else f"{metric.batches} batches"
    return {
        "metric": f"{metric.label} on {batches}",
        "better": "more" if metric.goal == "max" else "less",
        "smallest effect": "none" if metric.smallest_effect is None else f"{metric.smallest_effect:g}",
        "alpha": f"{results.alpha:g}",
        "correction": results.correction,
        "further baselines": ", ".join(results.baselines) or "none",
        "looks": looks or "none",
    }


def asked_otherwise(before: Results, after: Results) -> list[str]:
    """`smallest effect: 0.02, then 0.05`, one for each part of the question that differs."""
    first, then = question(before), question(after)
    return [f"{what}: {first[what]}, then {then[what]}" for what in then if first[what] != then[what]]


def seen_elsewhere(where: StudyDirectories, earlier: Results | None, now: Results) -> list[LookElsewhere]:
    """The verdicts that studies beside this one gave on its runs before it did so itself."""
    known = [] if earlier is None or not _shares(earlier, now) else earlier.elsewhere
    if earlier is not None and verdicts_given(earlier, where.out) and _same(earlier, now):
        return known  # whatever came later was no look at what was to be decided
    others = sorted(where.out.absolute().parent.glob(f"*/{RESULTS}"))
    here = where.out.resolve()
    found = [one for path in others if path.parent.resolve() != here for one in _on_the_same_runs(path, now)]
    again = {(one.study, one.seeds) for one in found}
    return [*(one for one in known if (one.study, one.seeds) not in again), *found]


def _same(earlier: Results, now: Results) -> bool:
    runs = [{run.identity for run in one.outcomes} for one in (earlier, now)]
    return runs[0] == runs[1] and not asked_otherwise(earlier, now)


def _shares(earlier: Results, now: Results) -> bool:
    return not {run.identity for run in earlier.outcomes}.isdisjoint(run.identity for run in now.outcomes)


def _on_the_same_runs(path: Path, now: Results) -> Iterator[LookElsewhere]:
    try:
        other = Results.load(path)
    except PartwiseError:  # no study, or a damaged one: it says so itself when it is run
        return
    given = verdicts_given(other, path.parent)
    if not given:
        return
    told: dict[Key, int] = {}
    for key, counts in given.items():
        for one in (key, other.against(key)):
            told[one] = max(told.get(one, 0), *counts)
    theirs = {
        run.identity: run.key for run in other.outcomes
        if run.key in told and run.seed in other.seeds[: told[run.key]]
    }  # fmt: skip
    ours = {(run.key, run.seed): run.identity for run in now.outcomes}
    changed = [one for one in asked_otherwise(other, now) if not one.startswith("looks")]
    shared: dict[int, list[str]] = {}
    for variant in now.variants:
        both = (variant.key, now.against(variant.key))
        sides = [tuple(theirs.get(ours[key, seed]) for key in both) for seed in now.seeds]
        count = sum(None not in pair and pair[0] != pair[1] for pair in sides)
        if variant.name != now.baseline and count >= FEWEST_SEEDS:
            shared.setdefault(count, []).append(variant.title)
    for count, variants in sorted(shared.items()):
        if changed or count not in {look.seeds for look in now.looks}:
            yield LookElsewhere(study=other.study, seeds=count, variants=variants, changed=changed)


__all__ = ["asked_otherwise", "question", "seen_elsewhere", "verdicts_given"]
