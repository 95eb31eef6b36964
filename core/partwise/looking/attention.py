"""Where mixers look, and how far their gates are open: recorded by hooks in one pass without gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.data.batch import Batch
from partwise.errors import PartwiseError, WorkError
from partwise.modules.showing import Shown, Shows, ShowsGates

from .facts import Gates, Head, Map, Mixing, Side, Silent
from .modules import given, hooked, mixers_of
from .subject import Subject


@torch.no_grad()
def mixing(one: Subject, batch: Batch, parts: Mapping[str, Any]) -> Mixing:
    """Every map and every gate of one pass over a batch of one row."""
    recorder = _Recorder(batch, parts)
    showing = _showing(one.module)
    with hooked() as handles:
        for path, module in showing.items():
            handles.append(module.register_forward_hook(recorder.hook(path), with_kwargs=True))
        one.model(batch)
    silent = [
        Silent(path, type(module).__name__)
        for path, module in mixers_of(one.module).items()
        if not any(told == path or told.startswith(f"{path}.") for told in recorder.told)
    ]
    return Mixing(tuple(recorder.maps), tuple(recorder.gates), tuple(silent))


def _showing(model: nn.Module) -> dict[str, nn.Module]:
    """Path -> module that shows something, the outermost."""
    found: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        inside = any(path.startswith(f"{other}.") for other in found)
        if not inside and isinstance(module, Shows | ShowsGates):
            found[path] = cast(nn.Module, module)
    return found


class _Recorder:
    """Asks each module, right after it was called, what it shows for the same input."""

    def __init__(self, batch: Batch, parts: Mapping[str, Any]) -> None:
        self.batch, self.parts = batch, parts
        self.maps: list[Map] = []
        self.gates: list[Gates] = []
        self.told: set[str] = set()

    def hook(self, path: str) -> Any:
        def ask(module: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
            x, flow = given(args, keywords, 0, "x"), given(args, keywords, 1, "flow")
            rows: Side = "source" if flow.tokens is self.batch.source and flow.tokens is not None else "text"
            try:
                if isinstance(module, Shows):
                    self._show(path, module.shown(x, flow), rows)
                if isinstance(module, ShowsGates):
                    self._open(path, module.gates(x, flow), rows)
            except PartwiseError:
                raise
            except Exception as error:
                what = f"{path} ({type(module).__name__}) cannot show what it does: {type(error).__name__}: {error}"
                raise WorkError(what) from error

        return ask

    def _show(self, path: str, shown: Shown, rows: Side) -> None:
        part, site = self.parts.get(path, (None, None))
        crosses = getattr(site, "reads_memory", False)
        columns: Side = "source" if crosses else rows
        weights = shown.weights[0].float().cpu()
        ids = cast(Tensor, self.batch.source if columns == "source" else self.batch.tokens)[0].cpu()
        heads = tuple(_head(one, shown.adds_up, ids, crosses) for one in weights)
        self.maps.append(Map(path, part and part.name, rows, columns, shown.adds_up, weights, heads))
        self.told.add(path)

    def _open(self, path: str, gates: Mapping[str, Tensor], rows: Side) -> None:
        if not gates:
            return
        part, _ = self.parts.get(path, (None, None))
        opened = {name: gate[0].float().cpu() for name, gate in gates.items()}
        self.gates.append(Gates(path, part and part.name, rows, opened))
        self.told.add(path)


def _head(weights: Tensor, adds_up: bool, ids: Tensor, crosses: bool) -> Head:
    """Weights [T, S] of one head. Where they are no shares, each is taken by its size, as a share of its position's."""
    shares = weights.abs()
    shares = shares / shares.sum(-1, keepdim=True).clamp_min(torch.finfo(shares.dtype).tiny)
    T, S = shares.shape
    place = torch.arange(S)
    if crosses:
        return Head(_entropy(shares), None, None, _mean(shares[:, 0]), None)
    distance = ((torch.arange(T)[:, None] - place).abs() * shares).sum(-1)
    return Head(
        entropy=_entropy(shares),
        distance=_mean(distance),
        previous=_mean(shares.diagonal(-1)),
        first=_mean(shares[1:, 0]),
        induction=_induction(shares, ids),
    )


def _entropy(shares: Tensor) -> float | None:
    """As a share of the most that there could be, over the positions that see more than one."""
    seen = (shares > 0).sum(-1)
    entropy = -torch.special.xlogy(shares, shares).sum(-1)
    several = seen > 1
    return _mean(entropy[several] / seen[several].log())


def _induction(shares: Tensor, ids: Tensor) -> float | None:
    """The weight of what came after the last occurrence of the same token (Olsson et al. 2022, arXiv:2209.11895)."""
    last: dict[int, int] = {}
    found = []
    for t, token in enumerate(ids.tolist()):
        if token in last and last[token] + 1 < t:
            found.append(shares[t, last[token] + 1])
        last[token] = t
    return _mean(torch.stack(found)) if found else None


def _mean(x: Tensor) -> float | None:
    return float(x.mean()) if x.numel() else None
