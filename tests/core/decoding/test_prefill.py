"""A prompt in chunks, against the same prompt at once: logits, text and memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from partwise import InputError
from partwise.assembly.build import assemble
from partwise.data import IGNORED, Batch
from partwise.decoding import Decoder, left_padded
from partwise.modules import Model
from partwise.parts import ModelPart, ModelSite, resolve_part

from .writing import END, Summing

V = 23
MIXERS: dict[str, Any] = {
    "attention": {"use": "multi_head", "heads": 2},
    "a window": {"use": "multi_head", "heads": 2, "window": 5},
    "latent attention": {"use": "latent", "heads": 2, "kv_rank": 8},
    "lstm": "lstm",
    "mamba2": {"use": "mamba2", "head_width": 8},
    "delta_net": {"use": "delta_net", "heads": 2},
    "hyena": "hyena",
}


def language_model(mixer: Any, position: str = "rope", context: int = 40) -> Model:
    blocks = [{"use": "pre_norm", "mixer": mixer, "feedforward": "gelu"}]
    choice = {"use": "language_model", "width": 16, "depth": 2, "context": context}
    model = assemble(resolve_part(ModelPart, {**choice, "position": position, "blocks": blocks}), ModelSite(V), seed=3)
    model.eval()
    return model


@pytest.mark.parametrize("mixer", MIXERS)
def test_logits_are_those_of_the_prompt_read_at_once(mixer: str) -> None:
    model = language_model(MIXERS[mixer], "rope" if "attention" in mixer or "window" in mixer else "none")
    prompt = left_padded([[*range(20)], [3, 1, 4], [*range(9)]], END)
    for chunk in (1, 6, 19):
        whole = Decoder(model, prompt, END, 40)
        pieces = Decoder(model, prompt, END, 40, chunk=chunk)
        for _ in range(3):
            assert torch.allclose(pieces.logits, whole.logits, atol=1e-5)
            pieces.advance(torch.tensor([1, 2, 3]))
            whole.advance(torch.tensor([1, 2, 3]))


def test_a_model_that_cannot_extend_reads_at_once() -> None:
    model = Summing().eval()
    decoder = Decoder(model, left_padded([[1, 2, 3, 4]], END), END, 6, chunk=2)
    assert torch.allclose(decoder.logits[0], model.full([1, 2, 3, 4]))
    assert len(model.begun) == 1


def test_no_pass_reads_more_than_a_chunk() -> None:
    model: Any = language_model(MIXERS["attention"], "alibi", context=3000)
    lengths: list[int] = []
    model.stack.register_forward_pre_hook(lambda stack, args: lengths.append(args[0].shape[1]))
    tokens = torch.zeros(1, 2500, dtype=torch.int64)
    Decoder(model, Batch(tokens, torch.full_like(tokens, IGNORED)), END, 3000)
    assert lengths == [2048, 452], "by default it is 2048"


def test_a_chunk_of_nothing_is_an_input_error() -> None:
    with pytest.raises(InputError, match="not 0"):
        Decoder(Summing().eval(), left_padded([[1]], END), END, 3, chunk=0)
