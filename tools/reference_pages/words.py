"""The glossary as a page, from CONTRIBUTING's table."""

from __future__ import annotations

from pathlib import Path

from . import markdown

TOP = Path(__file__).resolve().parents[2]


def page() -> str:
    """The text of the page."""
    section = (TOP / "CONTRIBUTING.md").read_text().partition("## Words\n")[2].partition("\n## ")[0]
    return markdown.page("# Glossary", section.strip())


__all__ = ["page"]
