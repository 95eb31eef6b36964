"""What a study must keep to so that its verdicts hold: asked when it is read, planned and analysed.

Results may be looked at before a study is finished, but only at declared looks, each with its share of alpha. The
shares add up to no more than the study's alpha (a Bonferroni split). That holds the error rate for any number of
looks, any dependence between them and any correction over contrasts within a look. Splits that spend more (Pocock,
O'Brien-Fleming) rest on large samples and a single contrast, and are not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from partwise.metric_names import judged

FEWEST_SEEDS = 3
"""Below this no verdict is given: an interval from two seeds is wider than anything it could say."""
FEWEST_TEXTS = 3
"""Below this nothing is said about texts that are not in the study."""


def broken_looks(
    looks: Sequence[tuple[int, float]], alpha: float, seeds: int
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Everything that is wrong with declared looks: a message, and the place within the looks that it is about.

    Args:
        looks: of each look, the seeds that are finished by then and the share of alpha that it spends.
        alpha: the study's.
        seeds: how many the study has.
    """
    before = 0
    for index, (moment, share) in enumerate(looks):
        if not index and moment < FEWEST_SEEDS:
            message = f"no verdict is given below {FEWEST_SEEDS} seeds; the first look needs at least {FEWEST_SEEDS}"
            yield message, (index, "seeds")
        if moment <= before:
            yield "each look needs more seeds than the one before", (index, "seeds")
        if moment > seeds:
            yield f"the study has {seeds} seeds, so this look would never come", (index, "seeds")
        if share <= 0:
            yield "each look needs a positive share of alpha", (index, "alpha")
        before = moment
    spent = sum(share for _, share in looks)
    if spent > alpha * (1 + 1e-9):
        yield f"the looks spend {spent:g} in all, more than alpha {alpha:g}; {alpha / len(looks):g} each would do", ()
    if 0 < before < seeds:
        yield f"the last look is after {before} seeds, and the study has {seeds}; declare one after all of them", ()


def comparable(metric: str, tokenizer_varies: bool) -> bool:
    """Whether variants may be compared by this metric.

    A figure per token (loss, perplexity, accuracy) changes with what a token is. When the tokenizer differs between
    variants, only bits per byte means the same for all of them. (Figures of evaluations that are per token are refused
    before anything is trained.)
    """
    return not tokenizer_varies or metric == "bits_per_byte" or judged(metric)


def why_not_comparable(metric: str, between: str = "variants") -> str:
    """Why not, and what to do about it.

    Args:
        between: what differs in its tokenizer: variants, texts or sizes.
    """
    return (
        f"{metric} is measured per token, and the tokenizer varies between {between}, so its values cannot be "
        "compared; use the metric bits_per_byte"
    )


__all__ = ["FEWEST_SEEDS", "FEWEST_TEXTS", "broken_looks", "comparable", "why_not_comparable"]
