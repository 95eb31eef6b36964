"""What a report says in sentences: the setting, the verdicts, the notes, the limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf

from partwise.rendering import numbers
from partwise.rendering.text import printable
from partwise.studies.analysis.family import Family, family_of
from partwise.studies.analysis.findings import Analysis, Contrast, Pooled, TuningCost
from partwise.studies.analysis.ladder_findings import LadderFinding
from partwise.studies.analysis.phrases import seeds_in_words
from partwise.studies.analysis.power import sd_interval
from partwise.studies.analysis.summaries import stopped
from partwise.studies.results import Results, at_setting
from partwise.wording import joined, many

from .rows import SURVIVORS, VariantRow

MOST_NAMED = 6
"""With more levels than this a headline counts them instead of naming them."""
SERIOUS = ("not_comparable", "changed_question", "undeclared_look")
"""Kinds of notes that put the verdicts themselves in question."""
_ORDER = ("better", "worse", "equivalent", "inconclusive", "no verdict")


def setting(r: Results) -> str:
    """What is compared."""
    kinds = {
        "one_at_a_time": "one factor at a time",
        "leave_one_out": "leaving one out",
        "grid": "a full grid",
        "fractional": "a fraction of all combinations",
    }
    variants = many(len({variant.name for variant in r.variants}), "variant") + _places(r)
    how = f"{variants} with {many(len(r.seeds), 'seed')} each, {kinds.get(r.design, r.design)}"
    better = "lower" if r.metric.goal == "min" else "higher"
    effect = r.metric.smallest_effect
    matter = "" if effect is None else f"; differences of {effect:g} or more matter"
    return (
        f"{how}. Compared by {printable(r.metric.label)}: {better} is better{matter}. "
        f"The baseline is {printable(r.baseline)}.{_also(r)}"
    )


def _places(r: Results) -> str:
    """` at 4 sizes (0.1M to 3M) on 3 texts (wiki, code and news)`."""
    sizes = (
        f" at {many(len(r.sizes), 'size')} ({printable(r.sizes[0])} to {printable(r.sizes[-1])})"
        if len(r.sizes) > 1
        else ""
    )
    texts = f" on {many(len(r.texts), 'text')} ({joined(map(printable, r.texts))})" if len(r.texts) > 1 else ""
    return f"{sizes}{texts}"


def _also(r: Results) -> str:
    return f" Also measured: {printable(joined(r.secondary))}." if r.secondary else ""


def part_of(whole: Results | None) -> str:
    """Of one setting of a study: whose tests these are."""
    if whole is None:
        return ""
    return f" This is one of {len(whole.settings)} settings of {printable(whole.study)}, whose tests are one family."


def described(variants: Sequence[str]) -> str:
    """Of which variants a secondary metric claims nothing; empty if of none."""
    if not variants:
        return ""
    named = joined(map(printable, variants)) if len(variants) <= MOST_NAMED else f"{len(variants)} of the variants"
    return f"The primary metric found nothing about {named}, so that nothing is claimed of them here."


def progress(r: Results) -> str:
    """What is not done; empty if all is."""
    states = [outcome.state for outcome in r.outcomes]
    done = states.count("done")
    if done == len(states):
        return ""
    rest = [f"{states.count(s)} {s}" for s in ("diverged", "failed", "waiting") if s in states]
    hint = " What follows is preliminary." if "waiting" in states and done else ""
    return f"{done} of {len(states)} runs are done, {joined(rest)}.{hint}"


def headline(contrasts: Sequence[Contrast]) -> str:
    """`rope and alibi are better; none is worse; t5_bias is equivalent.`, the best first; empty without contrasts."""
    if len(contrasts) > MOST_NAMED:
        return _counted(contrasts)
    said = []
    for verdict in _ORDER:
        levels = [printable(c.level) for c in contrasts if c.verdict == verdict]
        if levels:
            singular, plural = ("has", "have") if verdict == "no verdict" else ("is", "are")
            said.append(f"{joined(levels)} {plural if len(levels) > 1 else singular} {verdict}")
    return f"{'; '.join(said)}." if said else ""


def ladder_summary(ladder: Sequence[LadderFinding]) -> str:
    """`Of 29 comparisons over the sizes, 2 fade and 27 are inconclusive.`; empty where all can be named."""
    if len(ladder) <= MOST_NAMED:
        return ""
    counts = Counter[tuple[str, str | None]](
        (one.verdict, one.direction if one.verdict == "holds" else None) for one in ladder
    )
    told = [f"{counts[key]} {singular if counts[key] == 1 else plural}"
            for key, (singular, plural) in _OVER_SIZES.items() if counts[key]]  # fmt: skip
    return f"Of {len(ladder)} comparisons over the sizes, {joined(told)}."


_OVER_SIZES: dict[tuple[str, str | None], tuple[str, str]] = {
    ("holds", "better"): ("is better, which holds at every size", "are better, which holds at every size"),
    ("holds", "worse"): ("is worse, which holds at every size", "are worse, which holds at every size"),
    ("grows", None): ("grows", "grow"),
    ("fades", None): ("fades", "fade"),
    ("reverses", None): ("reverses", "reverse"),
    ("equivalent", None): ("is equivalent at every size", "are equivalent at every size"),
    ("inconclusive", None): ("is inconclusive", "are inconclusive"),
    ("no verdict", None): ("has no verdict", "have no verdict"),
}


def _counted(contrasts: Sequence[Contrast]) -> str:
    """`Of 29, 12 are better, 9 worse and 8 inconclusive. The best are a, b and c.`"""
    counts = [(sum(c.verdict == verdict for c in contrasts), verdict) for verdict in _ORDER]
    told = [f"{count} {_verb(verdict, count) if not number else ''}{verdict}"
            for number, (count, verdict) in enumerate([one for one in counts if one[0]])]  # fmt: skip
    better = [printable(c.level) for c in contrasts if c.verdict == "better"]
    first = better[:3]
    best = f" The best {_verb('better', len(first))}{joined(first)}." if first else ""
    return f"Of {len(contrasts)}, {joined(told)}.{best}"


def _verb(verdict: str, count: int) -> str:
    if verdict == "no verdict":
        return "have " if count > 1 else "has "
    return "are " if count > 1 else "is "


def footnotes(r: Results, analysis: Analysis, rows: Sequence[VariantRow], whole: Results | None = None) -> list[str]:
    """Of the main table; `whole` is the study of which these results are one setting."""
    tests, notes = family_of(r) if whole is None else family_of(whole, over=False), list[str]()
    if any(row.survivors for row in rows):
        never = "never reached the target, " if r.metric.amount else ""
        notes.append(
            f"{SURVIVORS} Mean over the runs that finished; those that {never}diverged or failed are not in it, and "
            "count against the variant."
        )
    if analysis.contrasts:
        looks = " at the level of the look" if r.looks else ""
        notes.append(
            f"Differences are variant minus {printable(r.baseline)}, paired by seed, with t-intervals{looks}; p is "
            f"{_corrected(r, tests)}."
        )
        if tests.tests > 1:
            notes.append(
                "Each interval is of its comparison alone: that all hold the truth at once is less likely. Wider ones, "
                f"which do so together (Bonferroni over {tests.tests}), are in report.md and in tables/contrasts.csv."
            )
    if any(row.p_equivalent for row in rows):
        notes.append(f"p of equivalence: two one-sided tests against ±{r.metric.smallest_effect:g}.")
    notes += _floor(r)
    notes.append(
        "SD is over seeds; time is the mean wall time of a run, whatever else the machine did meanwhile. "
        "In brackets: relative to the baseline."
    )
    return notes


def _floor(r: Results) -> Iterator[str]:
    """What a model would reach that had learned nothing but how frequent each token is."""
    floors = {v.name: v.floor for v in r.variants if v.floor is not None}
    if not floors:
        return
    figures = {name: numbers.fixed(floor, numbers.decimals(None, floor)) for name, floor in floors.items()}
    if len(set(figures.values())) == 1:
        told = next(iter(figures.values()))
    else:
        told = joined(f"{printable(name)} {figure}" for name, figure in figures.items())
    what = "share of the most frequent token" if r.metric.name == "accuracy" else "unigram entropy"
    yield (
        f"Floor of {printable(r.metric.label)}: {told}. That is what a model reaches that knows only how frequent each "
        f"token is ({what})."
    )


def _corrected(r: Results, tests: Family) -> str:
    """`Holm-adjusted over 20 contrasts and 5 slopes`."""
    counts = (tests.contrasts, "contrast"), (tests.effects, "effect"), (tests.slopes, "slope")
    how = "Holm-adjusted" if r.correction == "holm" else "adjusted by Benjamini-Hochberg (FDR)"
    return f"{how} over {joined(many(count, what) for count, what in counts if count)}"


def whole_notes(r: Results, analysis: Analysis) -> list[str]:
    """Of the tables over sizes and texts."""
    notes = [
        f"Differences are variant minus {printable(r.baseline)} at the same setting, with t-intervals of each "
        f"comparison alone; verdicts are {_corrected(r, family_of(r))}."
    ]
    if r.sizes:
        notes.append(
            "Slope: what the difference gains with ten times the training FLOPs. Speed-up: by how many times less "
            f"compute the variant comes to the same figure, at {printable(r.sizes[-1])}; above 1 is better."
        )
    if analysis.over_texts:
        notes.append(
            f"Over all {len(r.texts)}: each text is one figure. What a text says by itself is a second family of "
            "tests, claimed only of variants of which the first has found something."
        )
    return notes


def settings_told(r: Results) -> str:
    """What the reports of single settings have."""
    return (
        f"Every run, means, learning curves and costs at each of the {len(r.settings)} settings stand in reports of "
        "their own, beside this one."
    )


def tuning(r: Results, cost: TuningCost | None) -> str:
    """How the tuned knobs were chosen, and what that took; empty if nothing was tuned."""
    if not r.trials:
        return ""
    each = sorted({sum(t.key == v.key for t in r.trials) for v in r.variants})
    trials = joined(str(count) for count in each)
    seeds = sorted({trial.seed for trial in r.trials})
    with_seeds = f"with seed{'s' if len(seeds) > 1 else ''} {joined(map(str, seeds))}"
    shared = r.shared_choice is not None
    if not shared:
        with_seeds = f"that each of its {many(len(r.seeds), 'seed')} has for itself"
    knobs = printable(joined(r.tuned_knobs) or "A knob")
    were = "were" if len(r.tuned_knobs) > 1 else "was"
    drawn = " drawn at random, the same for all," if any(r.tuned_knobs.values()) else ""
    chosen = f"{knobs} {were} chosen for each variant by {trials} trials{drawn} {with_seeds}"
    decides = ", which alone decides" if shared and len(seeds) == 1 else ""
    texts = "on the same texts" if r.metric.split == "valid" else f"on other texts (the {r.metric.split} split)"
    said = f"{chosen}{decides}, on the valid split. The comparison uses other seeds, {texts}."
    return " ".join([said, *_halved(r), *([] if cost is None else [_cost(cost)])])


def _halved(r: Results) -> Iterator[str]:
    """How trials were stopped early, and how many."""
    if r.halving is None:
        return
    shares = joined(f"{100 * share:.3g} %" for share in r.halving.rungs)
    at_rungs = stopped(r.trials)
    each = joined(f"{count} after {many(updates, 'update')}" for updates, count in at_rungs.items())
    yield (
        f"By successive halving, the best {100 * r.halving.keep:.3g} % of the combinations went on after {shares} of "
        f"their training; {sum(at_rungs.values())} of {many(len(r.trials), 'trial')} were behind and stopped "
        f"({each}), and nothing more is known of them."
    )


def _cost(cost: TuningCost) -> str:
    """`Tuning took 24 trials, 12 min and 3.1 T FLOPs; the runs that are compared took 30 min.`"""
    took = [many(cost.trials, "trial")]
    if cost.seconds is not None:
        least = "" if cost.timed == cost.trials else f" (of the {cost.timed} that were timed)"
        took.append(f"{numbers.duration(cost.seconds)}{least}")
    if cost.training_flops is not None:
        took.append(f"{numbers.short(cost.training_flops)} FLOPs")
    beside = ""
    if cost.compared_seconds is not None:
        beside = f"; the runs that are compared took {numbers.duration(cost.compared_seconds)}"
    return f"Tuning took {joined(took)}{beside}."


def pooled_gate(found: Pooled) -> str:
    """Whether the second opinion may be believed."""
    p = "" if found.equal_variance_p is None else f" (Levene, p {numbers.p_value(found.equal_variance_p)})"
    ratio = _ratio(found.sd_ratio)
    if found.usable:
        return (
            "All variants in one model, with seeds as blocks and a common residual variance. No difference between "
            f"their variances was noticed{p}, which with few seeds does not mean that there is none{ratio}."
        )
    return f"This must not be used: the model assumes equal variances, and those of the variants differ{p}{ratio}."


def _ratio(ratio: float | None) -> str:
    """How far apart the standard deviations in the table are."""
    if ratio is None:
        return ""
    if ratio == inf:
        return "; one of the variants does not vary over seeds at all"
    return f": the largest of their standard deviations over seeds is {ratio:.3g} times the smallest"


def made(r: Results) -> str:
    """By what and when the results were made, in a line; empty if nothing is known of it."""
    facts = r.provenance
    environment, git = facts.get("environment") or {}, facts.get("git") or {}
    told = [f"{name} {environment[name]}" for name in ("partwise", "python", "torch") if name in environment]
    if git.get("revision"):
        told.append(f"revision {str(git['revision'])[:10]}{' with changes' if git.get('dirty') else ''}")
    times = [str(facts[name]) for name in ("started", "finished") if facts.get(name)]
    told += [" to ".join(times)] if times else []
    return printable(f"{', '.join(told)}.") if told else ""


def warnings(analysis: Analysis) -> list[str]:
    """What puts the verdicts themselves in question."""
    return [printable(note.text) for note in analysis.notes if note.kind in SERIOUS]


def limits(analysis: Analysis) -> list[str]:
    """What the study could not have detected, and what a reader must know."""
    return [
        *_detectable(analysis),
        *_correlations(analysis.contrasts),
        *_contrast_notes(analysis),
        *(printable(note.text) for note in analysis.notes if note.kind not in SERIOUS),
    ]


def seeds_needed(contrasts: Sequence[Contrast]) -> list[str]:
    """Of the inconclusive ones, a sentence each."""
    return [*_seeds_needed(contrasts)]


def _detectable(analysis: Analysis) -> Iterator[str]:
    """From the same spreads as the seeds needed: those of the paired differences, of each contrast by itself."""
    power, contrasts = analysis.power, analysis.over_texts or analysis.contrasts
    each = {_titled(c): c.detectable for c in contrasts if c.detectable is not None}
    tested = [c for c in contrasts if c.p is not None]
    if tested and all(c.has("no_difference", "rounding", "no_spread") for c in tested):
        yield "No difference varied from seed to seed by more than rounding, so nothing tells what could be detected."
        return
    if not each:
        return
    (least, low), (most, high) = (pick(each.items(), key=lambda one: one[1]) for pick in (min, max))
    size = f"{numbers.with_spread(low, low)}"
    if len(each) > 1:
        size = f"{size} ({printable(least)}) to {numbers.with_spread(high, high)} ({printable(most)})"
    texts = max((c.pairs for c in contrasts if c.unit == "text"), default=None)
    below, above = sd_interval(1.0, texts or power.seeds)
    drawn = many(power.seeds, "seed") if texts is None else f"{many(texts, 'text')}, each of {power.seeds} seeds,"
    yield (
        f"With {drawn} the study detects a true difference of {size} or more with 80 % power, "
        f"by the spread of the paired differences, which so few tell only within a factor of {below:.2g} to "
        f"{above:.2g} (95 %)."
    )


def _seeds_needed(contrasts: Sequence[Contrast]) -> Iterator[str]:
    for c in contrasts:
        if c.verdict == "inconclusive" and c.needed_for is not None and c.needed is not None:
            seen = " (the difference seen)" if c.difference is not None and c.needed_for == abs(c.difference) else ""
            what = f"detecting {c.needed_for:.2g}{seen} would take {seeds_in_words(c.needed)}"
            if c.equivalence is not None:
                what += f", and showing equivalence {seeds_in_words(c.equivalence)} if there is no difference at all"
            yield f"{_titled(c)} is inconclusive: {what}."


def _titled(c: Contrast) -> str:
    """`position=rope at 1M on wiki`."""
    return printable(f"{c.variant}{at_setting(c.size, c.text)}")


def _correlations(contrasts: Sequence[Contrast]) -> Iterator[str]:
    known = [c.correlation for c in contrasts if c.correlation is not None]
    if known:
        low, high = numbers.fixed(min(known), 2), numbers.fixed(max(known), 2)
        figures = low if low == high else f"{low} to {high}"
        yield f"Correlation with the baseline's runs of the same seeds: {figures}."


def _contrast_notes(analysis: Analysis) -> Iterator[str]:
    """Notes of contrasts that are not said with a verdict."""
    if analysis.settings:  # the clauses over sizes and texts say what limits them, each setting's page all the rest
        return
    said = {c.note for verdict in analysis.verdicts for c in verdict.contrasts}
    unsaid = [c for c in analysis.contrasts if c.notes and c.note not in said]
    for note in dict.fromkeys(c.note for c in unsaid):
        about = joined(printable(c.variant) for c in unsaid if c.note == note)
        yield f"{about}: {printable(note)}."


__all__ = [
    "described", "footnotes", "headline", "ladder_summary", "limits", "made", "part_of", "pooled_gate", "progress",
    "seeds_needed", "setting", "settings_told", "tuning", "warnings", "whole_notes",
]  # fmt: skip
