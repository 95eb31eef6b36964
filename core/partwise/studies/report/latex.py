"""The main table in LaTeX, to be `\\input` in a paper; needs the package booktabs, and works with any engine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from partwise.rendering import numbers
from partwise.rendering.text import printable

from .cells import Cell, Matrix
from .report import Report
from .rows import VariantRow
from .told import Told
from .whole import WholeReport

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "`": r"\textasciigrave{}",
    "\N{MINUS SIGN}": r"\ensuremath{-}", "\N{EN DASH}": r"\textendash{}", "\N{EM DASH}": r"\textemdash{}",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}", "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}", "\N{DAGGER}": r"\dag{}", "\N{NARROW NO-BREAK SPACE}": r"\,",
    "[": r"{[}", "\N{MICRO SIGN}": r"\ensuremath{\mu}", "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}",
    "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ł": r"\l{}", "Ł": r"\L{}",
}  # fmt: skip
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c"
_GREEK = re.compile(r"GREEK SMALL LETTER (ALPHA|BETA|GAMMA|DELTA|EPSILON|ZETA|ETA|THETA|IOTA|KAPPA|LAMDA|MU|NU|XI|PI|"
                    r"RHO|SIGMA|TAU|UPSILON|PHI|CHI|PSI|OMEGA)$")  # fmt: skip

MOST_ROWS = 20
"""Of a table in a column, where a name may take two lines."""
MOST_COLUMNS = 4
"""Of figures in a table of a ladder, beside the names."""
LONGEST = 14
"""Letters that fit on a line of the first column."""


def escaped(text: str) -> str:
    """A text as LaTeX prints it: special characters are escaped, those that old engines cannot print are named."""
    # Two hyphens would become a dash; a bracket after the end of a row would be an option of it.
    return re.sub("-(?=-)", "-{}", "".join(_sign(character) for character in printable(text)))


def _sign(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    # A plain letter with an accent over it works in every engine and with every font.
    parts = unicodedata.normalize("NFD", character)
    if parts[0].isascii() and (len(parts) == 1 or (len(parts) == 2 and parts[1] in _ACCENTS)):
        return character
    greek = _GREEK.match(unicodedata.name(character, ""))
    if greek:
        return rf"\ensuremath{{\{greek[1].lower().replace('lamda', 'lambda')}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"


def latex(report: Report) -> str:
    """Two of `table`, each as wide as a page's text: what is compared, and what it took."""
    label = _label(report)
    compared = ["Variant", r"Mean $\pm$ SD", "Difference", _level(report), "Adj. $p$", "Verdict"]
    took = ["Variant", "Seeds", "Eq. $p$", "Parameters", "FLOPs/token", "Tokens", "Time"]
    about = " ".join(escaped(part) for part in (f"{report.title}.", report.setting, report.progress) if part)
    dagger = any(row.survivors for row in report.rows)
    notes = [escaped(note.removeprefix("† ")) for note in report.footnotes]
    notes = [
        rf"\textsuperscript{{\dag}} {note}" if dagger and not number else note for number, note in enumerate(notes)
    ]
    notes = [*(rf"\textbf{{{escaped(warning)}}}" for warning in report.warnings), *notes]
    more = rf"{escaped(report.title)}: seeds that are done, $p$ of equivalence where it decides the verdict, and costs."
    return "\n".join([
        rf"% \usepackage{{booktabs}}; {report.stamp}",
        *_across(_table(about, label, "rrrrl", compared, map(_compared, report.rows), notes)),
        *_across(_table(more, f"{label}-costs", "rrrrrr", took, map(_took, report.rows), _settings(report))),
        *_metrics(report, label),
        "",
    ])  # fmt: skip


