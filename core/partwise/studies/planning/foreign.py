"""Runs that were trained elsewhere, put into a study by a file: a CSV of variants that partwise cannot train.

They are judged like all others, as variants of their own. What the file says of them cannot be checked, and so every
report says where they are from.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path

from partwise.errors import InputError
from partwise.recipe.suggestions import did_you_mean
from partwise.studies.results import Figure, Key, Outcome, OutcomeState, Variant
from partwise.wording import joined

NEEDED = ("variant", "seed", "value", "parameters", "tokens")
FURTHER = ("state", "training_flops", "seconds")
STATES: Mapping[str, OutcomeState] = {"": "done", "done": "done", "diverged": "diverged", "failed": "failed"}


@dataclass(frozen=True)
class Expected:
    """What the study asks of the file."""

    names: Collection[str]
    """Of its own variants."""
    sizes: Sequence[str]
    texts: Sequence[str]
    seeds: Sequence[int]
    secondary: Collection[str]
    floors: Mapping[tuple[str | None, str | None], tuple[float | None, Mapping[str, float | None]]]
    """At each size and text what the baseline's floor is, by the primary metric and by the others."""

    @property
    def columns(self) -> list[str]:
        """That the file must have."""
        return [*NEEDED, *(["size"] if self.sizes else []), *(["text"] if self.texts else [])]


