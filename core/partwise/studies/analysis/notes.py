"""What a reader must know beside the verdicts: notes about a contrast, and notes about the study as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean

import numpy as np

from partwise.rendering.numbers import duration
from partwise.studies.fractions import aliases
from partwise.studies.results import Metric, Results, Variant
from partwise.studies.validity import FEWEST_SEEDS, FEWEST_TEXTS, why_not_comparable
from partwise.wording import joined, many, some_of

from .findings import Contrast, Effect, Note, Pooled, Summary, Tuning, Verdict
from .floor import left_floor
from .grid_effects import grid_contrasts
from .pairs import Pair
from .statistics import always_diverges_error, skewness_p
from .summaries import unequal_trials
from .text_noise import measured_tokens, text_error
from .tuned import choice_shared, same_texts

FEWEST_FOR_SHAPE = 5
ROMAN = {3: "III", 4: "IV", 5: "V"}
NOTABLE = 0.05
"""Share by which a variant's budget may differ from the base's before a note says so."""


# About a contrast


def waiting(first: int) -> Note:
    """A verdict must wait for the seeds of the first look."""
    text = f"runs are waiting, and a verdict before {first} seeds of both are in would be a look that was not declared"
    return Note("waiting", text)


def too_few_pairs(pairs: int) -> Note:
    return Note("too_few_seeds", f"{many(pairs, 'pair')} of seeds, and a verdict needs at least {FEWEST_SEEDS}")


def withheld(verdict: Verdict, lost: tuple[int, int]) -> Note:
    """A verdict is not given because of the runs that the variant and the baseline lost."""
    more = "variant" if lost[0] > lost[1] else "baseline"
    text = f"{verdict} on the runs that survived, but withheld because the {more} lost more runs"
    return Note("withheld", text)


def always_diverged(
    diverged: tuple[int, int], done: tuple[int, int], verdict: Verdict, contrasts: int, target: bool = False
) -> Note:
    """A verdict by the rule for runs that always diverge (or never reach a target), with the rule's error rate."""
    one, other = (0, 1) if verdict == "worse" else (1, 0)
    runs = diverged[one], done[other]
    single, any_of = (always_diverges_error(*runs, count) for count in (1, contrasts))
    family = f", and of any of {contrasts} variants in at most {any_of:.1%}" if contrasts > 1 and one == 0 else ""
    alike = "reach it equally often" if target else "are equally stable"
    text = (
        f"a rule, not a test: where both {alike}, that happens in at most {single:.1%} of studies{family}, "
        "beside the alpha of the tests"
    )
    return Note("always_diverged", text.replace("%", " %"))


def never_reached(both: Pair, metric: Metric) -> Note:
    """Which side reached the target how often."""
    counts = [f"{done} of {done + never}" for done, never in zip(both.done, both.diverged, strict=True)]
    label = f"{str(metric.of).replace('_', ' ')} {metric.target:g}"
    text = (
        f"{counts[0]} runs of the variant reached {label}, {counts[1]} of the baseline; compared by a rank test, in "
        "which never is later than any, and not by pairs of seeds"
    )
    return Note("censored", text)


def untested() -> Note:
    text = "a combination of a fractional design is described by itself; its factors' effects are what is tested"
    return Note("untested", text)


def lost_runs(both: Pair, seeds: int) -> Note:
    """Which side lost how many of its runs, one on each of `seeds`."""
    sides = zip(("the variant", "the baseline"), both.lost, both.diverged, strict=True)
    said = " and ".join(
        f"{side} lost {lost} of {seeds} runs ({_counts(diverged, lost - diverged)})"
        for side, lost, diverged in sides
        if lost
    )
    if both.censored:
        return Note("lost_runs", f"{said}, and these are not in the comparison")
    if not both.seeds:
        return Note("lost_runs", f"{said}, and no seed was finished by both")
    return Note("lost_runs", f"{said}: the figures cover only the {many(len(both.seeds), 'seed')} that both finished")


