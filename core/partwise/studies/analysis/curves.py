"""Figures against training FLOPs, for a picture: points, their residuals, and a law that describes them."""

from __future__ import annotations

import numpy as np

from partwise.studies.results import Results

from .family import spans_texts
from .ladder import compute_of
from .ladder_findings import Curve, Law, Point
from .speed_up import curve_weights
from .statistics import Array, paired_t

FEWEST_FOR_LAW = 4
"""A law has three numbers: with fewer points than this it would fit whatever they are."""


def curves(results: Results) -> tuple[Curve, ...]:
    """Of every variant, on each text or (three or more) as the mean over all; none without sizes."""
    if not results.sizes:
        return ()
    compute = compute_of(results)
    names = list(dict.fromkeys(v.name for v in results.variants))
    texts: list[str | None] = [None] if spans_texts(results) or not results.texts else [*results.texts]
    found = [_curve(results, compute, name, text) for name in names for text in texts]
    return tuple(one for one in found if one.points)


def _curve(
    results: Results, compute: dict[tuple[str, str | None, str | None], float], name: str, text: str | None
) -> Curve:
    on: list[str | None] = [*results.texts] if text is None and results.texts else [text]
    sizes, flops, samples = list[str](), list[float](), list[Array]()
    for size in results.sizes:
        each = [[*results.at(size, one).values(name).values()] for one in on]
        done = [np.array(values) for values in each if values]
        if done:
            sizes.append(size)
            flops.append(compute[name, size, on[0]])
            samples.append(done[0] if len(on) == 1 else np.array([one.mean() for one in done]))
    means = np.array([one.mean() for one in samples])
    residuals = _residuals(results, np.log10(flops), means)
    points = []
    for size, at, sample, mean, residual in zip(sizes, flops, samples, means, residuals, strict=True):
        t = paired_t(sample, results.alpha) if sample.size > 1 else None
        low, high = (None, None) if t is None else (float(t.low), float(t.high))
        points.append(Point(size, at, float(mean), low, high, residual))
    return Curve(name, text, tuple(points), law_of(np.array(flops), means) if results.metric.goal == "min" else None)


def _residuals(results: Results, x: Array, y: Array) -> list[float | None]:
    """Of each inner point, what it is above the curve through all others: how far reading between sizes may be off."""
    found: list[float | None] = [None] * y.size
    logs = results.metric.goal == "min" and bool((y > 0).all())
    for k in range(1, y.size - 1):
        others = np.arange(y.size) != k
        if (np.diff(x) > 0).all():
            (weights,) = curve_weights(x[others], x[k : k + 1])
            expected = np.exp(weights @ np.log(y[others])) if logs else weights @ y[others]
            found[k] = float(y[k] - expected)
    return found


def law_of(compute: Array, means: Array) -> Law | None:
    """Least squares of floor + scale compute^-power, with a floor of 0 or more; None where there is no such law."""
    from scipy.optimize import minimize_scalar, nnls

    if means.size < FEWEST_FOR_LAW or means[-1] >= means[0] or (np.diff(compute) <= 0).any():
        return None
    relative = compute / compute[0]

    def fitted(power: float) -> tuple[Array, float]:
        return nnls(np.stack([np.ones_like(relative), relative**-power], axis=-1), means)

    tried = np.geomspace(0.01, 3.0, 60)
    best = int(np.argmin([fitted(power)[1] for power in tried]))
    bounds = (tried[max(best - 1, 0)], tried[min(best + 1, tried.size - 1)])
    power = float(minimize_scalar(lambda one: fitted(one)[1], bounds=bounds, method="bounded").x)
    (floor, scale), _ = fitted(power)
    if not scale:
        return None
    residuals = means - (floor + scale * relative**-power)
    return Law(float(floor), float(scale * compute[0] ** power), power, tuple(float(one) for one in residuals))


__all__ = ["curves", "law_of"]
