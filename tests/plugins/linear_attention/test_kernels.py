"""Kernels of fla-core in place of our chunks: how they are called, anywhere; what they give, where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import util
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from partwise import InputError, PartError
from partwise.modules import causal_flow
from partwise.parts import LayerSite
from partwise_linear_attention import kernels
from partwise_linear_attention.chunks import Chunks
from partwise_linear_attention.delta import DeltaRule, unit
from partwise_linear_attention.fading import FadingByFeature, FadingByHead
from partwise_linear_attention.kernels import ByKernel, Kernel, by_kernel
from partwise_linear_attention.memory import Rule
from partwise_linear_attention.parts import DeltaNet, GatedDeltaNet, GatedLinearAttention, Retention
from partwise_linear_attention.parts.backend import WithKernels

B, H, T, K, V = 3, 2, 70, 5, 4
PARTS: list[type[WithKernels]] = [GatedLinearAttention, Retention, DeltaNet, GatedDeltaNet]
RULES: dict[str, tuple[Kernel, Rule]] = {
    "gated_linear_attention": (kernels.GATED_LINEAR_ATTENTION, FadingByFeature()),
    "retention": (kernels.RETENTION, FadingByHead()),
    "delta_net": (kernels.DELTA, DeltaRule()),
    "gated_delta_net": (kernels.GATED_DELTA, DeltaRule()),
}


def stand_in(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    scale: float,
    initial_state: Tensor,
    output_final_state: bool,
    cu_seqlens: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """What fla-core documents of its functions: [B, T, H, features], or sequences behind each other in one row."""
    assert output_final_state
    rows = list(range(len(q)))
    borders = [(row, 0, q.shape[1]) for row in rows]
    if cu_seqlens is not None:
        assert rows == [0], "with borders there is one row"
        ends = cu_seqlens.tolist()
        borders = [(0, start, end) for start, end in pairwise(ends)]
    assert len(initial_state) == len(borders)
    o, last = torch.zeros(*v.shape), initial_state.clone()
    for n, (row, start, end) in enumerate(borders):
        for t in range(start, end):
            for h in range(q.shape[2]):
                decay = torch.tensor(1.0) if g is None else g[row, t, h].exp()
                state = (decay[:, None] if decay.ndim else decay) * last[n, h]
                key, value = k[row, t, h].float(), v[row, t, h].float()
                if beta is not None:
                    value = beta[row, t, h] * (value - state.T @ key)
                last[n, h] = state + torch.outer(key, value)
                o[row, t, h] = scale * last[n, h].T @ q[row, t, h].float()
    return o.to(v.dtype), last


def brought(name: str) -> tuple[Tensor, ...]:
    q, k, v = (torch.randn(B, H, T, size) for size in (K, K, V))
    fading = -torch.rand(B, H, T, K if name == "gated_linear_attention" else 1) / 2
    if "delta" not in name:
        return q, k, v, fading
    return unit(q), unit(k), v, torch.rand(B, H, T, 1), fading * (name == "gated_delta_net")


def documents(*starts: tuple[int, int]) -> Tensor:
    begins = torch.zeros(B, T, dtype=torch.bool)
    for row, start in starts:
        begins[row, start] = True
    return begins


@pytest.mark.parametrize("begins", [None, documents((0, 0), (0, 20), (1, 33), (1, 34), (2, 69))])
@pytest.mark.parametrize("name", RULES)
def test_a_kernel_is_given_what_it_documents(name: str, begins: Tensor | None, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    kernel, rule = RULES[name]
    monkeypatch.setattr(Kernel, "load", lambda self: stand_in)
    inputs, first, chunks = brought(name), torch.randn(B, H, K, V), Chunks(T, rule.chunk, begins)
    if kernel.half:
        inputs = (*(x.bfloat16().float() for x in inputs[:3]), *inputs[3:])
    found, expected = by_kernel(kernel, inputs, chunks, first), rule.in_chunks(inputs, chunks, first)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=2**-8 if kernel.half else 1e-4, atol=2e-2 if kernel.half else 1e-4)


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_there_is_named_before_training(part: type[WithKernels], monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {"fla": None}
    known: Callable[..., Any] = util.find_spec
    monkeypatch.setattr("partwise_linear_attention.parts.backend.find_spec", lambda name: found.get(name, known(name)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PartError, match="needs the package fla-core: pip install fla-core"):
        part(backend="fla").build(LayerSite(width=16))
    found["fla"] = object()
    with pytest.raises(PartError, match="needs a GPU, and PyTorch sees none here"):
        part(backend="fla").build(LayerSite(width=16))


def test_on_a_cpu_only_auto_goes_on() -> None:
    inputs, chunks, first = brought("retention"), Chunks(T, 64), torch.zeros(B, H, K, V)
    kernel, rule = RULES["retention"]
    with pytest.raises(InputError, match="its kernels run on a GPU, and these tensors are on the device 'cpu'"):
        ByKernel(rule, kernel, always=True).in_chunks(inputs, chunks, first)
    found = ByKernel(rule, kernel, always=False).in_chunks(inputs, chunks, first)
    assert all(map(torch.equal, found, rule.in_chunks(inputs, chunks, first)))


@pytest.mark.needs("gpu")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("part", PARTS)
def test_on_a_gpu_the_kernels_give_what_our_chunks_give(part: type[WithKernels], packed: bool) -> None:
    pytest.importorskip("fla", reason="not tested here: fla-core's kernels: pip install fla-core")
    torch.manual_seed(0)
    modules: list[Any] = [part(heads=2, backend=name).assemble(LayerSite(width=128)) for name in ("torch", "fla")]
    ours, theirs = (module.cuda() for module in modules)
    theirs.load_state_dict(ours.state_dict())
    x, flow = torch.randn(2, 300, 128, device="cuda"), causal_flow(300, "cuda")
    if packed:
        flow = replace(flow, documents=torch.arange(300, device="cuda").div(77, rounding_mode="floor").expand(2, 300))
    for module in (ours, theirs):
        module(x, flow).square().sum().backward()
    pairs = [(theirs(x, flow), ours(x, flow))]
    pairs += [(one.grad, other.grad) for one, other in zip(theirs.parameters(), ours.parameters(), strict=True)]
    for one, other in pairs:
        assert float((one - other).norm() / other.norm()) < (0.03 if "Delta" in part.__name__ else 0.01)
