"""Words that messages and docstrings share: articles, plurals, sizes, short lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def with_article(noun: str) -> str:
    """`a mixer`, `an attention`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def size_in_words(count: float) -> str:
    """Bytes as people read them: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def some_of(names: Sequence[str]) -> str:
    """The first three, and how many more: `a, b, c and 4 more`. One that would fill a screen is cut."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name if len(name) <= 200 else f"{name[:197]}..." for name in names[:3]) + more


def joined(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def many(count: int, thing: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
