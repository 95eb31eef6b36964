"""The reader finds what plain loops over a model's logits find, whatever it reads together, shares and pads."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from partwise import InputError
from partwise.data import Batch
from partwise.evaluation import Reader
from partwise.evaluation.sharing import by_prompt
from partwise.testing.checks.evaluations import CONTEXT, END, Averages, Bytes

MODEL: Any = Averages().eval()
LONG = "It was a long prompt, of some forty bytes:"
REQUESTS = [
    (LONG, " yes"),
    ("", "begin"),
    (LONG, " no"),
    ("a", "bc"),
    (LONG, " yes"),
    *((LONG, f" {number}") for number in range(7)),
]


def nats(read: list[int], targets: list[int], source: list[int] | None = None) -> float:
    """Of the last tokens that a model predicts, one row alone and every logit made."""
    ids = torch.tensor([read])
    batch = Batch(ids, ids, source=None if source is None else torch.tensor([source]))
    logits = MODEL(batch)[0].log_softmax(-1)[-len(targets) :]
    return -float(logits[range(len(targets)), targets].sum())


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 3, 16])
def test_continuations_are_as_likely_as_a_loop_finds_them(rows: int) -> None:
    found = Reader(MODEL, Bytes(), rows=rows).log_likelihoods(REQUESTS)
    for (prompt, continuation), one in zip(REQUESTS, found, strict=True):
        ids, targets = [END, *prompt.encode(), *continuation.encode()], list(continuation.encode())
        assert one.nats == pytest.approx(nats(ids[:-1], targets), rel=1e-9)
        assert one.bits == pytest.approx(one.nats / math.log(2))
        assert one.tokens == len(targets)
        likeliest = MODEL(Batch(torch.tensor([ids[:-1]]), torch.tensor([ids[1:]])))[0].argmax(-1)
        assert one.greedy == (likeliest[-len(targets) :].tolist() == targets)


def test_a_long_prompt_is_read_once_for_all_its_continuations() -> None:
    reader = Reader(MODEL, Bytes())
    alone, together = by_prompt([reader._rows.of(LONG, " a"), reader._rows.of(LONG, " b"), reader._rows.of("", "c")])
    assert [len(group) for group in together] == [2]
    assert len(alone) == 1


@torch.no_grad()
def test_the_source_of_a_pair_is_the_prompt() -> None:
    found = Reader(MODEL, Bytes(), pairs=True).log_likelihoods([("source", "target")])
    assert found[0].nats == pytest.approx(nats([END, *b"targe"], list(b"target"), list(b"source")), rel=1e-9)


@torch.no_grad()
def test_a_prompt_beyond_the_context_loses_its_beginning_and_is_counted() -> None:
    reader, prompt = Reader(MODEL, Bytes()), "x" * CONTEXT + "end"
    (found,) = reader.log_likelihoods([(prompt, "!")])
    assert reader.shortened == 1
    assert found.nats == pytest.approx(nats(list(prompt.encode()[-CONTEXT:]), list(b"!")), rel=1e-9)


@torch.no_grad()
def test_a_text_is_read_in_windows_and_its_end_is_scored() -> None:
    text = "x" * CONTEXT + "tail"
    (found,) = Reader(MODEL, Bytes()).texts([text])
    ids = [END, *text.encode(), END]
    first = nats(ids[:CONTEXT], ids[1 : CONTEXT + 1])
    second = nats(ids[CONTEXT:-1], ids[CONTEXT + 1 :])
    assert found.nats == pytest.approx(first + second, rel=1e-9)
    assert (found.tokens, found.bytes) == (CONTEXT + 5, CONTEXT + 4)
    assert found.bits == pytest.approx(found.nats / math.log(2))


@torch.no_grad()
def test_logits_of_a_text_are_those_of_the_model() -> None:
    ids = torch.tensor([[END, *b"abc"]])
    torch.testing.assert_close(Reader(MODEL, Bytes()).logits("abc"), MODEL(Batch(ids, ids))[0])


@torch.no_grad()
def test_writing_takes_the_likeliest_token_until_the_limit_or_a_stop_string() -> None:
    reader = Reader(MODEL, Bytes(), rows=2)
    prompts = ["a", "some more", "Grün"]
    written = reader.write(prompts, 6)
    for prompt, text in zip(prompts, written, strict=True):
        ids = [END, *prompt.encode()]
        for _ in range(6):
            ids.append(int(MODEL(Batch(torch.tensor([ids]), torch.tensor([ids])))[0, -1].argmax()))
        assert text == Bytes().decode(ids[1 + len(prompt.encode()) :])
    stop = next(letter for letter in written[1] if letter.isascii())
    assert reader.write(prompts, 6, [stop])[1] == written[1].partition(stop)[0]


class Stranger(Bytes):
    """Knows no vowel, and can spell one in 9 bits."""

    unknown, unknown_bits = 0, 9.0

    def encode(self, text: str) -> list[int]:
        return [0 if byte in b"aeiou" else byte for byte in super().encode(text)]


@torch.no_grad()
def test_what_the_tokenizer_does_not_know_costs_its_spelling() -> None:
    reader: Any = Reader(MODEL, Stranger())  # type: ignore[arg-type]
    (found,) = reader.log_likelihoods([("", "oui")])
    assert found.bits == pytest.approx(nats([END, 0, 0], [0, 0, 0]) / math.log(2) + 27, rel=1e-9)
    (text,) = reader.texts(["oui"])
    assert text.bits == pytest.approx(text.nats / math.log(2) + 27)


@pytest.mark.parametrize(
    ("prompt", "continuation", "pairs", "words"),
    [
        ("prompt", "", False, "adds no token to its prompt"),
        ("prompt", "x" * 65, False, "has 65 tokens, and this model's context is 64; leave the item out"),
        ("", "target", True, "an empty one says nothing"),
        ("x" * 65, "target", True, "the source 'xxx.*' has 65 tokens"),
    ],
)
def test_what_cannot_be_read_is_refused(prompt: str, continuation: str, pairs: bool, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Reader(MODEL, Bytes(), pairs).log_likelihoods([(prompt, continuation)])


def test_a_model_of_pairs_reads_no_running_text() -> None:
    with pytest.raises(InputError, match="reads no text by itself"):
        next(Reader(MODEL, Bytes(), pairs=True).texts(["a"]))
