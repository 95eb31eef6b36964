"""Asks both models the same, and says what is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from partwise.errors import InputError

from .judging import IN_FLOAT32, IN_FLOAT64, Difference, difference, rounding
from .locating import Compared, FirstDifference, by_place, compared, first
from .ours import Ours
from .pairs import Pair, pairs
from .passes import Pass, Questions, our_pass, our_writing, their_pass, their_writing
from .theirs import Theirs, library, told
from .watching import Moment, watching


@dataclass(frozen=True)
class Check:
    """One thing in which both models are compared."""

    name: str
    equal: bool | None
    """None: it could not be compared."""
    difference: Difference | None = None
    note: str = ""


@dataclass(frozen=True)
class Answers:
    """What both said to all questions."""

    checks: list[Check]
    modules: list[Compared]
    """Every pair of modules in the order of the pass: of the padded pass, if only that one differs."""
    first: FirstDifference | None


@dataclass(frozen=True)
class _Seen:
    """One pass of one model."""

    logits: Tensor
    moments: list[Moment]


@dataclass(frozen=True)
class _Pass:
    """One pass of both models; in float64 too, unless transformers cannot."""

    ours: _Seen
    theirs: _Seen
    ours_double: _Seen | None = None
    theirs_double: _Seen | None = None

    @property
    def rounded(self) -> float:
        """What float32 costs their logits."""
        return rounding(self.theirs.logits, None if self.theirs_double is None else self.theirs_double.logits)


def answers(theirs: Theirs, ours: Ours, asked: Questions) -> Answers:
    """
    Raises:
        InputError: transformers cannot make one pass.
    """
    names = _called(ours.module), _called(theirs.model)
    paired = pairs(ours.plan, *names)
    our_names = {name for pair in paired for name in pair.ours}
    their_names = {name for pair in paired for name in pair.theirs}
    with torch.no_grad():
        writing = _writing(theirs, ours, asked)
        padded = _single(theirs, ours, asked, True, our_names, their_names)
        plain, refused = _doubled(theirs, ours, asked, our_names, their_names)
    where = asked.padding if asked.source is None else None
    checks = [*_plain(plain, refused), _padded(padded, where, asked, plain.rounded), *writing(plain.rounded)]
    same, same_padded = all(check.equal is not False for check in checks[:2]), checks[2].equal
    if same and not same_padded:
        return Answers(checks, *_modules(paired, padded, where))
    modules, found = _modules(paired, plain, None)
    return Answers(checks, modules, None if same else found)


def _called(model: nn.Module) -> list[str]:
    """The names of all modules but those that only hold others."""
    holders = (nn.ModuleList, nn.ModuleDict)
    return [name for name, module in model.named_modules() if name and not isinstance(module, holders)]


def _seen(model: nn.Module, run: Pass, names: set[str], join: bool) -> _Seen:
    with watching(model, sorted(names), join) as moments:
        return _Seen(run(), moments)


def _single(
    theirs: Theirs, ours: Ours, asked: Questions, padded: bool, our_names: set[str], their_names: set[str]
) -> _Pass:
    try:
        other = _seen(theirs.model, their_pass(theirs.model, asked, padded), their_names, join=False)
    except Exception as error:
        raise InputError(f"transformers cannot compute with this model: {told(error)}") from error
    return _Pass(_seen(ours.module, our_pass(ours.model, asked, padded), our_names, join=True), other)


def _doubled(
    theirs: Theirs, ours: Ours, asked: Questions, our_names: set[str], their_names: set[str]
) -> tuple[_Pass, str]:
    """One pass in both types; or why transformers has none in float64. The models stay in float64.

    There is no padded pass in float64: transformers masks by the lowest number of the type, which becomes minus
    infinity in its softmax in float32, and then NaN.
    """
    single = _single(theirs, ours, asked, False, our_names, their_names)
    theirs.model.double()
    try:
        other = _seen(theirs.model, their_pass(theirs.model, asked, False), their_names, join=False)
    except Exception as error:  # some families have float32 written into them
        return single, told(error)
    ours.module.double()
    own = _seen(ours.module, our_pass(ours.model, asked, False), our_names, join=True)
    return _Pass(single.ours, single.theirs, own, other), ""


def _plain(plain: _Pass, refused: str) -> Iterator[Check]:
    single = difference(plain.ours.logits, plain.theirs.logits, plain.rounded, IN_FLOAT32)
    yield Check("logits, float32", single.equal, single)
    if plain.ours_double is None or plain.theirs_double is None:
        yield Check("logits, float64", None, note=f"transformers cannot: {refused}")
        return
    double = difference(plain.ours_double.logits, plain.theirs_double.logits, plain.rounded, IN_FLOAT64)
    yield Check("logits, float64", double.equal, double)


def _padded(padded: _Pass, where: Tensor | None, asked: Questions, rounded: float) -> Check:
    far = difference(padded.ours.logits, padded.theirs.logits, rounded, IN_FLOAT32, where)
    return Check("left padding" if asked.pads_left else "padding", far.equal, far)


def _writing(theirs: Theirs, ours: Ours, asked: Questions) -> Callable[[float], list[Check]]:
    """What is written from the cache: the checks, once it is known what float32 costs."""
    if not asked.causal:
        return lambda rounded: []
    try:
        other = their_writing(library(), theirs.model, asked)
    except Exception as error:
        note = f"transformers cannot: {told(error)}"
        return lambda rounded: [Check(name, None, note=note) for name in ("cached decoding", "greedy text")]
    forced, own = our_writing(ours.model, asked, other.tokens), our_writing(ours.model, asked)
    count, same = other.tokens.numel(), int((own.tokens == other.tokens).sum())

    def checks(rounded: float) -> list[Check]:
        far = difference(forced.logits, other.logits, rounded, IN_FLOAT32)
        return [
            Check("cached decoding", far.equal, far),
            Check("greedy text", same == count, note=f"{same} of {count} tokens equal"),
        ]

    return checks


def _modules(paired: Sequence[Pair], seen: _Pass, where: Tensor | None) -> tuple[list[Compared], FirstDifference]:
    if seen.ours_double is None or seen.theirs_double is None:
        own, others = seen.ours.moments, [seen.theirs.moments]
    else:
        own, others = seen.ours_double.moments, [seen.theirs_double.moments, seen.theirs.moments]
    found = compared(paired, own, [by_place(one) for one in others], where)
    return found, first(paired, found)
