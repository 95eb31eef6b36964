"""Work done by several threads at once, whose results come in the order of what they were made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2
"""Things that wait for a thread, so that no thread waits for things."""


def in_order(work: Callable[[T], R], things: Iterable[T], workers: int) -> Generator[R, None, None]:
    """`work` of each thing; by the calling thread itself if there is to be a single worker.

    The calling thread takes the things one by one, and at most `workers + AHEAD` are held at once. If a thing cannot be
    had, the results of those before it come first, and then its error.
    """
    if workers < 2:
        yield from map(work, things)
        return
    waiting: deque[Future[R]] = deque()
    rest = iter(things)
    with ThreadPoolExecutor(workers, "encoding") as pool:
        try:
            while True:
                try:
                    thing = next(rest)
                except StopIteration:
                    break
                except Exception:
                    yield from _results(waiting, 0)
                    raise
                waiting.append(pool.submit(work, thing))
                yield from _results(waiting, workers + AHEAD - 1)
            yield from _results(waiting, 0)
        finally:
            for future in waiting:
                future.cancel()


def _results(waiting: deque[Future[R]], few: int) -> Iterator[R]:
    """Results in order, until no more than a `few` are missing."""
    while len(waiting) > few:
        yield waiting.popleft().result()
