"""`make replicate`: published results, expected beside obtained, from recipes and studies in recipes/replications.

    python tools/replicate.py [NAME ...] [--text FILE]

Without names all of them, but for nanogpt-cpu if no FILE with the text of tiny-shakespeare is given. What was run
before (runs/replications) is not run again. Exits with 1 if a result is not obtained.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import monotonic
from typing import Any, cast

import click
import numpy as np
import torch

from partwise.assembly import assemble
from partwise.data import Batch
from partwise.errors import PartwiseError
from partwise.modules import evaluating
from partwise.parts import ModelPart, ModelSite, resolve_part
from partwise.recipe import load
from partwise.studies.analysis import analyse
from partwise.studies.analysis.findings import Contrast
from partwise.studies.directories import RESULTS
from partwise.studies.results import Results
from partwise.workflow import Reopened, evaluate, reopen, train
from partwise_data.adding import CIRCLED

RUNS = Path("runs/replications")
EXACT = 1e-6
NANOGPT, NEAR = 1.88, 0.05


@dataclass(frozen=True)
class Obtained:
    """What came out."""

    figures: str
    holds: bool


@dataclass(frozen=True)
class Replication:
    """A result that others have published, or that follows from a formula."""

    source: str
    expected: str
    obtain: Callable[[str], Obtained]
    """Trains and judges, given the replication's name."""


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
    contrasts = _contrasts(study(name))
    both = [contrasts[f"position={one}"] for one in ("rope", "sinusoidal")]
    told = "; ".join(f"{one.level} {one.difference:+.3f} (p {one.p_adjusted:.2g})" for one in both)
    return Obtained(
        told, all(one.verdict == "worse" and (1 if one.p_adjusted is None else one.p_adjusted) < 0.01 for one in both)
    )


def layer_or_rms_norm(name: str) -> Obtained:
    """The near-null control."""
    (contrast,) = _contrasts(study(name)).values()
    told = f"{contrast.difference:+.4f} ({contrast.low:+.4f} to {contrast.high:+.4f}), {contrast.verdict}"
    return Obtained(told, contrast.verdict in ("equivalent", "inconclusive"))


def induction(name: str) -> Obtained:
    """Accuracy with one layer and with two."""
    results = study(name)
    two, one = _values(results, "base"), _values(results, "depth=1")
    holds = min(two) > 0.9 and 0.2 < mean(one) < 0.4
    return Obtained(f"one layer {mean(one):.2f}, two layers {mean(two):.2f} (least {min(two):.2f})", holds)


def adding_problem(name: str) -> Obtained:
    """Mean squared error of the sum that a model expects."""
    results = study(name)
    errors = {variant.levels["mixer"]: _squared_error(results, variant.name) for variant in results.variants}
    told = ", ".join(f"{mixer} {error:.4f}" for mixer, error in errors.items())
    return Obtained(told, errors["rnn"] > 0.15 and max(errors["gru"], errors["lstm"]) < 0.01)


def grokking(name: str) -> Obtained:
    """Accuracy on the sums that were held out, with weight decay and without."""
    results = study(name)
    decayed, free = _values(results, "base"), _values(results, "weight decay=0.0")
    return Obtained(
        f"1: {mean(decayed):.2f} (least {min(decayed):.2f}), 0: {mean(free):.2f} (most {max(free):.2f})",
        min(decayed) > 0.95 and max(free) < 0.7,
    )


def attention_on_reversal(name: str) -> Obtained:
    """Accuracy per letter, given the letters before it."""
    results = study(name)
    (contrast,) = _contrasts(results).values()
    with_it, without = mean(_values(results, "base")), mean(_values(results, "cross=none"))
    told = f"attention {with_it:.2f}, none {without:.2f}, {contrast.verdict}"
    return Obtained(told, contrast.verdict == "worse" and with_it - without > 0.3)


def norm_gradients(name: str) -> Obtained:
    """How the gradient of the last feed-forward's output matrix falls with depth, at the first weights."""
    slopes = {block: _slope_with_depth(block) for block in ("post_norm", "pre_norm")}
    told = ", ".join(f"{block} depth^{slope:.2f}" for block, slope in slopes.items())
    return Obtained(told, abs(slopes["post_norm"]) < 0.15 and abs(slopes["pre_norm"] + 0.5) < 0.15)


DEPTHS = (4, 8, 16, 32)


def _slope_with_depth(block: str, draws: int = 5) -> float:
    """The exponent of depth with which the norm of that gradient changes: a straight line through the logarithms."""
    norms = [mean(_last_gradient(block, depth, seed) for seed in range(draws)) for depth in DEPTHS]
    return float(np.polyfit(np.log(DEPTHS), np.log(norms), 1)[0])


