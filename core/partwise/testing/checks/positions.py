"""What every position encoder must do, in any of the three places where it can act."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from partwise.errors import PartError
from partwise.modules.flow import Flow
from partwise.modules.position import counts_places
from partwise.parts.part import Part
from partwise.testing.probes import build, flow_of, numbers, shaken, tokens
from partwise.testing.registering import check
from partwise.testing.violation import close, require, skip, violated

B, T = 2, 9
STEPS = torch.arange(T)
OFFSETS = torch.arange(1 - T, T)


@check("position")
def it_acts_where_it_says(part: Any, site: Any) -> None:
    """It acts where `acts` says and nowhere else, and where it acts, positions differ."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    embedded, angles, bias = module.embed(x, STEPS), module.angles(STEPS), module.bias_table(OFFSETS)
    require(
        ("embed" in part.acts) == (not embedded.equal(x)), f"acts says {set(part.acts)}, which is not true of `embed`"
    )
    require(
        ("rotate" in part.acts) == (angles is not None), f"acts says {set(part.acts)}, which is not true of `angles`"
    )
    require(
        ("bias" in part.acts) == (bias is not None), f"acts says {set(part.acts)}, which is not true of `bias_table`"
    )
    if "embed" in part.acts:
        require(_distinct((embedded - x)[0]), "it adds the same to every position")
    if "rotate" in part.acts:
        require(_distinct(module.rotate(heads[:1, :1, :1].expand(1, 1, T, -1), angles)[0, 0]), "it rotates nothing")
    if "bias" in part.acts:
        require(bias.shape == (site.heads, len(OFFSETS)), f"the bias has shape {tuple(bias.shape)}; it is [H, N]")
        require(bias.std() > 0, "it biases every offset alike")


@check("position")
def a_later_start_is_a_slice(part: Part, site: Any) -> None:
    """Positions from k on are treated as they are within the whole: cached decoding relies on this."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    for k in (1, 4, T - 1):
        close(module.embed(x[:, k:], STEPS[k:]), module.embed(x, STEPS)[:, k:], f"embedding from {k} on")
        late = _rotated(module, heads[:, :, k:], STEPS[k:])
        close(late, _rotated(module, heads, STEPS)[:, :, k:], f"rotation from {k} on")
        bias = module.bias_table(OFFSETS[k:])
        if bias is not None:
            close(bias, module.bias_table(OFFSETS)[:, k:], f"bias of the offsets from the {k}th on")


@check("position")
def each_row_has_positions_of_its_own(part: Part, site: Any) -> None:
    """Positions [B, T] treat each row as positions [T] treat it: left padding and packed documents rely on it."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    positions = torch.stack((STEPS, STEPS.flip(0)))
    embedded, rotated = module.embed(x, positions), _rotated(module, heads, positions)
    for row in range(B):
        alone = slice(row, row + 1)
        close(embedded[alone], module.embed(x[alone], positions[row]), f"embedding of row {row}")
        close(rotated[alone], _rotated(module, heads[alone], positions[row]), f"rotation of row {row}")


@check("position")
def scores_see_distances_only(part: Part, site: Any) -> None:
    """Products of queries and keys depend on their distance only. (A bias is given nothing but offsets.)"""
    module, queries, keys = shaken(part, site), _heads(site), _heads(site, seed=8)
    for shift in (1, 7, 100, 1000):  # at 1000 a position in half precision is another
        if module.max_positions is not None and T + shift > module.max_positions:
            continue
        here, there = ((_rotated(module, queries, at) @ _rotated(module, keys, at).mT) for at in (STEPS, STEPS + shift))
        close(there, here, f"products of queries and keys, {shift} positions later", 1e-3, 1e-3)


@check("position")
def rotation_keeps_lengths(part: Part, site: Any) -> None:
    """Rotated vectors are as long at every position as at the first, and keep their dtype."""
    module = build(part, site)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        heads = _heads(site).to(dtype)
        rotated = _rotated(module, heads, STEPS)
        require(rotated.dtype == dtype, f"heads of {dtype} come back as {rotated.dtype}")
        first = _rotated(module, heads, torch.zeros_like(STEPS))
        close(rotated.float().norm(dim=-1), first.float().norm(dim=-1), f"lengths in {dtype}", 0.02, 1e-5)


@check("position")
def tables_stay_exact_in_half_precision(part: Part, site: Any) -> None:
    """Cast to bfloat16, it still tells far positions apart: angles are computed in float32 from float32 tables."""
    far = torch.tensor([0, 1, 255, 256, 257, 4095, 4096])
    exact, cast = build(part, site), build(part, site).bfloat16()
    angles = exact.angles(far)
    if angles is not None:
        for one, other in zip(angles, cast.angles(far), strict=True):
            require(one.dtype == other.dtype == torch.float32, f"angles are of {other.dtype}, they must be of float32")
            require(one.equal(other), "its tables are rounded by a cast to bfloat16")
    constants = dict(exact.named_buffers())
    for name, buffer in cast.named_buffers():
        require(buffer.equal(constants[name]), f"buffer {name} is rounded by a cast to bfloat16")


