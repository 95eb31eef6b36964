"""Figures in words: differences with their intervals, and chances."""

from __future__ import annotations

from partwise.rendering.numbers import decimals, p_value, signed
from partwise.studies.results import Correction, Metric

from .findings import Needed
from .power import MOST_SEEDS


def estimate(value: float, low: float, high: float, alpha: float, metric: Metric, *facts: str) -> str:
    """`+0.031 bits per byte (95 % CI +0.012 to +0.050, p = 0.004)`, rounded to its uncertainty; `p = 0.004` is a fact.

    A difference always bears its sign, which is that of variant minus baseline, whatever is said of it.
    """
    places = decimals((high - low) / 2, value)
    level = f"{100 * (1 - alpha):.4g} % CI {signed(low, places)} to {signed(high, places)}"
    return f"{signed(value, places)} {unit(metric)} ({', '.join([level, *facts])})"


def unit(metric: Metric) -> str:
    """What follows a figure in a sentence: `bits per byte`, `in loss`."""
    if metric.amount is not None:
        return metric.amount
    words = metric.name.replace("_", " ")
    return words if " per " in words else f"in {words}"


def chance(p: float | None) -> str:
    """`p = 0.004`, `p < 0.001`."""
    if p is None:
        return "p not known"
    figure = p_value(p)
    return f"p {figure[0]} {figure[1:]}" if figure[0] in "<>" else f"p = {figure}"


def adjusted(p: float | None, correction: Correction) -> str:
    """`Holm-adjusted p = 0.004`, `FDR-adjusted p = 0.004`."""
    return f"{'Holm' if correction == 'holm' else 'FDR'}-adjusted {chance(p)}"


def seeds_in_words(needed: Needed) -> str:
    """`about 85 seeds (95 % interval 32 to 700)`."""
    ends = [f"{MOST_SEEDS:,}" if end is None else f"{end}" for end in (needed.fewest, needed.most)]
    told = f"more than {MOST_SEEDS:,}" if needed.seeds is None else f"about {needed.seeds}"
    beyond = " or more" if needed.most is None else ""
    return f"{told} seeds (95 % interval {ends[0]} to {ends[1]}{beyond})"


__all__ = ["adjusted", "chance", "estimate", "seeds_in_words", "unit"]
