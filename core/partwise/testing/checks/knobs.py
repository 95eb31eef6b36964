"""Every knob does something, and settings that mean the same do the same.

What a part does is *observed*: the state dict and outputs of a module (in training mode under one seed, so that
dropout counts), the texts of a data set, the factors of a schedule, the text a sampler writes, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from partwise.assembly.build import materialise
from partwise.data.mixed import members_of
from partwise.errors import InputError, PartError
from partwise.parts.part import Part
from partwise.parts.shapes import choices, shape_of
from partwise.parts.sites import OptimizerSite, ScheduleSite
from partwise.testing import cases
from partwise.testing.probes import Probe, build, drawn, in_one, loss_of, probe, seed_torch, terms_of, weighted
from partwise.testing.registering import EVERY, check
from partwise.testing.violation import close, require, skip, violated

from . import adapters, data, evaluations, optimizers, samplers, tokenizers, trainers
from .parts import default_of


@check(EVERY, per="knob", slow=True)
def every_knob_makes_a_difference(part: type[Part], knob: str) -> None:
    """For each knob there is an example in which another value makes a difference that can be seen."""
    tried = []
    for one, other in pairs(part, knob):
        seen, shared = _observed(part, cases.examples(part).index(one), drawn(0)), False
        for place, theirs in observing(other):
            if place in seen and not _alike(seen[place], theirs):
                return
            shared |= place in seen
        tried += [(one, other)] * shared
    if not tried and not any(True for _ in pairs(part, knob)):
        violated(f"every example has the same {knob}, and it has no default: give two examples that differ in {knob}")
    require(tried, f"no example can be built with another value of {knob}")
    if all(_alike(_beneath(one), _beneath(other)) for one, other in tried):
        violated(f"{knob} changes nothing that can be seen")


@check(EVERY, per="part")
def equal_settings_do_the_same(part: type[Part]) -> None:
    """Settings that the part declares equal (its `equals`) do the same, up to rounding."""
    declared = list(part.equals())
    if not declared:
        skip("it declares no settings that mean the same")
    for one, other in declared:
        ones, others = observe(one, training=False), observe(other, training=False)
        places = ones.keys() & others.keys()
        require(places, f"{one!r} and {other!r} fit no site together")
        for place in sorted(places):
            what = f"{_differing(one, other)}, which should mean the same, at {place}"
            _nearly(ones[place], others[place], what)


def _differing(one: Part, other: Part) -> str:
    """`kv_heads=None and kv_heads=4`."""
    knobs = [knob for knob in type(one).model_fields if getattr(one, knob) != getattr(other, knob)]
    return " and ".join(", ".join(f"{knob}={getattr(part, knob)!r}" for knob in knobs) for part in (one, other))


def pairs(part: type[Part], knob: str) -> Iterator[tuple[Part, Part]]:
    """Examples, each beside itself with another value of the knob: its default, another example's, or twice as much."""
    examples = cases.examples(part)
    values = [getattr(example, knob) for example in examples]
    if not part.model_fields[knob].is_required():
        values.append(default_of(part, knob))
    values += [2 * value for value in values if type(value) in (int, float)]
    values += [not value for value in values if type(value) is bool]
    values += [option for _, option in choices(shape_of(part.model_fields[knob]))]
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


@lru_cache(maxsize=64)
def _observed(part: type[Part], example: int, seed: int) -> dict[str, Any]:
    """What an example does, kept: it is compared with itself at another value of each knob."""
    return observe(cases.examples(part)[example])


def observe(part: Part, training: bool = True) -> dict[str, Any]:
    """What the part does at each place where it fits; in training, dropout counts."""
    return dict(observing(part, training))


def observing(part: Part, training: bool = True) -> Iterator[tuple[str, Any]]:
    """The same, place by place: who finds a difference at the first needs no others."""
    observer: Callable[[Any, Any, bool], Any] = _OBSERVERS.get(cases.family(part), _built)
    if cases.stands_for_others(part):
        observer = _group
    for place, site in part.sites().items():
        try:
            seen = observer(part, site, training)
        except PartError:
            continue
        yield place, seen


def _built(part: Part, site: Any, training: bool) -> Any:
    """Whatever it builds: a module, or something to be called with the kind's `inputs`."""
    if cases.builds_module(type(part)):
        return _module(part, site, training)
    inputs = part.inputs(site, 3, 9)
    if inputs is None:
        skip(f"what a {cases.family(part)} does cannot be observed: its kind has no `inputs`")
    return in_one(part.assemble(site)(*inputs))


def _module(part: Part, site: Any, training: bool) -> Any:
    module, call = build(part, site, seed=5).train(training), probe(part, site, length=9)
    seed_torch(drawn(6))
    weights = {name: one.clone() for name, one in module.state_dict().items()}
    return {**weights, "output": call(module).detach(), "context": getattr(module, "context", None)}


