"""Results on language models: what counting gives, nanoGPT, positions, norms."""

from __future__ import annotations

import numpy as np

from partwise.recipe import load
from partwise.workflow import evaluate, reopen, train

from .result import RUNS, Obtained, Replication, contrasts, study

EXACT = 1e-6
NANOGPT, NEAR = 1.88, 0.05


def bigram(name: str) -> Obtained:
    """The loss of a bigram model that is trained to the end, against the conditional entropy that counting gives."""
    run = reopen(train(load(f"replications/{name}"), RUNS / name).directory)
    tokens = np.asarray(run.prepare().batches.encoded["train"].tokens)
    counts = np.zeros((run.tokenizer.vocab_size,) * 2)
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    seen = counts > 0
    probabilities = counts / counts.sum(1, keepdims=True).clip(1)
    entropy = -(counts[seen] * np.log(probabilities[seen])).sum() / counts.sum()
    loss = evaluate(run, "train").loss
    return Obtained(f"{loss:.7f}, entropy {entropy:.7f}", abs(loss - entropy) < EXACT)


def nanogpt(name: str) -> Obtained:
    """The loss on the validation split after 2,000 steps."""
    loss = evaluate(reopen(RUNS / name), "valid").loss
    return Obtained(f"{loss:.3f}", abs(loss - NANOGPT) < NEAR)


def position_extrapolation(name: str) -> Obtained:
    """Loss at four times the training length."""
    by_variant = contrasts(study(name))
    both = [by_variant[f"position={one}"] for one in ("rope", "sinusoidal")]
    told = "; ".join(f"{one.level} {one.difference:+.3f} (p {one.p_adjusted:.2g})" for one in both)
    return Obtained(
        told, all(one.verdict == "worse" and (1 if one.p_adjusted is None else one.p_adjusted) < 0.01 for one in both)
    )


def layer_or_rms_norm(name: str) -> Obtained:
    """The near-null control."""
    (contrast,) = contrasts(study(name)).values()
    told = f"{contrast.difference:+.4f} ({contrast.low:+.4f} to {contrast.high:+.4f}), {contrast.verdict}"
    return Obtained(told, contrast.verdict in ("equivalent", "inconclusive"))


LANGUAGE_MODELS = {
    "bigram": Replication("counting", f"loss = conditional entropy, to {EXACT:g} nats", bigram),
    "nanogpt-cpu": Replication("nanoGPT, README", f"about {NANOGPT} nats", nanogpt),
    "position-extrapolation": Replication(
        "Press et al. 2022", "at 4 x the length ALiBi holds, the others are worse", position_extrapolation
    ),
    "layer-or-rms-norm": Replication("Zhang & Sennrich 2019", "equivalent or inconclusive", layer_or_rms_norm),
}
