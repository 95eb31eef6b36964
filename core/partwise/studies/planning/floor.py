"""The floor of a metric: what a model reaches that knows only how frequent each token is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partwise.data import SplitFacts


def floor_of(split: SplitFacts, metric: str) -> float | None:
    """In the metric's unit, of the split it is measured on; None where the metric has none.

    The unigram entropy for what falls (loss, perplexity, bits per byte), the most frequent token's share for accuracy.
    """
    known = split.unigram()
    if known is None:
        return None
    nats, share = known
    figures = {"loss": nats, "perplexity": math.exp(nats), "accuracy": share}
    return split.bits_per_byte(nats) if metric == "bits_per_byte" else figures.get(metric)


__all__ = ["floor_of"]
