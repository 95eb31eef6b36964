"""Tasks of EleutherAI's lm-evaluation-harness (Gao et al. 2021, doi:10.5281/zenodo.5371628)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lm_eval.evaluator import evaluate

from partwise import PartError, PartwiseError, WorkError
from partwise.evaluation import Figure, Goal, Reader

from .harness_model import HarnessModel, asked
from .harness_tasks import Loaded, load_task, quietly, reason

SEED = 1234
"""Of the examples that are drawn for prompts; the harness's own default."""
DRAWS = 1000
"""For standard errors that have no formula."""


@dataclass(frozen=True)
class HarnessTask:
    """The figures that the harness gives for a task, by their metrics' names."""

    name: str
    loaded: Loaded
    metrics: Mapping[str, str]
    """The harness's own key of each figure, such as "acc,none"."""
    limit: int | None

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        for task in self.loaded["tasks"].values():
            task.set_fewshot_seed(SEED)  # as if it were asked for the first time
        try:
            with quietly():
                found = evaluate(
                    HarnessModel(reader), self.loaded, limit=self.limit, bootstrap_iters=DRAWS, log_samples=False
                )
        except PartwiseError:
            raise
        except (Exception, SystemExit) as error:  # functions of the task are anybody's code
            raise WorkError(f"lm-evaluation-harness fails at task {self.name!r}: {reason(error)}") from error
        figures = found["results"].get(self.name, {})
        count = sum(one["effective"] for one in found["n-samples"].values())
        return {name: _figure(figures, key, count) for name, key in self.metrics.items()}


def _figure(figures: Mapping[str, Any], key: str, count: int) -> Figure:
    if key not in figures:
        raise WorkError(f"lm-evaluation-harness gives no {key} here; it gives {', '.join(figures)}")
    metric, _, made = key.partition(",")
    error = figures.get(f"{metric}_stderr,{made}")
    return Figure(float(figures[key]), count, float(error) if isinstance(error, int | float) else None)


def prepared(
    name: str,
    loaded: Loaded,
    goals: Mapping[str, Goal],
    num_fewshot: int | None,
    limit: int | None,
) -> HarnessTask:
    """A task that is ready to be measured.

    Args:
        goals: the figures that are wanted, and whether less or more of each is better.

    Raises:
        PartError: the task has no such figure, or another goal for it; it cannot be measured here.
    """
    with quietly():
        for one, task in loaded["tasks"].items():
            _refuse(one, task)
            _set_shots(one, task, num_fewshot)
        given = dict(_given(name, loaded))
    if not given:
        raise PartError(
            f"{name!r} has no figures of its own: it stands for {', '.join(loaded['tasks'])}; name one of these, or "
            "give the group an aggregate_metric_list",
            ("task",),
        )
    return HarnessTask(name, loaded, {metric: _key(name, metric, goals[metric], given) for metric in goals}, limit)


def _refuse(name: str, task: Any) -> None:
    """
    Raises:
        PartError: the task cannot be measured here.
    """
    if getattr(task, "UNSAFE_CODE", False):
        raise PartError(f"task {name!r} runs code that the model writes, which is not done here", ("task",))
    if getattr(task, "MULTIMODAL", False):
        raise PartError(f"task {name!r} shows more than text", ("task",))
    try:
        if task.get_config("output_type") == "generate_until":
            asked(task.get_config("generation_kwargs") or {})
    except ValueError as error:
        raise PartError(f"task {name!r} cannot be measured: {error}", ("task",)) from None
    scored = getattr(task, "_metric_fn_list", {})
    missing = [metric for metric, call in scored.items() if call is None and task.get_config("process_results") is None]
    if missing:
        raise PartError(f"task {name!r} is scored by {missing[0]}, which the harness would have to download", ("task",))


def _set_shots(name: str, task: Any, num_fewshot: int | None) -> None:
    own = task.get_config("num_fewshot")
    if num_fewshot is None:
        task.set_config(key="num_fewshot", value=own or 0)
    elif own == 0 != num_fewshot:
        raise PartError(f"task {name!r} fixes num_fewshot at 0; leave it out", ("num_fewshot",))
    else:
        task.set_config(key="num_fewshot", value=num_fewshot)


def _given(name: str, loaded: Loaded) -> Iterator[tuple[str, bool]]:
    """The keys of a task's figures, such as "acc,none", and whether more is better."""
    group = loaded.get("groups", {}).get(name)
    wanted = None if group is None else {one.metric: one.filter_list for one in group.aggregate_metric_list or ()}
    for task in loaded["tasks"].values():
        if group is None and task.task_name != name:
            continue
        higher = task.higher_is_better()
        for metric in task.aggregation():
            for made in [one.name for one in getattr(task, "_filters", ())] or ["none"]:
                if wanted is None or (metric in wanted and made in (wanted[metric] or [made])):
                    yield f"{metric},{made}", bool(higher.get(metric, True))


def _key(name: str, metric: str, goal: Goal, given: Mapping[str, bool]) -> str:
    """The harness's key of a metric: "acc" is the only one that begins so, "exact_match.strict" one of several.

    Raises:
        PartError: there is none, or several; or its goal is the other.
    """
    keys = [key for key in given if metric in (key.partition(",")[0], key.replace(",", "."))]
    if len(keys) != 1:
        raise PartError(_no_metric(name, metric, list(given), len(keys)), ("metrics",))
    if given[keys[0]] != (goal == "max"):
        less = "not less" if goal == "min" else "less"
        how = "leave it out of" if goal == "min" else "add it to"
        raise PartError(
            f"task {name!r} says that of {metric} {less} is better; {how} 'lower_is_better'", ("lower_is_better",)
        )
    return keys[0]


def _no_metric(name: str, metric: str, given: Sequence[str], several: int) -> str:
    plain = [key.partition(",")[0] for key in given]
    names = [one if plain.count(one) == 1 else key.replace(",", ".") for one, key in zip(plain, given, strict=True)]
    if several:
        return f"task {name!r} gives {metric} after several filters; name one: {', '.join(names)}"
    close = get_close_matches(metric, names, n=1)
    guess = f", did you mean {close[0]!r}?" if close else ";"
    return f"task {name!r} gives no {metric!r}{guess} it gives {', '.join(names)}"


__all__ = ["HarnessTask", "load_task", "prepared"]
