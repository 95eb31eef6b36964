r"""Formulas in LaTeX as MathML, which browsers set by themselves, without a script, a font or the network.

`latex2mathml` does not refuse what it does not know: it leaves the command as a text, and an unfinished fraction with
one half. So what it gives is looked through, and written anew from those elements and attributes that are mathematics.
"""

from __future__ import annotations

import xml.etree.ElementTree as Tree
from collections.abc import Iterable, Iterator

from markupsafe import Markup, escape

from .text import printable

_CHILDREN = {"mfrac": 2, "mover": 2, "mroot": 2, "msub": 2, "msubsup": 3, "msup": 2, "munder": 2, "munderover": 3}
_ELEMENTS = {*_CHILDREN, "math", "mi", "mn", "mo", "mrow", "mspace", "msqrt", "mtable", "mtd", "mtext", "mtr"}
_ATTRIBUTES = {"accent", "columnalign", "display", "fence", "form", "linebreak", "mathvariant", "stretchy", "width"}
_LETTERS = "∞∇…′"
"""Signs that stand for something, as letters do."""
_BEGINS = {"mfrac", "mi", "mn", "msqrt", "msub", "msubsup", "msup", "munder", "munderover", "mover"}
"""What needs a space behind a function's name."""


def mathml(latex: str) -> Markup:
    """An equation, as an element that stands on a line of its own; `alttext` has the LaTeX.

    Raises:
        ValueError: it is no LaTeX of the kind that can be set, such as an unknown command.
    """
    from latex2mathml.converter import convert

    try:
        tree = Tree.fromstring(convert(latex, display="block"))
    except Exception as error:  # the library has errors of many kinds, some of them those of its own code
        raise ValueError(f"{latex!r} is no LaTeX that can be set: {str(error) or type(error).__name__}") from error
    tree.attrib["alttext"] = latex
    try:
        return Markup("").join(_written(tree, latex))
    except RecursionError:
        raise ValueError(f"{latex[:40]!r}... is nested too deeply to be set") from None


def _written(element: Tree.Element, latex: str, before: Tree.Element | None = None) -> Iterator[Markup]:
    """An element, `before` which another stands."""
    tag, text = _as_meant(_bare(element), (element.text or "").strip("\n"))
    _refuse(tag, text, element, latex)
    yield Markup("<{}").format(tag)
    if tag == "mo" and text in "+−" and _opens(before):
        yield Markup(' form="prefix"')  # -x, not a - x
    for name, value in element.attrib.items():
        if name in _ATTRIBUTES or (name == "alttext" and tag == "math"):
            yield Markup(' {}="{}"').format(name, value)
    yield Markup(">") + escape(text)
    last = None
    for child in element:
        # The argument of a function without parentheses: log x, not logx.
        if last is not None and _is_name(last) and _bare(child) in _BEGINS:
            yield Markup('<mspace width="0.167em"></mspace>')
        yield from _written(child, latex, last)
        last = child
    yield Markup("</{}>").format(tag)


def _refuse(tag: str, text: str, element: Tree.Element, latex: str) -> None:
    if tag not in _ELEMENTS:
        raise ValueError(f"{latex!r} is set with <{tag}>, which is no mathematics that browsers know")
    if "\\" in text:
        raise ValueError(f"{latex!r} has {text}, which is no command that can be set")
    if len(element) != _CHILDREN.get(tag, len(element)) or (tag in {"mi", "mn", "mo"} and not text.strip()):
        raise ValueError(f"{latex!r} is not complete: something is missing after a command")


def _as_meant(tag: str, text: str) -> tuple[str, str]:
    """Names of functions are identifiers, set upright and without an operator's space; signs are operators."""
    if tag == "mo" and len(text) > 1 and text.isalpha():
        return "mi", text
    if tag == "mi" and text and not any(sign.isalnum() or sign in _LETTERS for sign in text) and "\\" not in text:
        return "mo", {"~": "∼", "&": ""}.get(text, text)
    return tag, text


def _opens(before: Tree.Element | None) -> bool:
    """Whether what stands behind it begins a term."""
    return before is None or (_bare(before) == "mo" and (before.text or "") in "([{,=<>|∼∝")


def _is_name(element: Tree.Element) -> bool:
    if _bare(element) in {"msub", "munder"}:
        return _is_name(element[0])
    return _bare(element) in {"mi", "mo"} and len(element.text or "") > 1 and (element.text or "").isalpha()


def _bare(element: Tree.Element) -> str:
    return element.tag.rpartition("}")[2]


def equations(formulas: Iterable[str]) -> Markup:
    """Equations one below the other, each of which scrolls by itself where it is too wide; what is no LaTeX that can be
    set is shown as it is written."""
    return Markup('<div class="equations">{}</div>').format(Markup("").join(map(_equation, formulas)))


def _equation(latex: str) -> Markup:
    # A plugin's formula may hold anything.
    latex = printable(latex if isinstance(latex, str) else repr(latex))
    try:
        return Markup('<div class="equation scroll" tabindex="0">{}</div>\n').format(mathml(latex))
    except ValueError:
        return Markup('<pre class="equation">{}</pre>\n').format(latex)


__all__ = ["equations", "mathml"]