@check("position")
def there_is_no_end_or_it_is_declared(part: Part, site: Any) -> None:
    """It says how many positions it knows; up to there, or far out if there is no end, it gives finite numbers."""
    module, x, heads = shaken(part, site), _x(site), _heads(site)
    last = 100 * site.context if module.max_positions is None else module.max_positions
    require(last >= site.context, f"it knows {last} positions, and the model is built for {site.context}")
    positions = torch.arange(last - T, last)
    results = [module.embed(x, positions), _rotated(module, heads, positions)]
    bias = module.bias_table(torch.cat((-positions, positions)))
    require(all(result.isfinite().all() for result in (*results, *(() if bias is None else (bias,)))), "not finite")


@check("position")
def beyond_its_end_it_raises(part: Part, site: Any) -> None:
    """If it has a last position, it raises an error for one beyond, rather than treating it as another."""
    module = shaken(part, site)
    if module.max_positions is None:
        skip("it has no last position")
    beyond = torch.arange(module.max_positions - 1, module.max_positions + 1)
    try:
        module.embed(_x(site)[:, :2], beyond)
        _rotated(module, _heads(site)[:, :, :2], beyond)
        module.bias_table(beyond)
    except Exception:
        return
    violated(f"it knows {module.max_positions} positions and raises nothing when it is asked for one beyond")


@check("position")
def an_odd_head_is_refused_or_served(part: Part, site: Any) -> None:
    """A head width that it cannot rotate is a PartError when the model is built, not a failure in the first pass."""
    odd = replace(site, head_width=5)
    try:
        module = build(part, odd)
    except PartError:
        return
    heads = numbers(B, site.heads, T, 5)
    try:
        rotated = _rotated(module, heads, STEPS)
    except (RuntimeError, IndexError, ValueError) as error:
        violated(f"an odd head width is accepted when it is built, and fails in the first pass: {error}")
    require(rotated.shape == heads.shape, f"heads of shape {tuple(heads.shape)} come back as {tuple(rotated.shape)}")


@check("position")
def what_it_counts_is_that_of_one_pass(part: Any, site: Any) -> None:
    """If it counts places by the tokens, it counts the same ones in pieces, with a state, as in one pass, and in a row
    of a batch, padded or not, as in the row by itself."""
    module, ids = _counting(part, site), tokens(B, T, below=site.vocabulary)
    whole = module.places(_flow(ids))
    integers = whole.shape == (B, T) and whole.dtype == torch.int64
    require(integers, f"its places are {tuple(whole.shape)} of {whole.dtype}; they are [B, T] of int64")
    for cuts in ((4,), tuple(range(1, T))):
        state, pieces = module.empty_state(B, numbers(1)), []
        for start, end in pairwise((0, *cuts, T)):
            pieces.append(module.places(_flow(ids, start=start, end=end), state))
        close(torch.cat(pieces, 1), whole, f"places counted in {len(pieces)} pieces, and in one pass")
    for row in range(B):
        close(module.places(_flow(ids[row : row + 1])), whole[row : row + 1], f"places of row {row}, alone")
    padding = torch.arange(T) >= torch.tensor([[3], [0]])
    state = module.empty_state(B, numbers(1))
    first, rest = (module.places(_flow(ids, padding=padding, start=a, end=b), state) for a, b in ((0, 5), (5, T)))
    alone = module.places(_flow(ids[:1, 3:]))
    close(torch.cat((first, rest), 1)[:1, 3:], alone, "places behind padding on the left, and alone")


@check("position")
def what_it_counts_ends_with_a_document(part: Any, site: Any) -> None:
    """If it counts places by the tokens, each packed document has the places that it has by itself."""
    module, ids = _counting(part, site), tokens(B, T, below=site.vocabulary)
    for end in range(1, T):
        packed = module.places(_flow(ids, documents=(torch.arange(T) >= end).long().expand(B, T)))
        apart = [module.places(_flow(piece)) for piece in (ids[:, :end], ids[:, end:])]
        close(packed, torch.cat(apart, 1), f"places where a document ends after {end}, and of each by itself")


@check("position")
def what_it_counts_is_not_of_the_future(part: Any, site: Any) -> None:
    """If it counts places by the tokens, a model that looks back only learns nothing from them of later tokens."""
    module, ids = _counting(part, site), tokens(B, T, below=site.vocabulary)
    if not site.causal:
        skip("here everything may be seen")
    before = module.places(_flow(ids))
    for changed in range(1, T):
        for token in range(site.vocabulary):
            others = ids.clone()
            others[:, changed] = token
            after = module.places(_flow(others))[:, :changed]
            require(after.equal(before[:, :changed]), f"token {changed} changes the places of tokens before it")


def _counting(part: Part, site: Any) -> Any:
    """Its module, if it counts places; otherwise the check is skipped."""
    module = build(part, site)
    if not counts_places(module):
        skip("it takes the positions of the text")
    return module


def _flow(ids: Tensor, padding: Any = None, documents: Any = None, start: int = 0, end: int | None = None) -> Flow:
    """The tokens `start` to `end` of ids [B, T]."""
    end = ids.shape[1] if end is None else end
    return replace(flow_of(start, end, padding=padding, documents=documents), tokens=ids[:, start:end])


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
