"""Which texts are taken where there are more than can be learned from."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from partwise.data import sampled_texts


def sampled(texts: list[str], most: int | None) -> list[str]:
    return list(sampled_texts(lambda: iter(texts), most))


def by_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


TEXTS = [f"text {number} " * random.Random(number).randrange(1, 60) for number in range(500)]
SIZE = sum(map(len, TEXTS))


@given(st.lists(st.text()), st.integers(0, 50))
def test_all_are_taken_if_they_fit(texts: list[str], more: int) -> None:
    size = sum(len(text.encode()) for text in texts)
    assert sampled(texts, size + more) == texts
    assert sampled(texts, None) == texts


def test_of_more_those_of_least_hash_are_taken_in_their_order() -> None:
    for most in (SIZE // 10, SIZE // 3, SIZE - 1):
        left, expected = most, set()
        for text in sorted(TEXTS, key=by_hash):
            left -= len(text)
            if left < 0:
                break
            expected.add(text)
        assert sampled(TEXTS, most) == [text for text in TEXTS if text in expected]


def test_the_order_of_the_texts_does_not_matter() -> None:
    mixed = random.Random(0).sample(TEXTS, len(TEXTS))
    assert sorted(sampled(mixed, SIZE // 5)) == sorted(sampled(TEXTS, SIZE // 5))


def test_a_larger_sample_holds_the_smaller_one() -> None:
    samples = [set(sampled(TEXTS, SIZE * tenths // 10)) for tenths in range(1, 10)]
    assert all(small < large for small, large in pairwise(samples))


def test_there_is_always_one() -> None:
    assert sampled(TEXTS, 1) == [min(TEXTS, key=by_hash)]
    assert sampled(["a" * 100], 1) == ["a" * 100]


def test_it_is_told_what_is_taken() -> None:
    lines: list[str] = []
    taken = list(sampled_texts(lambda: TEXTS, SIZE // 4, lines.append))
    assert len(lines) == 1
    assert lines[0].startswith(f"learning from {len(taken)} of 500 texts, ")
    assert lines[0].endswith("those of least SHA-256")
    lines.clear()
    assert list(sampled_texts(lambda: TEXTS, SIZE, lines.append)) == TEXTS
    assert lines == []


MEMORY = """
import resource
from partwise.data import sampled_texts

def texts():
    for number in range(400):
        yield chr(97 + number % 26) * 1_000_000 + str(number)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

next(sampled_texts(lambda: ["a", "b" * 1_000_000], 10))
before = peak()
taken = sum(len(text) for text in sampled_texts(texts, 100_000_000))
print(taken, peak() - before)
"""


def test_however_many_there_are_it_takes_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    taken, grown = map(int, done.stdout.split())
    assert 95_000_000 < taken <= 100_000_000
    assert grown < 10_000_000
