"""What every position encoder must hold, in whichever of the three places it acts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from partwise import Part, PartError

from .checks_modules import close
from .probes import build, numbers, shaken

B, T = 2, 9
STEPS = torch.arange(T)


def check_it_acts_where_it_says(part: Any, site: Any) -> None:
    """`acts` is the truth, in both directions, and to act is to tell one position from another."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    embedded, angles, bias = module.embed(x, STEPS), module.angles(STEPS), module.bias(STEPS, STEPS)
    assert ("embed" in part.acts) == (not embedded.equal(x)), f"acts says {set(part.acts)}, of `embed` it is not true"
    assert ("rotate" in part.acts) == (angles is not None), f"acts says {set(part.acts)}, of `angles` it is not true"
    assert ("bias" in part.acts) == (bias is not None), f"acts says {set(part.acts)}, of `bias` it is not true"
    if "embed" in part.acts:
        assert _distinct((embedded - x)[0]), "it adds the same to every position"
    if "rotate" in part.acts:
        assert _distinct(module.rotate(heads[:1, :1, :1].expand(1, 1, T, -1), angles)[0, 0]), "it turns nothing"
    if "bias" in part.acts:
        assert bias.shape == (site.heads, T, T), f"bias has shape {tuple(bias.shape)}; it is [H, T, S]"
        assert bias.std() > 0, "it biases every pair alike"


def check_a_later_start_is_a_slice(part: Part, site: Any) -> None:
    """Positions from k on are treated as they are within the whole: what cached decoding relies on."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    for k in (1, 4, T - 1):
        close(module.embed(x[:, k:], STEPS[k:]), module.embed(x, STEPS)[:, k:], f"embedding from {k} on")
        late = _rotated(module, heads[:, :, k:], STEPS[k:])
        close(late, _rotated(module, heads, STEPS)[:, :, k:], f"rotation from {k} on")
        bias = module.bias(STEPS[k:], STEPS)
        if bias is not None:
            close(bias, module.bias(STEPS, STEPS)[:, k:], f"bias from {k} on")


def check_each_row_has_positions_of_its_own(part: Part, site: Any) -> None:
    """Positions [B, T] treat each row as positions [T] treat it: left padding and packed documents rely on it."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    positions = torch.stack((STEPS, STEPS.flip(0)))
    embedded, rotated = module.embed(x, positions), _rotated(module, heads, positions)
    for row in range(B):
        alone = slice(row, row + 1)
        close(embedded[alone], module.embed(x[alone], positions[row]), f"embedding of row {row}")
        close(rotated[alone], _rotated(module, heads[alone], positions[row]), f"rotation of row {row}")


def check_scores_see_distances_only(part: Part, site: Any) -> None:
    """Moving queries and keys together changes neither products nor bias."""
    module, queries, keys = shaken(part, site), _heads(site), _heads(site, seed=8)
    for shift in (1, 7, 100):
        if module.max_positions is not None and T + shift > module.max_positions:
            continue
        here, there = ((_rotated(module, queries, at) @ _rotated(module, keys, at).mT) for at in (STEPS, STEPS + shift))
        close(there, here, f"products of queries and keys, {shift} positions later", 1e-3, 1e-3)
        bias = module.bias(STEPS, STEPS)
        if bias is not None:
            close(module.bias(STEPS + shift, STEPS + shift), bias, f"bias {shift} positions later")


def check_rotation_keeps_lengths(part: Part, site: Any) -> None:
    """Turned vectors are as long at every position as at the first, and keep their dtype."""
    module = build(part, site)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        heads = _heads(site).to(dtype)
        rotated = _rotated(module, heads, STEPS)
        assert rotated.dtype == dtype, f"heads of {dtype} come back as {rotated.dtype}"
        first = _rotated(module, heads, torch.zeros_like(STEPS))
        close(rotated.float().norm(dim=-1), first.float().norm(dim=-1), f"lengths in {dtype}", 0.02, 1e-5)


def check_tables_stay_exact_in_half_precision(part: Part, site: Any) -> None:
    """Cast to bfloat16, it still tells far positions apart: angles are computed in float32 from float32 tables."""
    far = torch.tensor([0, 1, 255, 256, 257, 4095, 4096])
    exact, cast = build(part, site), build(part, site).bfloat16()
    angles = exact.angles(far)
    if angles is not None:
        for one, other in zip(angles, cast.angles(far), strict=True):
            assert one.dtype == other.dtype == torch.float32, f"angles are of {other.dtype}, they must be of float32"
            assert one.equal(other), "its tables are rounded by a cast to bfloat16"
    constants = dict(exact.named_buffers())
    for name, buffer in cast.named_buffers():
        assert buffer.equal(constants[name]), f"buffer {name} is rounded by a cast to bfloat16"


def check_there_is_no_end_or_it_is_declared(part: Part, site: Any) -> None:
    """It says how many positions it knows; up to there, or far out if there is no end, it gives finite numbers."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    last = 100 * site.context if module.max_positions is None else module.max_positions
    assert last >= site.context, f"it knows {last} positions, and the model is built for {site.context}"
    positions = torch.arange(last - T, last)
    results = [module.embed(x, positions), _rotated(module, heads, positions)]
    bias = module.bias(positions, positions)
    assert all(result.isfinite().all() for result in (*results, *(() if bias is None else (bias,)))), "not finite"


def check_an_odd_head_is_refused_or_served(part: Part, site: Any) -> None:
    """A head width that it cannot turn is a PartError when the model is built, not a failure in the first pass."""
    odd = replace(site, head_width=5)
    try:
        module = build(part, odd)
    except PartError:
        return
    heads = numbers(B, site.heads, T, 5)
    assert _rotated(module, heads, STEPS).shape == heads.shape


def _x(site: Any) -> Tensor:
    return numbers(B, T, site.width)


def _heads(site: Any, seed: int = 6) -> Tensor:
    return numbers(B, site.heads, T, site.head_width, seed=seed)


def _rotated(module: Any, heads: Tensor, positions: Tensor) -> Tensor:
    angles = module.angles(positions)
    return heads if angles is None else module.rotate(heads, angles)


def _distinct(rows: Tensor) -> bool:
    """Whether no two rows are alike."""
    gaps = torch.cdist(rows, rows) + 10 * torch.eye(len(rows))
    return bool(gaps.min() > 1e-6)
