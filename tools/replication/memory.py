"""What attention finds in a text, and what a state of fixed size keeps of it: recall at several widths, and copying."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

from partwise.studies.results import Results
from partwise.workflow import evaluate

from .result import Obtained, Replication, runs_of, study, values

SOLVED = 0.99
CLEAR = 0.05
"""A difference in accuracy that counts."""

Accuracies = Mapping[str, float]


def recall_and_width(name: str) -> Obtained:
    """Accuracy of each mixer at each width, at the rate that a trial with another seed found best."""
    results = study(name)
    widths = sorted(results.factors["width"], key=int)
    reached = {mixer: [_accuracy(results, mixer, width) for width in widths] for mixer in results.factors["mixer"]}
    told = "; ".join(f"{mixer} {', '.join(f'{one:.3f}' for one in row)}" for mixer, row in reached.items())
    return Obtained(f"widths {', '.join(widths)}: {told}", recalls_as_published(reached))


def recalls_as_published(reached: Mapping[str, list[float]]) -> bool:
    """Whether attention solves it at every width, and every state of fixed size is worse and rises with the width.

    Args:
        reached: by mixer, the accuracy from the narrowest model to the widest.
    """
    states = [row for mixer, row in reached.items() if mixer != "attention"]
    return min(reached["attention"]) > SOLVED and all(
        row[0] < reached["attention"][0] - CLEAR and row[-1] > row[0] + CLEAR and row == sorted(row) for row in states
    )


def _accuracy(results: Results, mixer: str, width: str) -> float:
    levels = {"mixer": mixer, "width": width}
    (variant,) = (one for one in results.variants if one.levels == levels)
    return mean(values(results, variant.name))


def copying(name: str) -> Obtained:
    """Accuracy per letter, given the letters before, on strings as long as those trained on and on longer ones."""
    results = study(name)
    longer = {one.levels["model"]: mean(values(results, one.name)) for one in results.variants}
    known = {one.levels["model"]: _accuracy_on_known_lengths(name, results, one.name) for one in results.variants}
    told = ", ".join(f"{model} {known[model]:.2f} to {longer[model]:.2f}" for model in known)
    return Obtained(told, copies_as_published(known, longer))


def _accuracy_on_known_lengths(name: str, results: Results, variant: str) -> float:
    runs = runs_of(name, results.of(variant))
    return mean(evaluate(run, "valid", accuracy=True).accuracy or 0.0 for run in runs)


STATES = ("lstm", "mamba2")


def copies_as_published(known: Accuracies, longer: Accuracies) -> bool:
    """Whether every Transformer is ahead at the lengths trained on, and the one with hard ALiBi at longer ones.

    Args:
        known: by model, the accuracy at the lengths trained on.
        longer: the same at longer ones.
    """
    transformers = [accuracy for model, accuracy in known.items() if model not in STATES]
    others = [accuracy for model, accuracy in longer.items() if model != "hard_alibi"]
    return min(transformers) > max(known[one] for one in STATES) + CLEAR and longer["hard_alibi"] > max(others) + CLEAR


MEMORY = {
    "recall-and-width": Replication(
        "Arora et al. 2023, figure 2",
        f"attention > {SOLVED:g} at every width; states of fixed size are worse and rise with it",
        recall_and_width,
    ),
    "copying": Replication(
        "Jelassi et al. 2024, figure 1",
        "Transformers copy better than LSTM and Mamba; hard ALiBi leads on longer strings",
        copying,
    ),
}
