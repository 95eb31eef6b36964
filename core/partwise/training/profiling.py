"""What a training spends its time on, as a trace that chrome://tracing and ui.perfetto.dev show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from partwise.errors import WorkError

TRACE = "trace.json"
"""Name of the trace in a run's directory."""
WARMUP = 2
"""Steps before those that are profiled, since the first steps touch memory and choose kernels."""


@contextmanager
def profiled(place: Path, steps: int, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Profiles `steps` steps of the block and writes their trace to `place`; 0 profiles nothing.

    Yields a function to call after every step. If the block ends early, the trace has fewer steps.

    Raises:
        WorkError: the trace cannot be written.
    """
    if not steps:
        yield lambda: None
        return
    from torch.profiler import profile, schedule

    def write(profiler: profile) -> None:
        try:
            place.touch()
            profiler.export_chrome_trace(str(place))
        except (OSError, RuntimeError) as error:
            raise WorkError(f"cannot write {place}: {error}") from error
        say(f"wrote a trace of the time spent to {place}; open it in ui.perfetto.dev")

    plan = schedule(wait=WARMUP - 1, warmup=1, active=steps, repeat=1)
    with profile(schedule=plan, on_trace_ready=write) as profiler:
        yield profiler.step