def lost_cells(lost: tuple[int, int], seeds: int) -> Note:
    """Of an effect, which side of it lost runs."""
    sides = zip(("its cells", "the cells it is compared with"), lost, strict=True)
    said = " and ".join(f"{side} lost {many(count, 'run')}" for side, count in sides if count)
    return Note("lost_runs", f"{said}: the figures cover only the {many(seeds, 'seed')} that all cells finished")


def withheld_effect(verdict: str) -> Note:
    side = "its" if verdict == "better" else "the other"
    return Note("withheld", f"{verdict} on the runs that survived, but withheld because {side} cells lost more runs")


def too_few_texts(texts: int) -> Note:
    return Note("few_texts", f"{many(texts, 'text')} with pairs of seeds, and a claim needs at least {FEWEST_TEXTS}")


def described(verdict: str) -> Note:
    """Of a family after the first: no claim where the first found nothing."""
    text = f"{verdict} by its own figures, which are only described: the study's first tests found nothing about it"
    return Note("described", text)


def never_reached_on_texts() -> Note:
    text = "some runs never reached the target, so that there are no means over texts; how many did so is compared"
    return Note("censored", text)


def lost_on_texts(lost: tuple[int, int], texts: int) -> Note:
    """Of a contrast over texts, which side lost runs."""
    sides = zip(("the variant", "the baseline"), lost, strict=True)
    said = " and ".join(f"{side} lost {many(count, 'run')}" for side, count in sides if count)
    return Note("lost_runs", f"{said}: the figures of {many(texts, 'text')} cover only the seeds that both finished")


def _counts(diverged: int, failed: int) -> str:
    return ", ".join(f"{count} {state}" for count, state in ((diverged, "diverged"), (failed, "failed")) if count)


def nothing_learned(metric: Metric) -> Note:
    """Equivalence is withheld from models that are alike because neither has learned."""
    by = "" if metric.smallest_effect is None else f" by {metric.smallest_effect:g}"
    text = (
        f"equivalent by its figures, but withheld because neither side is better than the floor{by}: what they have "
        "learned is no more than how frequent each token is"
    )
    return Note("floor", text)


def no_difference(seeds: int) -> Note:
    return Note("no_difference", f"both gave exactly the same value on all {many(seeds, 'seed')}")


def rounding(both: Pair) -> Note:
    """Single precision keeps some seven digits, of which sums over many tokens lose one."""
    largest = max(abs(difference) for difference in both.differences)
    return Note("rounding", f"no difference in the last digit kept: at most {largest:.1g} on any seed is rounding")


def no_spread() -> Note:
    return Note("no_spread", "the difference is the same on every seed: there is no spread to judge it by")


def not_comparable(results: Results) -> Note:
    return Note("not_comparable", why_not_comparable(results.metric.name))


# About the study


def study_notes(
    results: Results,
    summaries: Sequence[Summary],
    contrasts: Iterable[Contrast],
    pooled: Pooled | None,
    tuning: Iterable[Tuning],
    effects: Iterable[Effect],
) -> tuple[Note, ...]:
    """All that apply, the weightiest first."""
    contrasts = list(contrasts)
    return (
        *_foreign(results),
        *_screening(results),
        *_aliased(results),
        *_never(results, summaries),
        *_survivors(summaries),
        *_at_floor(results, summaries),
        *_too_few_seeds(results),
        *_waiting(contrasts),
        *_untold_effects(results, contrasts, effects),
        *_looks(results, contrasts),
        *history(results),
        *_same_on_every_seed(results),
        *_skewed(contrasts),
        *_unequal_spread(pooled),
        *_no_smallest_effect(results),
        *_unequal_trials(tuning),
        *choice_shared(results),
        *same_texts(results),
        *_unequal_budgets(results),
        *_wall_time(results),
        *_text_noise(results, contrasts),
        *_adding_seeds(contrasts),
        *scope(results),
    )


def refusal(results: Results) -> tuple[Note, ...]:
    """What is said instead where the metric does not compare the variants."""
    return (Note("not_comparable", f"{why_not_comparable(results.metric.name)}."), *scope(results))


