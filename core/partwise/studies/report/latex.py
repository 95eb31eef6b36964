"""The main table in LaTeX, to be `\\input` in a paper; needs the package booktabs, and works with any engine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from partwise.rendering import numbers
from partwise.rendering.text import printable

from .report import Report
from .rows import VariantRow

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
    r = report.results
    label = "".join(c if c.isascii() and c.isalnum() else "-" for c in r.study.lower()).strip("-") or "study"
    level = escaped(report.level[:1].upper() + report.level[1:])
    compared = ["Variant", r"Mean $\pm$ SD", "Difference", level, "Adj. $p$", "Verdict"]
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
        *_table(about, label, "rrrrl", compared, map(_compared, report.rows), notes),
        *_table(more, f"{label}-costs", "rrrrrr", took, map(_took, report.rows), _settings(report)),
        "",
    ])  # fmt: skip


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
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{caption}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{@{{}}{first}{columns}@{{}}}}",
        r"    \toprule",
        f"    {' & '.join(head)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(row)} \\\\" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip\raggedright {note}" for note in notes),
        r"\end{table}",
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
    return r"\raggedright " + " ".join(_breakable(word) for word in row.name.split(" "))


def _breakable(word: str) -> str:
    most = LONGEST if word.isascii() else 1  # what old engines cannot print is named, which is long
    parts = re.split(r"(?<=[=_.,/-])", word)
    pieces = [part[start : start + most] for part in parts for start in range(0, len(part), most)]
    return r"\allowbreak{}".join(map(escaped, pieces))


def _math(text: str) -> str:
    if text == numbers.NONE:
        return r"\textendash{}"
    return f"${text.replace(numbers.MINUS, '-')}$"


__all__ = ["escaped", "latex"]
