"""Every mistake that the suite must find: realistic ones, each planted into something that is otherwise right."""

from __future__ import annotations

from . import (
    adapted,
    attention,
    counted,
    evaluations,
    mixers,
    models,
    objectives,
    others,
    parametrised,
    parts,
    placed,
    residuals,
    routers,
    showing,
    text,
    tools,
    trained,
    training,
    unseen,
)
from .planting import Kill, registered, tell_apart

CATALOGUE: tuple[Kill, ...] = tuple(
    kill
    for module in (
        attention,
        placed,
        mixers,
        showing,
        tools,
        models,
        parts,
        text,
        training,
        trained,
        unseen,
        others,
        objectives,
        residuals,
        parametrised,
        routers,
        evaluations,
        adapted,
        counted,
    )
    for kill in module.KILLS
)


def table() -> list[tuple[str, str]]:
    """Each mistake, and the check that finds it."""
    return [(kill.mistake, kill.check.__name__) for kill in CATALOGUE]


__all__ = ["CATALOGUE", "Kill", "registered", "table", "tell_apart"]