def whole_latex(report: WholeReport) -> str:
    """Of a study with sizes the ladder; of one with texts alone every text; and all metrics beside each other."""
    label, about = _label(report), " ".join(
        escaped(part) for part in (f"{report.title}.", report.setting, report.progress) if part
    )  # fmt: skip
    warnings = [rf"\textbf{{{escaped(warning)}}}" for warning in report.warnings]
    notes = [*warnings, *map(escaped, report.notes)]
    lines = [rf"% \usepackage{{booktabs}}; {report.stamp}"]
    if report.ladder:
        lines += _ladder_tables(report, label, about, notes)
    elif report.by_text:
        lines += _matrix_tables(report.by_text, about, f"{label}-texts", notes)
    return "\n".join([*lines, *_metrics(report, label), ""])


def _metrics(report: Told, label: str) -> list[str]:
    """None of a study with one metric."""
    if report.metrics is None:
        return []
    where = f" Differences are those at {report.results.sizes[-1]}." if report.results.sizes else ""
    said = escaped(f"{report.title}: metrics side by side.{where}")
    return _matrix_tables(report.metrics, said, f"{label}-metrics", [])


def _ladder_tables(report: WholeReport, label: str, about: str, notes: list[str]) -> list[str]:
    """Verdict, slope and speed-up; then the differences at every size, a few to a table."""
    title, last = escaped(report.title), escaped(report.results.sizes[-1])
    rows = [[_title(row.title), row.verdict.verdict, _under(row.speed_up)] for row in report.ladder]
    lines = _tables(about, label, "lr", ["Variant", "Verdict", f"Speed-up at {last}"], rows, notes)
    rows = [[_title(row.title), _math(row.slope.difference), _math(row.slope.interval)] for row in report.ladder]
    said = f"{title}: what each difference gains with ten times the training FLOPs."
    lines += _tables(said, f"{label}-slopes", "rr", ["Variant", "Slope", _level(report)], rows, [])
    for start in range(0, len(report.results.sizes), MOST_COLUMNS):
        part = slice(start, start + MOST_COLUMNS)
        sizes = [escaped(f"At {size}") for size in report.results.sizes[part]]
        rows = [[_title(row.title), *map(_marked, row.cells[part])] for row in report.ladder]
        said = f"{title}: differences at each size."
        more = f"-sizes{start or ''}"
        lines += _tables(said, f"{label}{more}", "r" * len(sizes), ["Variant", *sizes], rows, [_KEY])
    return lines


def _matrix_tables(of: Matrix, about: str, label: str, notes: list[str]) -> list[str]:
    groups = [name for name, count in of.groups for _ in range(count)] or [""] * len(of.columns)
    heads = [escaped(f"{group}, {name}" if group else name)
             for group, name in zip(groups, of.columns, strict=True)]  # fmt: skip
    lines = list[str]()
    for start in range(0, len(heads), MOST_COLUMNS):
        part = slice(start, start + MOST_COLUMNS)
        width = rf"p{{{0.64 / len(heads[part]):.2f}\linewidth}}"
        rows = [[_title(name), *map(_marked, cells[part])] for name, cells in of.rows]
        shown = [rf"\raggedright {head}" for head in heads[part]]
        more = f"{label}{start or ''}"
        lines += _tables(about, more, width * len(shown), ["Variant", *shown], rows, [*notes, _KEY])
    return lines


_KEY = (
    r"Raised letters: \textsuperscript{b} better, \textsuperscript{w} worse, \textsuperscript{e} equivalent; "
    r"of a ladder \textsuperscript{f} fades, \textsuperscript{g} grows, \textsuperscript{r} reverses."
)
_LETTERS = {"better": "b", "worse": "w", "equivalent": "e", "fades": "f", "grows": "g", "reverses": "r"}


def _marked(cell: Cell) -> str:
    """A difference with the first letter of its verdict; its interval stands in the other formats."""
    if not cell.difference:
        return r"\textendash{}"
    letter = next((_LETTERS[word] for word in reversed(cell.verdict.split(", ")) if word in _LETTERS), "")
    return _math(cell.difference) + (rf"\textsuperscript{{{letter}}}" if letter else "")


def _under(cell: Cell) -> str:
    """Figure and interval."""
    if not cell.interval:
        return _math(cell.difference) if cell.difference else ""
    told = f"{cell.difference} {cell.interval}".replace("×", r"\times").replace(" ", r"\ ")
    return _math(told)


