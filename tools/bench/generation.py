"""The generation rows: texts, token after token, with cached keys and values, greedily."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from measuring import Measure, Pair, one_by_one
from torch import nn

import partwise
from partwise.assembly.build import assemble
from partwise.data import Batch
from partwise.decoding import Decoder, Draft, Wanted, Writing, compile_steps, generate_many, generate_text
from partwise.modules import Model
from partwise.parts import ModelPart, ModelSite, SamplerPart, resolve_part
from partwise.workflow import Reopened

VOCABULARY, CONTEXT, NEW = 65, 256, 200


@dataclass(frozen=True)
class Shape:
    """A GPT, and how many texts it writes at once."""

    width: int
    layers: int
    heads: int
    texts: int

    def ours(self) -> Model:
        block = {
            "use": "pre_norm",
            "mixer": {"use": "multi_head", "heads": self.heads},
            "feedforward": {"use": "gelu", "form": "tanh"},
        }
        knobs = {"width": self.width, "depth": self.layers, "context": CONTEXT, "position": "learned"}
        part = resolve_part(ModelPart, {"use": "language_model", **knobs, "blocks": [block]})
        model = assemble(part, ModelSite(VOCABULARY), seed=0)
        cast(nn.Module, model).eval()
        return model

    def theirs(self) -> Any:
        """A GPT-2 of transformers, of the same size."""
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=self.width, n_layer=self.layers, n_head=self.heads,
            activation_function="gelu_new", bos_token_id=VOCABULARY - 1, eos_token_id=VOCABULARY - 1,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer: Any = GPT2LMHeadModel(config)
        return peer.eval()


SMALL, LARGER, MANY = Shape(128, 4, 4, 1), Shape(384, 6, 6, 1), Shape(128, 4, 4, 16)


def plain() -> Measure:
    """Against transformers' `generate`; both with GPT-2's GELU by a tanh."""
    return _against_generate(SMALL, compiled=False)


def compiled() -> Measure:
    """The same with a compiled step. The first round, which is not counted, compiles."""
    return _against_generate(SMALL, compiled=True)


def compiled_larger() -> Measure:
    return _against_generate(LARGER, compiled=True)


def compiled_many() -> Measure:
    return _against_generate(MANY, compiled=True)


def _against_generate(shape: Shape, compiled: bool) -> Measure:
    model, peer = shape.ours(), shape.theirs()
    if compiled:
        compile_steps(model, say=print)
    sampler = resolve_part(SamplerPart, "greedy").assemble(None)
    prompt = torch.randint(0, VOCABULARY - 1, (shape.texts, 16))

    def measure() -> Pair:
        start = time.perf_counter()
        # An end token that no row can choose, so that all the tokens asked for are written.
        decoder = Decoder(model, Batch(prompt, prompt), end=-1, room=CONTEXT)
        written = sum(len(tokens) for tokens in sampler.generate(decoder, NEW, torch.Generator()))
        ours = written / (time.perf_counter() - start)
        start = time.perf_counter()
        with torch.inference_mode():
            output = peer.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW, min_new_tokens=NEW,
                do_sample=False, pad_token_id=VOCABULARY - 1,
            )  # fmt: skip
        new = (output.shape[1] - prompt.shape[1]) * shape.texts
        return ours, new / (time.perf_counter() - start)

    return one_by_one(measure)


class Letters:
    """A tokenizer of ASCII, and as many ids as the models have."""

    vocab_size, end, lossless = VOCABULARY, VOCABULARY - 1, True
    unknown: int | None = None
    unknown_bits: float | None = None

    def encode(self, text: str) -> list[int]:
        return [ord(letter) % VOCABULARY for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(self.label, ids))

    def token_bytes(self, token: int) -> bytes:
        return self.label(token).encode()

    def label(self, token: int) -> str:
        return chr(32 + token % 95)

    def to_json(self) -> dict[str, Any]:
        return {}


def refilled() -> Measure:
    """200 prompts of 1 to 64 tokens whose texts end by themselves, 16 at once, against one after the other."""
    model = SMALL.ours()
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 65, (200,), generator=generator).tolist()
    wanted = [Wanted("x" * length, seed) for seed, length in enumerate(lengths)]
    writing = Writing(resolve_part(SamplerPart, "temperature").assemble(None), 190)

    def measure() -> Pair:
        return per_second(16), per_second(1)

    def per_second(rows: int) -> float:
        start = time.perf_counter()
        written = sum(len(text) for _, text in generate_many(model, Letters(), wanted, writing, rows))
        return written / (time.perf_counter() - start)

    return one_by_one(measure)


def drafted() -> Measure:
    """Characters by a GPT of 6 layers with one of 1 layer as its draft, against none. Both are trained on the shipped
    source code for a minute at most: an untrained draft would be right by chance alone."""
    place = Path(tempfile.mkdtemp())
    try:
        large, small = (_trained(place, *shape) for shape in (("large", 256, 6), ("small", 96, 1)))
    finally:
        shutil.rmtree(place)
    sampler, draft = large.recipe.sampler.assemble(None), Draft(small.model, 4)

    def measure() -> Pair:
        pair = per_second(draft), per_second(None)
        print(f"{draft.accepted / draft.proposed:.0%} of {draft.proposed} proposed tokens were accepted")
        return pair

    def per_second(draft: Draft | None) -> float:
        writing, start = Writing(sampler, NEW, draft=draft), time.perf_counter()
        texts = ["".join(generate_text(large.model, large.tokenizer, "def ", writing, seed)) for seed in range(4)]
        return sum(map(len, texts)) / (time.perf_counter() - start)

    return one_by_one(measure)


def _trained(place: Path, name: str, width: int, depth: int) -> Reopened:
    quick: dict[str, Any] = {
        "name": name, "tokenizer": "char", "model.width": width, "model.depth": depth, "model.context": CONTEXT,
        "model.blocks.0.mixer.heads": 4, "trainer.steps": 150, "trainer.batch_size": 4, "trainer.evaluate_every": None,
        "trainer.evaluate_batches": 4,
    }  # fmt: skip
    partwise.train(partwise.change("gpt", quick), out=place / name, device="cpu", say=None)
    return partwise.open(place / name, device="cpu", say=None)
