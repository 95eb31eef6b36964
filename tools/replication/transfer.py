"""Whether the best learning rate of a narrow model is the best one of a wide model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import mean

import numpy as np

from partwise.studies.results import Results

from .result import Obtained, Replication, study, values

FACTOR = 2.0
"""How far the best rate may move under muP, and has to move at least under the standard parametrisation."""


def learning_rate_transfer(name: str) -> Obtained:
    """How far the best rate moves from the narrowest model to the widest."""
    results = study(name)
    moves = {one: _move(results, one) for one in ("standard", "mup")}
    told = "; ".join(f"{one}: {narrow:.2g} to {wide:.2g}" for one, (narrow, wide) in moves.items())
    factors = {one: math.exp(abs(math.log(wide / narrow))) for one, (narrow, wide) in moves.items()}
    return Obtained(told, factors["mup"] < FACTOR < factors["standard"])


def _move(results: Results, parametrisation: str) -> tuple[float, float]:
    """The best rates of the narrowest and of the widest model."""
    widths = sorted(map(int, results.factors["width"]))
    narrow, *_, wide = (best_rate(_losses(results, parametrisation, width)) for width in widths)
    return narrow, wide


def _losses(results: Results, parametrisation: str, width: int) -> dict[float, float]:
    """Rate -> mean loss over seeds; a rate of which a run diverged is left out."""
    wanted = {"parametrisation": parametrisation, "width": str(width)}
    found = [one for one in results.variants if one.levels | wanted == one.levels]
    losses = {float(one.levels["rate"]): values(results, one.name) for one in found}
    return {rate: mean(of_seeds) for rate, of_seeds in losses.items() if len(of_seeds) == len(results.seeds)}


def best_rate(losses: Mapping[float, float]) -> float:
    """Where the parabola through the best rate and its two neighbours is lowest, over the logarithm of the rate; NaN,
    which is within no factor of anything, if the best is the least or the greatest that was tried."""
    rates = sorted(losses)
    best = rates.index(min(rates, key=losses.__getitem__))
    if not 0 < best < len(rates) - 1:
        return math.nan
    near = rates[best - 1 : best + 2]
    curvature, slope, _ = np.polyfit(np.log(near), [losses[rate] for rate in near], 2)
    return float(np.exp(-slope / (2 * curvature)))


TRANSFER = {
    "learning-rate-transfer": Replication(
        "Yang et al. 2022, figure 1",
        f"best rate stays within a factor {FACTOR:g} under muP, moves farther under standard",
        learning_rate_transfer,
    ),
}
