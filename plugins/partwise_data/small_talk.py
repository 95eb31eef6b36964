"""Small talk: somebody says a name, an age and a pet, and then asks for them, in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from partwise.data import ChatTemplate, Piece, Turn

from .drawing import Draw, word_list

NAMES = word_list(
    "Ada Ben Cora Dan Eva Finn Gina Hugo Ida Jack Kate Leo Mia Nora Otto Paul Rosa Sam Tina Uma Vera Will Yara Zoe "
    "Amos Bella Carl Dora Emil Fay Greta Hans Iris Jon Karl Lily Max Nina Oscar Pia"
)
PETS = word_list("cat dog horse goat parrot hamster rabbit turtle snake pony goose duck mouse lizard canary donkey")
AGES = range(10, 80)
TOLD = (
    "I am {name}, I am {age} and I have a {pet}.",
    "My name is {name}, I have a {pet} and I am {age}.",
    "Hello, I am {name}. I am {age}, and my {pet} is here.",
)


@dataclass(frozen=True)
class Person:
    """Who talks."""

    name: str
    age: int
    pet: str


QUESTIONS: Mapping[tuple[str, ...], Callable[[Person], str]] = {
    ("What is my name?", "Who am I?"): lambda one: f"Your name is {one.name}.",
    ("How old am I?", "What is my age?"): lambda one: f"You are {one.age}.",
    ("What pet do I have?", "Which animal do I have?"): lambda one: f"You have a {one.pet}.",
    ("Say my name twice.",): lambda one: f"{one.name} {one.name}.",
    ("Tell me all you know.",): lambda one: f"You are {one.name}, you are {one.age} and you have a {one.pet}.",
    ("Thank you!", "Thanks."): lambda one: f"You are welcome, {one.name}.",
}
"""What may be asked, and the answer."""


@dataclass(frozen=True)
class SmallTalk:
    """Conversations of two turns and up to `questions` times two more, in the form of the default template."""

    questions: int

    @property
    def sources(self) -> int:
        return len(NAMES) * len(AGES) * len(PETS) * len(TOLD)

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        person = Person(draw.choice(NAMES), draw.choice(AGES), draw.choice(PETS))
        told = draw.choice(TOLD).format(**vars(person))
        turns = [Turn("user", told), Turn("assistant", f"Hello {person.name}!")]
        for asked in draw.sample(list(QUESTIONS), draw.between(1, self.questions)):
            turns += [Turn("user", draw.choice(asked)), Turn("assistant", QUESTIONS[asked](person))]
        return ChatTemplate().conversation(turns)
