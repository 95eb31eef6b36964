"""Results on formal languages: what networks can compute at lengths that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping

from .result import Obtained, Replication, study, values

CHANCE, SOLVED = 0.55, 0.95
"""Accuracies of an answer with two values: at most what guessing gives on a thousand words (three standard errors above
one half), and at least what counts as solved."""
FEW_UPDATES = (
    "the recurrences have not learned the language when their training ends, after 1,500 to 2,500 updates; the paper "
    "trains for very many more. A tanh in place of the relu does not mend it: after 2,000 updates three answers of "
    "four are right at the lengths trained on, and beyond them no more than by chance, while the loss still falls."
)
GENERALISES = 0.9
"""The line that Delétang et al. and Merrill et al. draw: a network with less has not learnt the language."""


def parity_and_eigenvalues(name: str) -> Obtained:
    """Accuracy at lengths beyond training, of the best seed."""
    best = _best(name, "eigenvalues")
    told = f"[-1, 1] {best['any']:.3f}, [0, 1] {best['positive']:.3f}"
    return Obtained(told, best["any"] >= SOLVED and best["positive"] <= CHANCE)


def hierarchy(published: Mapping[str, float], note: str = "") -> Replication:
    """Accuracy at lengths beyond training, of the best seed, on the same side of their line as published.

    Args:
        published: by network, the score in percent (Delétang et al. 2023, table 1).
        note: why it is not obtained, as far as that is known.
    """

    def obtain(name: str) -> Obtained:
        best = _best(name, "network")
        told = ", ".join(f"{network} {100 * score:.1f}" for network, score in best.items())
        sides = ((best[network] >= GENERALISES, score >= 100 * GENERALISES) for network, score in published.items())
        return Obtained(told, all(ours == theirs for ours, theirs in sides))

    return Replication(
        "Delétang et al. 2023", ", ".join(f"{one} {score}" for one, score in published.items()), obtain, note
    )


def state_tracking(name: str) -> Obtained:
    """Accuracy on the longest words, of one layer of each network."""
    best = _best(name, "network")
    told = ", ".join(f"{network} {score:.3f}" for network, score in best.items())
    return Obtained(told, best["lstm"] >= GENERALISES > max(best["transformer"], best["mamba"]))


def _best(name: str, factor: str) -> dict[str, float]:
    """By level of the study's only factor, what its best seed reaches."""
    results = study(name)
    return {variant.levels[factor]: max(values(results, variant.name)) for variant in results.variants}


FORMAL_LANGUAGES = {
    "chomsky-parity": hierarchy({"rnn": 100.0, "lstm": 100.0, "transformer": 52.0}),
    "chomsky-even-pairs": hierarchy({"rnn": 100.0, "lstm": 100.0, "transformer": 96.4}),
    "chomsky-cycle-navigation": hierarchy({"rnn": 100.0, "lstm": 100.0, "transformer": 61.9}),
    "chomsky-modular-arithmetic": hierarchy({"rnn": 100.0, "lstm": 100.0, "transformer": 24.2}, FEW_UPDATES),
    "parity-and-eigenvalues": Replication(
        "Grazzi et al. 2024",
        "DeltaNet on parity: solved with eigenvalues in [-1, 1], chance in [0, 1]",
        parity_and_eigenvalues,
    ),
    "state-tracking": Replication(
        "Merrill et al. 2024",
        "words over A5: 1 recurrent layer suffices, 1 layer of a Transformer or of Mamba does not",
        state_tracking,
    ),
}
