"""Two studies side by side, as Markdown: what each says of the same comparison, and how far they differ in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose, sqrt
from statistics import mean, variance

from partwise.errors import InputError
from partwise.rendering import numbers
from partwise.studies.analysis import Analysis, analyse
from partwise.studies.analysis.findings import Contrast
from partwise.studies.earlier import recipe_otherwise
from partwise.studies.looks import asked_otherwise
from partwise.studies.results import Metric, Results, at_setting, measured_by
from partwise.wording import joined, many

from .markdown import escaped, paragraph

Key = tuple[str, str, str, str | None, str | None]
"""Factor, level, what it is compared with, size, text."""
CLAIMS = ("better", "worse", "equivalent")


@dataclass(frozen=True)
class Told:
    """One of the two."""

    results: Results
    analysis: Analysis

    @property
    def contrasts(self) -> dict[Key, Contrast]:
        """Those that its error rate is about, by what they compare."""
        told = self.analysis.over_texts or (*self.analysis.contrasts, *self.analysis.pairs)
        return {self._key(one): one for one in told}

    def _key(self, c: Contrast) -> Key:
        against = c.against or self.results.baseline
        levels = next(v.levels for v in self.results.variants if v.name == against)
        other = levels.get(c.factor, against) if c.factor else against
        return c.factor or c.variant, c.level, other, c.size, c.text

    def runs(self, c: Contrast) -> set[str]:
        """Identities of the runs that a contrast rests on."""
        names = (c.variant, c.against or self.results.baseline)
        where = [run for run in self.results.outcomes if run.variant in names and run.size == c.size]
        return {run.identity for run in where if c.text in (None, run.text) and run.state != "waiting"}


@dataclass(frozen=True)
class Difference:
    """The second study's difference minus the first one's."""

    estimate: float
    low: float | None
    high: float | None
    """95 % interval by Welch's t; None where the studies share runs, over texts, or with fewer than two pairs."""
    shared: int
    """Runs that both rest on."""


def two_studies(first: Results, second: Results) -> str:
    """The page.

    Raises:
        InputError: they are the same results, or compare nothing alike.
    """
    a, b = Told(first, analyse(first)), Told(second, analyse(second))
    if first.digest == second.digest:
        raise InputError("both are the same results; give two studies")
    alike = [key for key in a.contrasts if key in b.contrasts]
    if not alike:
        raise InputError(
            f"{_name(a, b, 0)} and {_name(a, b, 1)} have no comparison in common: the first compares "
            f"{_compares(a)}; the second {_compares(b)}"
        )
    lines = [f"# {escaped(_name(a, b, 0))} beside {escaped(_name(a, b, 1))}", *_asked(a, b), *_table(a, b, alike)]
    lines += [*_agreement(a, b, alike), *_only(a, b)]
    return "\n\n".join(lines) + "\n"


def _name(a: Told, b: Told, which: int) -> str:
    names = [a.results.study, b.results.study]
    return names[which] if names[0] != names[1] else f"{names[which]} ({(a, b)[which].results.digest})"


def _compares(of: Told) -> str:
    told = [f"{level} with {other}{at_setting(size, text)}" for _, level, other, size, text in of.contrasts]
    return joined(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "") if told else "nothing"


def _asked(a: Told, b: Told) -> Iterator[str]:
    """What was asked otherwise: the metric, the budget, the data."""
    first, second = a.results, b.results
    told = [*asked_otherwise(first, second), *recipe_otherwise(first, second)]
    seeds = [", ".join(map(str, one.seeds)) for one in (first, second)]
    if seeds[0] != seeds[1]:
        told.append(f"seeds: {seeds[0]}, then {seeds[1]}")
    if first.provenance.get("data") != second.provenance.get("data"):
        told.append("data: other texts, or another encoding of them")
    bases = [next(v for v in one.variants if v.name == one.baseline) for one in (first, second)]
    told += [
        f"{what} of the baseline: {x:,}, then {y:,}"
        for what, x, y in (("parameters", bases[0].parameters, bases[1].parameters),
                           ("tokens", bases[0].tokens, bases[1].tokens))
        if x != y
    ]  # fmt: skip
    yield "## What was asked otherwise"
    yield (
        "\n".join(f"- {escaped(one)}" for one in told)
        if told
        else "Nothing: metric, budget, data and seeds are the same."
    )