@dataclass(frozen=True)
class ForeignRuns:
    """What a file put in."""

    variants: tuple[Variant, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    digest: str = ""
    """Hash of the file."""


def read_foreign(path: Path, source: str, expected: Expected) -> ForeignRuns:
    """Reads the file.

    Args:
        source: how the study names it.

    Raises:
        InputError: it cannot be read, or a line of it is wrong; says which, and how to mend it.
    """
    try:
        raw = path.read_bytes()
        lines = raw.decode("utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        raise InputError(f"cannot read the runs of {source} ({path}): {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8, as a CSV of runs must be") from error
    rows = _rows(path, lines, expected)
    variants, outcomes = dict[Key, Variant](), dict[tuple[Key, int], Outcome]()
    for place, row in rows:
        outcome = _outcome(place, row, expected, source)
        variant = _variant(place, row, outcome.key, expected, source)
        if variants.setdefault(outcome.key, variant) != variant:
            raise InputError(f"{place}: other parameters, tokens or FLOPs than in an earlier line of {variant.title}")
        if (outcome.key, outcome.seed) in outcomes:
            raise InputError(f"{place}: {variant.title} with seed {outcome.seed} stands in an earlier line, too")
        outcomes[outcome.key, outcome.seed] = outcome
    if not variants:
        raise InputError(f"{path} holds no runs: there is no line below its head")
    return ForeignRuns(*_completed(variants, outcomes, expected, source), sha256(raw).hexdigest())


def _rows(path: Path, lines: Sequence[str], expected: Expected) -> Iterator[tuple[str, dict[str, str]]]:
    """(`runs.csv:3`, column -> cell) of every line that is not empty."""
    reader = csv.reader(lines, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(f"{path}:1", head, expected)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"{path}:{reader.line_num}"
            if len(cells) != len(head):
                raise InputError(f"{place}: {len(cells)} cells, and the head has {len(head)} columns")
            yield place, {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: this is no CSV: {error}") from error


def _check_head(place: str, head: Sequence[str], expected: Expected) -> None:
    known = [*expected.columns, *FURTHER, *(f"secondary.{name}" for name in expected.secondary)]
    missing = [name for name in expected.columns if name not in head]
    if missing:
        raise InputError(f"{place}: no column {joined(missing)}; this study needs {', '.join(expected.columns)}")
    for name in head:
        if name not in known:
            raise InputError(
                f"{place}: unknown column {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}"
            )
        if head.count(name) > 1:
            raise InputError(f"{place}: the column {name!r} stands there twice")


def _outcome(place: str, row: Mapping[str, str], expected: Expected, source: str) -> Outcome:
    name = row["variant"]
    if not name:
        raise InputError(f"{place}: no name of a variant")
    if name in expected.names:
        raise InputError(
            f"{place}: {name!r} is a variant that this study trains; runs of both kinds are never mixed, so give this "
            "one another name"
        )
    seed = _whole(place, "seed", row["seed"])
    if seed not in expected.seeds:
        raise InputError(f"{place}: seed {seed} is not one of the study's: {', '.join(map(str, expected.seeds))}")
    if row.get("state", "") not in STATES:
        raise InputError(f"{place}: unknown state {row['state']!r}; there are done, diverged and failed")
    state = STATES[row.get("state", "")]
    figures = {of: row[f"secondary.{of}"] for of in expected.secondary if row.get(f"secondary.{of}")}
    if state != "done" and (row["value"] or figures):
        raise InputError(f"{place}: a run that {state} has no figure, and this line has one")
    return Outcome(
        variant=name,
        size=_one_of(place, "size", row, expected.sizes),
        text=_one_of(place, "text", row, expected.texts),
        seed=seed,
        identity=_identity(source, row),
        state=state,
        metric=_number(place, "value", row["value"]) if state == "done" else None,
        secondary={of: Figure(value=_number(place, f"secondary.{of}", text)) for of, text in figures.items()},
        unmeasured={
            of: f"{source} has no figure" for of in expected.secondary if state == "done" and of not in figures
        },
        seconds=_number(place, "seconds", row["seconds"], least=0) if row.get("seconds") else None,
        error=None if state == "done" else f"{state}, as {source} says",
    )


def _variant(place: str, row: Mapping[str, str], key: Key, expected: Expected, source: str) -> Variant:
    floor, floors = expected.floors[key[1:]]
    flops = row.get("training_flops")
    return Variant(
        name=key[0],
        size=key[1],
        text=key[2],
        levels={},
        parameters=_whole(place, "parameters", row["parameters"], least=1),
        tokens=_whole(place, "tokens", row["tokens"], least=1),
        training_flops=_number(place, "training_flops", flops, least=0) if flops else None,
        floor=floor,
        floors=dict(floors),
        source=source,
    )


def _completed(
    variants: Mapping[Key, Variant], outcomes: Mapping[tuple[Key, int], Outcome], expected: Expected, source: str
) -> tuple[tuple[Variant, ...], tuple[Outcome, ...]]:
    """Every variant must be at every setting; seeds that are not there are waited for.

    Raises:
        InputError: a variant is not at some setting.
    """
    names = list(dict.fromkeys(name for name, *_ in variants))
    keys = [(name, *setting) for setting in expected.floors for name in names]
    for key in keys:
        if key not in variants:
            where = " ".join(f"{what} {of!r}" for what, of in zip(("size", "text"), key[1:], strict=True) if of)
            raise InputError(f"{source} has no run of {key[0]!r} for {where}, and the study compares all at each")
    done = [
        outcomes.get((key, seed))
        or Outcome(
            variant=key[0], size=key[1], text=key[2], seed=seed, state="waiting",
            identity=_identity(source, {"key": repr(key), "seed": str(seed)}),
        )
        for key in keys
        for seed in expected.seeds
    ]  # fmt: skip
    return tuple(variants[key] for key in keys), tuple(done)


def _identity(source: str, row: Mapping[str, str]) -> str:
    return sha256(repr((source, sorted(row.items()))).encode("utf-8", "replace")).hexdigest()[:16]


def _one_of(place: str, what: str, row: Mapping[str, str], known: Sequence[str]) -> str | None:
    if not known:
        return None
    if row[what] not in known:
        near = did_you_mean(row[what], known)
        raise InputError(f"{place}: {what} {row[what]!r} is not one of the study's{near}; there are {', '.join(known)}")
    return row[what]


def _whole(place: str, column: str, text: str, least: int = 0) -> int:
    value = _number(place, column, text, least)
    if value != int(value):
        raise InputError(f"{place}: {column} is {text!r}, and must be a whole number")
    return int(value)


def _number(place: str, column: str, text: str, least: float | None = None) -> float:
    try:
        value = float(text)
    except ValueError:
        given = "empty" if not text else repr(text)
        raise InputError(f"{place}: {column} is {given}, and must be a number") from None
    if not isfinite(value):
        raise InputError(f"{place}: {column} is {text}; of a run without a finite figure leave it empty, and give the "
                         "column state with diverged")  # fmt: skip
    if least is not None and value < least:
        raise InputError(f"{place}: {column} is {text}, and must be {least} or more")
    return value


__all__ = ["Expected", "ForeignRuns", "read_foreign"]
