"""`partwise new study`: a study file from what one would say about it, in options."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.errors import InputError
from partwise.recipe import load
from partwise.recipe.overrides import read_override
from partwise.storage import write_text
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import Variants, variants

from .places import slots_of

_OPENING, _CLOSING = "[{", "]}"
_RANGE = re.compile(r"([-+0-9.eE]+?)\.\.([-+0-9.eE]+)")
_WIDTH = 110
LEFT_OUT = "leave_one_out"


@dataclass(frozen=True)
class AskedStudy:
    """A study as the options say it. Texts are read as `--set` reads them."""

    base: str
    """A name, or a file relative to the current directory."""
    vary: tuple[str, ...] = ()
    """Each `PATH=VALUE,VALUE`, or PATH alone for every part that fits there."""
    variant: tuple[str, ...] = ()
    """For the design list: each `NAME=PATCH`."""
    design: str | None = None
    resolution: int | None = None
    seeds: int = 5
    metric: str = "loss"
    smallest_effect: float | None = None
    spread: float | None = None
    secondary: tuple[str, ...] = ()
    sizes: str | None = None
    """`PATH=VALUE,VALUE`, from small to large."""
    tokens_per_parameter: float | None = None
    text: tuple[str, ...] = ()
    """Each `NAME=PATCH`."""
    match: str | None = None
    """`QUANTITY=PATH`."""
    tune: tuple[str, ...] = ()
    """Each `PATH=VALUE,VALUE` or `PATH=LOW..HIGH`."""
    draws: int | None = None
    look: tuple[str, ...] = ()
    """Each `SEEDS=ALPHA`."""
    about: str | None = None


def new_study(name: str, asked: AskedStudy, directory: Path) -> tuple[Path, Variants]:
    """Writes the study `name` into a file of that name, once it is known to hold, and returns it with its variants.

    Raises:
        InputError: an option cannot be read, or the file is there already; nothing is written then.
        RecipeError: the study would not hold: all that is wrong with it.
        WorkError: it cannot be written.
    """
    place = directory / f"{name}.json"
    if place.exists():
        raise InputError(f"{place} exists already; choose another name, or another place with --in")
    if not directory.is_dir():
        raise InputError(f"there is no directory {directory} to write {name}.json into")
    study = _study(name, asked)
    found = variants(load_study(study))
    write_text(place, as_text({**study, "base": _base_from(asked.base, directory)}))
    return place, found


def _study(name: str, asked: AskedStudy) -> dict[str, Any]:
    if not asked.vary and not asked.variant:
        raise InputError(
            "what is varied? --vary PATH=VALUE,VALUE, as often as there are factors; "
            f"`partwise new study --base {asked.base}` lists what could be"
        )
    design = asked.design or ("list" if asked.variant else "one_at_a_time")
    metric = {"name": asked.metric, "smallest_effect": asked.smallest_effect, "spread": asked.spread}
    written = {
        "partwise": 1,
        "name": name,
        "about": asked.about or _question(asked),
        "base": asked.base,
        "factors": _factors(asked, design),
        "variants": dict(_patch(one, "--variant") for one in asked.variant),
        "design": design,
        "resolution": asked.resolution,
        "seeds": asked.seeds,
        "metric": {key: value for key, value in metric.items() if value is not None},
        "secondary": {one: {"name": one} for one in asked.secondary},
        "sizes": _sizes(asked),
        "texts": dict(_patch(one, "--text") for one in asked.text),
        "match": _match(asked.match),
        "tune": _tune(asked),
        "looks": [_look(one) for one in asked.look],
    }
    return {key: value for key, value in written.items() if value not in (None, {}, [])}


def _question(asked: AskedStudy) -> str:
    places = [one.partition("=")[0].split(",")[0] for one in asked.vary]
    what = " and ".join(dict.fromkeys(map(_called, places))) or "each of these variants"
    return f"What is the {what} worth in {Path(asked.base).stem}?" if places else f"What is {what} worth?"


def _called(path: str) -> str:
    """What a factor is called: the last word of its path."""
    words = [step for step in path.split(".") if step != "*" and not step.isdigit()]
    return words[-1] if words else path


def _factors(asked: AskedStudy, design: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in asked.vary:
        left, equals, _ = one.partition("=")
        at = left.split(",") if "," in left else left
        first = at if isinstance(at, str) else at[0]
        values = _values(one, "--vary") if equals else _all_that_fit(asked.base, left)
        if design == LEFT_OUT:
            if len(values) != 1:
                raise InputError(
                    f"--vary {one}: {LEFT_OUT} puts one value where the part is left out: --vary {left}=null, say"
                )
            factor = {"at": at, "off": values[0]}
        else:
            factor = {"at": at, "values": values}
        name = _called(first)
        found[name if name not in found else first] = factor
    return found


def _all_that_fit(base: str, path: str) -> list[Any]:
    place = next(iter(slots_of(load(base), under=path)), None)
    if place is None:
        raise InputError(
            f"--vary {path}: no slot is called that, so say its values: --vary {path}=VALUE,VALUE; "
            f"`partwise new study --base {base}` lists the slots"
        )
    return [*place.now[:1], *(_plain(f"{path}={name}", "--vary") for name in place.fits)]


def _values(option: str, label: str) -> list[Any]:
    """The values of `PATH=VALUE,VALUE`, each read as `--set` reads it."""
    path, _, text = option.partition("=")
    return [_plain(f"{path.split(',')[0]}={one}", label) for one in _apart(text)]


def _plain(option: str, label: str) -> Any:
    return read_override(option, f"{label} ").value.plain()


def _apart(text: str) -> Iterator[str]:
    """A text cut at its commas, but not within brackets and quotes."""
    depth, quoted, start, escaped = 0, False, 0, False
    for index, char in enumerate(text):
        if escaped or char == "\\":
            escaped = not escaped
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in _OPENING + _CLOSING:
            depth += 1 if char in _OPENING else -1
        elif not quoted and depth == 0 and char == ",":
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _patch(option: str, label: str) -> tuple[str, Any]:
    """`NAME=PATCH`: an object that is merged into the recipe."""
    name, _, text = option.partition("=")
    value = _plain(f"patch={text}", label) if name and text else None
    if not isinstance(value, dict):
        raise InputError(f"{label} {option}: write NAME=PATCH, the patch an object: {label} '{name or 'mine'}={{...}}'")
    return name, value


def _pair(option: str, label: str, example: str) -> tuple[str, str]:
    left, _, right = option.partition("=")
    if not left or not right:
        raise InputError(f"{label} {option}: write it as {label} {example}")
    return left, right


def _sizes(asked: AskedStudy) -> dict[str, Any] | None:
    if asked.sizes is None:
        if asked.tokens_per_parameter is not None:
            raise InputError("--tokens-per-parameter is a rule for sizes; say --sizes model.width=64,96,128, too")
        return None
    left, _ = _pair(asked.sizes, "--sizes", "model.width=64,96,128")
    sizes: dict[str, Any] = {
        "at": left.split(",") if "," in left else left,
        "values": _values(asked.sizes, "--sizes"),
    }
    return sizes | ({} if asked.tokens_per_parameter is None else {"tokens_per_parameter": asked.tokens_per_parameter})


def _match(option: str | None) -> dict[str, Any] | None:
    if option is None:
        return None
    quantity, knob = _pair(option, "--match", "parameters=model.blocks.*.feedforward.ratio")
    return {"quantity": quantity, "knob": knob}


def _tune(asked: AskedStudy) -> dict[str, Any] | None:
    if not asked.tune:
        if asked.draws is not None:
            raise InputError("--draws is for tuning; say --tune trainer.optimizer.lr=1e-4..1e-2, too")
        return None
    knobs = {}
    for one in asked.tune:
        path, text = _pair(one, "--tune", "trainer.optimizer.lr=1e-3,3e-3")
        drawn = _RANGE.fullmatch(text)
        knobs[path] = _range(one, *drawn.groups()) if drawn else _values(one, "--tune")
    return {"knobs": knobs} | ({} if asked.draws is None else {"draws": asked.draws})


def _range(option: str, low: str, high: str) -> dict[str, Any]:
    """Drawn evenly in each factor of ten where the ends are that far apart."""
    try:
        ends = float(low), float(high)
    except ValueError:
        raise InputError(f"--tune {option}: a range is two numbers: trainer.optimizer.lr=1e-4..1e-2") from None
    return {"low": ends[0], "high": ends[1]} | ({"log": True} if 0 < 10 * ends[0] <= ends[1] else {})


def _look(option: str) -> dict[str, Any]:
    seeds, alpha = _pair(option, "--look", "3=0.01")
    try:
        return {"seeds": int(seeds), "alpha": float(alpha)}
    except ValueError:
        raise InputError(
            f"--look {option}: write it as --look 3=0.01, a number of seeds and its share of alpha"
        ) from None


def _base_from(base: str, directory: Path) -> str:
    """The base as a file in `directory` names it: a file relative to it, a name as it is."""
    path = Path(base)
    return os.path.relpath(path, directory) if path.is_file() and not path.is_absolute() else base


def as_text(study: Mapping[str, Any]) -> str:
    """The file, with short objects and arrays on one line."""
    return _laid_out(study, 0) + "\n"


def _laid_out(value: Any, depth: int, key: int = 0) -> str:
    line = json.dumps(value, ensure_ascii=False)
    nested = isinstance(value, Mapping | list) and value
    if not nested or (depth and 2 * depth + key + len(line) < _WIDTH):
        return line
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, list):
        lines = [inner + _laid_out(one, depth + 1) for one in value]
        return "[\n" + ",\n".join(lines) + f"\n{outer}]"
    lines = [
        f"{inner}{json.dumps(name, ensure_ascii=False)}: {_laid_out(one, depth + 1, len(name) + 4)}"
        for name, one in value.items()
    ]
    return "{\n" + ",\n".join(lines) + f"\n{outer}" + "}"


__all__ = ["AskedStudy", "new_study"]
