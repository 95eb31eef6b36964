"""What a report says in sentences: the setting, the verdicts, the notes, the limits."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.rendering import numbers
from partwise.rendering.numbers import joined
from partwise.rendering.text import printable
from partwise.studies.analysis.findings import Analysis, Contrast
from partwise.studies.results import Results

from .row import SURVIVORS, VariantRow

_ORDER = ("better", "worse", "equivalent", "inconclusive", "no verdict")


def headline(contrasts: Sequence[Contrast]) -> str:
    """`rope and alibi are better; none is worse; t5_bias is equivalent.`, the best first."""
    said = []
    for verdict in _ORDER:
        levels = [printable(c.level) for c in contrasts if c.verdict == verdict]
        if levels:
            verb = ("have" if len(levels) > 1 else "has") if verdict == "no verdict" else "are" if levels[1:] else "is"
            said.append(f"{joined(levels)} {verb} {verdict}")
    return f"{'; '.join(said)}." if said else ""


def clauses(sentence: str, factor: str, subjects: Sequence[str]) -> list[str]:
    """Splits `factor: a is ...; b is ...` where a clause begins with what it is about; the words stay as they are."""
    rest = sentence.removeprefix(f"{factor}: ").removesuffix(".")
    begins = (*(f"{subject} " for subject in subjects), "averaged over ")
    found: list[str] = []
    for piece in rest.split("; "):
        if found and not piece.startswith(begins):
            found[-1] += f"; {piece}"
        else:
            found.append(piece)
    return [f"{clause}." for clause in found]


def setting(r: Results) -> str:
    """What is compared, in a sentence."""
    kind = {"one_at_a_time": "one factor at a time", "leave_one_out": "leaving one out", "grid": "a full grid"}
    variants = "1 variant" if len(r.variants) == 1 else f"{len(r.variants)} variants"
    seeds = "1 seed" if len(r.seeds) == 1 else f"{len(r.seeds)} seeds"
    effect = "" if r.metric.smallest_effect is None else f"; differences from {r.metric.smallest_effect:g} on matter"
    better = "lower" if r.metric.goal == "min" else "higher"
    return (
        f"{variants} with {seeds}, {kind.get(r.design, r.design)}. Compared by {printable(r.metric.label)}, "
        f"{better} is better{effect}. The baseline is {printable(r.baseline)}."
    )


def progress(r: Results) -> str:
    """What is not done; empty if all is."""
    states = [outcome.state for outcome in r.outcomes]
    done = states.count("done")
    if done == len(states):
        return ""
    rest = [f"{states.count(s)} {s}" for s in ("diverged", "failed", "waiting") if s in states]
    hint = " What follows is preliminary." if "waiting" in states and done else ""
    return f"{done} of {len(states)} runs are done, {joined(rest)}.{hint}"


def footnotes(r: Results, analysis: Analysis, rows: Sequence[VariantRow]) -> list[str]:
    """Of the main table."""
    contrasts, notes = analysis.contrasts, []
    if any(row.survivors for row in rows):
        notes.append(f"{SURVIVORS} Mean over the runs that came to their end; those that diverged or failed do not "
                     "enter it, and count against the variant.")  # fmt: skip
    if contrasts:
        looks = " at the level of the look" if r.looks else ""
        over = f"{len(contrasts)} contrasts" if len(contrasts) > 1 else "1 contrast"
        notes.append(f"Differences are variant minus {printable(r.baseline)}, paired by seed, with "
                     f"t-intervals{looks}; p is Holm-adjusted over {over}.")  # fmt: skip
    if any(row.p_equivalent for row in rows):
        notes.append(f"p of equivalence: two one-sided tests against ±{r.metric.smallest_effect:g}.")
    notes.append("SD is over seeds; time is the mean of a run's wall time, whatever else the machine did meanwhile. "
                 "In brackets: relative to the baseline.")  # fmt: skip
    return notes


def tuning(r: Results) -> str:
    """How the tuned knob was chosen; empty if nothing was tuned."""
    if not r.trials:
        return ""
    each = sorted({sum(t.variant == v.name for t in r.trials) for v in r.variants})
    trials = joined(str(count) for count in each)
    seeds = sorted({trial.seed for trial in r.trials})
    with_seeds = f"seed{'s' if len(seeds) > 1 else ''} {joined(map(str, seeds))}"
    knob = printable(r.tuned_knob or "A knob")
    chosen = f"{knob} was chosen for each variant by {trials} trials"
    return f"{chosen} with {with_seeds}, which the comparison does not use."


def limits(analysis: Analysis) -> list[str]:
    """What the study could not have seen, and what a reader must know."""
    power, notes = analysis.power, []
    if power.detectable is not None:
        sd = power.sd_of_differences
        spread = f", at the standard deviation of differences seen, {numbers.with_spread(sd, sd)}" if sd else ""
        size = numbers.with_spread(power.detectable, power.detectable)
        notes.append(f"With {power.seeds} seeds it detects a true difference of {size} or more "
                     f"with 80 % power{spread}.")  # fmt: skip
    for c in analysis.contrasts:
        if c.verdict == "inconclusive" and c.needed_for is not None:
            seen = " (the difference seen)" if c.difference is not None and c.needed_for == abs(c.difference) else ""
            size = f"{c.needed_for:.2g}{seen}"
            seeds = "more than 10,000" if c.seeds_needed is None else f"about {c.seeds_needed}"
            notes.append(f"{printable(c.variant)} is inconclusive: to detect {size} takes {seeds} seeds.")
    known = [c.correlation for c in analysis.contrasts if c.correlation is not None]
    if known:
        low, high = numbers.fixed(min(known), 2), numbers.fixed(max(known), 2)
        notes.append(f"Runs of one seed correlate with the baseline's by {low if low == high else f'{low} to {high}'}.")
    said = " ".join(analysis.sentences.values())
    unsaid = [c for c in analysis.contrasts if c.note and c.note not in said]
    for note in dict.fromkeys(c.note for c in unsaid):
        about = joined(printable(c.variant) for c in unsaid if c.note == note)
        notes.append(f"{about}: {printable(note)}.")
    return notes + [printable(note) for note in analysis.notes]


__all__ = ["clauses", "footnotes", "headline", "limits", "progress", "setting", "tuning"]
