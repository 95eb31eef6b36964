"""The report as Markdown: for a pull request, a README, a notebook. Its figures are tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from partwise.rendering import numbers
from partwise.rendering.text import flat, plain
from partwise.studies.analysis.findings import Tuning
from partwise.wording import joined, many

from .cells import Cell, Matrix
from .figures import lost_trials
from .report import Report
from .rows import SURVIVORS, SYMBOLS, VariantRow
from .told import Told
from .whole import WholeReport

# Characters that are special in Markdown, or in HTML within it. Many are so only next to others; where they are not,
# they are left alone, so that the source can be read as it is.
_SPECIAL = re.compile(r"[\\`*|~$]|<(?=[A-Za-z/!?])|&(?=[A-Za-z#])|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])")
_BEGINNING = re.compile(r"^(?=[#>+=-])|(?<=^\d)(?=[.)])")


MOST_ITEMS = 8
"""Longer lists are folded away."""


def markdown(report: Report) -> str:
    """Sections in the order of the HTML report; those without content are left out."""
    parts = [f"# {escaped(report.title)}", paragraph(report.about), paragraph(report.setting)]
    parts += [f"This report tells {report.stamp}."]
    parts += [f"**{escaped(report.progress)}**"] if report.progress else []
    parts += _verdicts(report) + _limits(report)
    parts += ["## Table", _main(report), *(escaped(note) for note in report.footnotes)]
    parts += _further(report) + _metrics(report) + _seeds(report) + _tuning(report) + _effects(report) + _pooled(report)
    parts += _failures(report) + _provenance(report)
    return "\n\n".join(part for part in parts if part).encode("utf-8", "replace").decode() + "\n"


def whole_markdown(report: WholeReport) -> str:
    """The same of a study with sizes or texts."""
    parts = [f"# {escaped(report.title)}", paragraph(report.about), paragraph(report.setting)]
    parts += [f"This report tells {report.stamp}."]
    parts += [f"**{escaped(report.progress)}**"] if report.progress else []
    parts += _verdicts(report) + _limits(report) + _ladder(report)
    if report.by_text:
        parts += ["## Text by text", _matrix(report.by_text)]
        parts += [escaped(note) for note in report.notes] if not report.ladder else []
    parts += _further(report) + _metrics(report)
    parts += ["## Every setting", escaped(report.settings_told), escaped(report.tuning)]
    parts += ["\n".join(f"- [{escaped(one.name)}]({one.place}/report.md)" for one in report.settings)]
    parts += _failures(report) + _provenance(report)
    return "\n\n".join(part for part in parts if part).encode("utf-8", "replace").decode() + "\n"


def _ladder(report: WholeReport) -> list[str]:
    if not report.ladder:
        return []
    sizes = [f"at {size}" for size in report.results.sizes]
    rows = [
        [row.title, f"{row.verdict.symbol} {row.verdict.verdict}", *(_cell(cell) for cell in row.cells),
         _figures(row.slope), _figures(row.speed_up)]
        for row in report.ladder
    ]  # fmt: skip
    head = ["variant", "verdict", *sizes, "slope", f"speed-up at {report.results.sizes[-1]}"]
    return ["## Over the sizes", table(head, rows, left=2), *(escaped(note) for note in report.notes)]


def _further(report: Told) -> list[str]:
    if not report.further:
        return []
    rows = [
        [one.name, one.against, f"{SYMBOLS[one.verdict]} {one.verdict}", one.difference, one.interval, one.p]
        for one in report.further
    ]
    head = ["variant", "against", "verdict", "difference", "interval", "adjusted p"]
    return ["## Further comparisons", table(head, rows, left=3)]


def _metrics(report: Told) -> list[str]:
    if report.metrics is None:
        return []
    parts = ["## Metrics side by side", _matrix(report.metrics)]
    for one in report.secondary:
        said = [f"**{escaped(factor.factor)}**: {escaped(factor.headline)}" for factor in one.verdicts]
        clauses = [clause for factor in one.verdicts for clause in factor.clauses]
        said += ["\n".join(f"- {paragraph(clause)}" for clause in clauses)] if clauses else []
        said += [escaped(one.described)] if one.described else []
        parts += folded(f"By {escaped(one.name)}: {escaped(one.label)}", said)
    return parts


def _matrix(of: Matrix) -> str:
    """Headings of groups stand with each of their columns."""
    groups = [name for name, count in of.groups for _ in range(count)] or [""] * len(of.columns)
    head = ["variant", *(f"{group}, {name}" if group else name for group, name in zip(groups, of.columns, strict=True))]
    return table(head, [[name, *(_cell(cell) for cell in cells)] for name, cells in of.rows])


def _cell(cell: Cell) -> str:
    return f"{cell.symbol} {_figures(cell)}".strip()


def _figures(cell: Cell) -> str:
    return f"{cell.difference} {cell.interval}".strip()


def _verdicts(report: Report | WholeReport) -> list[str]:
    if not report.verdicts and not report.warnings:
        return []
    parts = ["## Verdicts", *(f"**{escaped(warning)}**" for warning in report.warnings)]
    if report.summary:
        parts.append(f"**all factors**: {escaped(report.summary)}")
    for one in report.verdicts:
        parts.append(f"**{escaped(one.factor)}**: {escaped(one.headline or one.clauses[0])}")
        parts += _items(one.clauses if one.headline else one.clauses[1:], "In figures")
    return parts


def _limits(report: Told) -> list[str]:
    listed, needed = report.limits, report.seeds_needed
    if len(needed) > MOST_ITEMS:
        said = f"Seeds that the {len(needed)} inconclusive variants would need"
        return ["## Limits", *_items(listed), *_items(needed, said)]
    return ["## Limits", *_items([*listed, *needed])] if listed or needed else []


def _items(texts: Sequence[str], fold: str = "") -> list[str]:
    """A list; a long one with a title is folded away."""
    said = "\n".join(f"- {paragraph(text)}" for text in texts)
    return folded(fold, [said]) if fold and len(texts) > MOST_ITEMS else [said]


def folded(title: str, parts: Sequence[str]) -> list[str]:
    """What a click shows."""
    return [f"<details><summary>{title}</summary>", *parts, "</details>"]


def escaped(text: str) -> str:
    """The text as it is, whatever characters it holds, within a line."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def paragraph(text: str) -> str:
    """The same at the beginning of a line."""
    return _BEGINNING.sub(r"\\", escaped(text))


