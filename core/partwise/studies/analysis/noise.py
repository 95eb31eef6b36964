"""How noisy a recipe is: what seeds do, what the evaluation text does, and which differences can be told from both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from partwise.errors import WorkError
from partwise.studies.results import Results
from partwise.studies.validity import FEWEST_SEEDS

from .power import detectable_size, sd_interval, seeds_for_size
from .text_noise import text_error, text_error_between

CORRELATION = 0.5
"""Between two variants' runs of the same seed, where nothing is known of it."""
SEEDS = (3, 5, 10, 20)


@dataclass(frozen=True)
class Detectable:
    """The smallest true difference that a number of seeds finds with 80 % power."""

    seeds: int
    unpaired: float
    """If runs of the same seed have nothing in common: the bound."""
    paired: float
    """If they are correlated as assumed."""


@dataclass(frozen=True)
class Noise:
    """What a recipe's runs say of each other."""

    metric: str
    values: dict[int, float]
    """Seed -> figure, of the runs that are done."""
    lost: dict[int, str]
    """Seed -> diverged or failed."""
    mean: float
    sd: float
    """Between seeds."""
    sd_low: float
    sd_high: float
    """95 % interval of it, for normal noise."""
    text_error: float | None
    """Standard error of the mean on other texts of this length; None if it is not known."""
    text_error_of_difference: float | None
    """The same of the difference between two of the runs."""
    text_share: float | None
    """Of the variance between seeds, what is due to the evaluation text."""
    correlation: float
    """Assumed."""
    comparisons: int
    alpha: float
    detectable: tuple[Detectable, ...]
    effect: float | None
    """The difference that is asked about."""
    needed: int | None
    """Seeds that find it where pairing brings nothing; None: more than 10,000, or none was asked about."""
    needed_paired: int | None


def noise_of(
    results: Results, correlation: float = CORRELATION, comparisons: int = 1, effect: float | None = None
) -> Noise:
    """Of the baseline's runs.

    Args:
        correlation: assumed between two variants' runs of the same seed.
        comparisons: that share the error rate, as variants of a study do.
        effect: a difference about which to tell how many seeds find it.

    Raises:
        WorkError: too few runs are done.
    """
    values = results.values(results.baseline)
    lost = {one.seed: one.state for one in results.of(results.baseline) if one.state in ("diverged", "failed")}
    if len(values) < FEWEST_SEEDS:
        told = ", ".join(f"seed {seed} {state}" for seed, state in lost.items()) or "the others wait"
        raise WorkError(f"{len(values)} of {len(results.seeds)} runs are done, and a spread takes 3: {told}")
    seeds, sd = [*values], stdev(values.values())
    low, high = sd_interval(sd, len(values))
    alpha = results.alpha / comparisons
    between = text_error_between(results, results.baseline, seeds)
    apart = sqrt(2 * (1 - correlation))
    return Noise(
        metric=results.metric.label,
        values=values,
        lost=dict(lost),
        mean=mean(values.values()),
        sd=sd,
        sd_low=low,
        sd_high=high,
        text_error=text_error(results, results.baseline, seeds),
        text_error_of_difference=between,
        text_share=None if between is None or not sd else min(1.0, between**2 / 2 / sd**2),
        correlation=correlation,
        comparisons=comparisons,
        alpha=results.alpha,
        detectable=tuple(_detectable(count, alpha, sd, apart) for count in sorted({*SEEDS, len(values)})),
        effect=effect,
        needed=_needed(effect, sqrt(2) * sd, alpha),
        needed_paired=_needed(effect, apart * sd, alpha),
    )


def _detectable(seeds: int, alpha: float, sd: float, apart: float) -> Detectable:
    size = detectable_size(seeds, alpha) * sd
    return Detectable(seeds, sqrt(2) * size, apart * size)


def _needed(effect: float | None, sd: float, alpha: float) -> int | None:
    if effect is None:
        return None
    return seeds_for_size(effect / sd, alpha) if sd else FEWEST_SEEDS


def noise_words(noise: Noise) -> Sequence[str]:
    """What the figures mean, in sentences."""
    runs = len(noise.values)
    said = [
        f"Between {runs} seeds the {noise.metric} spreads by {noise.sd:.3g} (standard deviation; so few tell it only "
        f"within {noise.sd_low:.2g} to {noise.sd_high:.2g}, 95 %) about {noise.mean:.4g}."
    ]
    if noise.lost:
        told = ", ".join(f"seed {seed} {state}" for seed, state in noise.lost.items())
        said.append(f"Without a figure, and so in none of these: {told}.")
    if noise.text_error is not None:
        text = (
            f"On other texts of this kind and length the mean would vary by a standard error of {noise.text_error:.2g}"
        )
        if noise.text_error_of_difference is not None:
            text += f", the difference between two of the runs by {noise.text_error_of_difference:.2g}"
        said.append(f"{text}, beside what the seeds do.")
    if noise.text_share is not None:
        said.append(
            f"Of the variance between seeds about {100 * noise.text_share:.0f} % is due to the evaluation text: to "
            "what each run happens to know of it. More text makes that part smaller."
        )
    tests = "one comparison" if noise.comparisons == 1 else f"{noise.comparisons} comparisons"
    said.append(
        f"The differences below are found with 80 % power at an error rate of {noise.alpha:g} for {tests}, if another "
        "variant is as noisy. Studies pair runs by seed. How much that helps shows only in a study: a correlation of "
        f"{noise.correlation:g} is an assumption; with none, the bound holds."
    )
    if noise.effect is not None:
        said.append(_effect_words(noise))
    return said


def _effect_words(noise: Noise) -> str:
    first, then = (f"{count}" if count else "more than 10,000" for count in (noise.needed, noise.needed_paired))
    assumed = f"{then} with the assumed correlation"
    return f"A difference of {noise.effect:g} takes {first} seeds if pairing brings nothing, {assumed}."


__all__ = ["CORRELATION", "Detectable", "Noise", "noise_of", "noise_words"]
