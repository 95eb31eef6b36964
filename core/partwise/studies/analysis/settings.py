"""What is said over all settings of a study, its sizes and its texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from partwise.studies.results import Results
from partwise.studies.validity import FEWEST_TEXTS
from partwise.wording import joined, many

from .compare import Compared
from .family import spans_texts
from .findings import Contrast, FactorVerdict, Note, Setting
from .ladder_findings import LadderFinding
from .ladder_sentences import ladder_clause, ladder_headline
from .sentences import contrast_clause, factor_verdicts


def settings_verdicts(results: Results, compared: Compared) -> tuple[FactorVerdict, ...]:
    """By factor: over the sizes where there are such, else over the texts, else on each text."""
    if results.design == "fractional":  # whose effects are tested at each setting, and no variant
        return _effects(results, compared)
    told: dict[str, list[tuple[str, str]]] = {}
    if results.sizes:
        for one in compared.ladder:
            place = _place(results, one.text)
            told.setdefault(one.factor or one.variant, []).append(
                (f"{place}{ladder_headline(one)}", f"{place}{ladder_clause(one, results)}")
            )
    for c in () if results.sizes else compared.primary:
        place = _place(results, c.text)
        told.setdefault(c.factor or c.variant, []).append(
            (f"{place}{_verdict(c)}", f"{place}{contrast_clause(c, results)}")
        )
    return tuple(
        FactorVerdict(factor, (), tuple(clause for _, clause in said), f"{'; '.join(head for head, _ in said)}.")
        for factor, said in told.items()
    )


def _effects(results: Results, compared: Compared) -> tuple[FactorVerdict, ...]:
    told: dict[str, tuple[list[str], list[str]]] = {}
    for size, text in results.settings:
        place = " on ".join(part for part in (size, text) if part)
        here = [e for e in compared.effects if (e.size, e.text) == (size, text)]
        for verdict in factor_verdicts(results.at(size, text), (), here):
            heads, clauses = told.setdefault(verdict.factor, ([], []))
            heads.append(f"at {place}: {verdict.headline}")
            clauses += [f"at {place}, {clause}" for clause in verdict.clauses]
    return tuple(FactorVerdict(name, (), tuple(said), " ".join(heads)) for name, (heads, said) in told.items())


def _verdict(c: Contrast) -> str:
    return f"{c.level} {'has' if c.verdict == 'no verdict' else 'is'} {c.verdict}"


def _place(results: Results, text: str | None) -> str:
    """`on news, `, `over 4 texts, `."""
    if not results.texts:
        return ""
    return f"over {many(len(results.texts), 'text')}, " if text is None else f"on {text}, "


def setting_notes(results: Results, compared: Compared, settings: Sequence[Setting]) -> tuple[Note, ...]:
    """About the study: over its sizes and texts, then what is true of all settings, or of some."""
    return (*_texts(results), *_ladder(results, compared.ladder), *_of_settings(settings))


def _texts(results: Results) -> Iterator[Note]:
    count = len(results.texts)
    if 0 < count < FEWEST_TEXTS:
        yield Note(
            "few_texts",
            f"The verdicts are about {joined(results.texts)}, and about no other text: {many(count, 'text')} cannot "
            f"show how much a difference changes from text to text. That takes at least {FEWEST_TEXTS}.",
        )
    elif spans_texts(results):
        yield Note(
            "few_texts",
            f"Verdicts over texts take the {count} as drawn from all texts like them; each is one figure, the mean "
            "over its seeds, and more seeds do not stand for more texts.",
        )


def _ladder(results: Results, ladder: Sequence[LadderFinding]) -> Iterator[Note]:
    if not results.sizes:
        return
    if len(results.sizes) < 3:
        yield Note(
            "few_sizes",
            "Two sizes show a difference growing or shrinking between them, and nothing of how it goes on; a curve "
            "between them is a straight line.",
        )
    if not all(v.training_flops for v in results.variants):
        yield Note(
            "compute",
            "The FLOPs of some variants were not counted, so that compute is 6 x parameters x tokens throughout.",
        )
    if any(not one.speed_ups and one.slope is not None for one in ladder):
        yield Note("compute", "Compute does not rise from each size to the next, so that no speed-up can be read.")
    yield Note(
        "scope",
        f"Nothing is claimed outside the sizes {results.sizes[0]} to {results.sizes[-1]}. A speed-up of 2 is the same "
        "figure at half the compute, read off the better curve between these sizes.",
    )


def _of_settings(settings: Sequence[Setting]) -> Iterator[Note]:
    """What every setting says, once; then what some say, kind by kind, with their names before it."""
    places: dict[Note, list[str]] = {}
    for one in settings:
        for note in one.analysis.notes:
            places.setdefault(note, []).append(one.name)
    kinds = list(dict.fromkeys(note.kind for note in places))
    some = [note for note in places if len(places[note]) < len(settings)]
    yield from (note for note in places if note not in some)
    for note in sorted(some, key=lambda note: kinds.index(note.kind)):
        yield Note(note.kind, f"At {joined(places[note])}: {note.text}")


__all__ = ["setting_notes", "settings_verdicts"]
