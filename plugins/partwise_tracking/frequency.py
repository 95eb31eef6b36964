"""Which updates a tracker logs."""

from __future__ import annotations

from collections.abc import Mapping

from partwise.metric_names import VALID_LOSS, judged


def is_due(step: int, metrics: Mapping[str, float], every: int) -> bool:
    """Whether an update is one in `every`, or was followed by an evaluation, be it one of the recipe's own."""
    return step % every == 0 or VALID_LOSS in metrics or any(map(judged, metrics))
