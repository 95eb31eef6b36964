"""How texts are drawn: a recipe's sampler, and the settings of transformers' `generate` that say the same.

They stand in generation_config.json or, in old checkpoints, in config.json. transformers divides by the temperature
first, then keeps the top k, then the top p, then by min p; a sampler in another order has no settings. What else may
stand there (penalties, searches) has no sampler here; it is kept for the checkpoint that is made from the run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError

from .checkpoint import CONFIG, read_object

GENERATION = "generation_config.json"
OFF: dict[str, float] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""transformers' settings, in the order in which it applies them, each with the value that changes nothing."""
UNSAID = {"top_k": 50}
"""What transformers takes where a checkpoint does not say and draws."""
_SAID_ELSEWHERE = {*OFF, "do_sample", "bos_token_id", "eos_token_id", "decoder_start_token_id"} | {
    "transformers_version",
    "_from_model_config",
}
"""What the run's sampler and tokenizer say, and what says nothing of texts."""
_KNOBS = {"temperature": "temperature", "top_k": "k", "top_p": "p", "min_p": "p"}
"""The knob of the sampler of that name."""


def settings_of(sampler: Any) -> dict[str, Any]:
    """How a resolved sampler chooses, in transformers' words; empty where those cannot say it."""
    if not isinstance(sampler, Mapping):
        return {}
    if sampler.get("use") == "greedy":
        return {"do_sample": False}
    steps = sampler["samplers"] if sampler.get("use") == "chain" else [sampler]
    names = [step.get("use") for step in steps]
    if names != [name for name in OFF if name in names]:
        return {}
    given = {step["use"]: step[_KNOBS[step["use"]]] for step in steps}
    # top_k is said even where it is off: left out, transformers would take 50.
    return {"do_sample": True, **{name: given.get(name, OFF[name]) for name in OFF if name in given or name in UNSAID}}


def sampler_changes(config: Mapping[str, Any], directory: Path) -> list[str]:
    """Changes that have a recipe draw as a checkpoint asks; none if it does not say whether to draw.

    Raises:
        InputError: a setting is not a number, or one that `generate` refuses.
    """
    place = directory / (GENERATION if (directory / GENERATION).is_file() else CONFIG)
    settings = config if place.name == CONFIG else read_object(place)
    draws = settings.get("do_sample")
    if draws is None:
        return []
    return [f"sampler={json.dumps(_sampler(settings, place) if draws else {'use': 'greedy'})}"]


def settings_kept(directory: Path) -> dict[str, Any]:
    """What generation_config.json says besides the sampler, the beginning and the end."""
    path = directory / GENERATION
    return kept_of(read_object(path)) if path.is_file() else {}


def kept_of(settings: Any) -> dict[str, Any]:
    """Those of the settings that export hands on: numbers, words and lists of them, which nothing here says."""
    if not isinstance(settings, Mapping):
        return {}
    return {key: value for key, value in settings.items() if key not in _SAID_ELSEWHERE and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(one is None or isinstance(one, bool | int | float | str) for one in values)


def _sampler(settings: Mapping[str, Any], place: Path) -> dict[str, Any]:
    steps = []
    for name, off in OFF.items():
        given = settings.get(name)
        value = UNSAID.get(name, off) if given is None else given
        wrong = isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
        if wrong or value < 0 or (name == "temperature" and value == 0) or (name == "top_k" and value != int(value)):
            raise InputError(f"{place}: {name} is {json.dumps(value)}, which no text can be drawn with")
        if value != off and not (name == "top_p" and value > 1):
            steps.append({"use": name, _KNOBS[name]: int(value) if name == "top_k" else value})
    if not steps:
        return {"use": "temperature", "temperature": 1.0}
    return steps[0] if len(steps) == 1 else {"use": "chain", "samplers": steps}
