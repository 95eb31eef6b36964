"""The generation row: one text, token after token, with cached keys and values, greedily."""

from __future__ import annotations

import time
import warnings

import torch
from measuring import Measure, Pair, one_by_one

from partwise.assembly.build import assemble
from partwise.data import Batch
from partwise.decoding import Decoder
from partwise.parts import ModelPart, ModelSite, SamplerPart, resolve_part

VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT, NEW = 65, 128, 4, 4, 256, 200


def cached() -> Measure:
    """Against transformers' `generate` on a GPT-2 of the same size; both with GPT-2's GELU by a tanh."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        activation_function="gelu_new", bos_token_id=VOCABULARY - 1, eos_token_id=VOCABULARY - 1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = GPT2LMHeadModel(config).eval()
    block = {
        "use": "pre_norm",
        "mixer": {"use": "multi_head", "heads": HEADS},
        "feedforward": {"use": "gelu", "form": "tanh"},
    }
    part = resolve_part(
        ModelPart,
        {"use": "language_model", "width": WIDTH, "depth": LAYERS, "context": CONTEXT, "position": "learned",
         "blocks": [block]},
    )  # fmt: skip
    model = assemble(part, ModelSite(VOCABULARY), seed=0)
    model.eval()
    sampler = resolve_part(SamplerPart, "greedy").assemble(None)
    prompt = torch.randint(0, VOCABULARY - 1, (1, 16))

    def measure() -> Pair:
        start = time.perf_counter()
        # An end token that no row can choose, so that all the tokens asked for are written.
        decoder = Decoder(model, Batch(prompt, prompt), end=-1, room=CONTEXT)
        written = sum(1 for _ in sampler.generate(decoder, NEW, torch.Generator()))
        ours = written / (time.perf_counter() - start)
        start = time.perf_counter()
        with torch.inference_mode():
            output = peer.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW, min_new_tokens=NEW,
                do_sample=False, pad_token_id=VOCABULARY - 1,
            )  # fmt: skip
        return ours, (output.shape[1] - prompt.shape[1]) / (time.perf_counter() - start)

    return one_by_one(measure)
