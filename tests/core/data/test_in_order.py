"""Threads that work at once, and results that come in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from partwise.data.in_order import AHEAD, in_order


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_whichever_is_ready_first(workers: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(in_order(work, range(20), workers)) == [number * number for number in range(20)]


def test_a_single_worker_is_the_calling_thread() -> None:
    (found,) = in_order(lambda _: threading.current_thread(), [1], 1)
    assert found is threading.current_thread()


def test_no_more_is_taken_than_threads_can_work_on() -> None:
    taken, ready = [], threading.Event()

    def things() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 0:
            assert ready.wait(10)
        return number

    results = in_order(work, things(), 2)
    threading.Timer(0.2, ready.set).start()
    assert next(results) == 0
    assert len(taken) == 2 + AHEAD
    results.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_what_cannot_be_had_comes_after_the_results_before_it(workers: int) -> None:
    def things() -> Iterator[int]:
        yield from range(5)
        raise ValueError("no more")

    results = in_order(lambda number: number, things(), workers)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no more"):
        next(results)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_of_the_work_counts(workers: int) -> None:
    def work(number: int) -> int:
        if number >= 3:
            time.sleep(0.02 * (number == 3))
            raise ValueError(f"number {number}")
        return number

    results = in_order(work, range(50), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="number 3"):
        next(results)
