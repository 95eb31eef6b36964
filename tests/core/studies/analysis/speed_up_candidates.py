"""Ways to tell an effective speed-up and its interval, tried on simulated ladders whose truth is a smooth law.

python tests/core/studies/analysis/speed_up_candidates.py [STUDIES]     prints the table of docs/studies-statistics.md

Every setting is one ladder (how many sizes, how far apart), a number of seeds, a scatter at each size, a law of the
baseline's loss (floor and power) and a true speed-up, which moves the variant along the baseline's own curve.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from partwise.studies.analysis.speed_up import crossing, not_rejected, path, shift_at

Array = npt.NDArray[np.float64]
Ends = tuple[Array, Array]
LADDERS = ((3, 1.0), (4, 1.0), (5, 0.5))
"""Sizes, and decades of compute from one to the next."""
SCATTERS = ((0.003,), (0.01,), (0.03, 0.01), (0.005, 0.01, 0.02, 0.03, 0.04))
"""SD at each size, repeated or cut to their number."""
LUCK = dict(zip(SCATTERS, (0.0, 0.02, 0.02, 0.02), strict=True))
"""SD of what a seed does to both alike, at each size."""
LAWS = ((0.0, 0.06), (1.2, 0.107), (1.7, 0.2))
"""Floor and power; the smallest size has a loss of 2.6."""
SHIFTS = (0.0, 0.2, -0.4)
"""log10 of the true speed-up."""


@dataclass(frozen=True)
class Case:
    """A setting, and simulated studies of it: losses (studies, sizes, seeds)."""

    sizes: int
    step: float
    seeds: int
    scatter: tuple[float, ...]
    law: tuple[float, float]
    shift: float
    base: Array
    variant: Array

    @property
    def compute(self) -> Array:
        return self.step * np.arange(self.sizes)


def loss(compute: Array, law: tuple[float, float]) -> Array:
    floor, power = law
    return floor + (2.6 - floor) * 10.0 ** (-power * compute)


def cases(studies: int, seed: int = 0) -> Iterator[Case]:
    rng = np.random.default_rng(seed)
    for (sizes, step), seeds, scatter, law, shift in product(LADDERS, (3, 5), SCATTERS, LAWS, SHIFTS):
        compute, sd = step * np.arange(sizes), np.resize(scatter, sizes)[:, None]
        luck = LUCK[scatter] * rng.normal(size=(studies, sizes, seeds))
        base, variant = (
            loss(compute + of, law)[:, None] + luck + sd * rng.normal(size=luck.shape) for of in (0.0, shift)
        )
        yield Case(sizes, step, seeds, scatter, law, shift, base, variant)


# Curves: weights of the sizes at each of some points


def lines(compute: Array, points: Array) -> Array:
    """Straight between neighbours."""
    return np.stack([np.interp(points, compute, row) for row in np.eye(compute.size)], axis=-1)


def lagrange(compute: Array, points: Array, through: int) -> Array:
    """Polynomials through so many neighbouring sizes."""
    weights = np.zeros((points.size, compute.size))
    for row, point in zip(weights, points, strict=True):
        left = int(np.clip(np.searchsorted(compute, point, side="right") - 1, 0, compute.size - 2))
        first = int(np.clip(left - (through - 2) // 2, 0, max(compute.size - through, 0)))
        some = range(first, min(first + through, compute.size))
        for i in some:
            row[i] = np.prod([(point - compute[j]) / (compute[i] - compute[j]) for j in some if j != i])
    return weights


def cubics(compute: Array, points: Array) -> Array:
    return lagrange(compute, points, 4)


# Intervals of log10 of the speed-up at the largest size


def inverted(curve: Callable[[Array, Array], Array], of: Callable[[Array], Array]) -> Callable[[Case], Ends]:
    """What a paired t-test over the seeds does not reject."""

    def ends(case: Case) -> Ends:
        apart, shift, middle = path(of(case.base), of(case.variant), case.compute, case.compute, case.sizes - 1, curve)
        return not_rejected(apart, shift, 0.05, crossing(apart.mean(-1), shift, middle))

    return ends


def shipped(case: Case) -> Ends:
    found = shift_at(np.log(case.base), np.log(case.variant), case.compute, case.compute, case.sizes - 1, 0.05)
    return found.low, found.high


def per_seed(case: Case) -> Ends:
    """A speed-up of each seed's own curves, and a t-interval over them; none where one of them is beyond the ladder."""
    own = [np.log(np.repeat(of[..., None, :], 2, axis=-2).transpose(0, 3, 1, 2)) for of in (case.base, case.variant)]
    found = shift_at(own[0], own[1], case.compute, case.compute, case.sizes - 1, 0.05).estimate
    return t_interval(np.where(np.isfinite(found), found, np.nan))


def t_interval(found: Array) -> Ends:
    n = found.shape[-1]
    half = stdtrit(n - 1, 0.975) * found.std(-1, ddof=1) / np.sqrt(n)
    return found.mean(-1) - half, found.mean(-1) + half


