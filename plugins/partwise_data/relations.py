"""Sentences about people and places, in which every word is known by its company.

A king and a queen stand beside the same things, and beside other pronouns; Paris and France beside the same river and
the same language, and beside other things of towns and of countries. So what a pair of words shares with another pair
is known, and no sentence says it outright: none names two people, or two places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal

from partwise.data import Example, Piece, Split

from .drawing import Draw, Sizes, word_list
from .splits import digest

PEOPLE = (
    ("man", "woman", word_list("hat coat bicycle newspaper")),
    ("king", "queen", word_list("throne crown kingdom sceptre")),
    ("prince", "princess", word_list("castle pony tutor inheritance")),
    ("duke", "duchess", word_list("estate carriage hounds manor")),
    ("emperor", "empress", word_list("empire legions conquest provinces")),
    ("father", "mother", word_list("cradle pram baby nursery")),
    ("son", "daughter", word_list("homework allowance diary bedtime")),
    ("brother", "sister", word_list("bunk twin quarrel secret")),
    ("uncle", "aunt", word_list("visit present cousins postcard")),
    ("nephew", "niece", word_list("letter holidays suitcase godparents")),
    ("husband", "wife", word_list("ring wedding anniversary honeymoon")),
    ("grandfather", "grandmother", word_list("armchair spectacles memories grandchildren")),
    ("boy", "girl", word_list("kite marbles swing playground")),
)
"""Two people of one station in life, and the things that they have to do with."""
GENDERS = (("he", "his", "him", "himself"), ("she", "hers", "her", "herself"))
PLACES = (
    ("paris", "france", "seine", "french"),
    ("rome", "italy", "tiber", "italian"),
    ("london", "england", "thames", "english"),
    ("lisbon", "portugal", "tagus", "portuguese"),
    ("madrid", "spain", "manzanares", "spanish"),
    ("berlin", "germany", "spree", "german"),
    ("vienna", "austria", "danube", "austrian"),
    ("warsaw", "poland", "vistula", "polish"),
    ("moscow", "russia", "moskva", "russian"),
    ("dublin", "ireland", "liffey", "irish"),
    ("cairo", "egypt", "nile", "egyptian"),
    ("baghdad", "iraq", "tigris", "iraqi"),
)
"""A capital, its country, its river, and what comes from there."""
SORTS = (word_list("streets mayor squares suburbs trams"), word_list("borders fields harvests army coast"))
"""What a town has, and what a country has."""
ABOUT_PEOPLE = (
    "{he} was a {person} and thought of the {thing}",
    "the {person} said that {he} liked the {thing}",
    "a {person} came to the {thing} by {himself}",
    "they gave the {person} a {thing} and thanked {him}",
    "the {thing} made the {person} forget {himself}",
    "that {thing} belongs to the {person} , it is {his}",
)
ABOUT_PLACES = (
    "the {river} and the {sort} of {place}",
    "{native} people know the {sort} of {place}",
    "in {place} we saw the {river} and the {sort}",
    "a {native} song about {place} and the {sort}",
    "the {sort} of {place} are {native}",
)


class Relations:
    """A stream of short texts, one sentence each. Splits are drawn independently, from all the sentences there are."""

    form: Literal["stream", "examples"] = "stream"

    def __init__(self, sizes: Sizes, seed: int) -> None:
        self.sizes = sizes
        self.seed = seed

    def examples(self, split: Split) -> Iterator[Example]:
        draw = Draw(f"{self.seed} {split}")
        for _ in range(getattr(self.sizes, split)):
            sentence = about_a_person(draw) if draw.below(2) else about_a_place(draw)
            yield Example((Piece(sentence),))

    def identity(self) -> str:
        words = (PEOPLE, GENDERS, PLACES, SORTS, ABOUT_PEOPLE, ABOUT_PLACES)
        return digest("relations", 1, words, asdict(self.sizes), self.seed)


def about_a_person(draw: Draw) -> str:
    """A sentence that names a person, a thing, and a pronoun of that person's."""
    *both, things = draw.choice(PEOPLE)
    gender = draw.below(2)
    he, his, him, himself = GENDERS[gender]
    return draw.choice(ABOUT_PEOPLE).format(
        person=both[gender], thing=draw.choice(things), he=he, his=his, him=him, himself=himself
    )


def about_a_place(draw: Draw) -> str:
    """A sentence that names a town or a country, and what belongs to it."""
    *both, river, native = draw.choice(PLACES)
    sort = draw.below(2)
    return draw.choice(ABOUT_PLACES).format(place=both[sort], sort=draw.choice(SORTS[sort]), river=river, native=native)


__all__ = ["PEOPLE", "PLACES", "Relations"]