def _foreign(results: Results) -> Iterator[Note]:
    """Runs that were put in by a file."""
    named: dict[str, list[str]] = {}
    for variant in results.variants:
        if variant.source is not None:
            named.setdefault(variant.source, []).append(variant.name)
    for source, names in named.items():
        yield Note(
            "foreign",
            f"The runs of {joined(names)} were trained elsewhere, and are here by {source}. Their budget, their data "
            "and how they were measured are as that file says, and nobody has checked them; their seeds share no luck "
            "with those of the runs trained here.",
        )


def _screening(results: Results) -> Iterator[Note]:
    if results.correction == "fdr":
        yield Note(
            "screening",
            "This is a screening: p is corrected by Benjamini-Hochberg, so that of what is called different at most "
            f"{100 * results.alpha:g} % is expected to be false, where Holm's correction keeps the chance of any false "
            "one to that. What it finds is to be confirmed in a study of its own, with other seeds.",
        )


def _aliased(results: Results) -> Iterator[Note]:
    """What a fraction cannot tell apart."""
    if results.design != "fractional" or results.resolution is None:
        return
    groups = [[" x ".join(one) for one in group] for group in aliases([*results.factors], results.resolution)]
    whole = 2 ** len(results.factors)
    said = f"{len(results.variants)} of {whole} combinations were run, at resolution {ROMAN[results.resolution]}"
    if groups:
        alike = some_of([" with ".join(group) for group in groups])
        said += f". Aliased, so that what is said of one may be due to the other: {alike}"
    if results.resolution == 4:
        said += ". No main effect is aliased with another, or with an interaction of two factors"
    yield Note("aliased", f"{said}. Interactions of three factors or more are taken to be nothing.")


def _never(results: Results, summaries: Iterable[Summary]) -> Iterator[Note]:
    metric = results.metric
    if metric.amount is None:
        return
    few = [f"{s.variant} ({s.never} of {many(s.planned, 'run')})" for s in summaries if s.never]
    end = f", and never was it by {some_of(few)}" if few else ""
    told = (
        f"The target, {str(metric.of).replace('_', ' ')} {metric.target:g}, is taken to be reached on a straight line "
        f"between two evaluations made while training{end}."
    )
    clock = " Seconds are wall time on the machine that trained, whatever else it did meanwhile."
    yield Note("censored", told + (clock if metric.amount == "seconds" else ""))


def _survivors(summaries: Iterable[Summary]) -> Iterator[Note]:
    for s in summaries:
        if s.diverged or s.failed:
            what = f"of its {many(s.planned, 'run')}, {s.diverged} diverged and {s.failed} failed"
            mean = f"its mean is over the {s.done} that finished" if s.done else "it has no mean"
            yield Note("lost_runs", f"{s.variant}: {what}; {mean}.")


def _at_floor(results: Results, summaries: Sequence[Summary]) -> Iterator[Note]:
    means = {s.variant: s.mean for s in summaries}
    floors = {v.name: v.floor for v in results.variants}
    at = [
        name for name, mean in means.items() if mean is not None and not left_floor(mean, floors[name], results.metric)
    ]
    if at:
        by = results.metric.smallest_effect
        text = (
            f"On the floor: {', '.join(at)}. A model that knows only how frequent each token is does as well or "
            "better"
            f"{'' if by is None else f', within {by:g}'}. A comparison of these tells little about their parts; train "
            "for longer, or on more text."
        )
        yield Note("floor", text)


def _too_few_seeds(results: Results) -> Iterator[Note]:
    if len(results.seeds) < FEWEST_SEEDS:
        yield Note("too_few_seeds", f"With fewer than {FEWEST_SEEDS} seeds there is no verdict.")


def _waiting(contrasts: list[Contrast]) -> Iterator[Note]:
    unfinished = [c.variant for c in contrasts if c.verdict == "no verdict" and c.look is None]
    if unfinished:
        yield Note("waiting", f"Not finished, and so without a verdict: {', '.join(unfinished)}.")


