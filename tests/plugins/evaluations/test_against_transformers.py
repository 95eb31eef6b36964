"""Figures of choices and of minimal pairs are those that logits of transformers' own GPT-2 give by hand."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers

import partwise
import partwise_tokenizers
from partwise.huggingface.convert import import_checkpoint
from partwise.workflow import Reopened, reopen
from partwise_evaluations.parts import SAMPLES

TOKENIZER = Path(partwise_tokenizers.__file__).parent / "samples" / "small-tokenizer.json"
END, CONTEXT = 301, 128
QUESTIONS = [json.loads(line) for line in (SAMPLES / "choices.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
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


@torch.no_grad()
def nats_by_hand(theirs: Any, begin: list[int], prompt: str, continuation: str) -> float:
    encode = tokenizers.Tokenizer.from_file(str(TOKENIZER)).encode
    before, whole = encode(prompt).ids, encode(prompt + continuation).ids
    assert whole[: len(before)] == before
    ids = torch.tensor([[*begin, *whole]])
    likely = theirs(ids).logits[0].log_softmax(-1)
    first = len(begin) + len(before)
    return -sum(float(likely[place - 1, ids[0, place]]) for place in range(first, ids.shape[1]))


def test_choices_are_scored_as_by_hand(both: tuple[Any, Reopened]) -> None:
    theirs, ours = both
    begins = list(ours.tokenizer.before_prompt) if hasattr(ours.tokenizer, "before_prompt") else [END]
    plain, per_byte, bits, sizes = [], [], 0.0, 0
    for question in QUESTIONS:
        prompt, choices = question["prompt"], question["choices"]
        right = question["answer"] if isinstance(question["answer"], int) else choices.index(question["answer"])
        texts = [f" {choice}" if prompt else choice for choice in choices]
        begin = begins or ([] if prompt else [END])
        nats = [nats_by_hand(theirs, begin, prompt, text) for text in texts]
        plain.append(nats.index(min(nats)) == right)
        shares = [one / len(choice.encode()) for one, choice in zip(nats, choices, strict=True)]
        per_byte.append(shares.index(min(shares)) == right)
        bits += nats[right] / math.log(2)
        sizes += len(texts[right].encode())
    found = partwise.judge(ours, {"cloze": {"use": "choices", "file": str(SAMPLES / "choices.jsonl")}}, say=None)
    figures = {name: one.figure for name, one in found.items()}
    assert figures["cloze.accuracy"].value == pytest.approx(statistics.mean(plain))
    assert figures["cloze.accuracy"].error == pytest.approx(statistics.stdev(plain) / math.sqrt(len(plain)))
    assert figures["cloze.normalised_accuracy"].value == pytest.approx(statistics.mean(per_byte))
    assert figures["cloze.bits_per_byte"].value == pytest.approx(bits / sizes, rel=1e-5)
    assert [one.goal for one in found.values()] == ["max", "max", "min"]


def test_minimal_pairs_are_scored_as_by_hand(both: tuple[Any, Reopened]) -> None:
    theirs, ours = both
    pairs = [json.loads(line) for line in (SAMPLES / "minimal_pairs.jsonl").read_text().splitlines()]
    margins = [
        (nats_by_hand(theirs, [END], "", one["sentence_bad"]) - nats_by_hand(theirs, [END], "", one["sentence_good"]))
        / math.log(2)
        for one in pairs
    ]
    found = partwise.judge(ours, {"pairs": {"use": "minimal_pairs", "file": str(SAMPLES / "minimal_pairs.jsonl")}})
    assert found["pairs.margin"].figure.value == pytest.approx(statistics.mean(margins), rel=1e-4)
    assert found["pairs.accuracy"].figure.value == sum(margin > 0 for margin in margins) / len(margins)
