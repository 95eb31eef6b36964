"""What a study's secondary metrics say: a family of tests each, after the first.

A claim is made only of a variant of which the primary metric has found something, so that in a study in which nothing
differs anything is claimed in no more than alpha; everything else is described.
"""

from __future__ import annotations

from dataclasses import replace

from partwise.studies.results import Results

from . import notes
from .compare import Compared, compare, gated, gated_effect
from .findings import SecondaryFinding
from .ladder_findings import LadderFinding
from .sentences import factor_verdicts
from .settings import settings_verdicts


def secondary_findings(results: Results, primary: Compared) -> tuple[SecondaryFinding, ...]:
    """Of each secondary metric, in the study's order."""
    return tuple(_finding(results.by(name), name, primary) for name in results.secondary)


def _finding(results: Results, name: str, primary: Compared) -> SecondaryFinding:
    own, found = compare(results), primary.found
    told = replace(
        own,
        contrasts=tuple(gated(c, found) for c in own.contrasts),
        effects=tuple(gated_effect(e, found) for e in own.effects),
        over_texts=tuple(gated(c, found) for c in own.over_texts),
        ladder=tuple(_gated_ladder(one, primary) for one in own.ladder),
    )
    plain = not (results.sizes or results.texts)
    verdicts = factor_verdicts(results, told.contrasts, told.effects) if plain else settings_verdicts(results, told)
    described = [one.variant for one in told.primary if one.variant not in found]
    return SecondaryFinding(
        name=name,
        metric=results.metric,
        contrasts=told.contrasts,
        effects=told.effects,
        over_texts=told.over_texts,
        ladder=told.ladder,
        verdicts=verdicts,
        described=tuple(dict.fromkeys(described)),
    )


def _gated_ladder(found: LadderFinding, primary: Compared) -> LadderFinding:
    if found.variant in primary.found:
        return found
    contrasts = tuple(gated(c, primary.found) for c in found.contrasts)
    bare = replace(found, contrasts=contrasts, direction=None, trend=None, steep=False)
    if found.verdict in ("inconclusive", "no verdict"):
        return bare
    return replace(bare, verdict="no verdict", notes=(notes.described(found.verdict), *found.notes))


__all__ = ["secondary_findings"]
