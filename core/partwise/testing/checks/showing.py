"""What a mixer shows of itself, for those that take part (`partwise.modules.Shows` and `ShowsGates`).

B rows, T positions, H heads, S positions that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from partwise.modules.flow import Flow
from partwise.modules.showing import Shown, Shows, ShowsGates
from partwise.parts.part import Part
from partwise.testing.probes import MEMORY, flow_of, numbers, shaken
from partwise.testing.registering import check
from partwise.testing.violation import close, close_at_positions, require, skip, smallest

from .mixers import HUGE, B, T, memory_of, only_if_causal

Given = tuple[Tensor, Flow]


@check("mixer")
def what_it_shows_is_what_it_computes(part: Part, site: Any) -> None:
    """Weights times values, finished, is the module's own output, with padding and documents, too."""
    module = _showing(part, site)

    def attempt(rows: int, length: int) -> None:
        for what, (x, flow) in _cases(site, rows, length):
            shown = module.shown(x, flow)
            _has_shapes(shown, x, site)
            expected, kept = module(x, flow), flow.present
            made = shown.finish(shown.weights @ shown.values)
            if kept is not None:
                made, expected = (torch.where(kept[..., None], one, 0.0) for one in (made, expected))
            close_at_positions(made, expected, f"weights times values and the output, {what}")

    smallest(attempt, B, T)


@check("mixer")
def weights_that_add_up_are_shares(part: Part, site: Any) -> None:
    """Where it says so, weights are at least 0, and those of a position are 1 in sum."""
    module = _showing(part, site)
    for what, (x, flow) in _cases(site, B, T):
        shown = module.shown(x, flow)
        if not shown.adds_up:
            skip("it does not say that its weights add up")
        weights = shown.weights.detach()
        require(weights.min() >= 0, f"{what}, a weight is {float(weights.min()):.2g}")
        sums = weights.sum(-1)
        if flow.present is not None:
            sums = torch.where(flow.present[:, None], sums, 1.0)
        close(sums, torch.ones_like(sums), f"{what}, the sum of a position's weights and 1")


@check("mixer")
def the_future_has_no_weight(part: Part, site: Any) -> None:
    """In a decoder, the weights and gates of a position are those of what it sees."""
    only_if_causal(site)
    module = shaken(part, site)
    x, flow = numbers(B, T, site.width), flow_of(0, T, memory_of(site))
    if isinstance(module, Shows):
        ahead = module.shown(x, flow).weights.detach().triu(1).abs().max()
        require(ahead == 0, f"a position has a weight of {float(ahead):.2g} for one that comes after it")
    gates = module.gates(x, flow) if isinstance(module, ShowsGates) else {}
    if not isinstance(module, Shows) and not gates:
        skip("it shows nothing of itself")
    other = x.clone()
    other[:, -1] += HUGE
    for name, gate in gates.items():
        changed = module.gates(other, flow)[name]
        what = f"the gate {name!r} before and after the last token changed"
        close_at_positions(changed[:, :-1], gate[:, :-1], what)


@check("mixer")
def gates_are_between_closed_and_open(part: Part, site: Any) -> None:
    """Gates are [B, T, features], from 0 to 1."""
    module = shaken(part, site)
    gates = _gates(module, numbers(B, T, site.width), flow_of(0, T, memory_of(site)))
    for name, gate in gates.items():
        fits = gate.ndim == 3 and gate.shape[:2] == (B, T)
        require(fits, f"the gate {name!r} is to be [B, T, features], and is {tuple(gate.shape)}")
        low, high = float(gate.detach().min()), float(gate.detach().max())
        require(low >= 0 and high <= 1, f"the gate {name!r} goes from {low:.3g} to {high:.3g}")


@check("mixer")
def looking_changes_nothing(part: Part, site: Any) -> None:
    """Shown a second time it is the same, also in training, and what the module computes afterwards is what it was."""
    module = shaken(part, site)
    x, flow = numbers(B, T, site.width), flow_of(0, T, memory_of(site))
    before = module(x, flow)
    looks: list[Callable[[], Mapping[str, Tensor]]] = []
    if isinstance(module, Shows):
        looks.append(lambda: {"weights": module.shown(x, flow).weights})
    if isinstance(module, ShowsGates):
        looks.append(lambda: module.gates(x, flow))
    if not looks:
        skip("it shows nothing of itself")
    for look in looks:
        first = look()
        module.train()
        again = look()
        module.eval()
        for name in first:
            require(torch.equal(first[name], again[name]), f"looked at twice, its {name!r} differ")
    require(torch.equal(module(x, flow), before), "once it was looked at, it computes something else")


def _showing(part: Part, site: Any) -> Any:
    module = shaken(part, site)
    if not isinstance(module, Shows):
        skip("it shows no weights; a method `shown(x, flow)` would (partwise.modules.Shows)")
    return module


def _gates(module: Any, x: Tensor, flow: Flow) -> Mapping[str, Tensor]:
    gates: Mapping[str, Tensor] = module.gates(x, flow) if isinstance(module, ShowsGates) else {}
    return gates or skip("it shows no gates; a method `gates(x, flow)` would (partwise.modules.ShowsGates)")


def _cases(site: Any, rows: int, length: int) -> list[tuple[str, Given]]:
    x, memory = numbers(rows, length, site.width), memory_of(site, rows)
    padding = torch.arange(length) >= torch.arange(rows)[:, None].clamp(max=length - 1)
    cases = [
        ("without padding", (x, flow_of(0, length, memory))),
        ("with padding", (x, flow_of(0, length, memory, padding))),
    ]
    if not site.reads_memory:
        documents = (torch.arange(length) >= length // 2).long().expand(rows, -1)
        cases.append(("with documents", (x, flow_of(0, length, memory, documents=documents))))
    else:
        unread = torch.arange(MEMORY) < MEMORY - torch.arange(rows)[:, None].clamp(max=MEMORY - 1)
        cases.append(("with padding in the memory", (x, flow_of(0, length, memory, memory_padding=unread))))
    return cases


def _has_shapes(shown: Shown, x: Tensor, site: Any) -> None:
    rows, length, looked_at = len(x), x.shape[1], MEMORY if site.reads_memory else x.shape[1]
    found, values = tuple(shown.weights.shape), tuple(shown.values.shape)
    fits = shown.weights.ndim == 4 and (found[0], *found[2:]) == (rows, length, looked_at)
    require(fits, f"weights are to be [B, H, T, S], here [{rows}, H, {length}, {looked_at}], and are {list(found)}")
    require(values[:3] == (found[0], found[1], found[3]), f"beside weights {list(found)}, values are {list(values)}")
