"""What an earlier call of the same study left: which verdicts its reader has seen, and what has changed since."""

from __future__ import annotations

from pathlib import Path

from partwise.errors import InputError, WorkError
from partwise.rendering.text import flat, plain
from partwise.runs.identity import ADDED
from partwise.wording import many

from .directories import RESULTS, StudyDirectories
from .looks import asked_otherwise, verdicts_given
from .results import Results

UNTRAINED = ("name", "about", "seed", "sampler", "trackers", "evaluations")
"""Fields of a recipe that change nothing that is trained."""
MOST_SETTINGS = 6
"""How many settings that have changed are named; the others are counted."""


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


def seen_before(earlier: Results | None, now: Results, directory: Path) -> list[int]:
    """The numbers of seeds, smaller than now, at which the same study has already given its verdicts."""
    if earlier is None:
        return []
    counts, runs = {*earlier.seen}, {run.identity for run in now.outcomes}
    for key, looks in verdicts_given(earlier, directory).items():
        for count in looks:
            seeds = earlier.seeds[:count]
            both = {run.identity for run in earlier.outcomes if run.key in (key, earlier.against(key))
                    and run.seed in seeds}  # fmt: skip
            if both <= runs:
                counts.add(count)
    return sorted(counts.intersection(range(len(now.seeds))) - {look.seeds for look in now.looks})


def revised_before(earlier: Results | None, now: Results, directory: Path) -> list[str]:
    """What has changed in the question since the same study gave verdicts: a question must not follow its answer."""
    if earlier is None or not _compares_the_same(earlier, now):
        return []
    if not verdicts_given(earlier, directory):
        return earlier.revised
    changed = [
        *recipe_otherwise(earlier, now),
        *asked_otherwise(earlier, now),
        *_secondary(earlier, now),
        *_seeds(earlier, now),
    ]
    for word, first, then in (("left out", earlier, now), ("added", now, earlier)):
        keys = {variant.key for variant in then.variants}
        only = [variant.title for variant in first.variants if variant.key not in keys]
        if only:
            changed.append(f"{word}: {', '.join(only)}")
    return [*earlier.revised, *(one for one in changed if one not in earlier.revised)]


def _compares_the_same(earlier: Results, now: Results) -> bool:
    """Whether a variant is compared in both, by the same runs or by its name; else it is another study, whatever its
    name."""
    runs = {run.identity for run in now.outcomes}
    keys = {variant.key for variant in now.variants if variant.name != now.baseline}
    return any(run.identity in runs or run.key in keys for run in earlier.outcomes if run.variant != earlier.baseline)


def _secondary(earlier: Results, now: Results) -> list[str]:
    """Secondary metrics that were added, left out or changed."""
    first, then = ({name: one.label for name, one in of.secondary.items()} for of in (earlier, now))
    names = [name for name in {**first, **then} if first.get(name) != then.get(name)]
    return [f"{name}: {first.get(name, 'not measured')}, then {then.get(name, 'not measured')}" for name in names]


def _seeds(earlier: Results, now: Results) -> list[str]:
    """Seeds that were replaced or left out; those that were added are `seen`."""
    if {*earlier.seeds} <= {*now.seeds}:
        return []
    first, then = (", ".join(map(str, one.seeds)) for one in (earlier, now))
    return [f"seeds: {first}, then {then}"]


def recipe_otherwise(earlier: Results, now: Results) -> list[str]:
    """Settings of the base recipe that differ."""
    recipes = [one.provenance.get("recipe") for one in (earlier, now)]
    if not all(recipes):
        return []
    first, then = (dict(flat({**ADDED, **(recipe or {})})) for recipe in recipes)
    names = [
        name
        for name in {**then, **first}
        # A knob that came with a newer partwise is null where nobody has set it: the same as before.
        if first.get(name, plain(None)) != then.get(name, plain(None)) and name.partition(".")[0] not in UNTRAINED
    ]
    said = [f"{name}: {first.get(name, 'not set')}, then {then.get(name, 'not set')}" for name in names[:MOST_SETTINGS]]
    rest = len(names) - MOST_SETTINGS
    return said if rest <= 0 else [*said, f"{many(rest, 'other setting')} of the base"]


def no_longer_there(earlier: Results | None, now: Results) -> list[str]:
    """In sentences, what results.json holds that the pool does not, so that nobody is surprised by what is trained."""
    if earlier is None:
        return []
    states = {outcome.identity: outcome.state for outcome in now.outcomes}
    done = [outcome.identity for outcome in earlier.outcomes if outcome.state == "done"]
    gone = sum(states.get(identity) == "waiting" for identity in done)
    keys = {variant.key for variant in now.variants}
    same = [one for one in earlier.outcomes if one.state == "done" and one.key in keys and one.seed in now.seeds]
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


__all__ = ["earlier_results", "no_longer_there", "recipe_otherwise", "revised_before", "seen_before"]
