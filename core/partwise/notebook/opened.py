"""A run as a notebook holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from partwise.looking import Look
from partwise.looking import look as look_inside
from partwise.workflow import Reopened


class Opened(Reopened):
    """A run with its model in memory, which can be looked into."""

    def look(
        self,
        prompt: str | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        analogies: Sequence[tuple[str, str, str]] = (),
    ) -> Look:
        """What the model does with a text, as `partwise.look` says it."""
        return look_inside(self, prompt, source=source, target=target, analogies=analogies)

    @classmethod
    def of(cls, run: Reopened) -> Opened:
        """The same run."""
        return cls(**{field.name: getattr(run, field.name) for field in fields(run)})


__all__ = ["Opened"]