def _level(report: Told) -> str:
    return escaped(report.level[:1].upper() + report.level[1:])


def _title(name: str) -> str:
    return r"\raggedright " + " ".join(_breakable(word) for word in name.split(" "))


def _label(report: Told) -> str:
    name = report.results.study.lower()
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-") or "study"


def _tables(
    caption: str, label: str, columns: str, head: list[str], rows: list[list[str]], notes: list[str]
) -> list[str]:
    """As many of `table` as fit a page each; the notes stand under the last."""
    starts = range(0, max(len(rows), 1), MOST_ROWS)
    lines = list[str]()
    for start in starts:
        last = start + MOST_ROWS >= len(rows)
        said, name = (f"{caption} (continued)", f"{label}-{start}") if start else (caption, label)
        lines += _table(said, name, columns, head, rows[start : start + MOST_ROWS], notes if last else [])
    return lines


def _across(lines: list[str]) -> list[str]:
    """A table as wide as a page's text; in a paper of two columns it lies across both."""
    return [line.replace("{table}", "{table*}") if line in (_BEGIN, _END) else line for line in lines]


_BEGIN, _END = r"\begin{table}", r"\end{table}"


def _settings(report: Report) -> list[str]:
    """What was chosen for each variant alone, for which the table has no room."""
    told = [f"{row.name}: {', '.join(row.settings)}" for row in report.rows if row.settings]
    return [escaped(f"Settings of single variants. {'; '.join(told)}.")] if told else []


def _table(
    caption: str, label: str, columns: str, head: list[str], rows: Iterable[list[str]], notes: list[str]
) -> list[str]:
    """The names in the first column break where they must; the others are as wide as what stands in them."""
    first = r"p{0.22\linewidth}"
    return [
        _BEGIN,
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{caption}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{@{{}}{first}{columns}@{{}}}}",
        r"    \toprule",
        f"    {' & '.join(head)} \\tabularnewline",
        r"    \midrule",
        *(f"    {' & '.join(row)} \\\\" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip\raggedright {note}" for note in notes),
        _END,
    ]


def _compared(row: VariantRow) -> list[str]:
    """The mean and its SD share a column: that is how papers print them."""
    mean = row.mean if row.summary.sd is None else rf"{row.mean} $\pm$ {row.sd}"
    survivors = r"\textsuperscript{\dag}" if row.survivors else ""
    interval = escaped(row.without_spread) if row.without_spread else _math(row.interval)
    figures = [_math(row.difference), interval, _math(row.p)] if row.contrast else ["", "", ""]
    mean = mean.replace(numbers.MINUS, r"\ensuremath{-}").replace(numbers.NONE, r"\textendash{}")
    return [_name(row), mean + survivors, *figures, row.verdict]


def _took(row: VariantRow) -> list[str]:
    sizes = [numbers.short(size) for size in (row.variant.parameters, row.variant.flops_per_token, row.variant.tokens)]
    return [
        _name(row),
        escaped(row.seeds),
        _math(row.p_equivalent) if row.p_equivalent else "",
        *(size.replace(" ", r"\,") for size in sizes),
        numbers.duration(row.seconds).replace(" ", r"\,").replace(numbers.NONE, r"\textendash{}"),
    ]


def _name(row: VariantRow) -> str:
    """A line may end after each sign that joins words, and anywhere in a word that is longer than the column."""
    return _title(row.name)


def _breakable(word: str) -> str:
    most = LONGEST if word.isascii() else 1  # what old engines cannot print is named, which is long
    parts = re.split(r"(?<=[=_.,/-])", word)
    pieces = [part[start : start + most] for part in parts for start in range(0, len(part), most)]
    return r"\allowbreak{}".join(map(escaped, pieces))


def _math(text: str) -> str:
    if text in (numbers.NONE, ""):
        return r"\textendash{}"
    return f"${text.replace(numbers.MINUS, '-')}$"


__all__ = ["escaped", "latex", "whole_latex"]
