"""The lesson whose numbers can all be checked by hand, checked by hand: plain numbers, no tensors."""

from __future__ import annotations

import math

import pytest

from partwise.looking import look
from partwise.looking.facts import Facts
from partwise.recipe import load

Row = list[float]
MIXER = "stack.blocks.0.mixer"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return look(load("lessons/three-numbers"), "the dog sees a cat", device="cpu").facts


def output(facts: Facts, path: str) -> list[Row]:
    """What a module gave, a row for each token."""
    (step,) = [step for step in facts.trace.steps if step.path == path]
    numbers = step.outputs[0].numbers
    assert numbers is not None, f"{path} has more numbers than a page shows"
    rows: list[Row] = numbers.reshape(-1, numbers.shape[-1]).tolist()
    return rows


def weight(facts: Facts, path: str) -> list[Row]:
    (step,) = [step for step in facts.trace.steps if step.path == path]
    rows: list[Row] = step.weights["weight"].tolist()
    return rows


def times(vectors: list[Row], matrix: list[Row]) -> list[Row]:
    """Each vector x as x W^T."""
    return [[sum(a * b for a, b in zip(x, row, strict=True)) for row in matrix] for x in vectors]


def test_every_number_can_be_read(facts: Facts) -> None:
    for step in facts.trace.steps:
        assert all(one.numbers is not None for one in step.outputs if one.shape[-1] == 3), step.path


def test_the_whole_attention_equals_a_computation_by_hand(facts: Facts) -> None:
    table = weight(facts, "input.embedding")
    x = [table[token.id] for token in facts.text_tokens]
    assert x == output(facts, "input")

    query, key, value = (times(x, weight(facts, f"{MIXER}.{name}")) for name in ("query", "key", "value"))
    mixed, weights = [], []
    for t, q in enumerate(query):
        scores = [sum(a * b for a, b in zip(q, key[s], strict=True)) / math.sqrt(3) for s in range(t + 1)]
        powers = [math.exp(score) for score in scores]
        shares = [power / sum(powers) for power in powers]
        weights.append(shares + [0.0] * (len(x) - t - 1))
        mixed.append([sum(share * value[s][i] for s, share in enumerate(shares)) for i in range(3)])
    (shown,) = facts.mixing.maps
    for t, row in enumerate(weights):
        assert shown.weights[0, t].tolist() == pytest.approx(row, abs=1e-6)
        assert output(facts, MIXER)[t] == pytest.approx(mixed[t], abs=1e-6)

    stream = [[a + b for a, b in zip(*both, strict=True)] for both in zip(x, mixed, strict=True)]
    for t, row in enumerate(stream):
        assert output(facts, "stack")[t] == pytest.approx(row, abs=1e-6)

    logits = times(stream[-1:], table)[0]
    powers = [math.exp(logit) for logit in logits]
    likeliest = facts.trace.sampled[0].likeliest
    assert [guess.probability for guess in likeliest] == pytest.approx(
        sorted((power / sum(powers) for power in powers), reverse=True)[: len(likeliest)], abs=1e-6
    )
    assert facts.trace.sampled[1].kept == 3, "the sampler of the lesson draws from three"


def test_the_figures_of_the_head_equal_loops_over_its_weights(facts: Facts) -> None:
    (shown,) = facts.mixing.maps
    rows, (head,) = shown.weights[0].tolist(), shown.heads
    entropies = [-sum(w * math.log(w) for w in row if w > 0) / math.log(t + 1) for t, row in enumerate(rows) if t > 0]
    assert head.entropy == pytest.approx(sum(entropies) / len(entropies), abs=1e-5)
    distances = [sum(w * abs(t - s) for s, w in enumerate(row)) for t, row in enumerate(rows)]
    assert head.distance == pytest.approx(sum(distances) / len(rows), abs=1e-5)
    assert head.previous == pytest.approx(sum(rows[t][t - 1] for t in range(1, len(rows))) / (len(rows) - 1), abs=1e-5)
    assert head.induction is None, "no word occurs twice"
