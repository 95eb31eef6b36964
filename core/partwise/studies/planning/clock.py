"""How long a whole run takes on this machine, measured by a few updates, and kept so that a plan stays what it was.

What was measured decides how long variants are trained, and so which runs a study has. So it is measured once for a
model and trainer on a machine, and found again in the cache.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from partwise.data import cache_directory, made_in_cache
from partwise.errors import InputError, PartwiseError
from partwise.machine import cores
from partwise.recipe import LoadedRecipe
from partwise.storage.atomic import read_json, write_json

from .speed import START, Speed, time_steps, whole_run

if TYPE_CHECKING:
    from partwise.workflow import Prepared

STEPS = 16
"""Updates that are timed."""
NOISY = 0.25
"""Share by which updates may differ in time before the machine is called busy."""
NUMBERS_OF_UPDATES = ("steps", "evaluate_every", "evaluate_batches", "checkpoint_every", "log_every", "stop")
"""Knobs of trainers that change how many updates there are, and not how fast one is."""


def seconds_of(loaded: LoadedRecipe, prepared: Prepared, threads: int, say: Callable[[str], None]) -> float | None:
    """Of a whole training, evaluations included; None if its trainer plans no number of updates.

    Raises:
        InputError: it cannot be trained even for a few updates.
    """
    whole = whole_run(loaded, _speed(loaded, prepared.data_hash, threads, say))
    return None if whole is None else whole - START  # which is nothing that a variant differs in


def _speed(loaded: LoadedRecipe, data: str, threads: int, say: Callable[[str], None]) -> Speed:
    key, folder = _key(loaded, data, threads), cache_directory() / "speeds"
    path = folder / f"{key}.json"
    with suppress(PartwiseError, KeyError, TypeError, ValueError):
        if path.is_file():
            known = read_json(path)
            return Speed(float(known["step"]), float(known["evaluation"]), float(known["spread"]))
    try:
        speed = time_steps(loaded, threads, STEPS)
    except PartwiseError as error:
        raise InputError(f"it cannot be timed: {error}") from error
    if speed is None:
        raise InputError("it cannot be timed: its training ended too soon")
    made_in_cache(folder)
    write_json(path, {"step": speed.step, "evaluation": speed.evaluation, "spread": speed.spread})
    busy = "; the machine is busy, and this is rough" if speed.spread > NOISY else ""
    say(f"timed {loaded.recipe.name}: {speed.step:.3g} s for each update, within {speed.spread:.0%}{busy}")
    return speed


def _key(loaded: LoadedRecipe, data: str, threads: int) -> str:
    recipe = loaded.recipe.resolved()
    trainer = {name: value for name, value in recipe["trainer"].items() if name not in NUMBERS_OF_UPDATES}
    parts: dict[str, Any] = {name: recipe.get(name) for name in ("model", "objective", "rows", "adapter")}
    here = [platform.node(), cores(), threads]
    text = json.dumps([parts, trainer, data, here], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


__all__ = ["NOISY", "NUMBERS_OF_UPDATES", "seconds_of"]
