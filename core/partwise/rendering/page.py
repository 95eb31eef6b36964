"""What all pages that partwise writes have in common: templates that escape, and a policy that loads nothing.

Studies' reports and the catalogue of parts are such pages. What they share lies in `style` beside this file: their
frame (`page.html`), the piece they are made of (`section.html`), and their style and script (`page.css`, `page.js`).
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

SHARED = "partwise.rendering"


def styled(name: str, *packages: str) -> str:
    """The text of a file in the `style` folder of the first of `packages` that has it, or of what pages share.

    Raises:
        FileNotFoundError: none of them has it.
    """
    places = [resources.files(package) / "style" / name for package in (*packages, SHARED)]
    return next((place for place in places if place.is_file()), places[-1]).read_text(encoding="utf-8")


def environment(*packages: str) -> Environment:
    """Templates of `packages` and those that pages share; everything is escaped unless a function of ours has made
    it markup."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(lambda name: styled(name, *packages)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(script: str) -> str:
    """A content security policy: the page loads nothing, and runs no script but ours, whatever a name smuggles in."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
    )


__all__ = ["environment", "policy", "styled"]
