"""Which updates are worth telling."""

from __future__ import annotations

from collections.abc import Mapping


def worth_telling(step: int, metrics: Mapping[str, float], every: int) -> bool:
    """Whether an update is one of every so many, or was followed by an evaluation."""
    return step % every == 0 or "valid_loss" in metrics