def delta(case: Case) -> Ends:
    """The mean curves' speed-up, and the spread of the seeds' distances there over the mean's slope there."""
    apart, shift, middle = path(np.log(case.base), np.log(case.variant), case.compute, case.compute, case.sizes - 1)
    mean, n = apart.mean(-1), case.seeds
    estimate = crossing(mean, shift, middle)
    at = np.clip(np.searchsorted(shift, estimate) - 1, 0, shift.size - 2)
    rows = np.arange(len(mean))
    share = (estimate - shift[at]) / (shift[at + 1] - shift[at])
    there = apart[rows, at] + share[:, None] * (apart[rows, at + 1] - apart[rows, at])
    slope = (mean[rows, at + 1] - mean[rows, at]) / (shift[at + 1] - shift[at])
    half = stdtrit(n - 1, 0.975) * there.std(-1, ddof=1) / np.sqrt(n) / np.abs(slope)
    known = np.isfinite(estimate)
    return np.where(known, estimate - half, np.nan), np.where(known, estimate + half, np.nan)


def laws(case: Case) -> Ends:
    """A power law with a floor fitted to each seed's curves, and a t-interval over the seeds."""
    powers = np.geomspace(0.02, 1.0, 30)
    (floor, scale, power), (own_floor, own_scale, own_power) = (
        fitted(np.swapaxes(of, -1, -2), case.compute, powers) for of in (case.base, case.variant)
    )
    top = case.compute[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        aim = floor + scale * 10.0 ** (-power * top)
        found = top + np.log10((aim - own_floor) / own_scale) / own_power
    return t_interval(np.where(np.isfinite(found), found, np.nan))


def fitted(losses: Array, compute: Array, powers: Array) -> tuple[Array, Array, Array]:
    """Floor (0 or more), scale and power of each of (..., sizes), by least squares."""
    best = [np.full(losses.shape[:-1], np.inf), *(np.zeros(losses.shape[:-1]) for _ in range(3))]
    for power in powers:
        falling = 10.0 ** (-power * compute)
        away = falling - falling.mean()
        scale = losses @ away / (away @ away)
        floor = losses.mean(-1) - scale * falling.mean()
        free = floor < 0
        scale = np.where(free, losses @ falling / (falling @ falling), scale)
        floor = np.where(free, 0.0, floor)
        error = np.square(losses - floor[..., None] - scale[..., None] * falling).sum(-1)
        better = error < best[0]
        best = [np.where(better, new, old) for new, old in zip((error, floor, scale, power), best, strict=True)]
    return best[1], best[2], best[3]


def plain(losses: Array) -> Array:
    return losses


CANDIDATES: dict[str, Callable[[Case], Ends]] = {
    "lines, loss; inverted t": inverted(lines, plain),
    "lines, log loss; inverted t": inverted(lines, np.log),
    "shipped": shipped,
    "cubics, log loss; inverted t": inverted(cubics, np.log),
    "shipped curve; t over seeds' own": per_seed,
    "shipped curve; delta": delta,
    "law with a floor; t over seeds' own": laws,
}


@dataclass(frozen=True)
class Row:
    """A candidate in one setting."""

    name: str
    case: Case
    covered: float
    """Share of studies whose interval has the truth; one without an interval has not."""
    none: float
    """Share without one."""
    width: float
    """Median, in decades."""


def rows(studies: int, names: list[str] | None = None) -> list[Row]:
    found = []
    for case in cases(studies):
        for name in names or CANDIDATES:
            low, high = CANDIDATES[name](case)
            covered = float(np.mean((low <= case.shift) & (case.shift <= high)))
            found.append(Row(name, case, covered, float(np.mean(np.isnan(low))), float(np.nanmedian(high - low))))
    return found


def table(found: list[Row]) -> list[str]:
    """Of each candidate over all settings, as Markdown."""
    lines_ = [
        "| curve; interval | lowest coverage | mean | highest | settings within 2 points | no interval | width |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row.name for row in found):
        own = [row for row in found if row.name == name]
        covered = np.array([row.covered for row in own])
        near = float(np.mean(np.abs(covered - 0.95) <= 0.02))
        none = max(row.none for row in own)
        width = float(np.median([row.width for row in own]))
        lines_.append(
            f"| {name} | {covered.min():.3f} | {covered.mean():.3f} | {covered.max():.3f} | {near:.0%} | {none:.0%} "
            f"| {width:.2f} |"
        )
    return lines_


if __name__ == "__main__":
    everything = rows(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    print("\n".join(table(everything)))
    for row in sorted((row for row in everything if row.name == "shipped"), key=lambda row: row.covered)[:6]:
        c = row.case
        print(f"{row.covered:.3f}: {c.sizes} sizes {c.step} apart, {c.seeds} seeds, {c.scatter}, {c.law}, {c.shift}")
