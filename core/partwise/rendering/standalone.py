"""A figure as a file of its own: with the style sheet that its shapes' classes refer to."""

from __future__ import annotations

from .page import styled


def standalone(figure: str) -> str:
    """An SVG document of a figure that was drawn for a page."""
    head, _, rest = figure.partition(">")
    style = styled("page.css") + " svg { background: var(--page); font-family: Arial, sans-serif; }"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'{head} xmlns="http://www.w3.org/2000/svg">'
        f"<style>{style}</style>{rest}\n"
    )


__all__ = ["standalone"]
