"""What all optimizers share: groups of parameters with rates and decays, and when torch's fused kernels apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from torch import nn

from partwise import PartError
from partwise.modules import Scales, roles_of, scales_of, stacked_rows

_FUSED_ON = {"cpu", "cuda"}
_ALIKE = Scales()


class Settings(Protocol):
    """The knobs that groups are made by."""

    @property
    def lr(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def rates(self) -> Mapping[str, float]: ...

    @property
    def decays(self) -> Mapping[str, float]: ...


def parameter_groups(model: nn.Module, settings: Settings, eps: float | None = None) -> list[dict[str, Any]]:
    """The trained parameters in groups, each of which has one rate and one decay.

    Without rates or decays by role, and without a parametrisation, there are two: see `decay_groups`. Otherwise there
    is one for each role, which is its name; the first has the rate `lr`, if one has.

    Args:
        eps: the optimizer's, if it has one that a parametrisation may scale.

    Raises:
        PartError: the model has nothing to train, or no parameter of a role that the settings name.
    """
    roles, scales = roles_of(model), scales_of(model)
    _refuse_other_roles(settings, set(roles.values()))
    usual = decay_groups(model, settings.weight_decay)
    if not settings.rates and not settings.decays and all(one == _ALIKE for one in scales.values()):
        return usual
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        role, scale = roles[name], scales.get(name, _ALIKE)
        rate = settings.lr * settings.rates.get(role, 1.0) * scale.rate
        decay = settings.decays.get(role, settings.weight_decay if parameter.ndim >= 2 else 0.0) * scale.decay
        numbers = {"lr": rate, "weight_decay": decay} | ({} if eps is None else {"eps": eps * scale.eps})
        group = groups.setdefault((role, *numbers.values()), {"params": [], "name": role, **numbers})
        group["params"].append(parameter)
    return sorted(groups.values(), key=lambda group: group["lr"] != settings.lr)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trained parameters as two groups: matrices (embeddings among them), which decay, and vectors, which do not.

    Biases, norm gains and the like are few and set a scale or an offset; pulling them to zero only hurts.

    Raises:
        PartError: the model has nothing to train.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise PartError("this model has no parameters to train")
    matrices = [parameter for parameter in trained if parameter.ndim >= 2]
    vectors = [parameter for parameter in trained if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


class Rest(nn.Module):
    """A view of a model that has only some of its parameters, for an optimizer of these."""

    def __init__(self, model: nn.Module, names: Iterable[str]) -> None:
        super().__init__()
        self.__dict__.update(model=model, names=frozenset(names))  # no module in it: names of parameters stay

    @property
    def parametrisation(self) -> Any:
        return getattr(self.__dict__["model"], "parametrisation", None)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        for name, parameter in self.__dict__["model"].named_parameters(prefix, recurse, remove_duplicate):
            if name in self.__dict__["names"]:
                yield name, parameter

    def named_modules(self, *arguments: Any) -> Iterator[tuple[str, nn.Module]]:
        yield from self.__dict__["model"].named_modules(*arguments)


def matrix_groups(
    model: nn.Module, lr: float, weight_decay: float, like_adam: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Groups of the hidden matrices, those that are several layers in one by themselves; and the names of all other
    parameters that are trained.

    Args:
        like_adam: whether their updates are as large as Adam's, so that a parametrisation's rates hold for them.

    Raises:
        PartError: there are none.
    """
    roles, scales, stacked = roles_of(model), scales_of(model), stacked_rows(model)
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    others = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if roles[name] != "matrix" or parameter.ndim < 2:
            others.append(name)
            continue
        scale = scales.get(name, _ALIKE) if like_adam else _ALIKE
        rows = tuple(stacked.get(name, ())) or None
        numbers = {"lr": lr * scale.rate, "weight_decay": weight_decay * scale.decay}
        group = groups.setdefault((rows, *numbers.values()), {"params": [], "name": "matrix", "rows": rows, **numbers})
        group["params"].append(parameter)
    if not groups:
        raise PartError('muon is for hidden matrices, and this model has none that are trained; use "adamw"')
    return list(groups.values()), others


def refuse_shards(model: nn.Module, name: str) -> None:
    """
    Raises:
        PartError: each process holds a share of every weight only, and the optimizer `name` needs whole ones.
    """
    if any(hasattr(parameter, "full_tensor") for parameter in model.parameters()):
        raise PartError(f'{name!r} needs whole weights, and each process holds a share of them; use parallel "ddp"')


def refuse_parametrisation(model: nn.Module, name: str) -> None:
    """
    Raises:
        PartError: the model's parametrisation sets rates, and those are not for the optimizer `name`.
    """
    if any(scale.rate != 1.0 for scale in scales_of(model).values()):
        raise PartError(
            f"the rates of this model's parametrisation are for Adam, and for updates as large as Adam's, element by "
            f'element; {name!r} is not among these: use "adamw", or the parametrisation "standard"'
        )


def _refuse_other_roles(settings: Settings, roles: set[str]) -> None:
    for knob in ("rates", "decays"):
        for role in getattr(settings, knob):
            if role not in roles:
                raise PartError(
                    f"this model has no parameters of the role {role!r}; its roles are {', '.join(sorted(roles))}",
                    (knob,),
                )


def fused(parameters: Iterable[nn.Parameter]) -> bool | None:
    """Whether to ask for torch's fused update; None leaves the choice to torch.

    One pass over memory instead of one per operation: on a CPU 3 times as fast for Adam.
    """
    able = all(parameter.device.type in _FUSED_ON and parameter.is_floating_point() for parameter in parameters)
    return True if able else None