def fenced(text: str) -> str:
    """A block of code, its fence longer than any within it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """The first columns are aligned to the left, the others to the right."""
    rule = [":--" if number < left else "--:" for number in range(len(head))]
    cells = [[escaped(cell) for cell in row] for row in (head, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))


def _main(report: Report) -> str:
    head = ["variant", "seeds done", report.results.metric.label, "SD", "difference", report.level,
            "all together", "adjusted p", "verdict", "parameters", "FLOPs / token", "tokens", "time"]  # fmt: skip
    return table(head, [_cells(row) for row in report.rows])


def _cells(row: VariantRow) -> list[str]:
    p = f"{row.p} (equivalence {row.p_equivalent})" if row.p_equivalent else row.p
    compared = [row.difference, row.interval, row.together, p] if row.contrast else [""] * 4
    name = f"{row.name} ({'; '.join(row.settings)})" if row.settings else row.name
    sizes = [
        f"{numbers.short(value)} ({off})" if off else numbers.short(value)
        for value, off in (
            (row.variant.parameters, row.parameters_off),
            (row.variant.flops_per_token, row.flops_off),
            (row.variant.tokens, row.tokens_off),
        )
    ]
    mean = f"{row.mean}{SURVIVORS if row.survivors else ''}"
    verdict = f"{SYMBOLS[row.verdict]} {row.verdict}".strip()
    return [name, row.seeds, mean, row.sd, *compared, verdict, *sizes, numbers.duration(row.seconds)]


def _seeds(report: Report) -> list[str]:
    r = report.results
    if not any(outcome.state == "done" for outcome in r.outcomes):
        return []
    rows = []
    for row in report.rows:
        places = numbers.decimals(row.summary.sd, row.summary.mean)
        states = {run.seed: run for run in r.of(row.variant.name)}
        rows.append([row.name, *(_run(states.get(seed), places) for seed in r.seeds)])
    return ["## Every run", table(["variant", *(f"seed {seed}" for seed in r.seeds)], rows)]


def _run(run: object, places: int) -> str:
    from partwise.studies.results import Outcome

    if not isinstance(run, Outcome):
        return numbers.NONE
    if run.metric is None:
        return "never" if run.state == "done" else run.state
    return numbers.fixed(run.metric, places)


def _tuning(report: Report) -> list[str]:
    tuned = report.analysis.tuning
    if not report.results.trials or not tuned:
        return []
    knobs = report.results.tuned_knobs or dict.fromkeys(tuned[0].values)
    rows = [
        [one.variant, *(plain(one.values[knob]) for knob in knobs), _done(one),
         numbers.with_spread(one.mean, one.sd), _choice(one)]
        for one in tuned
    ]  # fmt: skip
    head = ["variant", *knobs, "trials done", report.results.metric.label, ""]
    lost = lost_trials(report.results)
    said = [f"No figure: {escaped(joined(lost))}."] if lost else []
    return ["## Tuning", escaped(report.tuning), table(head, rows), *said]


def _done(one: Tuning) -> str:
    stopped = [f"{count} stopped after {many(updates, 'update')}" for updates, count in one.stopped.items()]
    return ", ".join([f"{one.done} of {one.trials}", *stopped])


def _choice(one: Tuning) -> str:
    return f"chosen by {many(one.times, 'seed')}" if one.times else "chosen" if one.chosen else ""


def _effects(report: Report) -> list[str]:
    if not report.effects:
        return []
    aliased = any(one.aliases for one in report.effects)
    rows = [
        [one.name, one.kind, one.estimate, one.interval, one.p, one.verdict, *([one.aliases] if aliased else [])]
        for one in report.effects
    ]
    head = ["effect", "kind", "estimate", "interval", report.effect_p, "verdict", *(["or of"] if aliased else [])]
    return ["## Interactions", table(head, rows, left=2)]


def _pooled(report: Report) -> list[str]:
    if not report.pooled:
        return []
    rows = [[one.name, one.difference, one.interval, one.p] for one in report.pooled]
    head = ["variant", "difference", "interval", "adjusted p"]
    return ["## Second opinion", escaped(report.pooled_gate), table(head, rows)]


def _failures(report: Told) -> list[str]:
    if not report.failures:
        return []
    parts = ["## Runs that did not finish"]
    for one in report.failures:
        parts.append(f"**{escaped(one.title)}**: {escaped(one.what)}")
        parts += [fenced(one.output)] if one.output else []
    return parts


def _provenance(report: Told) -> list[str]:
    facts = flat(report.results.provenance)
    if not facts:
        return []
    parts = []
    single = [(name, text) for name, text in facts if "\n" not in text.strip()]
    parts += ["\n".join(f"- **{escaped(name)}**: {escaped(text)}" for name, text in single)] if single else []
    for name, text in facts:
        if "\n" in text.strip():
            parts += [f"**{escaped(name)}**:", fenced(text)]
    return ["## Provenance", paragraph(report.made), *folded("All of it", parts)]


__all__ = ["escaped", "fenced", "folded", "markdown", "paragraph", "table", "whole_markdown"]
