"""What was measured: runs, variants, trials and curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from statistics import mean

from partwise.studies.analysis import Analysis
from partwise.studies.analysis.summaries import summaries, tuning
from partwise.studies.results import Results

from .columns import (
    METRIC,
    OF_VARIANT,
    RESULTS,
    SETTING,
    Column,
    Row,
    Table,
    cell,
    levels_of,
    of_metric,
    of_variant,
    yes_or_no,
)

VARIANT = Column("variant", "text", "Name of the variant: `base`, `position=rope`.")
LEVELS = Column("factor.*", "text", "By factor: the variant's level.")
STATE = "`done`, `diverged`, `failed` or `waiting`."


def _runs(results: Results, _: Analysis) -> Iterator[Row]:
    facts = {variant.key: variant for variant in results.variants}
    for run in results.outcomes:
        variant = facts[run.key]
        yield {
            "study": results.study, "variant": run.variant, **levels_of(variant), "size": run.size, "text": run.text,
            "seed": run.seed, "state": run.state, "metric": results.metric.label, "value": run.metric,
            **{f"secondary.{name}": figure.value for name, figure in run.secondary.items()},
            "source": variant.source, "seconds": run.seconds, "attempts": run.attempts, **of_variant(variant),
            **{f"tuned.{path}": cell(of) for path, of in run.tuned.items()},
            "identity": run.identity, "error": run.error, "directory": run.directory,
        }  # fmt: skip


RUNS = Table(
    "runs",
    "A row for each run.",
    (
        Column("study", "text", "Name of the study."),
        VARIANT,
        LEVELS,
        *SETTING,
        Column("seed", "integer", "Seed of the run."),
        Column("state", "text", STATE),
        METRIC[0],
        Column(
            "value",
            "number",
            "The primary metric after training; empty unless done, and where a target was never reached.",
        ),
        Column("secondary.*", "number", "By secondary metric: what the run came to."),
        Column("source", "text", "The file that put the run in, if it was trained elsewhere."),
        Column("seconds", "number", "Wall time."),
        Column("attempts", "integer", "How often it was tried."),
        *OF_VARIANT,
        Column("identity", "text", "Hash of what was trained; equal for identical runs."),
        Column("error", "text", "Why it failed or diverged, in one line."),
        Column("directory", "text", "Where it was trained, from the study's directory."),
        RESULTS,
    ),
    _runs,
)


def _variants(results: Results, _: Analysis) -> Iterator[Row]:
    for name in (None, *results.secondary):
        for setting in results.settings:
            part = results.at(*setting, name)
            for variant, found in zip(part.variants, summaries(part), strict=True):
                seconds = [run.seconds for run in part.of(variant.name) if run.state == "done" and run.seconds]
                counts = asdict(found)
                choices = counts.pop("choices")
                yield {
                    **counts, "agree": None if choices is None else choices[0],
                    **of_metric(part.metric, name), **levels_of(variant),
                    "baseline": yes_or_no(variant.name == results.baseline),
                    "seconds": mean(seconds) if seconds else None, "floor": variant.floor, **of_variant(variant),
                }  # fmt: skip


VARIANTS = Table(
    "variants",
    "A row for each variant, setting and metric: what its runs came to by themselves.",
    (
        *METRIC,
        VARIANT,
        Column("baseline", "yes or no", "Whether it is what the others are compared with."),
        LEVELS,
        *SETTING,
        Column("planned", "integer", "Runs that the study has."),
        Column("done", "integer", "Runs that are done."),
        Column("never", "integer", "Of these, runs that never reached the metric's target; they are in no mean."),
        Column("diverged", "integer", "Runs that came to no finite figure."),
        Column("failed", "integer", "Runs that broke."),
        Column("waiting", "integer", "Runs that are still to come."),
        Column("mean", "number", "Of the runs that are done."),
        Column("sd", "number", "Their sample standard deviation; empty below two."),
        Column("seconds", "number", "Wall time of a run that is done, on average."),
        Column("agree", "integer", "Runs that have the tuned values below, where each seed has a choice of its own."),
        Column("floor", "number", "What a model reaches that knows only how frequent each token is."),
        *OF_VARIANT,
        RESULTS,
    ),
    _variants,
)


def _trials(results: Results, _: Analysis) -> Iterator[Row]:
    chosen: set[object] = {
        (one.variant, one.size, one.text, None, repr(one.values)) for one in tuning(results) if one.chosen
    }
    chosen |= {(*run.key, run.seed, repr(run.tuned)) for run in results.outcomes if run.tuned}
    for one in results.trials:
        yield {
            "variant": one.variant, "size": one.size, "text": one.text,
            **{f"knob.{path}": cell(of) for path, of in one.values.items()},
            "seed": one.seed, "chooses": one.chooses, "state": one.state, "value": one.metric,
            "rungs": cell([list(rung) for rung in one.rungs] if one.rungs else None),
            "seconds": one.seconds, "training_flops": one.training_flops,
            "chosen": yes_or_no((*one.key, one.chooses, repr(one.values)) in chosen),
        }  # fmt: skip


TRIALS = Table(
    "trials",
    "A row for each run of tuning. None of them is compared.",
    (
        VARIANT,
        *SETTING,
        Column("knob.*", "text", "By knob that is tuned: the value that was tried."),
        Column("seed", "integer", "Seed of the trial."),
        Column("chooses", "integer", "Seed of the run that it chooses for; empty: it is for all runs of the variant."),
        Column("state", "text", f"{STATE} Or `stopped`: behind its rivals at a rung."),
        Column("value", "number", "The primary metric, on the valid split; empty unless done."),
        Column("rungs", "text", "As JSON: updates and the primary metric at each rung of a halving that it came to."),
        Column("seconds", "number", "Wall time."),
        Column("training_flops", "number", "FLOPs of the whole trial, of one that was stopped up to there."),
        Column("chosen", "yes or no", "Whether these values were chosen: for that run, or for all."),
        RESULTS,
    ),
    _trials,
)


def _curves(results: Results, _: Analysis) -> Iterator[Row]:
    for run in results.outcomes:
        for step, value in run.curve:
            yield {
                "variant": run.variant, "size": run.size, "text": run.text, "seed": run.seed, "step": step,
                "value": value,
            }  # fmt: skip


CURVES = Table(
    "curves",
    "A row for each evaluation during training.",
    (
        VARIANT,
        *SETTING,
        Column("seed", "integer", "Seed of the run."),
        Column("step", "integer", "Updates made by then."),
        Column("value", "number", "The primary metric there, as the recipe evaluates it."),
        RESULTS,
    ),
    _curves,
)

__all__ = ["CURVES", "RUNS", "TRIALS", "VARIANTS"]
