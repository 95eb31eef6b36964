"""What a training spends its time on, as a trace that chrome://tracing and ui.perfetto.dev show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .decoration import Decoration

TRACE = "trace.json"
"""Name of the trace in a run's directory."""
WARMUP = 2
"""Steps before those that are profiled, since the first steps touch memory and choose kernels."""


@contextmanager
def profiled(place: Path, steps: int, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Profiles `steps` steps of the block and writes their trace to `place`; 0 profiles nothing.

    Yields a function to call after every step. If the block ends early, the trace has fewer steps. A trace that cannot
    be made or written is said, and the block goes on.
    """
    if not steps:
        yield lambda: None
        return
    from torch.profiler import profile, schedule

    decoration = Decoration(say)

    def write(profiler: profile) -> None:
        decoration("the trace", lambda: written(profiler))

    def written(profiler: profile) -> None:
        place.touch()
        profiler.export_chrome_trace(str(place))
        say(f"wrote a trace of the time spent to {place}; open it in ui.perfetto.dev")

    def begun() -> profile:
        plan = schedule(wait=WARMUP - 1, warmup=1, active=steps, repeat=1)
        profiler = profile(schedule=plan, on_trace_ready=write)
        profiler.start()
        return profiler

    profiler = decoration("the profile", begun)
    if profiler is None:
        yield lambda: None
        return

    def step() -> None:
        decoration("the profile", profiler.step)

    try:
        yield step
    finally:
        decoration("the profile", profiler.stop)
