"""Every knob does something: with another value, the part builds something that behaves otherwise.

What a part does is *observed*: the state dict and outputs of a module (in training mode under one seed, so that
dropout counts), the texts of a data set, the factors of a schedule, the text a sampler writes, and so on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import torch
from pydantic import ValidationError
from torch import nn

from partwise import InputError, Part, PartError
from partwise.assembly import materialise
from partwise.recipe.knobs import members, shape_of
from partwise.sites import OptimizerSite, ScheduleSite

from . import catalogue, checks_samplers, checks_text, checks_training
from .checks_parts import default_of
from .probes import MODULES, build, probe


def check_knob(part: type[Part], knob: str) -> None:
    """Some other value of the knob, in some example, makes a difference that can be seen."""
    tried = 0
    for one, other in pairs(part, knob):
        seen = observe(one), observe(other)
        shared = seen[0].keys() & seen[1].keys()
        tried += bool(shared)
        if any(not _alike(seen[0][place], seen[1][place]) for place in shared):
            return
    assert tried, f"no example can be built with another value of {knob}"
    raise AssertionError(f"{knob} changes nothing that can be seen")


def pairs(part: type[Part], knob: str) -> Iterator[tuple[Part, Part]]:
    """Examples, each beside itself with another value of the knob: its default, another example's, or twice as much."""
    examples = catalogue.examples(part)
    values = [getattr(example, knob) for example in examples]
    if not part.model_fields[knob].is_required():
        values.append(default_of(part, knob))
    values += [2 * value for value in values if type(value) is int]
    values += [option for member in members(shape_of(part.model_fields[knob])) for option in _options(member)]
    for example in reversed(examples):  # the first is often the largest
        mine = getattr(example, knob)
        for value in values:
            if type(value) is type(mine) and value == mine:
                continue
            knobs = {field: getattr(example, field) for field in part.model_fields}
            try:
                yield example, part.model_validate({**knobs, knob: value})
            except ValidationError:
                continue


def _options(member: Any) -> tuple[Any, ...]:
    """What a knob may be that is one of a few words."""
    return get_args(member) if get_origin(member) is Literal else ()


def observe(part: Part) -> dict[str, Any]:
    """What the part does at each place where it fits."""
    kind = catalogue.family(part)
    if kind not in OBSERVERS:
        raise AssertionError(f"nothing here knows how to observe a {kind}: add it to OBSERVERS")
    seen = {}
    for place, site in catalogue.SITES.get(kind, {"anywhere": None}).items():
        try:
            seen[place] = OBSERVERS[kind](part, site)
        except PartError:
            continue
    return seen


def _module(part: Part, site: Any) -> Any:
    module, call = build(part, site, seed=5).train(), probe(part, site, length=9)
    torch.manual_seed(6)
    weights = {name: one.clone() for name, one in module.state_dict().items()}
    return {**weights, "output": call(module).detach(), "context": getattr(module, "context", None)}


def _group(part: Any, site: Any) -> Any:
    """What a group of layers stands for; a group builds nothing itself."""
    return [layer.model_dump() for layer in part.unrolled()]


def _block(part: Any, site: Any) -> Any:
    return _module(part, site) if part.unrolled() == (part,) else _group(part, site)


def _scaling(part: Part, site: Any) -> Any:
    return part.assemble(site)(1.0 / 100 ** torch.linspace(0, 1, 16))


def _initializer(part: Part, site: Any) -> Any:
    network = nn.Sequential(nn.Linear(5, 7), nn.Embedding(6, 5), nn.Linear(7, 5))
    network[2].ends_residual_branch = True
    network.initializer = part.assemble(site)
    return materialise(network, 4).state_dict()


def _tokenizer(part: Any, site: Any) -> Any:
    tokenizer = checks_text.tokenizer_of(part)
    texts = [tokenizer.encode(text) for text in (*checks_text.TEXTS, *checks_text.CORPUS)]
    return tokenizer.to_json(), texts, part.planned_vocabulary()


def _data(part: Part, site: Any) -> Any:
    try:
        data = checks_text.data_of(part)
        splits = [list(data.examples(split)) for split in checks_text.SPLITS]
    except PartError:
        raise
    except InputError as error:  # to read otherwise, and fail, is a difference
        return str(error)
    return [(len(split), split[:300]) for split in splits]


def _schedule(part: Part, site: ScheduleSite) -> Any:
    schedule: Any = part.assemble(site)
    return [schedule(step) for step in range(site.steps)]


def _optimizer(part: Part, site: Any) -> Any:
    network = checks_training._network()
    checks_training._steps(network, part.assemble(OptimizerSite(network)), 5)
    return {name: one.clone() for name, one in network.state_dict().items()}


def _sampler(part: Part, site: None) -> Any:
    return [
        checks_samplers.written(part, checks_samplers.table(seed, end=0.0), [*range(1, 7)] * 3, 8, seed)
        for seed in range(6)
    ]


def _trainer(part: Part, site: None) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        run, reports, kept = checks_training.trained(part, Path(directory))
        return [len(reports), kept, run.rows(), checks_training.weights(run)]


OBSERVERS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(MODULES, _module),
    "block": _block,
    "rope_scaling": _scaling,
    "initializer": _initializer,
    "tokenizer": _tokenizer,
    "data": _data,
    "schedule": _schedule,
    "optimizer": _optimizer,
    "sampler": _sampler,
    "trainer": _trainer,
}


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
