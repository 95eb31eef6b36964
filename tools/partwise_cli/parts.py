"""`partwise parts`: the catalogue of what recipes can name."""

from __future__ import annotations

import inspect
import json
import sys
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import heading, paragraph, print_json, show, show_columns, write
from .text import first_line

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from partwise import Part
    from partwise.parts.registry import RegisteredPart


@click.command("parts")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@options.as_json
@click.option(
    "--html", "html", type=options.directory, metavar="DIR", help="Write pages about all parts for a browser."
)
@click.option("--verify", is_flag=True, help="With --html: verify every part, and show the results. Takes minutes.")
@click.option(
    "--results", metavar="FILE", help="With --html: the output of `partwise verify --all --json`; - is standard input."
)
@click.pass_context
def command(
    context: click.Context,
    kind: str | None,
    name: str | None,
    as_json: bool,
    html: Path | None,
    verify: bool,
    results: str | None,
) -> None:
    """List the parts that recipes can name.

    Without arguments, lists all of them; with a KIND, those that fit its slots; with a NAME as well, that part's
    knobs: their types, defaults and meaning. With --html, writes the whole catalogue as pages for a browser,
    which work without a network; with --verify, the exit code is 1 if a check fails.

    \b
    Examples:
      partwise parts
      partwise parts position
      partwise parts position rope
      partwise parts --html catalogue
    """
    from partwise.parts.registry import registry

    _check_options(html, verify, results, {"KIND": kind is not None, "--json": as_json})
    if html is not None:
        context.exit(int(_write_pages(html, verify, results)))
    wanted = _kind(kind) if kind else None
    entries = registry().entries(wanted) if wanted else registry().entries()
    if wanted and name:
        entries = (_entry(wanted, name),)
    if as_json:
        print_json([described(entry) for entry in entries])
    elif name:
        _show_one(entries[0])
    else:
        _show_list(entries)


def _check_options(html: Path | None, verify: bool, results: str | None, others: dict[str, bool]) -> None:
    from partwise import InputError

    given = [option for option, there in others.items() if there]
    if html is not None and given:
        raise InputError(f"--html writes pages about all parts; leave out {given[0]}")
    if html is None and (verify or results is not None):
        raise InputError("--verify and --results need --html DIR")
    if verify and results is not None:
        raise InputError("give either --verify, which makes results, or --results FILE, which reads them")


def _write_pages(directory: Path, verify: bool, results: str | None) -> bool:
    """Writes the pages; returns whether a verification that was asked for found a failure."""
    from partwise.catalogue import ResultsByPart, by_part, check_directory, read_results, results_in, write_catalogue
    from partwise.parts.registry import registry

    check_directory(directory)  # before minutes of work
    found: ResultsByPart | None = None
    origin = None
    if verify:
        from partwise.testing import verify_parts

        from .verify import watched

        entries = list(registry().entries())
        found, origin = by_part(watched(verify_parts(entries), entries)), "a verification when these pages were made"
    elif results == "-":
        found, origin = results_in(_standard_input, "standard input"), "results from standard input"
    elif results is not None:
        found, origin = read_results(options.directory(results)), f"the results in {Path(results).name}"
    write(f"wrote {write_catalogue(directory, found, origin)}")
    failed = [name for (_, name), ones in (found or {}).items() if any(one.outcome == "failed" for one in ones)]
    if failed:
        paragraph(f"Checks of these parts failed, as their pages show: {', '.join(sorted(failed))}")
    return verify and bool(failed)


def _standard_input() -> dict[str, Any]:
    from partwise import InputError

    try:
        value = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    except (ValueError, RecursionError, AttributeError, OSError) as error:
        raise InputError(str(error)) from error
    if not isinstance(value, dict):
        raise InputError("it holds no JSON object")
    return value


