"""Long texts and large batches: what shows only at a window's edge, after a thousand tokens, or far into a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from partwise.errors import PartError
from partwise.modules.flow import Flow
from partwise.parts.part import Part, parts_within
from partwise.testing.probes import VOCABULARY, flow_of, numbers, pointwise, shaken, tokens
from partwise.testing.registering import check
from partwise.testing.violation import close, close_at_positions, require, skip, violated

from .mixers import empty_state, memory_of, run
from .training import random_in_training, under

MOST = 1024
"""Largest knob that may say how long a text must be to show its edge."""
LONG = 160
"""Positions of a text in any case: beyond a piece of 64 or 128, in which fast forms compute."""
FAR = 8000


def edge_of(part: Part) -> int:
    """The largest whole number among the knobs of a part and the parts in it: perhaps a window, or a size of pieces."""
    held = [part, *(inner for _, inner in parts_within(part))]
    values = [getattr(one, knob) for one in held for knob in type(one).model_fields]
    return max((value for value in values if type(value) is int and 1 < value <= MOST), default=2)


def _modes(module: Any, call: Callable[[], Tensor]) -> list[bool]:
    """Evaluation; and training, unless chance would hide what is compared."""
    random = random_in_training(module.train(), call)
    return [False] if random else [False, True]


def _long_site(site: Any, length: int) -> Any:
    return replace(site, context=max(site.context, length))


@check("mixer", "block", per="place")
def a_long_text_is_treated_like_a_short_one(part: Part, site: Any) -> None:
    """Beyond every size among its knobs: a beginning is what it is in the whole, as are pieces and padded rows."""
    edge = edge_of(part)
    length = max(LONG, 2 * edge + 3)
    site = _long_site(site, length)
    module, x, memory = shaken(part, site), numbers(1, length, site.width), memory_of(site, 1)
    cuts = sorted({0, edge - 1, edge, edge + 1, edge + 2, length // 2, 2 * edge, length - 1, length})
    with torch.no_grad():
        whole = run(module, site, x)
        if site.causal or site.reads_memory:
            for end in cuts[1:-1]:
                begun = run(module, site, x[:, :end])
                close_at_positions(begun, whole[:, :end], f"a text of {end} positions, and the same within {length}")
            state = empty_state(part, module, site, 1, length)
            pieces = [module(x[:, s:e], flow_of(s, e, memory), state) for s, e in pairwise(cuts)]
            close_at_positions(torch.cat(pieces, 1), whole, f"{length} positions decoded in pieces cut at {cuts}")
        for start in (edge, edge + 1):
            kept = torch.arange(length) >= start
            padded = run(module, site, x, padding=kept[None])[:, start:]
            alone = run(module, site, x[:, start:])
            close_at_positions(padded, alone, f"{length - start} positions after {start} of padding, and without")
            packed = run(module, site, x, documents=kept[None].long())[:, start:]
            close_at_positions(packed, alone, f"{length - start} positions packed after {start} others, and alone")


@check("mixer", "block", per="place")
def in_a_long_text_no_gradient_reaches_the_future(part: Part, site: Any) -> None:
    """In training, beyond every size among its knobs, no output's gradient reaches a later token."""
    if not site.causal or site.reads_memory:
        skip("here a position may see what comes after it")
    edge = edge_of(part)
    length = max(LONG, 2 * edge + 3)
    site = _long_site(site, length)
    module, x = shaken(part, site).train(), numbers(1, length, site.width).requires_grad_()
    output = under(1, lambda: run(module, site, x))
    for i in sorted({edge - 1, edge, length // 2, length - 2}):
        (gradient,) = torch.autograd.grad(output[:, i].sum(), x, retain_graph=True)
        leak = float(gradient[:, i + 1 :].abs().max())
        require(leak == 0, f"in training the gradient of position {i}'s output reaches later tokens: {leak:.2g}")


@check("norm", "feedforward")
def each_of_a_thousand_positions_is_by_itself(part: Part, site: Any) -> None:
    """Among a thousand tokens an output depends on its own position only, in training and in evaluation."""
    module, x, ids = shaken(part, site), numbers(4, 256, site.width), tokens(4, 256, below=VOCABULARY)
    for mode in _modes(module, lambda: pointwise(module, x, ids)):
        with torch.no_grad():
            whole = pointwise(module.train(mode), x, ids)
            for row, t in [(index % 4, index * 8 + 7) for index in range(32)] + [(3, t) for t in range(192, 256, 2)]:
                here = (slice(row, row + 1), slice(t, t + 1))
                alone = pointwise(module, x[here], ids[here])
                what = f"row {row}'s position {t} by itself and among 1,024"
                close(alone, whole[here], f"{'in training' if mode else 'in evaluation'}, {what}")


@check("mixer", "block")
def a_large_batch_equals_its_rows(part: Part, site: Any) -> None:
    """In a batch of a thousand tokens the rows do not affect each other, in training and in evaluation."""
    length = min(site.context, 16)
    rows = 1024 // length
    module, x, memory = shaken(part, site), numbers(rows, length, site.width), memory_of(site, rows)
    for mode in _modes(module, lambda: run(module, site, x)):
        with torch.no_grad():
            whole = run(module.train(mode), site, x)
            for row in sorted({*range(0, rows, max(1, rows // 6)), *range(rows - 4, rows)}):
                one = slice(row, row + 1)
                alone = module(x[one], flow_of(0, length, None if memory is None else memory[one]))
                what = f"{'in training' if mode else 'in evaluation'}, row {row} alone and in a batch of {rows}"
                close_at_positions(alone, whole[one], what)


@check("norm", "feedforward")
def half_precision_holds_in_a_long_text(part: Part, site: Any) -> None:
    """In bfloat16 the last of 8,000 positions is what it is by itself, and as near to float32 as the first."""
    x, module = numbers(1, FAR, site.width).bfloat16(), shaken(part, site).bfloat16()
    ids = tokens(1, FAR, below=VOCABULARY)
    with torch.no_grad():
        whole, alone = pointwise(module, x, ids), pointwise(module, x[:, -8:], ids[:, -8:])
        close(whole[:, -8:].float(), alone.float(), f"the last of {FAR:,} positions in bfloat16, and alone", 0.02, 0.02)
        exact = pointwise(module.float(), x.float(), ids)
    require(whole.isfinite().all(), f"in bfloat16 the outputs of {FAR:,} positions are not finite")
    _as_near((whole.float() - exact), exact, "position")


@check("norm")
def its_statistics_are_exact_in_half_precision(part: Part, site: Any) -> None:
    """Mean and size are computed in float32 where its input is of half precision: no position is scaled off."""
    site = replace(site, width=1024)
    x, module = (3 * numbers(64, 1, site.width) + 24).bfloat16(), shaken(part, site).bfloat16()
    with torch.no_grad():
        half, exact = module(x).float(), module.float()(x.float())
    # The rounding of each feature averages out over 1024 of them; that of a mean or a length is common to all.
    scales = (half * exact).sum(-1) / exact.square().sum(-1).clamp_min(1e-12)
    offsets = (half - exact).mean(-1) / exact.square().mean(-1).sqrt().clamp_min(1e-12)
    for common, what in ((scales - scales.mean(), "scaled"), (offsets - offsets.mean(), "moved")):
        off = float(common.square().mean().sqrt())
        require(off < 7e-4, f"in bfloat16 a position is {what} by {off:.2g} as a whole: its statistics are rounded")


@check("position")
def half_precision_holds_at_far_positions(part: Part, site: Any) -> None:
    """In bfloat16, position 8,000 is told from its neighbours as in float32: only results are rounded."""
    site = replace(site, context=FAR + 8)
    try:
        module = shaken(part, site)
    except PartError as error:
        skip(f"it cannot be built for {FAR:,} positions: {error}")
    last = min(FAR + 8, module.max_positions or FAR + 8)
    steps, x = torch.arange(last - 8, last), numbers(1, 8, site.width).bfloat16()
    heads = numbers(1, site.heads, 8, site.head_width, seed=6).bfloat16()
    offsets = torch.cat((-steps, steps))

    def seen(dtype: torch.dtype) -> list[Tensor | None]:
        cast = module.to(dtype)
        angles = cast.angles(steps)
        rotated = None if angles is None else cast.rotate(heads.to(dtype), angles)
        return [cast.embed(x.to(dtype), steps), rotated, cast.bias_table(offsets)]

    with torch.no_grad():
        halves, exacts = seen(torch.bfloat16), None
        module = shaken(part, site).bfloat16()
        exacts = seen(torch.float32)
    for half, exact, what in zip(halves, exacts, ("embedding", "rotation", "bias"), strict=True):
        if half is not None and exact is not None:
            rounding = 0.02 * max(1.0, float(exact.abs().max()) if what == "bias" else 1.0)
            close(
                half.float(),
                exact,
                f"{what} at position {last - 8:,} and on, in bfloat16 and in float32",
                0.02,
                rounding,
            )


@check("mixer", "block", per="place")
def far_positions_hold_in_half_precision(part: Part, site: Any) -> None:
    """In bfloat16 it is as near to float32 at position 8,000, and after 1,000 tokens, as it is at the beginning."""
    if site.reads_memory:
        skip("over a memory it has no far positions")
    length, many = 8, 1088
    try:
        site = _long_site(site, FAR + length)
        module, memory = shaken(part, site).bfloat16(), memory_of(site, 1)
    except PartError as error:
        skip(f"it cannot be built for {FAR:,} positions: {error}")
    x = 2 * numbers(4, length, site.width).bfloat16()
    memories = None if memory is None else memory.bfloat16().expand(4, -1, -1)
    y = numbers(1, many, site.width).bfloat16()

    def results(dtype: torch.dtype) -> list[Tensor]:
        cast = module.to(dtype)
        given = None if memories is None else memories.to(dtype)
        flows = [Flow(torch.arange(start, start + length), memory=given) for start in (0, FAR)]
        text = run(cast, site, y.to(dtype), None if given is None else given[:1])
        return [*(cast(x.to(dtype), flow).float() for flow in flows), text[:, :64].float(), text[:, -64:].float()]

    with torch.no_grad():
        halves, exacts = results(torch.bfloat16), results(torch.float32)
    errors = [
        float((half - exact).square().mean().sqrt() / exact.square().mean().sqrt().clamp_min(1e-6))
        for half, exact in zip(halves, exacts, strict=True)
    ]
    compared = {f"at position {FAR:,}": errors[:2], f"after {many - 64:,} tokens": errors[2:]}
    for where, (near, far) in compared.items():
        off = f"{where} bfloat16 is off by {far:.2g} of the output, and by {near:.2g} at the beginning"
        require(far <= 4 * near + 0.01, off)


def _as_near(error: Tensor, exact: Tensor, what: str) -> None:
    """The last outputs are no further off than four times the first."""
    size = exact.square().mean().sqrt().clamp_min(1e-6)
    first, last = (float(part.square().mean().sqrt() / size) for part in (error[:, :64], error[:, -64:]))
    if last > 4 * first + 0.01:
        violated(
            f"in bfloat16 the last of {FAR:,} {what}s is off by {last:.2g} of the output, the first by {first:.2g}"
        )
