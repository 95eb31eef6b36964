"""Generated small talk: every answer follows from what was told."""

from __future__ import annotations

import re

from partwise.parts import DataSite
from partwise_data.parts import SmallTalk


def test_every_answer_is_right() -> None:
    data = SmallTalk(size=300, valid=30, test=30, questions=6).build(DataSite())
    kinds = set()
    for example in data.examples("train"):
        turns = re.findall(r"(user|assistant)\n(.*?)<\|end\|>", "".join(piece.text for piece in example.pieces))
        (_, told), (_, hello), *rest = turns
        (name,) = re.findall("(?:I am|name is) ([A-Z][a-z]+)", told)
        age, pet = re.findall(r"\d+", told)[0], re.findall(r"(?:a|my) ([a-z]+)(?: and|\.| is here)", told)[-1]
        assert hello == f"Hello {name}!"
        for (_, asked), (_, answer) in zip(rest[::2], rest[1::2], strict=True):
            kinds.add(asked)
            if "age" in asked or "old" in asked:
                assert answer == f"You are {age}."
            elif "pet" in asked or "animal" in asked:
                assert answer == f"You have a {pet}."
            else:
                assert name in answer
    assert len(kinds) == 10


def test_conversations_have_one_question_at_least_and_as_many_as_asked_for() -> None:
    data = SmallTalk(size=100, valid=10, test=10, questions=2).build(DataSite())
    assert {sum(piece.scored for piece in one.pieces) for one in data.examples("train")} == {2, 3}