def _kind(name: str) -> type[Part]:
    from partwise import InputError
    from partwise.parts.registry import registry
    from partwise.recipe.suggestions import did_you_mean

    kinds = registry().kinds()
    if name not in kinds:
        parts = [f"partwise parts {part.kind} {name}" for part in registry().of_any_kind(name)]
        hint = f", did you mean `{parts[0]}`?" if parts else did_you_mean(name, kinds)
        raise InputError(f"there is no kind of part {name!r}{hint}\n  kinds: {', '.join(kinds)}")
    return kinds[name]


def _entry(kind: type[Part], name: str) -> RegisteredPart:
    from partwise import InputError
    from partwise.parts.registry import registry
    from partwise.recipe.suggestions import did_you_mean, installed_list, plugin_notes

    part = registry().find(kind, name)
    entry = registry().entry(part) if part else None
    if entry is None:
        notes = "".join(f"\n  {note}" for note in (installed_list(kind, name), *plugin_notes(name)))
        raise InputError(f"unknown {kind.kind} {name!r}{did_you_mean(name, registry().names(kind))}{notes}")
    return entry


def described(entry: RegisteredPart) -> dict[str, Any]:
    """A part as JSON."""
    from partwise.documented import field_docs
    from partwise.provenance.sources import source_line

    return {
        "kind": entry.part.kind,
        "name": entry.name,
        "about": first_line(entry.part.__doc__),
        "distribution": entry.plugin.distribution,
        "version": entry.plugin.version,
        "source": source_line(entry.part),
        "knobs": [
            _described_knob(name, entry.part.model_fields[name], about)
            for name, about in field_docs(entry.part).items()
        ],
    }


def _described_knob(name: str, field: FieldInfo, about: str) -> dict[str, Any]:
    from partwise.parts.shapes import shape_of
    from partwise.recipe.knob_types import in_words, kind_at

    shape = shape_of(field)
    kind = kind_at(shape)
    knob = {"name": name, "type": in_words(shape), "required": field.is_required(), "default": _default(field)}
    return knob | {"slot": kind.kind if kind else None, "about": " ".join(about.split())}


def _default(field: FieldInfo) -> Any:
    """The default as JSON; None if the knob is required."""
    if field.is_required():
        return None
    default = field.get_default(call_default_factory=True, validated_data={})
    return json.loads(json.dumps(default, default=_plain))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def _show_list(entries: tuple[RegisteredPart, ...]) -> None:
    from partwise.parts.registry import registry

    widest = max((len(entry.name) for entry in entries), default=0)
    for kind, group in groupby(entries, key=lambda entry: entry.part.kind):
        heading(f"{kind}: {first_line(registry().kinds()[kind].__doc__)}")
        show_columns([(f"  {entry.name}".ljust(widest + 2), _line(entry)) for entry in group])
        write()
    paragraph(f"From partwise {version('partwise')}, unless another source is given in brackets.")
    for plugin in registry().broken:
        paragraph(f"Plugin {plugin} failed to load: {plugin.problem}")


def _line(entry: RegisteredPart) -> str:
    about = first_line(entry.part.__doc__)
    return about if entry.plugin.builtin else f"{about} [{entry.plugin.distribution} {entry.plugin.version}]"


def _show_one(entry: RegisteredPart) -> None:
    from rich.text import Text

    part = described(entry)
    heading(f"{part['kind']} {part['name']}")
    paragraph(inspect.cleandoc(entry.part.__doc__ or "no description"), indent=2)
    paragraph(f"from {part['distribution']} {part['version']}, {part['source']}", indent=2)
    write()
    if not part["knobs"]:
        paragraph("It has no knobs.", indent=2)
    for knob in sorted(part["knobs"], key=lambda knob: not knob["required"]):
        default = "" if knob["required"] else f" = {json.dumps(knob['default'], ensure_ascii=False)}"
        line = Text.assemble((f"  {knob['name']}", "bold"), default, f"   {knob['type']}")
        show(Text.assemble(line, ", required" if knob["required"] else ""))
        paragraph(f"{knob['about']} See `partwise parts {knob['slot']}`." if knob["slot"] else knob["about"], indent=6)
