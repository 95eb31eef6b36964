"""The further variants that a study compares all others with."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.recipe.suggestions import did_you_mean

from .study import Study


def further_baselines(study: Study, names: Sequence[str]) -> list[str]:
    """By their names; `names` are those of all variants, the base first."""
    if study.baselines == "all":
        return list(names[1:-1])
    return list(study.baselines or ())


def unknown_baselines(study: Study, names: Sequence[str]) -> str | None:
    """What is wrong with them, if anything is."""
    for one in () if study.baselines == "all" else study.baselines or ():
        if one == names[0]:
            return f"{one!r} is the baseline as it is; name others"
        if one not in names:
            return f"there is no variant {one!r}{did_you_mean(one, names)}; there are {', '.join(names)}"
    return None


__all__ = ["further_baselines", "unknown_baselines"]
