"""Which parameters of a model learn: adapters beside its layers, and the modules that a recipe names.

A name is matched against the paths that `partwise inspect` shows. It holds wherever its segments stand in a row in a
path, each of which may have wildcards: "mixer", "blocks.0", "blocks.*.mixer.output", "*norm*", "bias". What a recipe
calls `model.blocks` may be written so, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from partwise.errors import PartError
from partwise.modules.adapting import AdaptedLinear, adapt, adapted_in
from partwise.parts.adapter import AdapterPart
from partwise.parts.sites import AdapterSite
from partwise.recipe.suggestions import did_you_mean, nearest, short_list

from .build import NothingToFill, seed_for


def matches(name: str, path: str) -> bool:
    """Whether a name that a recipe gives holds for a path."""
    wanted, steps = name.removeprefix("model.").split("."), path.split(".")
    if wanted == ["model"]:
        return True
    windows = range(len(steps) - len(wanted) + 1)
    return any(all(map(fnmatchcase, steps[at : at + len(wanted)], wanted)) for at in windows)


def put_adapters(model: nn.Module, part: AdapterPart, seed: int | None, within: nn.Module | None = None) -> None:
    """Puts the adapters of a recipe beside the layers of a model, which may be without memory.

    Args:
        seed: of their first weights; None leaves them as they are, for those that are loaded next.
        within: beside the layers of this submodule alone that have none yet.

    Raises:
        PartError: a target is no linear layer, or one that cannot be adapted.
    """
    layers = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    chosen: dict[str, nn.Linear] = {}
    for index, name in enumerate(part.targets):
        found = {path: layer for path, layer in layers.items() if matches(name, path)}
        if not found:
            raise PartError(_no_such(name, layers, "linear layer"), ("targets", index))
        for path, layer in found.items():
            if within is not None and isinstance(layer, AdaptedLinear):
                continue
            if type(layer).forward is not nn.Linear.forward:
                raise PartError(
                    f"{path} is a {type(layer).__name__}, which is called otherwise than a linear layer, so that "
                    f"nothing can learn beside it; name the layers without it (linear layers: {_listed(layers)})",
                    ("targets", index),
                )
        chosen |= {path: layer for path, layer in found.items() if not isinstance(layer, AdaptedLinear)}
    here = set((model if within is None else within).modules())
    for path, layer in chosen.items():
        if layer in here:
            adapt(layer, _adapter(part, path, layer, seed))


def _adapter(part: AdapterPart, path: str, layer: nn.Linear, seed: int | None) -> nn.Module:
    weight = layer.weight
    site = AdapterSite(layer.in_features, tuple(getattr(layer, "stacked", (layer.out_features,))))
    with torch.device("meta"), NothingToFill():
        adapter = part.assemble(site)
    assert isinstance(adapter, nn.Module), "its kind builds modules"
    if weight.is_meta:
        return adapter
    adapter.to_empty(device="cpu")
    if seed is not None:
        with torch.random.fork_rng([]), torch.no_grad():
            for inner, module in adapter.named_modules():
                torch.default_generator.manual_seed(seed_for(seed, path, "adapter", inner))
                if callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
    return adapter.to(weight.device).train(layer.training)


def choose_trained(model: nn.Module, names: Sequence[str] | None) -> None:
    """Makes only these parameters learn, besides adapters; without names, the adapters alone or, if there are none,
    everything. What learns in no case (a constant that a module keeps as a parameter) stays so.

    Raises:
        PartError: a name is of nothing in the model, or of nothing that could learn.
    """
    parameters = dict(model.named_parameters())
    learning = {
        f"{path}.adapter.{name}" for path, one in adapted_in(model) for name, _ in one.adapter.named_parameters()
    }
    if names is None and not learning:
        return
    for index, name in enumerate(names or ()):
        found = {path for path in parameters if matches(name, path)}
        if not found:
            modules = [path for path, _ in model.named_modules() if path and matches(name, path)]
            raise PartError(
                f"{modules[0]} has no weights of its own, so that nothing of it can learn"
                if modules
                else _no_such(name, _names(model), "module or parameter"),
                (index,),
            )
        learning |= found
    for path, parameter in parameters.items():
        if path not in learning:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise PartError("nothing of the model would learn: what is named here are constants")


def _no_such(name: str, known: Iterable[str], what: str) -> str:
    general = list(dict.fromkeys(_general(path) for path in known))
    steps = [step for path in general for step in path.split(".") if step != "*"]
    meant = did_you_mean(name, dict.fromkeys([*steps, *general]))
    return f"the model has no {what} {name!r}{meant}; it has {short_list(nearest(name, general))}"


def _listed(layers: Iterable[str]) -> str:
    return short_list(dict.fromkeys(map(_general, layers)))


def _general(path: str) -> str:
    """A path, with * for numbers: that of all layers that are alike."""
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", path)


def _names(model: nn.Module) -> list[str]:
    modules = [path for path, module in model.named_modules() if path and any(True for _ in module.parameters())]
    return [*modules, *(path for path, _ in model.named_parameters())]


__all__ = ["choose_trained", "matches", "put_adapters"]
