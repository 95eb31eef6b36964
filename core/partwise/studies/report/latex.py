"""The main table in LaTeX, to be `\\input` in a paper; needs the package booktabs, and works with any engine."""

from __future__ import annotations

import re
import unicodedata

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
    """A `table` with a caption and a label."""
    r = report.results
    label = "".join(c if c.isascii() and c.isalnum() else "-" for c in r.study.lower()).strip("-")
    metric, level = (escaped(text[:1].upper() + text[1:]) for text in (printable(r.metric.label), report.level))
    head = ["Variant", "Seeds", metric, "Difference", level, "Adj. $p$", "Verdict", "Parameters", "FLOPs/token",
            "Tokens", "Time"]  # fmt: skip
    dagger = any(row.survivors for row in report.rows)
    notes = [escaped(note.removeprefix("† ")) for note in report.footnotes]
    notes = [
        rf"\textsuperscript{{\dag}} {note}" if dagger and not number else note for number, note in enumerate(notes)
    ]
    about = f"{escaped(report.title)}. {escaped(report.setting)}"
    waiting = f" {escaped(report.progress)}" if report.progress else ""
    return "\n".join([
        r"% \usepackage{booktabs}; wide tables may need \resizebox or \small",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{about}{waiting}}}",
        rf"  \label{{tab:{label or 'study'}}}",
        r"  \begin{tabular}{lrrrrrlrrrr}",
        r"    \toprule",
        f"    {' & '.join(head)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(_cells(row))} \\\\" for row in report.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip\footnotesize {note}" for note in [*notes, *_settings(report)]),
        r"\end{table}",
        "",
    ])  # fmt: skip


def _settings(report: Report) -> list[str]:
    """What was chosen for each variant alone, for which the table has no room."""
    told = [f"{row.name}: {', '.join(row.settings)}" for row in report.rows if row.settings]
    return [escaped(f"Settings of single variants. {'; '.join(told)}.")] if told else []


def _cells(row: VariantRow) -> list[str]:
    """The mean and its SD share a column: that is how papers print them."""
    mean = row.mean if row.summary.sd is None else rf"{row.mean} $\pm$ {row.sd}"
    survivors = r"\textsuperscript{\dag}" if row.survivors else ""
    p = f"{_math(row.p)} (eq. {_math(row.p_equivalent)})" if row.p_equivalent else _math(row.p)
    compared = [_math(row.difference), _math(row.interval), p] if row.contrast else ["", "", ""]
    sizes = [numbers.short(size) for size in (row.variant.parameters, row.variant.flops_per_token, row.variant.tokens)]
    return [
        escaped(row.name),
        escaped(row.seeds),
        mean.replace(numbers.MINUS, r"\ensuremath{-}").replace(numbers.NONE, r"\textendash{}") + survivors,
        *compared,
        row.verdict,
        *(size.replace(" ", r"\,") for size in sizes),
        numbers.duration(row.seconds).replace(" ", r"\,").replace(numbers.NONE, r"\textendash{}"),
    ]


def _math(text: str) -> str:
    if text == numbers.NONE:
        return r"\textendash{}"
    return f"${text.replace(numbers.MINUS, '-')}$"


__all__ = ["escaped", "latex"]
