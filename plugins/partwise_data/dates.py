"""Dates as people write them, to be rewritten in the form of ISO 8601: `the 7th of March, 1998` -> `1998-03-07`.

The task on which alignments (Bahdanau et al. 2015) are easiest to see.
No form is ambiguous: numbers between dots are day, month, year, and between slashes month, day, year.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from partwise.data import Piece

from .drawing import Draw, word_list

FORMS = (
    "{d} {month} {y}",
    "{d} {mon} {y}",
    "{d} {mon}. {y}",
    "{d}-{mon}-{y}",
    "{dd} {mon} {y}",
    "{month} {d}, {y}",
    "{mon} {d}, {y}",
    "{month} {d} {y}",
    "{nth} {month} {y}",
    "{nth} of {month} {y}",
    "{month} {nth}, {y}",
    "{month} the {nth}, {y}",
    "the {nth} of {month}, {y}",
    "the {nth} of {month} in the year {y}",
    "{d}.{m}.{y}",
    "{dd}.{mm}.{y}",
    "{d}. {month} {y}",
    "{d}.{roman}.{y}",
    "{m}/{d}/{y}",
    "{mm}/{dd}/{y}",
    "{y}/{mm}/{dd}",
    "{y}.{mm}.{dd}",
    "{y}{mm}{dd}",
    "{y} {month} {d}",
    "{y}, {d} {mon}",
    "{weekday}, {d} {month} {y}",
    "{weekday}, {month} {nth}, {y}",
    "{weekday} {mm}/{dd}/{y}",
    "{wday} {mon} {d} {y}",
    "{wday}, {dd} {mon} {y}",
    "{nth} {month} {year}",
    "{month} {d}, {year}",
    "{month} the {nth_word}, {y}",
    "the {nth_word} of {month} {y}",
    "the {nth_word} of {month}, {year}",
    "{weekday} the {nth_word} of {month}, {y}",
)
CASES: tuple[Callable[[str], str], ...] = (str.lower, str.upper, *[str] * 8)
"""One in ten is in lower case, one in ten in capitals."""

MONTHS = word_list("January February March April May June July August September October November December")
ROMAN = word_list("I II III IV V VI VII VIII IX X XI XII")
WEEKDAYS = word_list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
UNITS = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = word_list("- ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = word_list(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)


@dataclass(frozen=True)
class WrittenDates:
    """A uniformly drawn day in a uniformly drawn form."""

    first_year: int
    last_year: int

    @property
    def sources(self) -> int:
        # Some forms coincide (May is its own abbreviation), but never half of them.
        return (self._days * len(FORMS)) // 2

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        day = date(self.first_year, 1, 1) + timedelta(draw.below(self._days))
        written = draw.choice(CASES)(draw.choice(FORMS).format_map(facts(day)))
        return Piece(written, scored=False), Piece(day.isoformat())

    @property
    def _days(self) -> int:
        return (date(self.last_year, 12, 31) - date(self.first_year, 1, 1)).days + 1


def facts(day: date) -> dict[str, Any]:
    """The fields that forms are filled with."""
    weekday, month = WEEKDAYS[day.weekday()], MONTHS[day.month - 1]
    return {
        "d": day.day,
        "dd": f"{day.day:02}",
        "m": day.month,
        "mm": f"{day.month:02}",
        "y": day.year,
        "month": month,
        "mon": month[:3],
        "roman": ROMAN[day.month - 1],
        "weekday": weekday,
        "wday": weekday[:3],
        "nth": f"{day.day}{_suffix(day.day)}",
        "nth_word": ordinal(day.day),
        "year": year_in_words(day.year),
    }


def _suffix(number: int) -> str:
    if number in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def ordinal(number: int) -> str:
    """`first` to `ninety-ninth`, as words."""
    if number < 20:
        return ORDINALS[number]
    tens, unit = divmod(number, 10)
    return f"{TENS[tens]}-{ORDINALS[unit]}" if unit else f"{TENS[tens][:-1]}ieth"


def cardinal(number: int) -> str:
    """`zero` to `ninety-nine`."""
    if number < 20:
        return UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{TENS[tens]}-{UNITS[unit]}" if unit else TENS[tens]


def year_in_words(year: int) -> str:
    """A year of four digits as it is said: `nineteen oh five`, `two thousand seven`, `twenty fifteen`."""
    century, rest = divmod(year, 100)
    if century % 10 == 0 and rest < 10:
        return f"{UNITS[century // 10]} thousand" + (f" {UNITS[rest]}" if rest else "")
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} oh {UNITS[rest]}" if rest < 10 else f"{cardinal(century)} {cardinal(rest)}"
