"""Which metrics may be compared, and how they read."""

from __future__ import annotations

from partwise.studies.results import Metric

_FREE_OF_TOKENS = {"bits_per_byte"}


def comparable(metric_name: str, tokenizer_varies: bool) -> bool:
    """Whether variants may be compared by this metric.

    A figure per token (loss, perplexity, accuracy) changes with what a token is; when the tokenizer differs
    between variants, only bits per byte means the same for all.
    """
    return not tokenizer_varies or metric_name in _FREE_OF_TOKENS


def why_not_comparable(metric_name: str) -> str:
    """The sentence that refuses it, with the way out."""
    return (
        f"{metric_name} counts per token, and the tokenizer varies between variants, so that it compares nothing; "
        "use the metric bits_per_byte"
    )


def unit(metric: Metric) -> str:
    """What follows a figure in a sentence: `bits per byte`, `in loss`."""
    words = metric.name.replace("_", " ")
    return words if " per " in words else f"in {words}"


__all__ = ["comparable", "unit", "why_not_comparable"]
