"""What the analysis makes of it: contrasts, effects and the ladder of sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from partwise.studies.analysis import Analysis
from partwise.studies.analysis.findings import Contrast, Note, SecondaryFinding
from partwise.studies.analysis.ladder_findings import LadderFinding, SpeedUp
from partwise.studies.results import Results

from .columns import METRIC, RESULTS, SETTING, Column, Row, Table, of_metric, yes_or_no

Found = Analysis | SecondaryFinding
VARIANT = (
    Column("variant", "text", "Name of the variant that is compared."),
    Column("factor", "text", "The factor in which it differs; empty if in several."),
    Column("level", "text", "Its level of that factor, or its name."),
)
TESTED = (
    Column("p", "number", "Of the t-test by itself."),
    Column("p_adjusted", "number", "Corrected over the study's whole family of tests."),
    Column("correction", "text", "How: `holm`, or `fdr` for Benjamini-Hochberg."),
)
TOGETHER = (
    Column("low_all", "number", "Lower end of the wider interval that holds together with all others (Bonferroni)."),
    Column("high_all", "number", "Upper end of it."),
)
NOTE = Column("note", "text", "What limits it, or why there is no verdict.")


def _by_metric(results: Results, analysis: Analysis) -> Iterator[tuple[Row, Found]]:
    """Of the primary metric, then of each secondary one: the cells of `METRIC`, and what was found."""
    yield of_metric(results.metric, None), analysis
    for one in analysis.secondary:
        yield of_metric(one.metric, one.name), one


def _note(notes: Iterable[Note]) -> str | None:
    return " – ".join(note.text for note in notes) or None


def _contrasts(results: Results, analysis: Analysis) -> Iterator[Row]:
    for cells, found in _by_metric(results, analysis):
        further = found.pairs if isinstance(found, Analysis) else ()
        for over, contrasts in (("yes", found.over_texts), ("no", (*found.contrasts, *further))):
            for c in contrasts:
                yield {**cells, "against": c.against or results.baseline, "over_texts": over, **_contrast(c)}


def _contrast(c: Contrast) -> Row:
    return {
        "variant": c.variant, "factor": c.factor, "level": c.level, "size": c.size, "text": c.text, "unit": c.unit,
        "pairs": c.pairs, "difference": c.difference, "low": c.low, "high": c.high, "sd": c.sd, "p": c.p,
        "p_adjusted": c.p_adjusted, "p_equivalent": c.p_equivalent, "p_divergence": c.p_divergence,
        "correlation": c.correlation, "correction": c.correction,
        "verdict": c.verdict, "alpha": c.alpha, "look": c.look, "low_all": c.low_all,
        "high_all": c.high_all, "detectable": c.detectable, "seeds_needed": c.seeds_needed,
        "seeds_needed_low": c.needed.fewest if c.needed else None,
        "seeds_needed_high": c.needed.most if c.needed else None,
        "seeds_for_equivalence": c.equivalence.seeds if c.equivalence else None, "text_error": c.text_error,
        "tuning_error": c.tuning_error, "note": c.note or None,
    }  # fmt: skip


CONTRASTS = Table(
    "contrasts",
    "A row for each comparison of a variant with the baseline, or with another one that the study declares, at each "
    "setting and by each metric.",
    (
        *METRIC,
        *VARIANT,
        Column("against", "text", "Name of the variant that it is compared with: the baseline, or another."),
        *SETTING,
        Column("over_texts", "yes or no", "Whether it is about all texts together; then `text` is empty."),
        Column("unit", "text", "What is independent: `seed`, or `text` where each text gives one difference."),
        Column("pairs", "integer", "Seeds (or texts) on which both are done."),
        Column(
            "difference",
            "number",
            "Variant minus what it is compared with, the mean over the pairs, in the metric's unit.",
        ),
        Column("low", "number", "Lower end of its t-interval, at the level 1 - `alpha`."),
        Column("high", "number", "Upper end of it."),
        Column("sd", "number", "Standard deviation of the differences; empty below two."),
        *TESTED,
        Column("p_equivalent", "number", "That it is as large as the smallest effect, by two one-sided tests (Holm)."),
        Column("p_divergence", "number", "That one diverges more often (Fisher); empty where nothing diverged."),
        Column("correlation", "number", "Between variant and baseline over the seeds."),
        Column("verdict", "text", "`better`, `worse`, `equivalent`, `inconclusive` or `no verdict`."),
        Column("alpha", "number", "Level of the test: the study's, or the declared look's."),
        Column("look", "integer", "The look that was reached, from 1; empty before the first."),
        *TOGETHER,
        Column("detectable", "number", "The smallest true difference that these seeds find with 80 % power."),
        Column("seeds_needed", "integer", "Of an inconclusive one: seeds that would find the smallest effect."),
        Column("seeds_needed_low", "integer", "The fewest, by the 95 % interval of the spread."),
        Column("seeds_needed_high", "integer", "The most, likewise."),
        Column("seeds_for_equivalence", "integer", "Seeds that would show equivalence, were there no difference."),
        Column("text_error", "number", "Standard error that is due to the evaluated text; no interval has it."),
        Column(
            "tuning_error",
            "number",
            "Standard error that is due to one choice by trials for all runs; the intervals have it.",
        ),
        NOTE,
        RESULTS,
    ),
    _contrasts,
)


def _effects(results: Results, analysis: Analysis) -> Iterator[Row]:
    for cells, found in _by_metric(results, analysis):
        for e in found.effects:
            yield {
                **cells, "effect": e.name, "order": len(e.factors), "size": e.size, "text": e.text, "seeds": e.seeds,
                "estimate": e.estimate, "low": e.low, "high": e.high, "p": e.p, "p_adjusted": e.p_adjusted,
                "correction": e.correction, "alpha": e.alpha, "low_all": e.low_all, "high_all": e.high_all,
                "verdict": e.verdict, "depends_on": ", ".join(e.depends_on) or None, "note": _note(e.notes),
            }  # fmt: skip


EFFECTS = Table(
    "effects",
    "Of a grid: a row for each main effect and each interaction of two factors, at each setting and by each metric.",
    (
        *METRIC,
        Column("effect", "text", "`position=rope`, or `position=rope x norm=rms_norm`."),
        Column("order", "integer", "1 for a main effect, 2 for an interaction."),
        *SETTING,
        Column("seeds", "integer", "Seeds that all its cells have finished."),
        Column("estimate", "number", "In the metric's unit, from the factors' first levels."),
        Column("low", "number", "Lower end of its t-interval, at the level 1 - `alpha`."),
        Column("high", "number", "Upper end of it."),
        *TESTED,
        Column("alpha", "number", "Level of the test."),
        *TOGETHER,
        Column(
            "verdict",
            "text",
            "Of a main effect `better`, `worse`, `inconclusive` or `depends`; of an interaction "
            "`found` or `not found`.",
        ),
        Column("depends_on", "text", "Factors with which an interaction of this level was found."),
        NOTE,
        RESULTS,
    ),
    _effects,
)


def _ladder(results: Results, analysis: Analysis) -> Iterator[Row]:
    for cells, found in _by_metric(results, analysis):
        for one in found.ladder:
            read = {speed_up.size: speed_up for speed_up in one.speed_ups}
            for c, compute in zip(one.contrasts, one.compute, strict=True):
                yield {
                    **cells, "variant": one.variant, "factor": one.factor, "level": one.level, "text": one.text,
                    "size": c.size, "compute": compute, "difference": c.difference, "low": c.low, "high": c.high,
                    "verdict_at_size": c.verdict, **_speed_up(read.get(c.size or "")), **_over_sizes(one),
                }  # fmt: skip


def _speed_up(one: SpeedUp | None) -> Row:
    if one is None:
        return {}
    return {
        "speed_up": one.factor, "speed_up_low": one.low, "speed_up_high": one.high, "least": one.least,
        "most": one.most, "beyond": one.beyond,
    }  # fmt: skip


def _over_sizes(one: LadderFinding) -> Row:
    slope = one.slope
    of_slope: Row = {} if slope is None else {
        "slope": slope.estimate, "slope_low": slope.low, "slope_high": slope.high, "slope_p": slope.p,
        "slope_p_adjusted": slope.p_adjusted, "slope_units": slope.units, "slope_found": yes_or_no(one.steep),
    }  # fmt: skip
    return {
        **of_slope,
        "verdict": one.verdict,
        "direction": one.direction,
        "p_every": one.p_every,
        "note": _note(one.notes),
    }


LADDER = Table(
    "ladder",
    "Of a study with sizes: a row for each variant and size, by each metric; each has what is said over all sizes.",
    (
        *METRIC,
        *VARIANT,
        Column("text", "text", "The text that it is about; empty where there is one, or where it is about all."),
        Column("size", "text", "Label of the size, from small to large."),
        Column("compute", "number", "Training FLOPs of the baseline at this size."),
        Column("difference", "number", "Variant minus baseline at this size."),
        Column("low", "number", "Lower end of its t-interval."),
        Column("high", "number", "Upper end of it."),
        Column("verdict_at_size", "text", "The verdict of this size by itself."),
        Column(
            "speed_up",
            "number",
            "How many times less compute the variant needs for the same figure; empty at the "
            "smallest size, and beyond what can be read.",
        ),
        Column("speed_up_low", "number", "Lower end of its interval; empty if it goes on below `least`."),
        Column("speed_up_high", "number", "Upper end of it; empty if it goes on above `most`."),
        Column("least", "number", "The smallest speed-up that can be read at this size."),
        Column("most", "number", "The largest."),
        Column("beyond", "text", "`more` or `less` where the speed-up lies outside."),
        Column("slope", "number", "Change of the difference from one decade of training FLOPs to the next."),
        Column("slope_low", "number", "Lower end of its t-interval."),
        Column("slope_high", "number", "Upper end of it."),
        Column("slope_p", "number", "Of the t-test that it is zero."),
        Column("slope_p_adjusted", "number", "Corrected over the study's whole family of tests."),
        Column("slope_units", "integer", "Seeds (or texts) that are done at every size."),
        Column("slope_found", "yes or no", "Whether the study claims that the difference changes with size."),
        Column(
            "verdict",
            "text",
            "Over all sizes: `holds`, `fades`, `grows`, `reverses`, `equivalent`, `inconclusive` or `no verdict`.",
        ),
        Column("direction", "text", "`better` or `worse`, of what holds, fades or grows."),
        Column("p_every", "number", "That the difference is there at every size (Holm over the variants)."),
        NOTE,
        RESULTS,
    ),
    _ladder,
)

__all__ = ["CONTRASTS", "EFFECTS", "LADDER"]
