"""How many claims share a study's error rate."""

from __future__ import annotations

from dataclasses import dataclass

from partwise.studies.results import Results
from partwise.studies.validity import FEWEST_TEXTS

from .grid_effects import count_effects


@dataclass(frozen=True)
class Family:
    """The tests that are corrected together."""

    contrasts: int
    """Differences from the baseline; equivalence is corrected over these."""
    effects: int = 0
    """Of a grid."""
    slopes: int = 0
    """Of a ladder of sizes."""

    @property
    def tests(self) -> int:
        return self.contrasts + self.effects + self.slopes


def further_pairs(results: Results) -> dict[str, list[str]]:
    """What is compared besides every variant with the baseline: a variant -> those that are compared with it.

    Each pair once, however many baselines it has.
    """
    names = [v.name for v in results.variants if v.name != results.baseline]
    found: dict[str, list[str]] = {}
    for one in results.baselines:
        found[one] = [name for name in names if name != one and one not in found.get(name, [])]
    return found


def spans_texts(results: Results) -> bool:
    """Whether the study's texts are enough for a claim about others like them."""
    return len(results.texts) >= FEWEST_TEXTS and results.design != "fractional"


def parts_of(results: Results) -> list[Results]:
    """What each setting has to say; of a study without sizes and texts, that study."""
    plain = not (results.sizes or results.texts)
    return [results] if plain else [results.at(*setting) for setting in results.settings]


def family_of(results: Results, *, over: bool | None = None) -> Family:
    """The study's one family: contrasts and effects at every setting, and a slope of every ladder.

    Args:
        over: whether its contrasts (and slopes) are over all texts; None: where there are texts enough.
    """
    over = spans_texts(results) if over is None else over
    one = parts_of(results)[0]
    variants, effects = len(one.variants) - 1, 0 if over else count_effects(one)
    if one.design == "fractional":
        variants = 0
    contrasts = variants + (sum(map(len, further_pairs(one).values())) if variants else 0)
    texts, sizes = 1 if over else max(len(results.texts), 1), max(len(results.sizes), 1)
    return Family(texts * sizes * contrasts, texts * sizes * effects, texts * variants if results.sizes else 0)


def family(results: Results) -> int:
    """How many tests the study's error rate is shared by."""
    return family_of(results).tests


__all__ = ["Family", "family", "family_of", "parts_of", "spans_texts"]
