"""What tuning leaves open: a best value at the edge of what was tried, and one seed that decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from partwise.studies.results import Results, Variant

from .findings import Note


@dataclass(frozen=True)
class Edge:
    """A best value beyond which nothing was tried."""

    value: float
    end: Literal["largest", "smallest"]


def edge_of(results: Results, variant: Variant) -> Edge | None:
    """None unless the variant's tuned value is the largest or smallest number of which anything came.

    A value that diverged was tried, and so bounds the others; one whose runs failed or wait was not.
    """
    chosen: Any = variant.tuned.get(results.tuned_knob or "")
    own = [t for t in results.trials if t.variant == variant.name]
    open_ones = {repr(t.value) for t in own if t.state not in ("done", "diverged")}
    if not all(_number(t.value) for t in own):
        return None
    tried = {t.value for t in own if repr(t.value) not in open_ones}
    if chosen not in tried:
        return None
    if chosen == max(tried):
        return Edge(float(chosen), "largest")
    return Edge(float(chosen), "smallest") if chosen == min(tried) else None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def edge_notes(results: Results, variant: Variant) -> Iterator[Note]:
    """About a contrast: that its variant, or the baseline, might do better still."""
    base = next(v for v in results.variants if v.name == results.baseline)
    edges = {who: edge_of(results, v) for who, v in (("the variant", variant), ("the baseline", base))}
    known = {who: edge for who, edge in edges.items() if edge is not None}
    if len(known) == 2 and edges["the variant"] == edges["the baseline"]:
        known = {"both": known["the baseline"]}
    knob = (results.tuned_knob or "").rpartition(".")[2]
    for who, edge in known.items():
        value = f"the best {knob} of {who}, {edge.value:g}, is the {edge.end} that was tried"
        yield Note("edge", f"{value}, so that a better one may lie beyond")


def one_seed_decides(results: Results) -> Iterator[Note]:
    """About the study."""
    seeds = {trial.seed for trial in results.trials}
    if len(seeds) == 1:
        yield Note(
            "one_tuning_seed",
            f"One seed ({seeds.pop()}) decided which value of {results.tuned_knob} each variant has; with another the "
            "choice may differ. More seeds in the study's tune make it firmer.",
        )


def same_texts(results: Results) -> Iterator[Note]:
    """About the study: what was chosen on the texts it is judged by looks a little better there than elsewhere."""
    if results.trials and results.metric.split == "valid":
        yield Note(
            "same_texts",
            "Tuning and comparison use the same texts, the valid split, though other seeds: the figures of all "
            "variants flatter them a little. With the test split as the metric's, they would not.",
        )


__all__ = ["Edge", "edge_notes", "edge_of", "one_seed_decides", "same_texts"]
