"""Studies with sizes, texts and secondary metrics that were never run: results from arrays of figures.

python tests/core/studies/fake_ladder.py     prints what is said of some
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from partwise.studies.results import Figure, Metric, Outcome, Results, Variant

Array = npt.NDArray[np.float64]
SIZES = ("0.1M", "0.3M", "1M", "3M")
FLOPS = (1e12, 1e13, 1e14, 1e15)
BITS = Metric(name="bits_per_byte", split="valid", goal="min", smallest_effect=0.01)
TEST = Metric(name="bits_per_byte", split="test", goal="min", smallest_effect=0.01)


def baseline_curve(sizes: int = 4, floor: float = 1.2, scale: float = 1.4, power: float = 0.107) -> Array:
    """Losses of a power law with a floor, one decade of compute apart."""
    return floor + scale * 10.0 ** (-power * np.arange(sizes))


def study_of(
    figures: Mapping[str, Array],
    sizes: Sequence[str] = SIZES,
    texts: Sequence[str] = (),
    flops: Sequence[float] = FLOPS,
    secondary: Mapping[str, tuple[Metric, Mapping[str, Array]]] | None = None,
    **facts: Any,
) -> Results:
    """A study of one factor, position.

    Args:
        figures: level -> (sizes, texts, seeds), the baseline's first; without sizes or texts an axis of one.
        secondary: name -> metric, and its figures likewise.
    """
    levels, more = [*figures], secondary or {}
    names = {level: "base" if not number else f"position={level}" for number, level in enumerate(levels)}
    seeds = next(iter(figures.values())).shape[-1]
    places = [
        (i, size, j, text) for i, size in enumerate([*sizes] or [None]) for j, text in enumerate([*texts] or [None])
    ]
    variants, outcomes = list[Variant](), list[Outcome]()
    for i, size, j, text in places:
        for level in levels:
            variants.append(
                Variant(
                    name=names[level], size=size, text=text, levels={"position": level}, parameters=1000 * 3**i,
                    flops_per_token=6000.0 * 3**i, tokens=20_000 * 3**i, training_flops=flops[i],
                )
            )  # fmt: skip
            outcomes += [
                Outcome(
                    variant=names[level], size=size, text=text, seed=seed, state="done",
                    identity=f"{level}/{i}/{j}/{seed}", metric=float(figures[level][i, j, seed]),
                    secondary={name: Figure(value=float(of[level][i, j, seed])) for name, (_, of) in more.items()},
                )
                for seed in range(seeds)
            ]  # fmt: skip
    settings: dict[str, Any] = {"study": "ladder", "metric": BITS, "design": "one_at_a_time"}
    return Results(
        baseline="base", factors={"position": levels}, variants=variants, seeds=[*range(seeds)], outcomes=outcomes,
        sizes=[*sizes], texts=[*texts], secondary={name: metric for name, (metric, _) in more.items()},
        **settings | facts,
    )  # fmt: skip


def noisy(
    means: Mapping[str, Sequence[float]],
    seeds: int,
    sd: float = 0.006,
    luck: float = 0.01,
    seed: int = 0,
    texts: int = 1,
) -> dict[str, Array]:
    """(sizes, texts, seeds) of each level around its means; the luck of a seed at a size is shared by all levels."""
    rng = np.random.default_rng(seed)
    sizes = len(next(iter(means.values())))
    shared = rng.normal(0, luck, (sizes, texts, seeds))
    return {
        level: np.array(of)[:, None, None] + shared + rng.normal(0, sd, (sizes, texts, seeds))
        for level, of in means.items()
    }


def planted(seeds: int = 5, **facts: Any) -> Results:
    """One level that holds, one that fades, one that grows, one that reverses and one that does nothing."""
    base = baseline_curve()
    shift = {
        "learned": [0, 0, 0, 0], "rope": [-0.12, -0.1, -0.1, -0.09], "alibi": [-0.12, -0.07, -0.03, 0.0],
        "t5_bias": [0, -0.01, -0.05, -0.09], "sinusoidal": [-0.08, -0.03, 0.03, 0.08], "null": [0, 0, 0, 0],
    }  # fmt: skip
    return study_of(noisy({level: base + np.array(of) for level, of in shift.items()}, seeds), **facts)


if __name__ == "__main__":
    from partwise.studies.analysis import analyse

    found = analyse(planted())
    for verdict in found.verdicts:
        print(verdict.headline)
        print(*verdict.clauses, sep="\n")
    for note in found.notes:
        print(f"[{note.kind}] {note.text}")
    for curve in found.curves:
        print(curve)
