"""The settings of a study one by one: each is an ordinary study, with its share of the error rate."""

from __future__ import annotations

import re
from hashlib import sha256

from partwise.studies.results import Results, at_setting


def apart(results: Results) -> list[tuple[str, Results]]:
    """(`at width 96 on wiki`, its results) of every setting.

    Settings share alpha evenly (a Bonferroni split), so that in a study where nothing differs, anything is found at any
    of them in at most alpha.
    """
    count = len(results.settings)
    looks = [one.model_copy(update={"alpha": one.alpha / count}) for one in results.looks]
    shared = {"looks": looks, "alpha": results.alpha / count}
    return [
        (at_setting(*setting).strip(), results.at(*setting).model_copy(update=shared)) for setting in results.settings
    ]


def place_of(name: str) -> str:
    """A name for a directory: letters, digits, "-" and "_", and a hash where others were left out."""
    plain = re.sub(r"[^\w-]+", "-", name, flags=re.ASCII).strip("-")
    exact = plain == name.replace(" ", "-")
    return plain if exact and plain else f"{plain}-{sha256(name.encode('utf-8', 'replace')).hexdigest()[:6]}"


__all__ = ["apart", "place_of"]
