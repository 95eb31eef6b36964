"""Looking inside a run or a recipe with one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partwise.errors import InputError
from partwise.recipe import LoadedRecipe
from partwise.wording import some_of
from partwise.workflow import Reopened, Weights

from .attention import mixing
from .facts import Facts
from .health import health
from .modules import mixers_of
from .subject import Reading, Subject, reading, subject
from .tokens import cut, tokens
from .trace import trace
from .vectors import vectors

Looked = Reopened | LoadedRecipe | Mapping[str, Any] | str | Path
"""What can be looked at: a run, opened or by its directory, or a recipe in any form."""
MOST_BESIDE = 2
CELLS = 6_000_000
"""Weights that a page has room for."""
FEWEST, HEADS = 24, 12


@dataclass(frozen=True)
class Look:
    """What was found. In a notebook it shows itself as a page."""

    facts: Facts

    def to_json(self) -> dict[str, Any]:
        """All facts as JSON values."""
        return self.facts.to_json()

    def page(self) -> str:
        """A page for a browser, in one file that loads nothing."""
        from .page import page

        return page(self.facts)

    def _repr_html_(self) -> str:
        from .page import framed

        return framed(self.page())

    def __repr__(self) -> str:
        maps = self.facts.mixing.maps
        heads = sum(len(one.heads) for one in maps)
        return f"<look at {self.facts.name}: {len(self.facts.text_tokens)} tokens, {heads} heads in {len(maps)} maps>"


def look(
    of: Looked,
    prompt: str | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    beside: Sequence[Looked] = (),
    analogies: Sequence[tuple[str, str, str]] = (),
    device: str = "auto",
    weights: Weights = "last",
    data: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Look:
    """What a model does with one text.

    Args:
        of: a run, opened or by its directory, or a recipe, whose model then has its first weights.
        prompt: what a language model reads; the beginning of a text of its data unless given.
        source: what a model of pairs reads; an example of its data unless given.
        target: what it is to answer; its own answer unless given.
        beside: at most two other runs or recipes, whose tokenizers and health are shown, too.
        analogies: triples of words: which is to the third as the second is to the first?
        data: the directory that names of data files are relative to, if they have moved.
        say: called with a line before anything that takes a while.

    Raises:
        PartwiseError: there is no such run or recipe, or the text is not what its model reads.
    """
    if len(beside) > MOST_BESIDE:
        raise InputError(f"a page shows at most {MOST_BESIDE} others beside the first, and {len(beside)} are named")
    one = subject(of, device, weights, data, say)
    read = reading(one, prompt, source, target, _room(one))
    others = [subject(other, device, weights, data, say) for other in beside]
    return seen(one, read, [(other, _same(other, read)) for other in others], analogies)


def _room(one: Subject) -> int:
    """Most tokens whose weights fit into a page."""
    maps = max(1, len(mixers_of(one.module)) * HEADS)
    return max(FEWEST, int((CELLS / maps) ** 0.5))


def _same(other: Subject, read: Reading) -> Reading:
    """The same text as another model reads it."""
    if other.reads_pairs and read.source is None:
        raise InputError(f"{other.name!r} is a model of pairs and cannot stand beside one that reads a text")
    if not other.reads_pairs and read.source is not None:
        raise InputError(f"{other.name!r} reads a text and cannot stand beside a model of pairs")
    if other.reads_pairs:
        return reading(other, None, read.source, read.text, _room(other))
    return reading(other, read.text, None, None, _room(other))


def _broken(one: Subject) -> list[str]:
    names = [name for name, weight in one.module.named_parameters() if not bool(weight.isfinite().all())]
    if not names:
        return []
    return [f"Its training diverged, or its weights are damaged: {some_of(names)} hold numbers that are not finite."]


def seen(
    one: Subject,
    read: Reading,
    others: Sequence[tuple[Subject, Reading]] = (),
    analogies: Sequence[tuple[str, str, str]] = (),
) -> Look:
    """What a model in memory does with a text; one that was not trained is another afterwards, by one update."""
    batch = read.batch.to(one.device)
    parts, notes = one.parts(), (*read.notes, *_broken(one))
    source = [] if batch.source is None else batch.source[0].tolist()
    ids = batch.tokens[0].tolist()
    cuts = [cut(one, read.text if read.source is None else read.source)]
    cuts += [cut(other, read.text if read.source is None else read.source) for other, _ in others]
    mixed = mixing(one, batch, parts)
    found = vectors(one, [*source, *ids], analogies)
    traced = trace(one, batch, parts)
    measured = health(one, batch, tuple((other, again.batch.to(other.device)) for other, again in others))
    return Look(
        Facts(
            name=one.name,
            about=one.recipe.about,
            source_of_weights=one.weights,
            parameters=sum(weight.numel() for weight in one.module.parameters()),
            text=read.text,
            source=read.source,
            notes=notes,
            cuts=tuple(cuts),
            text_tokens=tokens(one.tokenizer, ids),
            source_tokens=tokens(one.tokenizer, source),
            mixing=mixed,
            vectors=found,
            trace=traced,
            health=measured,
        )
    )