def _last_gradient(block: str, depth: int, seed: int) -> float:
    layer = {"use": block, "mixer": {"use": "multi_head", "heads": 4}, "feedforward": "relu"}
    part = resolve_part(
        ModelPart,
        {
            "use": "language_model", "width": 64, "context": 32, "depth": depth, "blocks": [layer], "tie": False,
            "position": "sinusoidal", "initializer": "xavier", "embedding_scale": "sqrt_width",
            "final_norm": "layer_norm" if block == "pre_norm" else "none",
        },
    )  # fmt: skip
    model: Any = assemble(cast(ModelPart, part), ModelSite(100), seed)
    ids = torch.randint(100, (16, 33), generator=torch.Generator().manual_seed(seed))
    batch = Batch(ids[:, :-1], ids[:, 1:])
    (model.loss(batch) / batch.scored).backward()
    matrices = [weight for weight in model.stack.blocks[-1].feedforward.parameters() if weight.ndim == 2]
    return float(matrices[-1].grad.norm())


REPLICATIONS: Mapping[str, Replication] = {
    "bigram": Replication("counting", f"loss = conditional entropy, to {EXACT:g} nats", bigram),
    "nanogpt-cpu": Replication("nanoGPT, README", f"about {NANOGPT} nats", nanogpt),
    "position-extrapolation": Replication(
        "Press et al. 2022", "at 4 x the length ALiBi holds, the others are worse", position_extrapolation
    ),
    "layer-or-rms-norm": Replication("Zhang & Sennrich 2019", "equivalent or inconclusive", layer_or_rms_norm),
    "induction": Replication("Olsson et al. 2022", "1 layer fails (about .3), 2 solve it", induction),
    "adding-problem": Replication(
        "Hochreiter & Schmidhuber 1997", "GRU, LSTM solve it; RNN stays near .167", adding_problem
    ),
    "grokking": Replication("Power et al. 2022", "weight decay 1 generalises, 0 does not", grokking),
    "attention-on-reversal": Replication("Bahdanau et al. 2015", "attention far above none", attention_on_reversal),
    "norm-gradients": Replication(
        "Xiong et al. 2020",
        "at first the last layer's gradient is flat in depth post-norm, depth^-0.5 pre-norm",
        norm_gradients,
    ),
}


def study(name: str) -> Results:
    """What came of a study, which is run as far as it is not done."""
    out = RUNS / name
    partwise("ablate", f"replications/{name}", "--out", str(out))
    return Results.load(out / RESULTS)


def partwise(*words: str) -> None:
    """A command of partwise; what it says goes to the errors, so that the table stands alone.

    Raises:
        SystemExit: it failed, and has said why.
    """
    command = [str(Path(sys.executable).parent / "partwise"), *words]
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code:
        sys.exit(code)


def _contrasts(results: Results) -> dict[str, Contrast]:
    return {contrast.variant: contrast for contrast in analyse(results).contrasts}


def _values(results: Results, variant: str) -> list[float]:
    return list(results.values(variant).values())


def _squared_error(results: Results, variant: str) -> float:
    """Mean over runs and examples of the square of (expected - true sum), of digits d that stand for (d + 0.5) / 10."""
    return mean(_squared_error_of(reopen(Path(str(one.directory)))) for one in results.of(variant))


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


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(REPLICATIONS)))
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The text of tiny-shakespeare, for nanogpt-cpu.",
)
def main(names: tuple[str, ...], text: Path | None) -> None:
    """Train what is not trained, in runs/replications, and print a table in Markdown.

    Without names, all of them; nanogpt-cpu needs a text. The exit code is 1 if a result is not obtained.
    """
    try:
        sys.exit(0 if replicate(names or tuple(REPLICATIONS), text) else 1)
    except PartwiseError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def replicate(names: Sequence[str], text: Path | None) -> bool:
    """Prints the table, a row when it is known; whether every result was obtained.

    Raises:
        PartwiseError: something cannot be trained or measured.
        SystemExit: the same, in a command of partwise.
    """
    print("| replication | source | expected | obtained | holds | seconds |\n|---|---|---|---|---|--:|", flush=True)
    held = True
    for name in names:
        replication = REPLICATIONS[name]
        begun = monotonic()
        if name == "nanogpt-cpu":
            if text is None:
                print(f"| {name} | {replication.source} | {replication.expected} | not run: --text FILE | - | - |")
                continue
            files = f"data.files={json.dumps([str(text.absolute())])}"
            partwise("train", f"replications/{name}", "--set", files, "--out", str(RUNS / name))
        obtained = replication.obtain(name)
        held &= obtained.holds
        cells = (name, replication.source, replication.expected, obtained.figures, "yes" if obtained.holds else "NO")
        print(f"| {' | '.join(cells)} | {monotonic() - begun:.0f} |", flush=True)
    return held


if __name__ == "__main__":
    main()
