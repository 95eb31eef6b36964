"""Analogies: king is to man as queen to woman (Mikolov et al. 2013, arXiv:1301.3781, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from partwise import InputError, PartError
from partwise.evaluation import Figure, Reader, mean
from partwise.looking import WordTable
from partwise.wording import some_of

from .items import existing, parsed_lines

PREFIX = "accuracy_"
"""What the name of a section's figure begins with."""


@dataclass(frozen=True)
class Analogies:
    """Figures of questions in sections: man king woman queen.

    accuracy            share of the questions of known words that b - a + c answers, the three themselves left out
    known               share of the questions whose four words all have a vector; the others are left out
    accuracy_SECTION    the accuracy of one section, of those that are wanted
    """

    questions: Sequence[tuple[str, tuple[str, ...]]]
    """Each with the name of its section."""
    sections: Sequence[str] = ()

    def measure(self, reader: Reader) -> Mapping[str, Figure]:
        words = WordTable.of(reader.model, reader.tokenizer)
        tokens = {word: words.token(word) for _, some in self.questions for word in some}
        known: list[tuple[str, list[int]]] = []
        for section, some in self.questions:
            ids = [one for word in some if (one := tokens[word]) is not None]
            if len(ids) == len(some):
                known.append((section, ids))
        if not known:
            raise InputError(
                f"the model knows the words of none of the {len(self.questions)} questions; check that they are "
                "written as in the training texts"
            )
        answers = words.completions([(a, b, c) for _, (a, b, c, _) in known])
        right = [float(answer == ids[3]) for answer, (_, ids) in zip(answers, known, strict=True)]
        missing = len(self.questions) - len(known)
        figures = {"accuracy": mean(right), "known": mean([1.0] * len(known) + [0.0] * missing)}
        for wanted in self.sections:
            of_section = [one for one, (section, _) in zip(right, known, strict=True) if section == wanted]
            if of_section:
                figures[PREFIX + wanted] = mean(of_section)
        return figures


def read_questions(name: str, directory: Path, sections: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The questions of a file: four words in a line, under lines such as ": family".

    Args:
        sections: those that must be there.

    Raises:
        PartError: a line is no question; names the line. Or a section is not there.
    """
    path = existing(name, directory, "file")
    section, found = "", list[tuple[str, tuple[str, ...]]]()

    def read(line: str) -> None:
        nonlocal section
        if line.startswith(":"):
            section = line[1:].strip()
            if not section:
                raise ValueError('a section has no name; write it after the colon, as in ": family"')
            return
        words = tuple(line.split())
        if len(words) != 4:
            raise ValueError(
                f"a question is four words, man king woman queen, and here are {len(words)}; a section begins with a "
                "colon"
            )
        found.append((section, words))

    parsed_lines(path, read)
    if not found:
        raise PartError(f"{path} holds names of sections and no question; an evaluation needs some", ("file",))
    there = list(dict.fromkeys(one for one, _ in found if one))
    for wanted in sections:
        if wanted not in there:
            close = get_close_matches(wanted, there, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else f"; there are {some_of(there) or 'none'}"
            raise PartError(f"{path} has no question in a section {wanted!r}{meant}", ("sections",))
    return found


__all__ = ["PREFIX", "Analogies", "read_questions"]
