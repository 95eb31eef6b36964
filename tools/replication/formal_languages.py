"""Results on formal languages: what networks can compute at lengths that they were not trained on."""

from __future__ import annotations

from .result import Obtained, Replication, study, values

CHANCE, SOLVED = 0.55, 0.95
"""Accuracies of an answer with two values: at most what guessing gives on a thousand words (three standard errors above
one half), and at least what counts as solved."""


def parity_and_eigenvalues(name: str) -> Obtained:
    """Accuracy at lengths beyond training, of the best seed."""
    results = study(name)
    best = {variant.levels["eigenvalues"]: max(values(results, variant.name)) for variant in results.variants}
    told = f"[-1, 1] {best['any']:.3f}, [0, 1] {best['positive']:.3f}"
    return Obtained(told, best["any"] >= SOLVED and best["positive"] <= CHANCE)


FORMAL_LANGUAGES = {
    "parity-and-eigenvalues": Replication(
        "Grazzi et al. 2024",
        "DeltaNet on parity: solved with eigenvalues in [-1, 1], chance in [0, 1]",
        parity_and_eigenvalues,
    ),
}
