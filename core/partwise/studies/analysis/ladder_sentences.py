"""What a ladder of sizes tells, in words: one clause per variant."""

from __future__ import annotations

from partwise.rendering.numbers import factor
from partwise.studies.results import Metric, Results
from partwise.wording import joined, many

from .findings import Contrast
from .ladder_findings import LadderFinding
from .phrases import chance, estimate, unit

_SAYS = {
    "holds": "holds at every size",
    "fades": "fades",
    "grows": "grows",
    "reverses": "reverses",
    "equivalent": "equivalent at every size",
    "inconclusive": "inconclusive over the sizes",
    "no verdict": "no verdict over the sizes",
}


def ladder_headline(found: LadderFinding) -> str:
    """`rope is better and holds at every size`; `alibi fades`."""
    said = _SAYS[found.verdict]
    if found.verdict == "holds":
        said += f", and {found.trend}" if found.trend else ""
        return f"{found.level} is {found.direction}, which {said}"
    if found.verdict == "grows":
        return f"{found.level} is {found.direction} at {found.contrasts[-1].size}, and the difference grows"
    if found.verdict == "fades":
        return f"{found.level} is {found.direction} at {joined(_sizes(found, found.direction))}, which fades"
    if found.verdict == "equivalent":
        return f"{found.level} is {said}"
    return f"{found.level} has {said}" if found.verdict == "no verdict" else f"{found.level} {_is(found)}{said}"


def _is(found: LadderFinding) -> str:
    return "" if found.verdict == "reverses" else "is "


def ladder_clause(found: LadderFinding, results: Results) -> str:
    """`rope is better than learned, which holds at every size: the difference is ...`, without a full stop."""
    against, metric = _against(found, results), results.metric
    facts = [_ends(found, metric), _slope(found, metric), _speed_up(found, metric)]
    told = "; ".join(fact for fact in facts if fact)
    note = f" [{' – '.join(one.text for one in found.notes)}]" if found.notes else ""
    return f"{_claim(found, against, metric)}{f': {told}' if told else ''}{note}"


def _against(found: LadderFinding, results: Results) -> str:
    base = next(v for v in results.variants if v.name == results.baseline)
    return base.levels.get(found.factor or "", "the baseline")


def _claim(f: LadderFinding, against: str, metric: Metric) -> str:
    at = {word: joined(_sizes(f, word)) for word in ("better", "worse", "equivalent")}
    last = f.contrasts[-1].size
    if f.verdict == "holds":
        trend = {"grows": " and grows with compute", "shrinks": ", though it shrinks with compute", None: ""}[f.trend]
        return f"{f.level} is {f.direction} than {against}, which holds at every size{trend}"
    if f.verdict == "fades":
        gone = "it is equivalent" if f.contrasts[-1].verdict == "equivalent" else "nothing was found"
        left = f"at {last} less than half of the difference is left, and {gone}"
        return f"{f.level} is {f.direction} than {against} at {at[str(f.direction)]}, which fades ({left})"
    if f.verdict == "grows":
        where = at[str(f.direction)]
        return f"{f.level} is {f.direction} than {against} at {where}, and the difference grows with compute"
    if f.verdict == "reverses":
        return f"{f.level} reverses: it is better than {against} at {at['better']}, and worse at {at['worse']}"
    if f.verdict == "equivalent":
        return f"{f.level} is equivalent to {against} within {metric.smallest_effect:g} at every size"
    if f.verdict == "no verdict":
        return f"{f.level} has no verdict over the sizes against {against}"
    said = [f"{word} at {sizes}" for word, sizes in at.items() if sizes]
    found = f"by its tests it is {joined(said)}, and elsewhere nothing was found" if said else "nothing was found"
    return f"{f.level} is inconclusive over the sizes against {against}; {found}"


def _sizes(found: LadderFinding, word: str | None) -> list[str]:
    return [c.size or "" for c in found.contrasts if c.verdict == word]


def _ends(found: LadderFinding, metric: Metric) -> str:
    """The differences at the smallest and the largest size."""
    ends = (found.contrasts[0], found.contrasts[-1])
    said = [f"{_difference(c, metric)} at {c.size}" for c in ends if c.difference is not None]
    return f"the difference is {joined(said)}" if said else ""


def _difference(c: Contrast, metric: Metric) -> str:
    assert c.difference is not None
    if c.low is None or c.high is None or c.low == c.high:
        return f"{c.difference:+.3g} {unit(metric)}".replace("-", "\N{MINUS SIGN}")
    facts = [f"Holm-adjusted {chance(c.p_adjusted)}", many(c.pairs, c.unit)]
    return estimate(c.difference, c.low, c.high, c.alpha, metric, *facts)


def _slope(found: LadderFinding, metric: Metric) -> str:
    s = found.slope
    if s is None:
        return ""
    alpha = found.contrasts[-1].alpha
    figures = estimate(s.estimate, s.low, s.high, alpha, metric, f"Holm-adjusted {chance(s.p_adjusted)}")
    return f"with ten times the compute it changes by {figures}"


def _speed_up(found: LadderFinding, metric: Metric) -> str:
    """At the largest size."""
    s = found.speed_up
    if s is None:
        return ""
    level = f"{100 * (1 - found.contrasts[-1].alpha):.4g} % CI"
    low = f"less than {factor(s.least)}" if s.low is None else factor(s.low)
    high = f"more than {factor(s.most)}" if s.high is None else factor(s.high)
    told = f"its effective speed-up at {s.size} is"
    if s.beyond == "more":
        return f"{told} more than {factor(s.most)} ({level} {low} or more)"
    if s.factor is None:
        return f"{told} less than {factor(s.least)} ({level} {high} or less)"
    return f"{told} {factor(s.factor)} ({level} {low} to {high})"


__all__ = ["ladder_clause", "ladder_headline"]
