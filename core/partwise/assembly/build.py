"""From a model part to a network: built on the meta device, given memory, then filled with first weights.

There is one path for everything, from a laptop to `inspect` of a model that fits on no machine: `skeleton`
builds on the meta device, where tensors have a shape and no content; `materialise` gives them memory on a
device and calls every module's `reset_parameters()`, PyTorch's own convention, children before parents.
(`make_room` draws no weights that saved ones replace.)

Each module's weights are drawn from a random state seeded by (seed, path of the module). So modules that two
variants of a recipe share begin with the same weights, which is what pairs the seeds of a study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from partwise.errors import BuildError, PartError, WorkError
from partwise.machine import free_memory
from partwise.modules.filling import filled_by_others
from partwise.modules.parametrisation import Parametrisation, Scales, scales_of
from partwise.modules.protocols import Model
from partwise.parts.kinds import ModelPart
from partwise.parts.objective_site import ObjectiveSite
from partwise.parts.sites import ModelSite, ObjectiveFacts
from partwise.wording import size_in_words


def skeleton(part: ModelPart, site: ModelSite) -> Model:
    """The network on the meta device: every shape, no content, next to no memory.

    Raises:
        PartError: some part does not fit its place (`path` begins at the model), or a module could not be filled.
    """
    with torch.device("meta"), NothingToFill():
        built = part.assemble(site)
        if isinstance(part, ModelPart) and site.objective is not None:
            _give_objective(built, site.objective, part, site)
    if isinstance(built, nn.Module):
        others_fill = filled_by_others(built)
        for path, module in built.named_modules():
            if module not in others_fill:
                _refuse_unfillable(path, module)
    elif isinstance(part, ModelPart):
        raise PartError(f"model {part.name!r} builds a {type(built).__name__}, and a model is a torch.nn.Module")
    return built


def _give_objective(model: Any, objective: ObjectiveFacts, part: ModelPart, site: ModelSite) -> None:
    """Gives a model the recipe's objective, as the child `objective`: what it learns is kept with the model.

    Raises:
        PartError: the objective does not suit the model; its path leads out of the model, to the recipe's objective.
    """
    try:
        if not callable(getattr(model, "hidden", None)):
            raise PartError(
                f"the model {part.name!r} does not offer what an objective reads; it needs a method hidden(batch), "
                "which gives the vectors before its head"
            )
        if part.reads not in objective.reads:
            raise PartError(
                f"the objective {objective.name!r} is for a model that reads {_FORMS[objective.reads]}, and "
                f"{part.name!r} reads {_FORMS[frozenset({part.reads})]}"
            )
        if objective.around and not getattr(model, "reads_around", False):
            raise PartError(
                f"the objective {objective.name!r} predicts a word from the words around it, which the model "
                f"{part.name!r} does not read; use the model 'word_vectors', or the objective 'masked'"
            )
        count = len(objective.reserves())
        said: Parametrisation = getattr(model, "parametrisation", None) or Parametrisation()
        model.objective = objective.assemble(
            ObjectiveSite(
                width=model.width,
                context=model.context,
                depth=_layers(model),
                vocabulary=site.vocabulary,
                reserved=tuple(range(site.vocabulary - count, site.vocabulary)),
                score_factor=said.scores,
                branch_factor=said.branch,
                counts=site.counts,
            )
        )
    except (PartError, BuildError) as error:
        error.path = ("..", "objective", *(error.path or ()))
        raise


_FORMS = {
    frozenset({"sequence"}): "running sequences",
    frozenset({"pair"}): "pairs of source and target",
    frozenset({"sequence", "pair"}): "sequences or pairs",
}


def _layers(model: nn.Module) -> int:
    """The modules that stand in lists, which is how layers are kept."""
    return max(1, sum(len(child) for child in model.modules() if isinstance(child, nn.ModuleList)))


@contextmanager
def countable() -> Iterator[None]:
    """
    Raises:
        PartError: in place of PyTorch's own errors for a tensor of more bytes than 64 bits count.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        if "overflow" not in str(error).lower():
            raise
        raise PartError(
            "a tensor here would have more bytes than 64 bits can count; make the model smaller (width, context ...)"
        ) from error


