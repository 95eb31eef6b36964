"""Figures of choices and of minimal pairs are those that logits of transformers' own GPT-2 give by hand."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

import partwise
from partwise.workflow import Reopened
from partwise_evaluations.parts import SAMPLES

END = 301
Nats = Callable[[list[int], str, str], float]
QUESTIONS = [json.loads(line) for line in (SAMPLES / "choices.jsonl").read_text().splitlines()]


def test_choices_are_scored_as_by_hand(both: tuple[Any, Reopened], nats_by_hand: Nats) -> None:
    _, ours = both
    begins = list(ours.tokenizer.before_prompt) if hasattr(ours.tokenizer, "before_prompt") else [END]
    plain, per_byte, bits, sizes = [], [], 0.0, 0
    for question in QUESTIONS:
        prompt, choices = question["prompt"], question["choices"]
        right = question["answer"] if isinstance(question["answer"], int) else choices.index(question["answer"])
        texts = [f" {choice}" if prompt else choice for choice in choices]
        begin = begins or ([] if prompt else [END])
        nats = [nats_by_hand(begin, prompt, text) for text in texts]
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


def test_minimal_pairs_are_scored_as_by_hand(both: tuple[Any, Reopened], nats_by_hand: Nats) -> None:
    _, ours = both
    pairs = [json.loads(line) for line in (SAMPLES / "minimal_pairs.jsonl").read_text().splitlines()]
    margins = [
        (nats_by_hand([END], "", one["sentence_bad"]) - nats_by_hand([END], "", one["sentence_good"])) / math.log(2)
        for one in pairs
    ]
    found = partwise.judge(ours, {"pairs": {"use": "minimal_pairs", "file": str(SAMPLES / "minimal_pairs.jsonl")}})
    assert found["pairs.margin"].figure.value == pytest.approx(statistics.mean(margins), rel=1e-4)
    assert found["pairs.accuracy"].figure.value == sum(margin > 0 for margin in margins) / len(margins)
