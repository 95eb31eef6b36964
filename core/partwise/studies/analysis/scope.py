"""What the verdicts of a study are about, and what besides the factor may be behind them."""

from __future__ import annotations

from collections.abc import Iterator

from partwise.studies.results import Results, Variant

NOTABLE = 0.02
"""Share by which a variant's budget may be off the base's before it is said."""


def scope(results: Results) -> Iterator[str]:
    """Three limits of any study: what it holds for, budgets that differ, settings that some like better."""
    if len(results.variants) < 2:
        return
    yield (
        "The verdicts hold for this recipe, its texts and this length of training. What varies between seeds is what "
        "the seed draws, such as first weights and the order of the texts; the texts themselves do not."
    )
    base = next(one for one in results.variants if one.name == results.baseline)
    for word, field in (("parameters", "parameters"), ("FLOPs per token", "flops_per_token"), ("tokens", "tokens")):
        off = [
            f"{one.name} ({share:+.0%})" for one in results.variants if abs(share := _off(one, base, field)) > NOTABLE
        ]
        if off:
            yield f"Not at equal {word}: {', '.join(off)}. What differs may be owed to that."
    if results.tuned_knob is None:
        yield (
            "No knob was tuned for each variant: all have the settings of the base, such as its learning rate, "
            "which may suit some of them better than others."
        )


def _off(variant: Variant, base: Variant, field: str) -> float:
    has, wanted = getattr(variant, field), getattr(base, field)
    return float(has / wanted - 1) if wanted else 0.0


__all__ = ["scope"]
