"""Studies made of numbers, without training anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pytest

from partwise.studies.results import Look, Metric, Outcome, Results, Variant


class MakeStudy(Protocol):
    """`study({"base": [2.0, 2.1], "position=rope": [1.9, "diverged"]})`."""

    def __call__(
        self,
        runs: Mapping[str, Sequence[float | str]],
        smallest_effect: float | None = ...,
        goal: str = ...,
        looks: Sequence[tuple[int, float]] = ...,
        design: str = ...,
        factors: Mapping[str, Sequence[str]] = ...,
        **facts: object,
    ) -> Results: ...


@pytest.fixture(scope="session")
def study() -> MakeStudy:
    """Builds results: variant -> per seed a metric, or the state of a run that has none."""
    return make_study


def make_study(
    runs: Mapping[str, Sequence[float | str]],
    smallest_effect: float | None = None,
    goal: str = "min",
    looks: Sequence[tuple[int, float]] = (),
    design: str = "one_at_a_time",
    factors: Mapping[str, Sequence[str]] | None = None,
    **facts: object,
) -> Results:
    if factors is None:
        factors = {"position": ["learned", *(name.removeprefix("position=") for name in runs if name != "base")]}

    def levels(name: str) -> dict[str, str]:
        changed = dict(part.split("=") for part in name.split(", ")) if "=" in name else {}
        return {factor: changed.get(factor, of[0]) for factor, of in factors.items()}

    seeds = list(range(len(next(iter(runs.values())))))
    return Results(
        study="made",
        metric=Metric(name="bits_per_byte", split="valid", goal=goal, smallest_effect=smallest_effect),
        design=design,
        baseline="base",
        factors={factor: list(of) for factor, of in factors.items()},
        variants=[Variant(name=v, levels=levels(v), parameters=1, flops_per_token=1.0, tokens=1) for v in runs],
        seeds=seeds,
        outcomes=[_outcome(variant, seed, value) for variant, of in runs.items() for seed, value in enumerate(of)],
        looks=[Look(seeds=n, alpha=alpha) for n, alpha in looks],
    ).model_copy(update=facts)


def _outcome(variant: str, seed: int, value: float | str) -> Outcome:
    identity = f"{variant}/{seed}"
    if isinstance(value, str):
        return Outcome(variant=variant, seed=seed, identity=identity, state=value)
    return Outcome(variant=variant, seed=seed, identity=identity, state="done", metric=float(value))
