"""Successive halving of what is tried: all begin, and after each rung only the better share goes on.

A rung is an update after which trials are compared. Every trial is planned with the schedule of its whole training and
stops at a rung as if it were interrupted, so that those which go on come to the same bits as if they had never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, inf
from statistics import mean

from partwise.studies.definition.study import Halving, Tuning
from partwise.studies.execution.jobs import JobResult


def staying(scores: Sequence[float], keep: float) -> list[int]:
    """The places of those that go on: the share `keep` of all, rounded, by the lowest scores; none that failed.

    Of equal ones the first go on.
    """
    best = sorted(range(len(scores)), key=lambda place: scores[place])[: going_on(len(scores), keep)]
    return sorted(place for place in best if scores[place] < inf)


def going_on(count: int, keep: float) -> int:
    """How many of so many go on."""
    return max(1, floor(keep * count + 0.5))


def counts(tune: Tuning) -> list[int]:
    """How many combinations there are before the first rung, and after each."""
    found = [tune.draws or tune.combinations or 0]
    for _ in () if tune.halving is None else tune.halving.rungs:
        assert tune.halving is not None
        found.append(going_on(found[-1], tune.halving.keep))
    return found


def whole_trainings(tune: Tuning) -> float:
    """What the trials of one choice and one tuning seed take, in trainings of full length, if none fails."""
    shares = [0.0, *(tune.halving.rungs if tune.halving is not None else ()), 1.0]
    return sum(
        count * (later - sooner) for count, sooner, later in zip(counts(tune), shares[:-1], shares[1:], strict=True)
    )


def updates_at(halving: Halving, planned: int) -> tuple[int, ...] | None:
    """The updates after which trials of so many are compared; None if they are too few to tell the rungs apart."""
    found = tuple(max(1, round(share * planned)) for share in halving.rungs)
    return found if len(set(found)) == len(found) and found[-1] < planned else None


def score(results: Sequence[JobResult | None], goal: str) -> float:
    """How good a combination is, by the mean over its seeds; the lower, the better, and the worst if any failed."""
    return mean(_score(one, goal) for one in results)


def _score(result: JobResult | None, goal: str) -> float:
    if result is None or result.state != "done" or result.metric is None:
        return inf
    return result.metric if goal == "min" else -result.metric


__all__ = ["counts", "going_on", "score", "staying", "updates_at", "whole_trainings"]
