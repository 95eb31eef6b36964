"""A small GPT-2 of transformers, with random weights, and ours with the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers

import partwise_tokenizers
from partwise.huggingface.convert import import_checkpoint
from partwise.workflow import Reopened, reopen

TOKENIZER = Path(partwise_tokenizers.__file__).parent / "samples" / "small-tokenizer.json"
END, CONTEXT = 301, 128


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Reopened]:
    """transformers' model, with random weights, and ours with the same."""
    place = tmp_path_factory.mktemp("gpt2")
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
    config = transformers.GPT2Config(vocab_size=END + 1, bos_token_id=END, eos_token_id=END, **sizes)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    theirs.save_pretrained(place / "in")
    shutil.copy(TOKENIZER, place / "in" / "tokenizer.json")
    return theirs, reopen(import_checkpoint(place / "in", place / "run").directory, "cpu")


@pytest.fixture(scope="session")
def nats_by_hand(both: tuple[Any, Reopened]) -> Callable[[list[int], str, str], float]:
    """Minus the logarithm of the probability of a continuation, by the logits of transformers."""
    theirs, _ = both
    encode = tokenizers.Tokenizer.from_file(str(TOKENIZER)).encode

    @torch.no_grad()
    def nats(begin: list[int], prompt: str, continuation: str) -> float:
        before, whole = encode(prompt).ids, encode(prompt + continuation).ids
        assert whole[: len(before)] == before
        ids = torch.tensor([[*begin, *whole]])
        likely = theirs(ids).logits[0].log_softmax(-1)
        first = len(begin) + len(before)
        return -sum(float(likely[place - 1, ids[0, place]]) for place in range(first, ids.shape[1]))

    return nats
