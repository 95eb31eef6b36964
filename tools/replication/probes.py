"""Results on tasks that probe one ability: looking back, remembering, finding a rule, aligning."""

from __future__ import annotations

from statistics import mean

import torch

from partwise.modules import evaluating
from partwise.studies.results import Results
from partwise.workflow import Reopened
from partwise_data.adding import CIRCLED

from .result import Obtained, Replication, contrasts, runs_of, study, values


def induction(name: str) -> Obtained:
    """Accuracy with one layer and with two."""
    results = study(name)
    two, one = values(results, "base"), values(results, "depth=1")
    holds = min(two) > 0.9 and 0.2 < mean(one) < 0.4
    return Obtained(f"one layer {mean(one):.2f}, two layers {mean(two):.2f} (least {min(two):.2f})", holds)


def adding_problem(name: str) -> Obtained:
    """Mean squared error of the sum that a model expects."""
    results = study(name)
    errors = {variant.levels["mixer"]: _squared_error(name, results, variant.name) for variant in results.variants}
    told = ", ".join(f"{mixer} {error:.4f}" for mixer, error in errors.items())
    return Obtained(told, errors["rnn"] > 0.15 and max(errors["gru"], errors["lstm"]) < 0.01)


def _squared_error(name: str, results: Results, variant: str) -> float:
    """Mean over runs and examples of the square of (expected - true sum), of digits d that stand for (d + 0.5) / 10."""
    return mean(map(_squared_error_of, runs_of(name, results.of(variant))))


def _squared_error_of(run: Reopened) -> float:
    sums = {label: value for value, label in enumerate(CIRCLED)}
    ids = range(run.tokenizer.vocab_size)
    worth = torch.tensor([float(sums.get(run.tokenizer.label(token), 0)) for token in ids])
    errors = []
    with evaluating(run.model), torch.no_grad():
        for batch in run.prepare().batches.evaluation("valid", 100):
            asked = batch.targets >= 0
            expected = run.model(batch)[asked].softmax(-1) @ worth
            errors.append((expected - worth[batch.targets[asked]]) / 10)
    return float(torch.cat(errors).square().mean())


def grokking(name: str) -> Obtained:
    """Accuracy on the sums that were held out, with weight decay and without."""
    results = study(name)
    decayed, free = values(results, "base"), values(results, "weight decay=0.0")
    return Obtained(
        f"1: {mean(decayed):.2f} (least {min(decayed):.2f}), 0: {mean(free):.2f} (most {max(free):.2f})",
        min(decayed) > 0.95 and max(free) < 0.7,
    )


def attention_on_reversal(name: str) -> Obtained:
    """Accuracy per letter, given the letters before it."""
    results = study(name)
    (contrast,) = contrasts(results).values()
    with_it, without = mean(values(results, "base")), mean(values(results, "cross=none"))
    told = f"attention {with_it:.2f}, none {without:.2f}, {contrast.verdict}"
    return Obtained(told, contrast.verdict == "worse" and with_it - without > 0.3)


PROBES = {
    "induction": Replication("Olsson et al. 2022", "1 layer fails (about .3), 2 solve it", induction),
    "adding-problem": Replication(
        "Hochreiter & Schmidhuber 1997", "GRU, LSTM solve it; RNN stays near .167", adding_problem
    ),
    "grokking": Replication("Power et al. 2022", "weight decay 1 generalises, 0 does not", grokking),
    "attention-on-reversal": Replication("Bahdanau et al. 2015", "attention far above none", attention_on_reversal),
}