def _beneath(part: Part) -> dict[str, Any]:
    """What a module does besides giving its output in training: its loss and terms, its gradients, and evaluation."""
    seen: dict[str, Any] = {}
    if not cases.builds_module(type(part)) or cases.stands_for_others(part):
        return seen
    for place, site in part.sites().items():
        try:
            module, call = build(part, site, seed=5), probe(part, site, length=9).of(lambda x: x.requires_grad_())
        except PartError:
            continue
        with torch.no_grad():
            seen[f"{place}, evaluated"] = call(module)
        for name, total in (("output", weighted), ("loss", loss_of), ("terms", terms_of)):
            seed_torch(drawn(6))
            figure = total(module.train(), call)
            if figure is not None:
                seen[f"{place}, {name}"] = figure.detach()
                seen[f"{place}, gradients of {name}"] = _gradients(module, call, figure)
        seen[f"{place}, after an update"] = _updated(module)
    return seen


def _updated(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module after those in it that are told of updates have been told of one."""
    for one in module.modules():
        told = getattr(one, "after_update", None)
        if callable(told):
            told(lambda tensor: tensor)
    return dict(module.state_dict())


def _gradients(module: nn.Module, call: Probe, figure: Tensor) -> list[Tensor | None]:
    tensors = [one for one in (*call.inputs, *module.parameters()) if one.requires_grad]
    return list(torch.autograd.grad(figure, tensors, allow_unused=True)) if figure.requires_grad and tensors else []


def _group(part: Any, site: Any, training: bool) -> Any:
    """What a group of layers stands for; a group builds nothing itself."""
    return [layer.model_dump() for layer in part.unrolled()]


def _initializer(part: Part, site: Any, training: bool) -> Any:
    network: Any = nn.Sequential(nn.Linear(5, 7), nn.Embedding(6, 5), nn.Linear(7, 5))
    network[2].ends_residual_branch = True
    network.initializer = part.assemble(site)
    materialise(network, drawn(4))
    return network.state_dict()


def _tokenizer(part: Any, site: Any, training: bool) -> Any:
    tokenizer = tokenizers.tokenizer_of(part)
    texts = [tokenizer.encode(text) for text in (*tokenizers.TEXTS, *tokenizers.CORPUS)]
    return tokenizer.to_json(), texts, part.planned_vocabulary()


def _data(part: Part, site: Any, training: bool) -> Any:
    built, splits = data.data_of(part), list[list[Any]]()
    try:
        splits = [list(built.examples(split)) for split in data.SPLITS]
    except PartError:
        raise
    except InputError as error:  # to fail where it did not is a difference
        splits = [[str(error)]]
    if hasattr(built, "ids"):
        splits += [data.first(built, split) for split in data.SPLITS]
    weights = {name: member.weight for name, member in members_of(built).items()}
    return [*((len(split), split[:300]) for split in splits), weights]


def _schedule(part: Part, site: ScheduleSite, training: bool) -> Any:
    schedule: Any = part.assemble(site)
    return [schedule(step) for step in range(site.steps)]


def _optimizer(part: Part, site: Any, training: bool) -> Any:
    network = optimizers._network()
    optimizer: Any = part.assemble(OptimizerSite(network))
    for batch in range(8):  # on one batch alone the signs of the gradients stay the same, and some look at no more
        optimizer.zero_grad()
        optimizers._loss(network, seed=batch).backward()
        optimizer.step()
    return {name: one.clone() for name, one in network.state_dict().items()}


def _sampler(part: Part, site: None, training: bool) -> Any:
    # Many models that end their texts soon: a length penalty changes what one in three of them writes.
    models = [(seed, samplers.table(seed, end=1.0)) for seed in range(24)]
    return [samplers.written(part, logits, [*range(1, 7)] * 3, 8, seed) for seed, logits in models]


def _trainer(part: Part, site: None, training: bool) -> Any:
    with trainers.folder() as directory:
        run, reports, kept = trainers.trained(part, directory, dropout=0.1 * training)
        files = sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
        return {"rows": [len(reports), kept, files, run.rows()], "weights": trainers.weights(run)}


_OBSERVERS: dict[str, Callable[[Any, Any, bool], Any]] = {
    "initializer": _initializer,
    "parametrisation": lambda part, site, training: part.assemble(site),
    "tokenizer": _tokenizer,
    "data": _data,
    "evaluation": lambda part, site, training: evaluations.observed(part),
    "adapter": lambda part, site, training: _module(part, site, training) | adapters.observed(part),
    "schedule": _schedule,
    "optimizer": _optimizer,
    "sampler": _sampler,
    "trainer": _trainer,
}


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def _nearly(one: Any, other: Any, what: str) -> None:
    """Outputs and weights are equal up to rounding; other figures that a trainer reports may differ."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        close(one.double(), other.double(), what, 1e-4, 1e-5)
    elif isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() & other.keys()) - {"rows"}):
            _nearly(one[key], other[key], f"{what}: {key}")
    else:
        require(_alike(one, other), f"{what}: they differ")
