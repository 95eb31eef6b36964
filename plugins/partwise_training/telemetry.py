"""How fast training goes: tokens per second, share of the machine's peak, share of time spent waiting for data.

These differ from run to run even where everything else is the same to the last bit. So they go to
`speed.jsonl`, which promises nothing, and not among the run's metrics.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import torch

from partwise.metric_names import DATA_WAIT, FLOPS_UTILISATION, PEAK_MEMORY, TOKENS_PER_SECOND
from partwise.runs import MetricsLog
from partwise.training import Decoration

SPEED = "speed.jsonl"
WINDOW = 1.0
"""Seconds of training that a row covers, at least."""
UNCOUNTED = 5.0
"""Seconds of training before its FLOPs are counted and the machine's are measured: many runs of a study end sooner."""
PER_PASS = 3
"""FLOPs of an update, as a multiple of those of the forward pass: the backward pass takes twice as many."""

# Dense products in 16 bits, FLOP/s, after NVIDIA's data sheets of the H200, GH200, H100, A100, L40S, L4 and V100.
# Where a sheet gives the figure with sparsity (1,979e12 for the H100 SXM), half of it. The first that is part of the
# device's name counts.
_PEAKS = {
    "H200 NVL": 835.5e12,
    "H200": 989.4e12,
    "H100 NVL": 835.5e12,
    "H100 PCIe": 756e12,
    "H100": 989.4e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "V100": 125e12,  # in float16; it has no bfloat16
}


class Speed:
    """Measures the speed of a training; gives figures for each update, and writes a row for each window."""

    def __init__(
        self,
        place: Path | None,
        flops_per_token: Callable[[], float | None] | None,
        device: torch.device,
        precision: str,
        processes: int,
        decoration: Decoration | None = None,
    ) -> None:
        self._rows = MetricsLog(place / SPEED) if place else None
        self._count = flops_per_token if place else None
        self._per_token: float | None = None
        """FLOPs of an update per token, as a share of what all processes can do in a second."""
        self._device = device
        self._precision = precision
        self._processes = processes
        self._total = 0.0
        self._seconds = self._waited = self._saving = 0.0
        self._tokens = 0
        self._decoration = decoration or Decoration()
        if device.type == "cuda":
            self._decoration("the peak memory", lambda: torch.cuda.reset_peak_memory_stats(device))

    def update(self, tokens: int, seconds: float, waited: float) -> dict[str, float]:
        """The figures of an update of so many tokens, which took so long, `waited` of it for its batches."""
        self._tokens += tokens
        self._seconds += seconds
        self._waited += waited
        self._total += seconds
        if self._count is not None and self._total >= UNCOUNTED:
            self._per_token = self._decoration("the utilisation", partial(self._share, self._count))
            self._count = None
        return self._figures(tokens, seconds, waited)

    def _share(self, count: Callable[[], float | None]) -> float | None:
        flops = count()
        return (
            None if flops is None else PER_PASS * flops / (peak_flops(self._device, self._precision) * self._processes)
        )

    def saved(self, seconds: float) -> None:
        """Notes how long a checkpoint took."""
        self._saving += seconds

    def log(self, step: int, last: bool) -> None:
        """Writes a row, if the last one was long enough ago."""
        if self._rows is None or not (last or self._seconds >= WINDOW) or not self._seconds:
            return
        figures: Mapping[str, float] = self._figures(self._tokens, self._seconds, self._waited)
        total = self._seconds + self._saving
        row = {"step": step, "seconds": total, **figures, "checkpoint_share": self._saving / total}
        self._decoration(SPEED, partial(self._rows.append, row))
        self._seconds = self._waited = self._saving = 0.0
        self._tokens = 0

    def _figures(self, tokens: int, seconds: float, waited: float) -> dict[str, float]:
        seconds = max(seconds, 1e-9)  # a coarse clock may not have moved
        figures = {TOKENS_PER_SECOND: tokens / seconds, DATA_WAIT: waited / seconds}
        if self._per_token is not None:
            figures[FLOPS_UTILISATION] = self._per_token * tokens / seconds
        memory = self._decoration("the peak memory", lambda: peak_memory(self._device))
        return figures if memory is None else {**figures, PEAK_MEMORY: memory}


def peak_memory(device: torch.device) -> int | None:
    """Most bytes held so far: on a GPU by tensors, else by this process; None if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@cache
def peak_flops(device: torch.device, precision: str) -> float:
    """FLOP/s of matrix products at best: as stated by the maker, else as measured on a large one."""
    if device.type == "cuda" and precision != "float32":
        name = torch.cuda.get_device_name(device)
        stated = next((peak for model, peak in _PEAKS.items() if model in name), None)
        if stated is not None and not (precision == "bfloat16" and "V100" in name):
            return stated
    return _measured(device, getattr(torch, precision))


def _measured(device: torch.device, dtype: torch.dtype) -> float:
    """The best of a few products of two square matrices."""
    size = 8192 if device.type == "cuda" else 768
    left, right = torch.ones(size, size, dtype=dtype, device=device), torch.ones(size, size, dtype=dtype, device=device)
    result = left @ right
    best = 0.0
    for _ in range(4):
        _wait(device)
        begun = perf_counter()
        torch.mm(left, right, out=result)
        _wait(device)
        best = max(best, 2 * size**3 / (perf_counter() - begun))
    return best


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)
