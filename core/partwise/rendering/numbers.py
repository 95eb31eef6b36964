"""Numbers as people read them: as many digits as the uncertainty warrants, never more."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
"""In place of a number that is not known."""

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def decimals(uncertainty: float | None, value: float | None = None) -> int:
    """Decimals that show two digits of the uncertainty or, without one, four digits of the value."""
    if uncertainty is not None and math.isfinite(uncertainty) and uncertainty > 0:
        places = 1 - _magnitude(uncertainty, 2)
    elif value:
        places = 3 - _magnitude(value, 4)
    else:
        places = 3
    return min(max(places, 0), 12)


def _magnitude(number: float, digits: int) -> int:
    """Power of ten of the first digit, once rounded to that many digits: 0.0999 to two of them begins at 10^-1."""
    return int(f"{abs(number):.{digits - 1}e}".partition("e")[2])


def fixed(value: float | None, places: int) -> str:
    """With that many decimals and a proper minus sign; a zero has no sign."""
    if value is None:
        return NONE
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def signed(value: float | None, places: int) -> str:
    """As `fixed`, with a plus sign before what is above zero."""
    text = fixed(value, places)
    return f"+{text}" if value is not None and float(f"{value:.{places}f}") > 0 else text


def with_spread(value: float | None, spread: float | None) -> str:
    """A value to the digits that its spread warrants."""
    return fixed(value, decimals(spread, value))


def interval(low: float | None, high: float | None, places: int) -> str:
    """`[−0.12, +0.03]`; a dash if there is none."""
    return NONE if low is None or high is None else f"[{signed(low, places)}, {signed(high, places)}]"


def factor(value: float) -> str:
    """How many times: `0.001`, `1.40`, `1,210`."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if value >= 0.01 else f"{value:.3g}"


def p_value(p: float | None) -> str:
    """Two digits, `<0.001` below that, never a plain 0 or 1."""
    if p is None:
        return NONE
    if p < 0.001:
        return "<0.001"
    text = f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"
    return ">0.99" if text == "1.00" and p < 1 else text


def short(value: float | None) -> str:
    """Three digits and a prefix: `1.23 M`. Whole numbers below a thousand are written out."""
    if value is None:
        return NONE
    for size, prefix in _PREFIXES:
        # 999 600 is 1.00 M, not 1000 k.
        if abs(value) >= size * 0.9995:
            return f"{_three_digits(value / size)} {prefix}"
    return fixed(value, 0) if float(value).is_integer() else _three_digits(value)


def _three_digits(value: float) -> str:
    return fixed(value, min(max(2 - _magnitude(value, 3), 0), 6)) if value else "0"


def exact(value: float | None) -> str:
    """Every digit before the point, in groups of three."""
    if value is None:
        return NONE
    grouped = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.6g}"
    return grouped.replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", MINUS)


def duration(seconds: float | None) -> str:
    """`0.84 s`, `12.3 s`, `4 min 05 s`, `3 h 07 min`."""
    if seconds is None:
        return NONE
    if seconds < 99.95:
        return f"{_three_digits(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"


def percent_off(value: float | None, reference: float | None) -> str:
    """How far from a reference: `+1.6 %`; empty below 0.05 %, and if one is not known."""
    if not reference or value is None:
        return ""
    share = 100 * (value / reference - 1)
    if abs(share) < 0.05:
        return ""
    return f"{signed(share, 1 if abs(share) < 99.95 else 0)} %"


__all__ = [
    "MINUS", "NONE", "decimals", "duration", "exact", "factor", "fixed", "interval", "p_value", "percent_off", "short",
    "signed", "with_spread",
]  # fmt: skip
