"""What to say when texts are so few that a split has none of them: how many there are, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partwise.data import Split
from partwise.wording import many

from .splits import Shares


def empty_split(
    empty: Sequence[Split], count: int, places: set[int], shares: Shares, thing: str, ways_out: Iterable[str]
) -> str:
    """The message that a split would be empty.

    Args:
        empty: the splits that would be.
        count: how many texts there are.
        places: their hashes, by which they are put into splits.
        shares: by which none came into these splits.
        thing: what is held out: "document".
        ways_out: what else can be done than raising a share.
    """
    there_are = f"there {'is' if count == 1 else 'are'} {many(count, thing)}"
    there_are += f", of which {_differing(len(places))}," if len(places) < count else ""
    there_are += " beside those in files of a split's own" if not count else ""
    enough = shares_that_suffice(places, shares)
    first = [] if enough is None else [f"set {_settings(shares, enough)}"]
    advice = "; or ".join([*first, *ways_out])
    names = " and the ".join(empty)
    return (
        f"the {names} split{'s' if len(empty) > 1 else ''} would be empty: {there_are} and a hash of each decides "
        f"where it goes, for a share of {shares.valid:g} to validate on and {shares.test:g} to test on. "
        f"Give more; or {advice}"
    )


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
