"""What an earlier call of the same study left: which verdicts its reader has seen, and what has changed since."""

from __future__ import annotations

from partwise.errors import InputError, WorkError
from partwise.wording import many

from .directories import RESULTS, StudyDirectories
from .results import Results
from .validity import FEWEST_SEEDS


def earlier_results(where: StudyDirectories, name: str) -> Results | None:
    """The results that a study's directory already holds; None if there are none.

    Raises:
        InputError: they are those of another study.
        WorkError: they are damaged.
    """
    if not where.results.exists():
        return None
    try:
        found = Results.load(where.results)
    except WorkError as error:
        raise WorkError(
            f"{error}; delete it: it is written again from the runs, which are kept in {where.pool}"
        ) from error
    if found.study != name:
        raise InputError(
            f"{where.out} holds the study {found.study!r}, and this is {name!r}; name another directory (--out)"
        )
    return found


def seen_before(earlier: Results | None, now: Results) -> list[int]:
    """The numbers of seeds, smaller than now, at which the same study has already given its verdicts."""
    if earlier is None:
        return []
    counts = {*earlier.seen}
    runs, before = ({one.identity for one in each.outcomes} for each in (now, earlier))
    if before < runs and _gave_verdicts(earlier):
        counts.add(len(earlier.seeds))
    return sorted(counts.intersection(range(len(now.seeds))) - {look.seeds for look in now.looks})


def revised_before(earlier: Results | None, now: Results) -> list[str]:
    """What has changed in the question since the same study gave verdicts: a question must not follow its answer."""
    runs = {one.identity for one in now.outcomes}
    if earlier is None or not any(o.identity in runs for o in earlier.outcomes if o.variant != earlier.baseline):
        return []  # it compares something else, whatever its name
    if not _gave_verdicts(earlier):
        return earlier.revised
    before, after = _question(earlier), _question(now)
    changed = [f"{what}: {before[what]}, then {after[what]}" for what in after if before[what] != after[what]]
    names = {variant.name for variant in now.variants}
    dropped = [variant.name for variant in earlier.variants if variant.name not in names]
    if dropped:
        changed.append(f"left out: {', '.join(dropped)}")
    return [*earlier.revised, *(one for one in changed if one not in earlier.revised)]


def _question(results: Results) -> dict[str, str]:
    metric, looks = results.metric, ", ".join(f"{look.seeds} ({look.alpha:g})" for look in results.looks)
    effect = "none" if metric.smallest_effect is None else f"{metric.smallest_effect:g}"
    batches = "all batches" if metric.batches is None else f"{metric.batches} batches"
    return {
        "metric": f"{metric.label} on {batches}",
        "better": "more" if metric.goal == "max" else "less",
        "smallest effect": effect,
        "alpha": f"{results.alpha:g}",
        "looks": looks or "none",
    }


def _gave_verdicts(results: Results) -> bool:
    done = all(outcome.state != "waiting" for outcome in results.outcomes)
    return done and len(results.seeds) >= FEWEST_SEEDS


def no_longer_there(earlier: Results | None, now: Results) -> list[str]:
    """In sentences, what results.json holds that the pool does not, so that nobody is surprised by what is trained."""
    if earlier is None:
        return []
    states = {outcome.identity: outcome.state for outcome in now.outcomes}
    done = [outcome.identity for outcome in earlier.outcomes if outcome.state == "done"]
    gone = sum(states.get(identity) == "waiting" for identity in done)
    names = {variant.name for variant in now.variants}
    same = [one for one in earlier.outcomes if one.state == "done" and one.variant in names and one.seed in now.seeds]
    other = sum(one.identity not in states for one in same)
    sentences = []
    if gone:
        sentences.append(f"{many(gone, 'run')} of {RESULTS} no longer in the pool; trained again")
    if other:
        sentences.append(
            f"{many(other, 'run')} of {RESULTS} made before a change (of the recipe, the data or the code of parts); "
            "trained again"
        )
    return sentences


__all__ = ["earlier_results", "no_longer_there", "revised_before", "seen_before"]