def _untold_effects(results: Results, contrasts: list[Contrast], effects: Iterable[Effect]) -> Iterator[Note]:
    told = {effect.name for effect in effects}
    untold = [one.name for one in grid_contrasts(results) if one.name not in told]
    if untold and all(c.look is not None for c in contrasts):
        why = f"fewer than {FEWEST_SEEDS} seeds were finished by all the variants that they are averages of"
        yield Note("lost_runs", f"Not told: {', '.join(untold)}, because {why}.")


def _looks(results: Results, contrasts: list[Contrast]) -> Iterator[Note]:
    for number, look in enumerate(results.looks, 1):
        at = [c.variant for c in contrasts if c.look == number]
        if at:
            declared = f"declared at {look.seeds} seeds with {look.alpha:g} of an alpha of {results.alpha:g}"
            which = f"Look {number} of {len(results.looks)}, {declared}: {', '.join(at)}"
            yield Note("look", f"{which}. Later seeds are not in these figures.")


def history(results: Results) -> Iterator[Note]:
    """What was seen or asked before these verdicts; known before anything is trained."""
    yield from _undeclared_look(results)
    yield from _looks_elsewhere(results)
    yield from _changed_question(results)


def _undeclared_look(results: Results) -> Iterator[Note]:
    if results.seen:
        counts = " and ".join(map(str, results.seen))
        yield Note(
            "undeclared_look",
            f"Verdicts after {counts} seeds were reported before more seeds were added. That was a look that was not "
            f"declared, so the chance of a false verdict is higher than the {results.alpha:g} that is stated.",
        )


def _looks_elsewhere(results: Results) -> Iterator[Note]:
    for look in results.elsewhere:
        seeds = "the same seeds" if look.seeds >= len(results.seeds) else f"{look.seeds} of the seeds"
        seen = f"Before this study did, the study {look.study!r} gave verdicts on the same runs, with {seeds}"
        about = f"{seen}: {some_of(look.variants)}."
        if not look.changed and look.seeds >= len(results.seeds):
            yield Note("look", f"{about} Each study corrects for its own comparisons alone.")
            continue
        asked = f" It asked otherwise ({'; '.join(look.changed)})." if look.changed else ""
        yield Note(
            "undeclared_look",
            f"{about}{asked} That was a look that was not declared here, so the chance of a false verdict is higher "
            f"than the {results.alpha:g} that is stated.",
        )


def _same_on_every_seed(results: Results) -> Iterator[Note]:
    """Seeds are there to show the spread; where they change nothing, there is none."""
    values = {v.name: [*results.values(v.name).values()] for v in results.variants}
    same = [name for name, own in values.items() if len(own) > 1 and len(set(own)) == 1]
    if same:
        yield Note(
            "same_on_every_seed",
            f"Every seed gave the same value: {', '.join(same)}. Either the seed changes nothing there, or the metric "
            "can go no further; what other seeds would give cannot be told from these.",
        )


def _changed_question(results: Results) -> Iterator[Note]:
    if results.revised:
        changes = "; ".join(results.revised)
        yield Note("changed_question", f"The question was changed after verdicts had been reported ({changes}).")


def _skewed(contrasts: list[Contrast]) -> Iterator[Note]:
    """t-intervals of skewed differences cover less than they say: of exponential ones 88 %, not 95 %, at 5 seeds."""
    tested = [c for c in contrasts if c.pairs >= FEWEST_FOR_SHAPE and len(set(c.differences)) > 1]
    skewed = [c.variant for c in tested if skewness_p(np.array(c.differences)) < 0.05 / len(tested)]
    if skewed:
        yield Note(
            "skewed",
            f"The differences are skewed: {', '.join(skewed)}. Their intervals may cover the truth less often than "
            "stated; look at the differences per seed.",
        )


def _unequal_spread(pooled: Pooled | None) -> Iterator[Note]:
    if pooled is not None and not pooled.usable:
        text = "The variants' variances differ (Levene's test), so the pooled second opinion must not be used."
        yield Note("unequal_spread", text)


def _no_smallest_effect(results: Results) -> Iterator[Note]:
    if results.metric.smallest_effect is None:
        text = "No smallest effect that matters is declared, so nothing can be called equivalent."
        yield Note("no_smallest_effect", text)


