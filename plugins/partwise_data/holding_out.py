"""What to say when texts are so few that a split has none of them: how many there are, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partwise.data import Split
from partwise.wording import many

from .splits import Shares


def empty_split(
    empty: Sequence[Split], keys: Sequence[str], shares: Shares, thing: str, ways_out: Iterable[str]
) -> str:
    """The message that a split would be empty.

    Args:
        empty: the splits that would be.
        keys: what each text is put into its split by.
        shares: by which none came into these splits.
        thing: what is held out: "document".
        ways_out: what else can be done than raising a share.
    """
    different = len(set(keys))
    there_are = f"there {'is' if len(keys) == 1 else 'are'} {many(len(keys), thing)}"
    there_are += f", of which {different} differ," if different < len(keys) else ""
    there_are += " beside those in files of a split's own" if not keys else ""
    enough = shares_that_suffice(set(keys), shares)
    first = [] if enough is None else [f"set {_settings(shares, enough)}"]
    advice = "; or ".join([*first, *ways_out])
    names = " and the ".join(empty)
    return (
        f"the {names} split{'s' if len(empty) > 1 else ''} would be empty: {there_are} and a hash of each decides "
        f"where it goes, for a share of {shares.valid:g} to validate on and {shares.test:g} to test on. "
        f"Give more; or {advice}"
    )


def shares_that_suffice(keys: set[str], shares: Shares) -> Shares | None:
    """The smallest shares, in hundredths and not below those given, with which no split is empty; None if there are
    none below a half."""
    for hundredths in range(1, 50):
        least = hundredths / 100
        larger = Shares(max(shares.valid, least) if shares.valid else 0, max(shares.test, least) if shares.test else 0)
        if larger.valid + larger.test < 1 and {larger.split_of(key) for key in keys} == larger.wanted:
            return larger
    return None


def _settings(old: Shares, new: Shares) -> str:
    changed = [(name, getattr(new, name)) for name in ("valid", "test") if getattr(new, name) != getattr(old, name)]
    return " and ".join(f'"{name}" to {value:g}' for name, value in changed)
