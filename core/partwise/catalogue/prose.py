"""Docstrings as markup: paragraphs, lists, formulas, code, and links to the papers they cite.

Markup in a docstring is shown as text. The only links are those made here from an arXiv number or a DOI.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup, escape

from partwise.rendering.text import lines

Find = Callable[[str], str | None]
"""From a text between backticks to the page about it, if there is one."""

_ARXIV = r"arXiv:\s?(?P<arxiv>\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]{2,12}/\d{7})"
_DOI = r"(?:doi:\s?)?\b(?P<doi>10\.\d{4,9}/[^\s\"'<>`]*[\w/])"
_ADDRESS = re.compile(f"{_ARXIV}|{_DOI}", re.IGNORECASE)
_INLINE = re.compile(
    r"(?P<ticks>`{1,2})(?P<code>[^`\n]+)(?P=ticks)|(?<![\w*])\*(?P<stressed>\w[\w -]{0,60})\*(?![\w*])|"
    + _ADDRESS.pattern,
    re.IGNORECASE,
)
_NAME = r"(?<!\w)[^\W\d_][\w'’-]{1,40}"
_YEAR = re.compile(
    rf"{_NAME}(?:,? et al\.|(?:, {_NAME}){{0,5}},? (?:&|and) {_NAME})?,? \(?(?:19|20)\d\d[a-z]?\b\)?"
    rf"(?:,? \(?(?:{_ADDRESS.pattern}))?",
    re.IGNORECASE,
)
_MONTHS = frozenset(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
_MATHS = re.compile(r"[=^*/+]|\w\(\S")
_SPEECH = re.compile(r"\b[a-z]{3,} (?:[a-z]+ )?[a-z]{3,}\b")


@dataclass(frozen=True)
class Paper:
    """A citation in a docstring: its text and, if it has an arXiv number or a DOI, its address."""

    text: str
    address: str | None


def text_of(thing: type) -> str:
    """A class's own docstring, without indentation and control characters."""
    return lines(inspect.cleandoc(thing.__doc__ or "")).strip()


def first_line(thing: type) -> str:
    """The first paragraph of its docstring, as one line."""
    return " ".join(text_of(thing).partition("\n\n")[0].split())


def rest(thing: type) -> str:
    """The rest of its docstring."""
    return text_of(thing).partition("\n\n")[2].strip("\n")


def inline(text: str, find: Find = lambda _: None) -> Markup:
    """Text on one line: `code` as code, with a link where there is a page about it; papers with links."""
    found, at = Markup(), 0
    for match in _INLINE.finditer(text):
        found += escape(text[at : match.start()]) + _marked(match, find)
        at = match.end()
    return found + escape(text[at:])


def _marked(match: re.Match[str], find: Find) -> Markup:
    code = match["code"]
    if match["stressed"]:
        return Markup("<em>{}</em>").format(match["stressed"])
    if code is None:
        return _link(_address(match), match[0])
    page = find(code)
    shown = Markup("<code>{}</code>").format(code)
    return Markup('<a href="{}">{}</a>').format(page, shown) if page else shown


def _link(address: str, text: str) -> Markup:
    return Markup('<a class="out" rel="external noreferrer" href="{}">{}</a>').format(address, text)


def _address(match: re.Match[str]) -> str:
    if match["arxiv"]:
        return f"https://arxiv.org/abs/{match['arxiv']}"
    return f"https://doi.org/{match['doi']}"


def blocks(text: str, find: Find = lambda _: None, folded: str | None = None) -> Markup:
    """Text of several paragraphs; indented ones are formulas or code, those that begin with `- ` are lists.

    Args:
        folded: what to open the indented ones by; None: they are open.
    """
    found = Markup()
    for block in _joined(re.split(r"\n[ \t]*\n", text.strip("\n"))):
        if not block.strip():
            continue
        if all(line.startswith("    ") for line in block.split("\n") if line.strip()):
            shown = Markup('<pre class="formula">{}</pre>\n').format(textwrap.dedent(block).strip("\n"))
            found += Markup("<details><summary>{}</summary>\n{}</details>\n").format(folded, shown) if folded else shown
        elif block.lstrip().startswith("- "):
            items = re.split(r"(?:^|\n)\s*- ", block)
            found += Markup("<ul>\n")
            found += Markup("").join(
                Markup("<li>{}</li>\n").format(inline(_flat(item), find)) for item in items if item.strip()
            )
            found += Markup("</ul>\n")
        else:
            found += Markup("<p>{}</p>\n").format(inline(_flat(block), find))
    return found


def _joined(parts: list[str]) -> list[str]:
    """Paragraphs, with consecutive formulas joined."""
    found: list[str] = []
    for part in parts:
        if found and part.startswith("    ") and found[-1].startswith("    "):
            found[-1] += f"\n\n{part}"
        else:
            found.append(part)
    return found


def _flat(text: str) -> str:
    return " ".join(text.split())


def formula(line: str) -> str | None:
    """The formula in a one-line description: the text after its colon, or between its last comma and the citation.

    Only text that is clearly a formula counts; the line itself is shown anyway.
    """
    line = re.sub(r"\s+\((?:[^()]*\b(?:19|20)\d\d\b[^()]*|[A-Z][^()]* [^()]*)\)", "", line).strip().rstrip(".")
    for mark in (": ", ", "):
        _, found, tail = line.partition(mark)
        tail = re.split(r"[:;] |, (?=[a-z]{3,} )", tail)[0].strip()
        if found and len(tail) > 3 and _MATHS.search(tail) and not _SPEECH.search(tail):
            return tail
    return None


def papers(text: str) -> list[Paper]:
    """The papers that a text cites by authors and year, arXiv number or DOI, in order, each once."""
    text, found, taken = _flat(text), dict[str, Paper](), list[tuple[int, int]]()
    for match in [*_YEAR.finditer(text), *_ADDRESS.finditer(text)]:
        if any(start <= match.start() < end for start, end in taken):
            continue
        taken.append(match.span())
        if match.re is _YEAR and (not match[0][0].isupper() or match[0][:3] in _MONTHS):
            continue
        address = _address(match) if match["arxiv"] or match["doi"] else None
        shown = match[0].replace("(", "").replace(")", "").strip(" ,")
        found.setdefault(address or shown, Paper(shown, address))
    return list(found.values())


__all__ = ["Find", "Paper", "blocks", "first_line", "formula", "inline", "papers", "rest", "text_of"]