def _unequal_trials(tuning: Iterable[Tuning]) -> Iterator[Note]:
    unequal = unequal_trials(tuning)
    if unequal:
        counts = ", ".join(f"{variant} {count}" for variant, count in unequal.items())
        yield Note("unequal_trials", f"Tuning gave the variants unequal numbers of trials: {counts}.")


def _unequal_budgets(results: Results) -> Iterator[Note]:
    """Variants that are larger or smaller than the base, or are trained on more or less."""
    base = next(one for one in results.variants if one.name == results.baseline)
    for word, field in (("parameters", "parameters"), ("FLOPs per token", "flops_per_token"), ("tokens", "tokens")):
        shares = {one.name: _off(one, base, field) for one in results.variants}
        off = [f"{name} ({share:+.0%})".replace("(-", "(−") for name, share in shares.items() if abs(share) > NOTABLE]
        if off:
            yield Note("unequal_budget", f"Not at equal {word}: {', '.join(off)}. Differences may be due to that.")


def _wall_time(results: Results) -> Iterator[Note]:
    """Of variants that were matched by it."""
    planned = [one.budget for one in results.variants if one.budget is not None]
    if not planned:
        return
    took = [
        mean(seconds)
        for one in results.variants
        if (seconds := [run.seconds for run in results.of(one.name) if run.seconds is not None])
    ]
    said = (
        f"The variants are matched by wall time: {duration(min(planned))} to {duration(max(planned))} for a run, by a "
        "few updates of each on the machine that planned the study, with whatever else that did meanwhile."
    )
    if took:
        said += f" Their runs took {duration(min(took))} to {duration(max(took))} on average."
    yield Note("unequal_budget", said)


def _off(variant: Variant, base: Variant, field: str) -> float:
    has, wanted = getattr(variant, field), getattr(base, field)
    return float(has / wanted - 1) if wanted and has is not None else 0.0


def _text_noise(results: Results, contrasts: list[Contrast]) -> Iterator[Note]:
    counts = measured_tokens(results)
    if not counts:
        return
    tokens = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    said = f"The metric stands on {tokens} scored tokens of the {results.metric.split} split."
    itself = text_error(results, results.baseline, results.seeds)
    errors = [c.text_error for c in contrasts if c.text_error is not None]
    if itself is not None:
        said += f" On other such texts the baseline's mean would vary by a standard error of {itself:.2g}"
        if errors:
            low, high = f"{min(errors):.2g}", f"{max(errors):.2g}"
            said += f", and the differences by {low if low == high else f'{low} to {high}'}"
        said += ", beside what the seeds do. The intervals have the seeds only."
    yield Note("text_noise", said)


def _adding_seeds(contrasts: list[Contrast]) -> Iterator[Note]:
    if any(c.seeds_needed is not None for c in contrasts):
        yield Note(
            "adding_seeds",
            "The seeds needed are those of a new study. To add seeds to this one because of what it shows would be "
            "a look that was not declared, and would inflate the error rate.",
        )


def scope(results: Results) -> Iterator[Note]:
    """What the verdicts are about, and what besides the factor may be behind them."""
    if len(results.variants) < 2:
        return
    yield Note(
        "scope",
        "The verdicts hold for this recipe, these texts and this length of training. Seeds change what is drawn at "
        "random, such as the first weights and the order of the texts, but not the texts themselves.",
    )
    if not results.tuned_knobs:
        yield Note(
            "scope",
            "No knob was tuned for each variant: all have the settings of the base, such as its learning rate, "
            "which may suit some of them better than others.",
        )


__all__ = [
    "always_diverged", "described", "history", "lost_cells", "lost_on_texts", "lost_runs",
    "never_reached_on_texts", "no_difference", "no_spread", "not_comparable", "nothing_learned", "refusal",
    "rounding", "scope", "study_notes", "too_few_pairs", "too_few_texts", "waiting", "withheld",
    "withheld_effect",
]  # fmt: skip
