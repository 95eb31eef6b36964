"""`make figures`: trains the five models by their shipped recipes and prints the README's table of them.

A run that is there already (runs/figures/NAME) is not trained again; its time is then not known. For each model:
the loss on its validation split beside that split's unigram entropy, which is what a model that knows how often
each token occurs, and nothing else, could reach at best; bits per byte; and for models of pairs the share of
held-out examples that come out exactly right.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from partwise.data import marks_of
from partwise.decoding import Decoder, source_prompt
from partwise.recipe import load
from partwise.workflow import Reopened, evaluate, reopen, train

MODELS = ("char-rnn", "word-gru", "lstm-attention", "transformer", "gpt")
RUNS = Path("runs/figures")
EXAMPLES, TOGETHER = 1000, 250


def main() -> None:
    """Trains what is not trained, and prints a table in Markdown."""
    print("| recipe | parameters | unigram entropy | loss | perplexity | bits per byte | exact match | seconds |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name in MODELS:
        start = time.perf_counter()
        known = (RUNS / name / "model.safetensors").exists()
        run = train(load(name), RUNS / name)
        seconds = "" if known else f"{time.perf_counter() - start:.0f}"
        print(f"| `{name}` | {_figures(reopen(run.directory))} | {seconds} |", flush=True)


def _figures(reopened: Reopened) -> str:
    batches = reopened.prepare().batches
    measured = evaluate(reopened, "valid")
    cells = [
        f"{sum(parameter.numel() for parameter in reopened.model.parameters()):,}",
        f"{_unigram_entropy(batches.encoded['valid']):.3f}",
        f"{measured.loss:.3f}",
        f"{measured.perplexity:.2f}",
        "-" if measured.bits_per_byte is None else f"{measured.bits_per_byte:.3f}",
        f"{_exact_match(reopened):.1%}" if reopened.recipe.model.reads == "pair" else "-",
    ]
    return " | ".join(cells)


def _unigram_entropy(split: Any) -> float:
    """Nats per scored token of the distribution of the split's own scored tokens."""
    tokens = np.asarray(split.tokens)
    tokens = tokens[1:] if split.scored is None else tokens[np.asarray(split.scored)]
    shares = np.bincount(tokens) / len(tokens)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _exact_match(reopened: Reopened) -> float:
    """Share of held-out (test) examples whose greedy answer is the target, to the letter."""
    data = reopened.data()
    pairs = [tuple(piece.text for piece in example.pieces) for example in data.examples("test")][:EXAMPLES]
    sampler, tokenizer = reopened.recipe.sampler.assemble(None), reopened.tokenizer
    right = 0
    for start in range(0, len(pairs), TOGETHER):
        sources, targets = zip(*pairs[start : start + TOGETHER], strict=True)
        prompt, ends = source_prompt(tokenizer, sources), marks_of(tokenizer).ends
        decoder = Decoder(reopened.model, prompt, tokenizer.end, reopened.model.context, ends)
        written = list(sampler.generate(decoder, reopened.model.context, torch.Generator()))
        answers = [tokenizer.decode(row) for row in torch.stack(written, dim=1).tolist()]
        right += sum(answer == target for answer, target in zip(answers, targets, strict=True))
    return right / len(pairs)


if __name__ == "__main__":
    main()