def _table(a: Told, b: Told, alike: list[Key]) -> Iterator[str]:
    comparable = same_unit(a.results.metric, b.results.metric)
    names = [escaped(_name(a, b, which)) for which in (0, 1)]
    head = ["comparison", names[0], "difference", names[1], "difference", "second minus first"]
    rows = []
    for key in alike:
        x, y = a.contrasts[key], b.contrasts[key]
        apart = difference(a, b, key) if comparable else None
        _, level, other, size, text = key
        what = escaped(f"{level} against {other}{at_setting(size, text)}")
        rows.append([what, x.verdict, _figure(x), y.verdict, _figure(y), _apart(apart)])
    yield "## Verdicts"
    yield "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)])
    if not comparable:
        yield paragraph(
            f"The metrics differ ({a.results.metric.label}; {b.results.metric.label}), so that only the verdicts can "
            "be compared."
        )
        return
    found = [difference(a, b, key) for key in alike]
    shared = sum(one is not None and one.shared > 0 for one in found)
    said = (
        "The last column is the second study's difference minus the first one's, with the 95 % interval of each by "
        "itself (Welch's t over the pairs), not corrected for how many there are."
    )
    if {*a.results.seeds} & {*b.results.seeds}:
        said += " Runs with the same seed are taken as independent, too: what luck they share only widens it."
    if shared:
        said += f" {many(shared, 'comparison')} of the two studies rest on runs that both share, and have no interval."
    yield paragraph(said)


def same_unit(first: Metric, second: Metric) -> bool:
    """Whether both measure the same, the less or the more the better."""
    return measured_by(first) == measured_by(second) and first.goal == second.goal


def difference(a: Told, b: Told, key: Key) -> Difference | None:
    """How much the same comparison differs between the two; None if either has no figure."""
    from scipy.stats import t

    x, y = a.contrasts[key], b.contrasts[key]
    if x.difference is None or y.difference is None:
        return None
    estimate, shared = y.difference - x.difference, len(a.runs(x) & b.runs(y))
    if shared or "text" in (x.unit, y.unit) or not (_by_pairs(x) and _by_pairs(y)):
        return Difference(estimate, None, None, shared)
    parts = [variance(of.differences) / len(of.differences) for of in (x, y)]
    error = sqrt(sum(parts))
    if not error:
        return Difference(estimate, estimate, estimate, 0)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(of.differences) - 1) for part, of in zip(parts, (x, y), strict=True))
    half = float(t.ppf(0.975, freedom)) * error
    return Difference(estimate, estimate - half, estimate + half, 0)


def _by_pairs(c: Contrast) -> bool:
    """Whether the difference is the mean of at least two, as that of figures which were not all reached is not."""
    return len(c.differences) > 1 and isclose(mean(c.differences), c.difference or 0.0, rel_tol=1e-9, abs_tol=1e-12)


def _figure(c: Contrast) -> str:
    if c.difference is None:
        return numbers.NONE
    half = None if c.low is None or c.high is None else (c.high - c.low) / 2
    places = numbers.decimals(half, c.difference)
    return f"{numbers.signed(c.difference, places)} {numbers.interval(c.low, c.high, places)}"


def _apart(one: Difference | None) -> str:
    if one is None:
        return numbers.NONE
    half = None if one.low is None or one.high is None else (one.high - one.low) / 2
    places = numbers.decimals(half, one.estimate)
    interval = f"shares {many(one.shared, 'run')}" if one.shared else numbers.interval(one.low, one.high, places)
    return f"{numbers.signed(one.estimate, places)} {interval}"


def _agreement(a: Told, b: Told, alike: list[Key]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for key in alike:
        _, level, other, size, text = key
        groups.setdefault(_agree(a.contrasts[key].verdict, b.contrasts[key].verdict), []).append(
            f"{level} against {other}{at_setting(size, text)}"
        )
    yield "## What agrees"
    yield "\n".join(f"- {what}: {escaped(joined(names))}." for what, names in sorted(groups.items()))


def _agree(first: str, second: str) -> str:
    claimed = [one for one in (first, second) if one in CLAIMS]
    if len(claimed) == 2 and first == second:
        return f"Both say {first}"
    if {first, second} == {"better", "worse"}:
        return "They contradict each other"
    if len(claimed) == 2:
        return "One finds a difference, the other none that matters"
    if claimed:
        return f"The {'first' if first in CLAIMS else 'second'} alone says {claimed[0]}"
    return "Neither says anything"


def _only(a: Told, b: Told) -> Iterator[str]:
    told = []
    for which, (one, other) in enumerate(((a, b), (b, a))):
        rest = [
            f"{key[1]} against {key[2]}{at_setting(*key[3:])}" for key in one.contrasts if key not in other.contrasts
        ]
        if rest:
            told.append(f"- {escaped(_name(a, b, which))} alone compares {escaped(joined(rest))}.")
    if told:
        yield "\n".join(told)


__all__ = ["Difference", "Told", "difference", "same_unit", "two_studies"]
