"""nanoGPT's setting on a text of one's own: partwise beside a loop written by hand, from the same first weights and on
the same windows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from partwise.assembly import assemble
from partwise.data import Batch, Batches
from partwise.parts import ModelSite
from partwise.recipe import LoadedRecipe, load
from partwise.storage import read_json, write_json
from partwise.workflow import evaluate, reopen, train

from . import by_hand
from .result import RUNS, Obtained, Replication

NAME = "nanogpt-own-text"
SEEDS = 5
ALPHA, WIDEST = 0.05, 0.05
"""The interval of the mean difference holds 95 % and may be no wider than this to either side, in nats."""


@dataclass(frozen=True)
class Losses:
    """On the validation split, one of each seed."""

    ours: Sequence[float]
    by_hand: Sequence[float]

    @property
    def interval(self) -> tuple[float, float, float]:
        """The mean difference and its 95 % t-interval, paired by seed: from the same weights, by the same windows."""
        differences = np.subtract(self.ours, self.by_hand)
        half = stats.t.ppf(1 - ALPHA / 2, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
        return float(differences.mean()), float(differences.mean() - half), float(differences.mean() + half)

    def judged(self) -> Obtained:
        """Equal within the seeds: the interval contains 0, and is narrow enough for that to mean something."""
        difference, low, high = self.interval
        told = (
            f"{np.mean(self.ours):.3f} and by hand {np.mean(self.by_hand):.3f}; difference {difference:+.4f} "
            f"({low:+.4f} to {high:+.4f})"
        )
        return Obtained(told, low <= 0 <= high and high - low <= 2 * WIDEST)


def own_text(name: str, text: Path | None = None, seeds: int = SEEDS, overrides: Sequence[str] = ()) -> Obtained:
    """Trains both with every seed, as far as that is not done.

    Args:
        text: a file to learn from, in place of the library's docstrings.
        overrides: changes of the recipe, for a trial.
    """
    given = {"use": "text", "files": [str(text and text.absolute())], "valid": 0.1, "test": 0.0}
    changes = [*([] if text is None else [f"data={json.dumps(given)}"]), *overrides]
    loaded = load(f"replications/{name}", changes)
    place = RUNS / name / loaded.recipe.fingerprint()
    pairs = [_pair(loaded, place, seed) for seed in range(seeds)]
    return Losses(*zip(*pairs, strict=True)).judged()


def _pair(loaded: LoadedRecipe, place: Path, seed: int) -> tuple[float, float]:
    """The losses of partwise and of the loop by hand."""
    run = reopen(train(loaded, place / f"partwise-s{seed}", seed).directory)
    kept = place / f"by-hand-s{seed}.json"
    if not kept.exists():
        batches, recipe = run.prepare().batches, loaded.recipe
        size, steps = recipe.trainer.batch_size, recipe.trainer.planned_updates() or 0
        model = as_first_drawn(loaded, run.tokenizer.vocab_size, seed)
        losses = list(by_hand.train(model, steps, lambda step: _windows(batches.train(step, size, seed))))
        write_json(kept, {"loss": by_hand.loss(model, _held_out(batches, size)), "losses": losses})
    return evaluate(run, "valid").loss, float(read_json(kept)["loss"])


def as_first_drawn(loaded: LoadedRecipe, vocabulary: int, seed: int) -> by_hand.NanoGPT:
    """The model by hand with the weights that partwise begins with, which it has in the same order."""
    model, ours = by_hand.NanoGPT(vocabulary), assemble(loaded.recipe.model, ModelSite(vocabulary), seed)
    with torch.no_grad():
        for its_own, drawn in zip(model.parameters(), ours.parameters(), strict=True):
            its_own.copy_(drawn)
    return model


def _held_out(batches: Batches, size: int) -> Iterator[by_hand.Windows]:
    return map(_windows, batches.evaluation("valid", size))


def _windows(batch: Batch) -> by_hand.Windows:
    return batch.tokens, batch.targets


OWN_TEXT = {
    NAME: Replication(
        "nanoGPT, README",
        f"a loop written by hand has the same loss, from the same first weights: {1 - ALPHA:.0%} interval over "
        f"{SEEDS} seeds contains 0, within {WIDEST:g}",
        own_text,
    )
}
