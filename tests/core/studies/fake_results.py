"""Studies that were never run, with figures such as real ones have: for tests of what reads `Results`.

python tests/core/studies/fake_results.py DIRECTORY [STUDY ...]     writes their reports, to be looked at
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partwise.studies.results import Metric, Outcome, Results, Trial, Variant

BITS = Metric(name="bits_per_byte", split="valid", goal="min", smallest_effect=0.01)

TRACEBACK = """step 40/600 loss 3.912
\x1b[31mTraceback (most recent call last):\x1b[0m
  File "partwise/workflow.py", line 88, in train
    loss = model.loss(batch) if batch.size < limit & loss is not None else <none>
  File "partwise_training/trainer.py", line 141, in step
    raise torch.OutOfMemoryError("tried to allocate 1.50 GiB")
torch.OutOfMemoryError: tried to allocate 1.50 GiB
"""

PROVENANCE: dict[str, Any] = {
    "command": "partwise ablate recipes/studies/positions.json --slots 2",
    "git": {
        "revision": "4f0c2d9b7a61e88f1f4f3d1f0c2b5a9e7d6c5b4a",
        "dirty": True,
        "diff": '--- a/recipes/gpt.json\n+++ b/recipes/gpt.json\n@@ -9,1 +9,1 @@\n-  "steps": 600,\n+  "steps": 400,\n',
    },
    "environment": {"partwise": "0.1.0", "python": "3.11.2", "torch": "2.13.0", "platform": "linux-x86_64", "cpus": 2},
    "data": "sha256:5d1c0a8be5c7d1f6",
    "started": "2026-03-02T09:14:07Z",
    "finished": "2026-03-02T09:37:51Z",
}


@dataclass(frozen=True)
class Truth:
    """What a variant is in truth: the mean of its metric, and how much its own runs scatter."""

    mean: float
    sd: float = 0.008
    parameters: int = 1_204_224
    seconds: float = 41.0


def curve(end: float, start: float, steps: int, rng: np.random.Generator) -> list[tuple[int, float]]:
    """A learning curve that falls (or climbs) from one value to another."""
    points = np.unique(np.linspace(0, steps, 13).astype(int))[1:]
    way = np.exp(-3.5 * np.sqrt(points / steps)) - math.exp(-3.5)
    wobble = rng.normal(0, 0.02 * abs(start - end), len(points)) * way
    return [(int(s), float(v)) for s, v in zip(points, end + (start - end) * way + wobble, strict=True)]


def runs(
    truths: Mapping[str, Truth], seeds: Sequence[int], *, spread: float = 0.02, start: float = 4.2, steps: int = 600
) -> list[Outcome]:
    """Every variant with every seed, all done; the luck of a seed, of this spread, is shared by its variants."""
    outcomes = []
    luck = {seed: np.random.default_rng(1000 + seed).normal(0, spread) for seed in seeds}
    for number, (name, truth) in enumerate(truths.items()):
        for seed in seeds:
            rng = np.random.default_rng([number, seed])
            value = float(truth.mean + luck[seed] + rng.normal(0, truth.sd))
            outcomes.append(
                Outcome(
                    variant=name,
                    seed=seed,
                    identity=f"{number:04x}{seed:012x}",
                    state="done",
                    metric=value,
                    curve=curve(value, start, steps, rng),
                    seconds=float(truth.seconds * rng.uniform(0.93, 1.09)),
                    directory=f"runs/{number:04x}-s{seed}",
                )
            )
    return outcomes


def changed(outcomes: Sequence[Outcome], variant: str, seed: int, **facts: Any) -> list[Outcome]:
    """The same, but for one run."""
    return [o.model_copy(update=facts) if (o.variant, o.seed) == (variant, seed) else o for o in outcomes]


def diverged(outcomes: Sequence[Outcome], variant: str, seed: int) -> list[Outcome]:
    """The same, but that one run's loss went out of hand."""
    path = [(50, 3.1), (100, 2.9), (150, 3.8), (200, 6.5)]
    error = "diverged at step 212: the loss is not finite"
    return changed(outcomes, variant, seed, state="diverged", metric=None, curve=path, error=error, seconds=14.0)


def failed(outcomes: Sequence[Outcome], variant: str, seed: int, error: str = "out of memory") -> list[Outcome]:
    """The same, but that one run broke."""
    broken = {"state": "failed", "metric": None, "curve": [], "attempts": 2, "seconds": 3.4}
    return changed(outcomes, variant, seed, **broken, error=error, output=TRACEBACK)


def waiting(outcomes: Sequence[Outcome], variant: str, seed: int) -> list[Outcome]:
    """The same, but that one run is still to come."""
    return changed(outcomes, variant, seed, state="waiting", metric=None, curve=[], seconds=None, attempts=0)


def one_factor(
    truths: Mapping[str, Truth], outcomes: Sequence[Outcome], factor: str = "position", **facts: Any
) -> Results:
    """A study of one factor, whose first level is the baseline's."""
    levels = [*truths]
    names = {level: "base" if number == 0 else f"{factor}={level}" for number, level in enumerate(levels)}
    variants = [
        Variant(
            name=names[level],
            levels={factor: level},
            parameters=truth.parameters,
            flops_per_token=6.02 * truth.parameters,
            tokens=600 * 16 * 128,
        )
        for level, truth in truths.items()
    ]
    settings: dict[str, Any] = {
        "study": "positions",
        "about": "What a small GPT loses or gains by how it is told the order of its tokens.",
        "metric": BITS,
        "design": "one_at_a_time",
        "provenance": PROVENANCE,
    }
    return Results(
        baseline="base",
        factors={factor: levels} if len(levels) > 1 else {},
        variants=variants,
        seeds=sorted({outcome.seed for outcome in outcomes}),
        outcomes=[o.model_copy(update={"variant": names.get(o.variant, o.variant)}) for o in outcomes],
        **settings | facts,
    )


POSITIONS = {
    "learned": Truth(2.131),
    "sinusoidal": Truth(2.139, parameters=1_179_648),
    "rope": Truth(2.086, parameters=1_179_648, seconds=44.0),
    "alibi": Truth(2.098, parameters=1_179_648, seconds=46.5),
    "t5_bias": Truth(2.129, sd=0.002, parameters=1_179_840, seconds=47.0),
    "none": Truth(2.196, sd=0.015, parameters=1_179_648, seconds=39.0),
}


KNOB = "trainer.optimizer.lr"


def trials(truths: Mapping[str, Truth], factor: str, rates: Sequence[float]) -> list[Trial]:
    """A bowl over the learning rates for every variant; the last rate is too much for one of them."""
    found = []
    for number, (level, truth) in enumerate(truths.items()):
        name = "base" if number == 0 else f"{factor}={level}"
        for rate in rates:
            away = math.log10(rate / (1e-3 * (1 + 0.4 * number)))
            far = number == 5 and rate == max(rates)
            value = None if far else truth.mean + 0.09 * away**2 + 0.004 * math.sin(37 * number + 1000 * rate)
            found.append(
                Trial(variant=name, values={KNOB: rate}, seed=100, state="diverged" if far else "done", metric=value)
            )
    return found


def positions() -> Results:
    """Six variants, five seeds, tuned; one run diverged and one failed."""
    outcomes = failed(diverged(runs(POSITIONS, range(1, 6)), "none", 4), "alibi", 2)
    rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
    tried = trials(POSITIONS, "position", rates)
    results = one_factor(POSITIONS, outcomes, trials=tried, tuned_knobs={KNOB: None})
    best = {
        variant.name: min((t for t in tried if t.variant == variant.name and t.metric), key=lambda t: t.metric).values
        for variant in results.variants
    }
    tuned = [v.model_copy(update={"tuned": best[v.name]}) for v in results.variants]
    return results.model_copy(update={"variants": tuned})


def grid() -> Results:
    """Two factors of two levels each, which do interact; five seeds."""
    truths = {
        "base": Truth(2.131),
        "norm=rms_norm": Truth(2.128),
        "position=rope": Truth(2.094, parameters=1_179_648),
        "position=rope, norm=rms_norm": Truth(2.061, parameters=1_178_112),
    }
    cells = [("learned", "layer_norm"), ("learned", "rms_norm"), ("rope", "layer_norm"), ("rope", "rms_norm")]
    variants = [
        Variant(
            name=name,
            levels=dict(zip(("position", "norm"), cell, strict=True)),
            parameters=truth.parameters,
            flops_per_token=6.02 * truth.parameters,
            tokens=1_228_800,
            matched={"model.blocks.0.feedforward.ratio": 4.0 + 0.02 * number},
        )
        for number, ((name, truth), cell) in enumerate(zip(truths.items(), cells, strict=True))
    ]
    return Results(
        study="positions-and-norms",
        metric=BITS,
        design="grid",
        baseline="base",
        factors={"position": ["learned", "rope"], "norm": ["layer_norm", "rms_norm"]},
        variants=variants,
        seeds=[1, 2, 3, 4, 5],
        outcomes=runs(truths, range(1, 6)),
        provenance=PROVENANCE,
    )


HOSTILE = [
    "learned",
    "<script>alert(1)</script>",
    r"50%_of {x}^2 & $\alpha$ #1 ~ \\end{table}",
    "a|b `c` *d* [e](f) <!--",
    "名前 — 位置エンコーディング 🚀",
    "\u202eesrever\x1b[31m\x00 \"quoted\" 'too' &amp; ]]>",
    "a name that goes on for very much longer than any column of a table could ever wish to be wide",
]


def hostile() -> Results:
    """Names, errors and provenance that mean something in HTML, LaTeX, Markdown, CSV or a terminal."""
    truths = {name: Truth(2.1 + 0.02 * number) for number, name in enumerate(HOSTILE)}
    outcomes = failed(runs(truths, [1, 2, 3]), HOSTILE[1], 2, error="</pre><script>alert(2)</script>")
    facts = {"command": "</dd><script>alert(3)</script>", "git": {"diff": "-<b>\n+</pre>`````\n"}, "<i>": {"|": None}}
    return one_factor(truths, outcomes, study="<b>&study|_", about="about </p> <img src=x>", provenance=facts)


def many() -> Results:
    """Thirty variants, eight seeds; one is far from all the others."""
    truths = {f"part_{number:02}": Truth(2.13 + 0.004 * ((number * 7) % 11 - 5)) for number in range(30)}
    truths["part_17"] = Truth(3.4)
    return one_factor(truths, runs(truths, range(1, 9)), factor="part", study="thirty-parts")


def two_seeds() -> Results:
    """Too few for a verdict."""
    return one_factor(POSITIONS, runs(POSITIONS, [1, 2]))


def only_base() -> Results:
    """Nothing is compared."""
    truths = {"learned": Truth(2.131)}
    return one_factor(truths, runs(truths, [1, 2, 3]), provenance={})


def nothing_yet() -> Results:
    """Every run is still to come."""
    outcomes = runs(POSITIONS, [1, 2, 3])
    for one in outcomes:
        outcomes = waiting(outcomes, one.variant, one.seed)
    return one_factor(POSITIONS, outcomes, provenance={})


def all_failed() -> Results:
    """No run finished."""
    outcomes = runs(POSITIONS, [1, 2, 3])
    for one in outcomes:
        outcomes = failed(outcomes, one.variant, one.seed, error=f"killed by signal 9 (seed {one.seed})")
    return one_factor(POSITIONS, outcomes)


def accuracy() -> Results:
    """More is better, curves are a single point, nothing is matched, no smallest effect was declared."""
    truths = {"one_layer": Truth(0.31, 0.02), "two_layers": Truth(0.97, 0.01), "three_layers": Truth(0.98, 0.01)}
    outcomes = [o.model_copy(update={"curve": o.curve[-1:]}) for o in runs(truths, [1, 2, 3, 4], start=0.1)]
    metric = Metric(name="accuracy", split="test", goal="max")
    return one_factor(truths, outcomes, factor="depth", study="induction", metric=metric)


STUDIES: dict[str, Callable[[], Results]] = {
    study.__name__: study
    for study in (
        positions, grid, hostile, many, two_seeds, only_base, nothing_yet, all_failed, accuracy,
    )
}  # fmt: skip


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from partwise.studies.report import write_report

    for name in sys.argv[2:] or STUDIES:
        for path in write_report(STUDIES[name](), Path(sys.argv[1]) / name):
            print(path)
