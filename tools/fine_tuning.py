"""What fine-tuning is worth: GPT-2-shaped weights on a small text, beside training from nothing and frozen weights.

    python tools/fine_tuning.py [--updates N] [--width N] [--layers N] [--out DIR]

Makes a small GPT-2 with transformers, trains it for a while on the sources of partwise, and saves it as users would.
It is imported, and learns docs/*.md for three epochs: all of its weights, adapters (LoRA) beside them, or no more than
its embedding and last norm; and, for comparison, the same model from first weights. Each way has the better of
two learning rates. Needs transformers and tokenizers; docs/fine-tuning.md shows what came out.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

import partwise
from partwise.huggingface.convert import import_checkpoint
from partwise.recipe import LoadedRecipe
from partwise.runs import Run
from partwise.workflow import prepare, train

HERE = Path(__file__).resolve().parent.parent
EPOCHS, BATCH, CONTEXT, VOCABULARY, HEADS = 3, 8, 64, 1024, 4
RATES = (1.5e-3, 5e-3)
WAYS: dict[str, dict[str, Any]] = {
    "all weights": {},
    "LoRA, rank 8": {"adapter": {"use": "lora", "rank": 8}},
    "LoRA, rank 8, with embedding and last norm": {
        "adapter": {"use": "lora", "rank": 8},
        "trainable": ["embedding", "final_norm"],
    },
    "frozen but embedding and last norm": {"trainable": ["embedding", "final_norm"]},
    "from first weights": {"start": None},
}


@dataclass(frozen=True)
class Outcome:
    """How one way of learning the text ended, at the best of its rates."""

    loss: float
    rate: float
    learning: int
    """Parameters that learned."""
    run: Run


def make_checkpoint(place: Path, texts: list[Path], updates: int, width: int, layers: int) -> None:
    """A GPT-2 of transformers with its tokenizer, trained on texts, saved into a directory."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.models.gpt2 import GPT2TokenizerFast  # type: ignore[attr-defined]  # made where it is asked for

    bpe = ByteLevelBPETokenizer()
    bpe.train([str(text) for text in texts], vocab_size=VOCABULARY, special_tokens=["<|endoftext|>"])
    place.mkdir(parents=True, exist_ok=True)
    bpe.save_model(str(place))
    tokenizer = GPT2TokenizerFast(str(place / "vocab.json"), str(place / "merges.txt"))
    ids = torch.tensor([one for text in texts for one in bpe.encode(text.read_text(encoding="utf-8")).ids])
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=CONTEXT,
        n_embd=width,
        n_layer=layers,
        n_head=HEADS,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for _ in range(updates):
        starts = torch.randint(len(ids) - CONTEXT, (2 * BATCH,))
        batch = torch.stack([ids[start : start + CONTEXT] for start in starts])
        optimizer.zero_grad()
        model(batch, labels=batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)


def held_out(pages: list[Path], out: Path) -> dict[str, Any]:
    """The pages as data: every fifth paragraph is held out."""
    paragraphs = [one for page in pages for one in page.read_text(encoding="utf-8").split("\n\n")]
    for name, wanted in (("learned", False), ("held-out", True)):
        chosen = [one for index, one in enumerate(paragraphs) if (index % 5 == 4) is wanted]
        (out / f"{name}.txt").write_text("\n\n".join(chosen), encoding="utf-8")
    files = {"files": [str(out / "learned.txt")], "valid_files": [str(out / "held-out.txt")]}
    return {"use": "text", **files, "valid": 0.0, "test": 0.0}


def recipe_of(base: Path, data: dict[str, Any], rate: float) -> LoadedRecipe:
    """Three epochs of the data, from the weights of a run."""
    recipe = {
        "partwise": 1,
        "name": "tuned",
        "start": {"run": str(base)},
        "data": data,
        "trainer": {
            "use": "standard",
            "steps": 1,
            "batch_size": BATCH,
            "optimizer": {"use": "adamw", "lr": rate},
            "evaluate_every": None,
            "evaluate_batches": None,
        },
    }
    loaded = partwise.load(recipe)
    targets = prepare(loaded).batches.encoded["train"].scored_tokens
    return partwise.change(loaded, {"trainer.steps": math.ceil(EPOCHS * (targets + 1) / (BATCH * CONTEXT))})


def outcomes(base: Path, data: dict[str, Any], out: Path) -> Iterator[tuple[str, Outcome]]:
    """Each way of learning the data, at the better of its rates."""
    for name, changes in WAYS.items():
        found = []
        for rate in RATES:
            loaded = partwise.change(recipe_of(base, data, rate), changes)
            if loaded.recipe.start is None:  # the file of its tokenizer is no longer the start's affair
                loaded = partwise.change(loaded, {"tokenizer.file": str((out / "gpt2" / "tokenizer.json").resolve())})
            run = train(loaded, out / f"{name.replace(' ', '-')}-{rate:g}", device="cpu")
            loss = float(run.rows()[-1]["valid_loss"])
            found.append(Outcome(loss, rate, partwise.inspect(loaded).learning, run))
        yield name, min(found, key=lambda one: one.loss)


@click.command()
@click.option("--updates", default=600, show_default=True, help="Of the GPT-2, before it is imported.")
@click.option("--width", default=96, show_default=True)
@click.option("--layers", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/fine-tuning"), show_default=True)
def main(updates: int, width: int, layers: int, out: Path) -> None:
    """Print a table of what each way comes to."""
    base = out / "base"
    if not base.exists():
        sources = sorted([*HERE.glob("core/partwise/*/*.py"), *HERE.glob("plugins/*/*.py")])
        make_checkpoint(out / "gpt2", sources, updates, width, layers)
        import_checkpoint(out / "gpt2", base)
    data = held_out(sorted(HERE.glob("docs/*.md")), out.resolve())
    print("| what learns | parameters | rate | nats per token, before | after |\n|---|--:|--:|--:|--:|")
    for name, one in outcomes(base, data, out):
        first = one.run.rows()[0]["valid_loss"]
        print(f"| {name} | {one.learning:,} | {one.rate:g} | {first:.3f} | {one.loss:.3f} |", flush=True)
    print(json.dumps({"steps": one.run.step}), file=sys.stderr)


if __name__ == "__main__":
    main()
