"""What to say when texts are so few that a split has none of them: how many there are, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from partwise.data import Split
from partwise.wording import many

from .splits import Shares


def empty_split(
    empty: Sequence[Split],
    count: int,
    places: set[int],
    shares: Shares,
    thing: str,
    files: Sequence[Path],
    ways_out: Iterable[str],
) -> str:
    """The message that a split would be empty.

    Args:
        empty: the splits that would be.
        count: how many texts there are.
        places: their hashes, by which they are put into splits.
        shares: by which none came into these splits.
        thing: what is held out: "document".
        files: where they stand; there is one at least.
        ways_out: what else can be done than raising a share.
    """
    there_are = f"there {'is' if count == 1 else 'are'} {many(count, thing)} in {named(files)}"
    there_are += f", of which {_differing(len(places))}," if len(places) < count else ""
    enough = shares_that_suffice(places, shares)
    first = [] if enough is None else [f"set {_settings(shares, enough)}"]
    advice = "".join(f"; or {way}" for way in [*first, *ways_out])
    names = " and the ".join(empty)
    return (
        f"the {names} split{'s' if len(empty) > 1 else ''} would be empty: {there_are} and a hash of each decides "
        f"where it goes, for a share of {shares.valid:g} to validate on and {shares.test:g} to test on. "
        f"Give more{advice}"
    )


def nothing_found(files: Sequence[Path], thing: str, empty: int = 0, held_out: bool = False) -> str:
    """The message that files have nothing to learn from.

    Args:
        files: there is one at least.
        thing: what they should hold: "document".
        empty: how many were left out because they hold nothing.
        held_out: whether what stands in files of a split's own was left out, too.
    """
    beside = " beside those that files of a split's own hold, too" if held_out else ""
    were = f": {many(empty, f'empty {thing}')} {'was' if empty == 1 else 'were'} left out" if empty else ""
    return f"there is no {thing} in {named(files)}{beside}{were}; name files that hold some"


def named(files: Sequence[Path]) -> str:
    """Files in words: the first, and how many there are beside it."""
    return f"{files[0]} and {many(len(files) - 1, 'other file')}" if len(files) > 1 else str(files[0])


def shares_that_suffice(places: set[int], shares: Shares) -> Shares | None:
    """The smallest shares, in hundredths and not below those given, with which no split is empty; None if there are
    none below a half."""
    for hundredths in range(1, 50):
        least = hundredths / 100
        larger = Shares(max(shares.valid, least) if shares.valid else 0, max(shares.test, least) if shares.test else 0)
        if larger.valid + larger.test < 1 and {larger.split_at(place) for place in places} == larger.wanted:
            return larger
    return None


def _differing(count: int) -> str:
    return "none differs from the rest" if count == 1 else f"{count} differ"


def _settings(old: Shares, new: Shares) -> str:
    changed = [(name, getattr(new, name)) for name in ("valid", "test") if getattr(new, name) != getattr(old, name)]
    return " and ".join(f'"{name}" to {value:g}' for name, value in changed)
