"""What a training spends its time on, as a trace that chrome://tracing and ui.perfetto.dev show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from partwise.errors import WorkError

TRACE = "trace.json"
"""Name of the trace in a run's directory."""
SETTLING = 2
"""Steps before those that are profiled: the first touch memory and choose kernels."""


@contextmanager
def profiled(place: Path, steps: int, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Writes a trace of so many steps of what is done in the block to `place`; 0 for none.

    Yields a function to be called after every step. If the block ends before, the trace has fewer steps.

    Raises:
        WorkError: the trace cannot be written.
    """
    if not steps:
        yield lambda: None
        return
    from torch.profiler import profile, schedule

    def write(done: profile) -> None:
        try:
            place.touch()
            done.export_chrome_trace(str(place))
        except (OSError, RuntimeError) as error:
            raise WorkError(f"cannot write {place}: {error}") from error
        say(f"wrote a trace of the time spent to {place}; open it in ui.perfetto.dev")

    plan = schedule(wait=SETTLING - 1, warmup=1, active=steps, repeat=1)
    with profile(schedule=plan, on_trace_ready=write) as running:
        yield running.step
