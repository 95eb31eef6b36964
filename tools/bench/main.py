"""`make bench`: partwise against named peers, as ratios measured in turn in one process.

Each row times both sides in alternation, some rounds each, and gives the median of the rounds' ratios: the
machine's speed may drift without touching them. Above 1 means partwise is faster. Run one row by its name:
`python tools/bench/main.py train-float32`.
"""

from __future__ import annotations

import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from measuring import Measure


@dataclass(frozen=True)
class Row:
    """One line of the table: what `prepare` gives measures it."""

    name: str
    what: str
    peer: str
    unit: str
    wanted: float | None
    rounds: int
    prepare: Callable[[], Measure]


def rows() -> list[Row]:
    """Every row, in the order of the design's table."""
    import documents
    import generation
    import mixing
    import studying
    import tokenizing
    import training

    hand, hugging_face, tokenizers = "hand-written PyTorch GPT", "transformers", "tokenizers"
    return [
        Row("train-float32", "training step, float32", f"{hand}, float32", "tokens/s", 1.0, 9, training.float32),
        Row("train-bfloat16", "training step, bfloat16", f"{hand}, float32", "tokens/s", 1.3, 9, training.bfloat16),
        Row(
            "train-hugging-face",
            "training step, float32",
            f"{hugging_face} GPT2LMHeadModel",
            "tokens/s",
            1.4,
            9,
            training.hugging_face,
        ),
        Row(
            "train-hugging-face-exact",
            "training step, float32",
            f"{hugging_face} GPT2LMHeadModel, with the exact GELU",
            "tokens/s",
            None,
            9,
            training.hugging_face_exact,
        ),
        *(
            Row(
                f"generate{name}",
                f"cached generation, {what}",
                f"{hugging_face} generate",
                "tokens/s",
                wanted,
                7,
                prepare,
            )
            for name, what, wanted, prepare in (
                ("", "batch 1", 2.0, generation.plain),
                ("-compiled", "compiled, batch 1", 4.0, generation.compiled),
                ("-compiled-384", "compiled, batch 1, width 384", 4.0, generation.compiled_larger),
                ("-compiled-16", "compiled, batch 16", 4.0, generation.compiled_many),
            )
        ),
        Row(
            "generate-many",
            "200 prompts of uneven lengths, 16 at once",
            "one after the other",
            "characters/s",
            3.0,
            3,
            generation.refilled,
        ),
        Row(
            "generate-draft",
            "a GPT of 6 layers with one of 1 layer as its draft, both trained for a minute",
            "without the draft",
            "characters/s",
            1.3,
            3,
            generation.drafted,
        ),
        Row("bpe-train", "BPE training, 10 MB", f"{tokenizers} BpeTrainer", "MB/s", 1.0, 3, tokenizing.training),
        Row("bpe-encode", "BPE encoding, 10 MB", f"{tokenizers} encode", "MB/s", 10.0, 3, tokenizing.encoding),
        Row(
            "bpe-encode-batch",
            "BPE encoding, 10 MB",
            f"{tokenizers} encode_batch, all cores",
            "MB/s",
            None,
            3,
            tokenizing.encoding_in_batches,
        ),
        Row(
            "study-slots",
            "study in two slots",
            "one run at a time, all cores",
            "runs/s",
            1.5,
            3,
            studying.slots,
        ),
        *(
            Row(f"mixer-{name}", f"{name}, forward and backward", "multi_head", "tokens/s", 0.5, 7, prepare)
            for name, prepare in ((name, mixing.against_attention(name)) for name in mixing.MIXERS)
        ),
        *(
            Row(
                f"masked-{name}",
                f"{name}, 8 masked documents per window",
                "documents open",
                "tokens/s",
                wanted,
                7,
                documents.masked(name),
            )
            for name, wanted in documents.WANTED.items()
        ),
    ]


def main() -> None:
    chosen = sys.argv[1:]
    known = {row.name: row for row in rows()}
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.exit(f"no row {', '.join(unknown)}; the rows are {', '.join(known)}")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'row':<30} {'partwise':>12} {'peer':>12} {'unit':<9} {'ratio':>6} {'range':>13} {'wanted':>7}  peer")
    for row in known.values():
        if not chosen or row.name in chosen:
            _show(row)


def _show(row: Row) -> None:
    pairs = row.prepare()(row.rounds)
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    print(
        f"{row.name:<30} {ours:>12,.1f} {theirs:>12,.1f} {row.unit:<9} {statistics.median(ratios):>6.2f} "
        f"{spread:>13} {row.wanted or '-':>7}  {row.peer}",
        flush=True,
    )


if __name__ == "__main__":
    main()
