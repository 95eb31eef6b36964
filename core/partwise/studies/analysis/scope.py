"""What the verdicts of a study are about, and what besides the factor may be behind them."""

from __future__ import annotations

from collections.abc import Iterator

from partwise.studies.results import Results, Variant

NOTABLE = 0.05
"""Share by which a variant's budget may be off the base's before more is said of it than the table does."""


def scope(results: Results) -> Iterator[str]:
    """What is true of any study, and easily forgotten."""
    if len(results.variants) < 2:
        return
    yield (
        "The verdicts hold for this recipe, its texts and this length of training. What varies between seeds is what "
        "the seed draws, such as first weights and the order of the texts; the texts themselves do not."
    )
    if results.tuned_knob is None:
        yield (
            "No knob was tuned for each variant: all have the settings of the base, such as its learning rate, "
            "which may suit some of them better than others."
        )


def budgets(results: Results) -> Iterator[str]:
    """Variants that are larger or smaller than the base, or see more or less."""
    base = next(one for one in results.variants if one.name == results.baseline)
    for word, field in (("parameters", "parameters"), ("FLOPs per token", "flops_per_token"), ("tokens", "tokens")):
        shares = {one.name: _off(one, base, field) for one in results.variants}
        off = [f"{name} ({share:+.0%})".replace("(-", "(−") for name, share in shares.items() if abs(share) > NOTABLE]
        if off:
            yield f"Not at equal {word}: {', '.join(off)}. What differs may be owed to that."


def _off(variant: Variant, base: Variant, field: str) -> float:
    has, wanted = getattr(variant, field), getattr(base, field)
    return float(has / wanted - 1) if wanted else 0.0


__all__ = ["budgets", "scope"]
