"""`python tools/bench/memory.py`: peak memory of a training step, with the loss in chunks and with all logits at once.

A small model with a large vocabulary, whose logits are nearly all it holds. Each side runs in a process of its own,
whose peak resident memory the system tells; what the program holds before the step is taken off.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT, ROWS = 50_000, 128, 4, 2, 256, 16


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--side", choices=["chunked", "at-once"], help=argparse.SUPPRESS)
    options.add_argument("--vocabulary", type=int, default=VOCABULARY)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    given = options.parse_args()
    if given.side:
        print(_measured(given.side == "chunked", given.vocabulary, given.rows, given.precision))
        return
    settings = ["--vocabulary", str(given.vocabulary), "--rows", str(given.rows), "--precision", given.precision]
    sides = {}
    for side in ("chunked", "at-once"):
        command = [sys.executable, __file__, "--side", side, *settings]
        before, after, loss = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        sides[side] = int(after) - int(before), float(loss)
    chunked, at_once = sides["chunked"], sides["at-once"]
    logits = given.rows * CONTEXT * given.vocabulary * 4
    print(
        f"one step at a vocabulary of {given.vocabulary:,}, {given.rows} rows of {CONTEXT} in {given.precision} "
        f"({logits / 1e6:,.0f} MB of logits in float32):\n"
        f"  in chunks {chunked[0] / 1e6:>8,.0f} MB   loss {chunked[1]:.6f}\n"
        f"  at once   {at_once[0] / 1e6:>8,.0f} MB   loss {at_once[1]:.6f}\n"
        f"  {at_once[0] / chunked[0]:.1f} times as much at once"
    )


def _measured(chunked: bool, vocabulary: int, rows: int, precision: str) -> str:
    """Peak memory before and after two steps, in bytes, and the first loss per token."""
    import torch

    from partwise.assembly.build import assemble
    from partwise.data import Batch
    from partwise.modules import cross_entropy
    from partwise.parts import ModelPart, ModelSite, resolve_part

    if not chunked:
        cross_entropy.MOST_LOGITS = sys.maxsize
    block = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": HEADS}}
    settings = {"use": "language_model", "width": WIDTH, "depth": LAYERS, "context": CONTEXT, "position": "learned",
                "blocks": [block]}  # fmt: skip
    model = assemble(resolve_part(ModelPart, settings), ModelSite(vocabulary), seed=0)
    tokens = torch.randint(vocabulary, (rows, CONTEXT), generator=torch.Generator().manual_seed(0))
    batch = Batch(tokens, tokens.roll(-1, 1))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    losses = []
    before = _peak()
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = model.loss(batch) / tokens.numel()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return f"{before} {_peak()} {losses[0]}"


def _peak() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main()
