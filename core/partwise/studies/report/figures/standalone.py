"""A figure as a file of its own: with the style sheet that its shapes' classes refer to."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def standalone(figure: str) -> str:
    """An SVG document of a figure that was drawn for a page."""
    head, _, rest = figure.partition(">")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'{head} xmlns="http://www.w3.org/2000/svg">'
        f"<style>{_style()} svg {{ background: var(--page); font-family: Arial, sans-serif; }}</style>{rest}\n"
    )


@cache
def _style() -> str:
    return (files("partwise.studies.report") / "style" / "report.css").read_text(encoding="utf-8")


__all__ = ["standalone"]
