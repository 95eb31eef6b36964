"""The page: what was found, for a browser, in one file that loads nothing."""

from __future__ import annotations

import html
import json
import math
from typing import Any

import torch
from markupsafe import Markup

from partwise.rendering import numbers
from partwise.rendering.maths import equations
from partwise.rendering.page import environment, policy, styled
from partwise.rendering.text import printable

from . import drawn
from .facts import Facts, Token
from .packed import Packed, packed

PACKAGE = "partwise.looking"
STEPS_OPEN = 60
"""Modules that are listed at once; the rest can be opened."""


def page(facts: Facts) -> str:
    """The whole page, with its style, script and figures."""
    templates = environment(PACKAGE)
    templates.globals |= {
        "n": numbers,
        "equations": equations,
        "label": label,
        "letters": letters,
        "visible": visible,
        "table": table,
        "shade": shade,
    }
    style, script = (styled(f"page.{kind}") + styled(f"look.{kind}", PACKAGE) for kind in ("css", "js"))
    bytes_of_maps = _weights(facts)
    rendered = templates.get_template("look.html").render(
        facts=facts,
        style=Markup(style),
        script=Markup(script),
        policy=policy(script),
        maps=Markup(_as_data(_maps(facts, bytes_of_maps))),
        weights=Markup(bytes_of_maps.content),
        map=drawn.vectors(facts.vectors) if facts.vectors else None,
        health=drawn.health(facts.health),
        heads=list(_heads(facts)),
        small=_small(facts),
    )
    return rendered + "\n"


def framed(page: str) -> str:
    """The page within the page of a notebook."""
    frame = '<iframe title="partwise look" style="width:100%;height:820px;border:0" srcdoc="{}"></iframe>'
    return frame.format(html.escape(page, quote=True))


def label(token: Token) -> str:
    """A token on one line, its spaces made visible."""
    return visible(token.label)


def visible(text: str) -> str:
    """A piece of a text on one line, its spaces made visible."""
    for sign, shown in ((" ", "␣"), ("\n", "⏎"), ("\t", "⇥"), ("\r", "␍")):
        text = text.replace(sign, shown)
    shown = printable(text) or "∅"
    return shown if len(shown) <= 40 else f"{shown[:39]}…"


def letters(token: Token) -> str:
    """Its bytes, in pairs of digits."""
    return " ".join(token.bytes[at : at + 2] for at in range(0, len(token.bytes), 2)) or "none"


def shade(share: float) -> str:
    """The width of a bar."""
    return f"{100 * max(0.0, min(1.0, share)):.1f}%"


def table(tensor: Any) -> list[list[list[str]]]:
    """Numbers of a tensor as tables of rows, one for each leading index; at least four digits of the largest."""
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    places = min(9, max(4, 3 - math.floor(math.log10(largest)))) if 0 < largest < math.inf else 4
    rows = tensor.reshape(1, 1, -1) if tensor.ndim < 2 else tensor.reshape(-1, *tensor.shape[-2:])
    return [[[numbers.fixed(value, places) for value in row] for row in one] for one in rows.tolist()]


def _as_data(value: Any) -> str:
    """JSON that may stand within a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _weights(facts: Facts) -> Packed:
    gates = [torch.stack(list(one.gates.values())) for one in facts.mixing.gates]
    return packed([one.weights for one in facts.mixing.maps] + gates)


def _maps(facts: Facts, bytes_of_maps: Packed) -> dict[str, Any]:
    """What the script needs to know of the bytes."""
    told = list(bytes_of_maps.maps)
    maps: list[dict[str, Any]] = []
    for one, size in zip(facts.mixing.maps, told, strict=False):
        names = [f"head {index + 1}" for index in range(len(one.weights))]
        maps.append(
            {"path": one.path, "part": one.part or "", "from": one.rows, "to": one.columns, "names": names, **size}
        )
    rest = iter(told[len(facts.mixing.maps) :])
    for opened in facts.mixing.gates:
        about = {"path": opened.path, "part": opened.part or "", "from": opened.rows, "to": "features"}
        maps.append({**about, "names": [f"{name} gate" for name in opened.gates], "gate": True, **next(rest)})
    labels = {"text": facts.text_tokens, "source": facts.source_tokens}
    return {
        "maps": maps,
        "tokens": {side: [label(token) for token in tokens] for side, tokens in labels.items()},
        "start": _start(facts),
    }


def _start(facts: Facts) -> list[int]:
    """The head that is shown first: an alignment of source and text or, without one, that which looks back most."""
    best, chosen = -1.0, [0, 0]
    for number, one in enumerate(facts.mixing.maps):
        if one.rows != one.columns:
            return [number, 0]
        for head, told in enumerate(one.heads):
            score = max(told.induction or 0.0, 0.5 * (told.previous or 0.0))
            if score > best:
                best, chosen = score, [number, head]
    return chosen


def _heads(facts: Facts) -> Any:
    """Rows of the table of heads."""
    for one in facts.mixing.maps:
        for index, head in enumerate(one.heads):
            yield one, index, head


def _small(facts: Facts) -> bool:
    """Whether weights can be read as numbers."""
    return all(one.weights.numel() <= 240 for one in facts.mixing.maps)
