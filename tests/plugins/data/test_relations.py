"""Sentences about people and places: what stands together in them, and what never does."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from partwise.parts import DataSite
from partwise_data.parts import Relations
from partwise_data.relations import GENDERS, PEOPLE, PLACES, SORTS


def sentences(part: Relations, split: str = "train") -> list[list[str]]:
    texts = [example.pieces[0].text for example in part.build(DataSite()).examples(split)]  # type: ignore[arg-type]
    return [text.split() for text in texts]


TEXT = sentences(Relations(size=20_000))


def test_no_sentence_names_two_people_or_two_places() -> None:
    for group in (PEOPLE, PLACES):
        words = {word for one in group for word in one[:2]}
        assert all(sum(word in words for word in sentence) <= 1 for sentence in TEXT)
        assert words <= {word for sentence in TEXT for word in sentence}


def test_a_word_stands_beside_its_own_things_and_pronouns_alone() -> None:
    pronouns = [set(one) for one in GENDERS]
    for man, woman, things in PEOPLE:
        others = {thing for *_, those in PEOPLE for thing in those} - set(things)
        for gender, person in enumerate((man, woman)):
            company = {word for sentence in TEXT if person in sentence for word in sentence}
            assert company >= set(things) | pronouns[gender]
            assert not company & (others | pronouns[1 - gender])
    for *both, river, native in PLACES:
        for sort, place in enumerate(both):
            company = {word for sentence in TEXT if place in sentence for word in sentence}
            assert company >= {river, native, *SORTS[sort]}
            assert not company & set(SORTS[1 - sort])


def test_no_word_has_two_meanings() -> None:
    people = [{man, woman, *things} for man, woman, things in PEOPLE]
    groups = [*people, *map(set, PLACES), *map(set, SORTS), *map(set, GENDERS)]
    assert not [one & other for one, other in combinations(groups, 2) if one & other]


def test_the_same_seed_gives_the_same_sentences_and_all_kinds_are_alike_frequent() -> None:
    small = Relations(size=50, valid=20, test=20, seed=3)
    assert sentences(small) == sentences(small)
    assert sentences(small) != sentences(Relations(size=50, seed=4))
    assert sentences(small, "valid") != sentences(small)[:20]
    counts = Counter(word for sentence in TEXT for word in sentence)
    for group, expected in ((PEOPLE, 10_000 / 26), (PLACES, 10_000 / 24)):
        for one in group:
            assert all(abs(counts[word] - expected) < 6 * expected**0.5 for word in one[:2])