class NothingToFill(TorchFunctionMode):
    """Skips filling tensors on the meta device, which have no content.

    PyTorch would run each fill through its decompositions in Python, the first of which imports 800 modules
    (its compiler and SymPy): about as long as importing PyTorch itself.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _FILLS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        if func is torch.eye and kwargs and kwargs.get("out") is not None and kwargs["out"].is_meta:  # nn.init.eye_
            return kwargs["out"]
        with countable():
            return func(*args, **(kwargs or {}))


_FILLS = {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_}
_FILLS |= {nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.xavier_normal_, nn.init.xavier_uniform_}


def materialise(model: Model, seed: int, device: torch.device | str = "cpu") -> Model:
    """Gives a skeleton memory on `device` and its first weights; changes and returns `model`.

    They are drawn on the CPU and then moved: one seed gives the same weights on every device, and to processes
    that share a model.

    Raises:
        WorkError: the device has too little memory, or a module has parameters and no `reset_parameters()`.
    """
    return _filled(model, seed, torch.device(device), lambda path: True)


def make_room(model: Model, seed: int, device: torch.device | str = "cpu") -> Model:
    """`materialise` for a model whose weights are loaded next: they are not drawn first, which takes a while.

    What is not saved with a model (a table that is computed) is filled as `materialise` fills it; the rest is left
    uninitialised.

    Raises:
        WorkError: the device has too little memory.
    """
    return _filled(model, seed, torch.device(device), _holding_unsaved(cast(nn.Module, model)))


def materialise_within(model: Model, within: nn.Module, seed: int, drawn: bool = True) -> nn.Module:
    """`materialise`, or `make_room` unless weights are `drawn`, for a submodule of a skeleton at a time, on the CPU.

    What has memory already is left as it is. So a model that fits into no memory can be filled and given away piece by
    piece, and has the weights that it would have as a whole. `materialise_within(model, model)` fills what remains.

    Returns:
        The submodule that was filled; one around it, if that draws the weights of all that is in it at once.
    """
    module = cast(nn.Module, model)
    owners = (one for one in module.modules() if getattr(one, "fills_all_within", False))
    whole = next((one for one in owners if any(inner is within for inner in one.modules())), within)
    empty = {one for one in whole.modules() if any(tensor.is_meta for tensor in _tensors(one))}
    saved_too = (lambda path: True) if drawn else _holding_unsaved(module)
    _give_memory(empty)
    _fill(module, seed, lambda path, child: child in empty and saved_too(path))
    return whole


def _holding_unsaved(module: nn.Module) -> Callable[[str], bool]:
    """Whether the module at a path holds what is not saved with a model."""
    tensors = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    saved = module.state_dict().keys()
    unsaved = [name for name, _ in tensors if name not in saved]
    return lambda path: any(name.startswith(f"{path}." if path else "") for name in unsaved)


def _filled(model: Model, seed: int, device: torch.device, wanted: Callable[[str], bool]) -> Model:
    """Gives a skeleton memory; the modules whose paths are `wanted` fill theirs."""
    module = cast(nn.Module, model)
    refuse_if_too_large(model, device)
    _give_memory(module.modules())
    _fill(module, seed, lambda path, child: wanted(path))
    module.to(device)
    return model


def _fill(module: nn.Module, seed: int, wanted: Callable[[str, nn.Module], bool]) -> None:
    """Has the modules that are wanted, those in `module` and itself, fill their tensors."""
    initializer = getattr(module, "initializer", None)  # a lone block, in a test, has none
    scales = scales_of(module)
    with torch.random.fork_rng([]), torch.no_grad():
        others_fill = filled_by_others(module)
        for path, child in _children_first(module):
            if child in others_fill or not wanted(path, child):
                continue
            torch.default_generator.manual_seed(seed_for(seed, path))
            _reset(path, child)
            if initializer is not None:
                initializer(child)
                _scale(child, scales.get(f"{path}.weight" if path else "weight"))


def assemble(part: ModelPart, site: ModelSite, seed: int, device: torch.device | str = "cpu") -> Model:
    """The network with its first weights: `skeleton`, then `materialise`."""
    return materialise(skeleton(part, site), seed, device)


def seed_for(seed: int, *path: str | int) -> int:
    """A seed of its own for each (seed, path): 63 bits of a hash, so that no two are related."""
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _give_memory(modules: Iterable[nn.Module]) -> None:
    """Replaces the own tensors of these modules that have none by empty ones on the CPU; modules that share a tensor
    still share it. (Not `to_empty`, which would unshare them, and whose `empty_like` of a meta tensor also imports
    PyTorch's compiler.)"""
    given: dict[int, Tensor] = {}
    for module in modules:
        for name, one in module._parameters.items():
            if one is not None and one.is_meta:
                empty = torch.empty(one.shape, dtype=one.dtype, device="cpu")
                module._parameters[name] = given.setdefault(id(one), nn.Parameter(empty, one.requires_grad))  # type: ignore[assignment]
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta:
                empty = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")
                module._buffers[name] = given.setdefault(id(buffer), empty)


def _children_first(
    module: nn.Module, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, nn.Module]]:
    seen = set() if seen is None else seen
    if id(module) in seen:
        return
    seen.add(id(module))
    for name, child in module.named_children():
        yield from _children_first(child, f"{prefix}.{name}" if prefix else name, seen)
    yield prefix, module


def _reset(path: str, module: nn.Module) -> None:
    _refuse_unfillable(path, module)
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()


def _refuse_unfillable(path: str, module: nn.Module) -> None:
    if any(True for _ in _own_tensors(module)) and not callable(getattr(module, "reset_parameters", None)):
        raise PartError(
            f"module {f'{path} ' if path else ''}({type(module).__name__}) has parameters or buffers of its own but no "
            "reset_parameters() to fill them; give it one, as every module of PyTorch has"
        )


def _scale(module: nn.Module, scale: Scales | None) -> None:
    """Multiplies what the initializer has drawn by what the model's parametrisation says."""
    if scale is not None and scale.weights != 1.0 and isinstance(module, nn.Linear | nn.Embedding):
        module.weight.mul_(scale.weights)


def _own_tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def refuse_if_too_large(model: Model, device: torch.device, share: float = 1.0) -> None:
    """Checks that the device has enough free memory for the model's weights, as far as that is known.

    Args:
        share: of the weights that come to lie there.

    Raises:
        WorkError: the device has too little memory for the model's weights.
    """
    needed = int(share * sum(tensor.numel() * tensor.element_size() for tensor in _tensors(cast(nn.Module, model))))
    free = free_memory(device)
    if free is not None and needed > free:
        whose = "this model's weights need" if share == 1 else f"the {share:.0%} of this model's weights here need"
        raise WorkError(
            f"{whose} {size_in_words(needed)} and {device.type} has {size_in_words(free)} free; "
            "make it smaller (width, depth), or look at it with `partwise inspect`, which needs no memory for weights"
        )
