"""A run's figures before and after its training."""

from __future__ import annotations

from typing import Any

from .text import figure

Figures = dict[str, float | None]
"""`train_loss`, `valid_loss`, `valid_perplexity` and `valid_bits_per_byte`, None where there is none; of examples
`valid_accuracy`."""


def before_and_after(rows: list[dict[str, Any]]) -> tuple[Figures, Figures]:
    """The figures of a run at its start and at its end, from its rows.

    The train loss at the end is the mean over the last 20 updates, since that of one batch is mostly chance.
    """
    first: Figures = {}
    last: Figures = {}
    losses = [row["loss"] for row in rows if row.get("loss") is not None]
    first["train_loss"] = losses[0] if losses else None
    last["train_loss"] = sum(losses[-20:]) / len(losses[-20:]) if losses else None
    answers = any("valid_accuracy" in row for row in rows)
    for name in ("valid_loss", "valid_perplexity", "valid_bits_per_byte", *(["valid_accuracy"] if answers else [])):
        values = [row[name] for row in rows if row.get(name) is not None]
        first[name], last[name] = (values[0], values[-1]) if values else (None, None)
    return first, last


def comparison(before: Figures, after: Figures) -> list[tuple[str, str, str]]:
    """The rows of the table that ends a training."""
    names = {
        "train_loss": "train loss (nats per token)",
        "valid_loss": "valid loss (nats per token)",
        "valid_perplexity": "valid perplexity",
        "valid_bits_per_byte": "valid bits per byte",
        "valid_accuracy": "valid accuracy",
    }
    return [(label, figure(before[name]), figure(after[name])) for name, label in names.items() if name in after]
