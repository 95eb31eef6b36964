"""What holds between the fields of a study, beyond their types. Every rule yields what breaks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from partwise.parts.part import Path
from partwise.recipe import Node, Problem
from partwise.studies.results import measured_by
from partwise.studies.validity import broken_looks
from partwise.wording import many

from .searches import broken_search
from .study import TO_A_TARGET, MetricChoice, Study, Tuning

FEWEST_FACTORS = 3
Broken = Iterator[tuple[str, Path]]
"""What is wrong, and where."""


def broken_rules(study: Study, node: Node) -> Iterator[Problem]:
    """Every rule that the study breaks, with its place in the file."""
    for rule in (
        _design,
        _metrics,
        _targets,
        _budget,
        _comparisons,
        _secondary,
        _names,
        _texts,
        _sizes,
        _factors,
        _seeds,
        _tuning,
        _looks,
        _foreign,
    ):
        for message, path in rule(study):
            yield Problem(message, node.reach(path)[0].head, path)


def _foreign(study: Study) -> Broken:
    if study.foreign is not None and study.design in ("grid", "fractional"):
        yield (
            f"runs that were trained elsewhere have no cell in the design {study.design}; compare them by "
            "one_at_a_time or list",
            ("foreign",),
        )


def _design(study: Study) -> Broken:
    if study.design == "list":
        if not study.variants:
            yield 'the design list runs the "variants" of the study, and there are none', ("design",)
        if study.factors:
            yield "the design list has no factors, but variants: name -> patch", ("factors",)
        return
    if study.variants:
        yield f"variants are for the design list; this is {study.design}", ("variants",)
    if not study.factors:
        yield "a study varies something: it needs factors (or variants, with the design list)", ("design",)


def _metrics(study: Study) -> Broken:
    for place, metric in study.metrics.items():
        if metric.name != "accuracy":
            continue
        for knob, given in (("smallest_effect", metric.smallest_effect), ("spread", metric.spread)):
            if given is not None and given >= 1:
                yield (
                    f"accuracy is a share of 1, so that {knob} is less than 1, got {given:g}; write 0.05 for 5 %",
                    (*place, knob),
                )


def _secondary(study: Study) -> Broken:
    """A figure that is measured twice would be tested twice."""
    seen = {measured_by(study.metric.asked()): "the primary metric"}
    for name, metric in study.secondary.items():
        place = ("secondary", name)
        if name == study.metric.name:
            yield f"{name!r} is the primary metric's name; call this one something else", place
        twin = seen.setdefault(measured_by(metric.asked()), repr(name))
        if twin != repr(name):
            yield f"this measures the same as {twin}; leave one out", place


def _sizes(study: Study) -> Broken:
    sizes = study.sizes
    if sizes is None:
        return
    if sizes.tokens_per_parameter is not None and sizes.flops is not None:
        yield "the steps follow from tokens_per_parameter or from flops, and not from both; leave one out", ("sizes",)
    if sizes.flops is not None and len(sizes.flops) != len(sizes.values):
        counts = f"{many(len(sizes.values), 'size')} and {many(len(sizes.flops), 'number')} of FLOPs"
        yield f"there are {counts}; give one for each size", ("sizes", "flops")
    if sizes.flops is not None and any(later <= sooner for sooner, later in pairwise(sizes.flops)):
        yield "sizes go from small to large, and so do their FLOPs", ("sizes", "flops")
    if sizes.rates is not None and study.tune is not None and sizes.rates.at in study.tune.by_path:
        told = f"tuning finds {sizes.rates.at} at every size, so that no rule is needed; leave out one of them"
        yield told, ("sizes", "rates")
    if sizes.tokens_per_parameter is None and sizes.flops is None:
        return
    if study.match is not None and study.match.quantity == "tokens":
        yield "the sizes say how many tokens are trained on, the same for all variants; leave this out", ("match",)


def _targets(study: Study) -> Broken:
    every: dict[Path, MetricChoice] = {("metric",): study.metric}
    every |= {("secondary", name): one for name, one in study.secondary.items()}
    for place, metric in every.items():
        written = metric.model_fields_set
        if metric.name not in TO_A_TARGET:
            for knob in {"target", "of"} & written:
                yield f"only {', '.join(TO_A_TARGET[:-1])} and {TO_A_TARGET[-1]} have a target", (*place, knob)
            continue
        if metric.target is None:
            yield f'{metric.name} needs a target: {{"name": "{metric.name}", "of": "loss", "target": 2.0}}', place
        if study.sizes is not None or study.texts:
            several = "sizes" if study.sizes is not None else "texts"
            yield f"{several} come to different figures, so that one target asks each another question", place
        for knob in {"context", "batches", "member"} & written:
            told = f"{metric.name} reads the evaluations made while training, so that {knob} has no meaning here"
            yield told, (*place, knob)
        if metric.split != "valid":
            yield (
                f"{metric.name} reads the evaluations made while training, which are on the valid split",
                (*place, "split"),
            )
        if metric.goal == "max":
            yield "to reach a target with less training is better", (*place, "goal")


def _comparisons(study: Study) -> Broken:
    written = study.model_fields_set
    if "resolution" in written and study.design != "fractional":
        yield f"the resolution is one of the design fractional; this is {study.design}", ("resolution",)
    if study.design == "fractional" and len(study.factors) < FEWEST_FACTORS:
        told = f"a fraction needs at least {FEWEST_FACTORS} factors, and there are {len(study.factors)}; take a grid"
        yield told, ("design",)
    if study.baselines is None:
        return
    if study.design in ("grid", "fractional"):
        yield f"a {study.design} design compares effects; further baselines are for the other designs", ("baselines",)
    if study.sizes is not None or study.texts:
        yield "further baselines are for studies of one size and one text", ("baselines",)
    if len(set(study.baselines)) < len(study.baselines) and study.baselines != "all":
        yield "each further baseline is named once", ("baselines",)


def _budget(study: Study) -> Broken:
    match = study.match
    if match is not None and match.quantity == "seconds" and not match.knob.startswith("trainer."):
        told = "wall time is matched by how long a variant is trained, trainer.steps; another model would be timed anew"
        yield told, ("match", "knob")


def _texts(study: Study) -> Broken:
    if len(study.texts) == 1:
        yield (
            'several texts are compared, and there is one: name a second ("NAME": {} is the base\'s own), or put what '
            "this one changes into the base recipe",
            ("texts",),
        )


def _names(study: Study) -> Broken:
    sections: dict[str, Iterable[str]] = {
        "factors": study.factors, "variants": study.variants, "secondary": study.secondary, "texts": study.texts,
    }  # fmt: skip
    for section, names in sections.items():
        if any(not name.strip() for name in names):
            yield "each of them needs a name, and there is one without", (section,)
    sizes = study.sizes.values if study.sizes is not None else ()
    if isinstance(sizes, dict) and any(not name.strip() for name in sizes):
        yield "each size needs a name, and there is one without", ("sizes", "values")
    if "base" in study.variants:
        yield '"base" is the name of the base variant; give this one another name', ("variants", "base")


def _factors(study: Study) -> Broken:
    for name, factor in study.factors.items():
        if study.design == "leave_one_out" and "off" not in factor.model_fields_set:
            yield 'leave_one_out needs "off": what stands here when the factor is left out', ("factors", name)
        elif study.design != "leave_one_out" and not factor.values:
            yield "this factor has no values", ("factors", name)


def _seeds(study: Study) -> Broken:
    seeds = study.every_seed
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        yield f"seed {twice[0]} stands twice; a run repeated with its seed is the same run", ("seeds",)
    shared = set(study.tune.seeds or ()) & set(seeds) if study.tune else set()
    if shared:
        yield f"seed {min(shared)} is one of the study's; tuning takes seeds of its own", ("tune", "seeds")


def _tuning(study: Study) -> Broken:
    tune = study.tune
    if tune is None:
        return
    alone, one = (tune.at is None, tune.values is None), ("tune",)
    if tune.knobs and not all(alone):
        yield 'this names one knob ("at", "values") and several ("knobs"); put all of them into "knobs"', one
    elif not tune.knobs and any(alone):
        yield 'tuning needs a knob: "at" and "values", or several as "knobs": {"trainer.optimizer.lr": [...]}', one
    else:
        yield from broken_search(tune, len(study.every_seed))
        yield from _halving(study, tune)


def _halving(study: Study, tune: Tuning) -> Broken:
    halving, place = tune.halving, ("tune", "halving")
    if halving is None:
        return
    if any(later <= sooner for sooner, later in pairwise(halving.rungs)):
        yield "rungs are shares of a training that rise: [0.1, 0.3]", (*place, "rungs")
    if study.metric.name in TO_A_TARGET:
        told = f"{study.metric.name} says nothing of trials that are stopped before they reach the target"
        yield f"{told}; leave halving out, or compare another metric", place
    if "trainer.steps" in tune.by_path:
        yield (
            "the updates of a trial are tuned, so that a share of them differs; leave halving out",
            place,
        )


def _looks(study: Study) -> Broken:
    looks = [(look.seeds, look.alpha) for look in study.looks]
    for message, place in broken_looks(looks, study.alpha, len(study.every_seed)):
        yield message, ("looks", *place)


__all__ = ["broken_rules"]
