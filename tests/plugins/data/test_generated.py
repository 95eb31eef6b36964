"""Generated tasks: their targets are right, their splits share no source, and they never change."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import chain

import pytest

from partwise import PartError
from partwise.data import Example
from partwise.parts import DataSite
from partwise_data.dates import FORMS, facts, ordinal, year_in_words
from partwise_data.modular import SYMBOLS
from partwise_data.parts import AddingProblem, AdditionOfNumbers, Copy, Dates, Generated, Modular, Recall, Reverse, Sort

SPLITS = ("train", "valid", "test")
TASKS = [Copy, Reverse, Sort, Dates, Recall, AddingProblem, AdditionOfNumbers]


def drawn(part: Generated, split: str = "train") -> list[Example]:
    return list(part.build(DataSite()).examples(split))


def pairs(part: Generated, split: str = "train") -> list[tuple[str, str]]:
    return [(source.text, target.text) for source, target in (example.pieces for example in drawn(part, split))]


@pytest.mark.parametrize("task", TASKS)
def test_splits_have_their_sizes_and_share_no_source(task: type[Generated]) -> None:
    part = task(size=400, valid=100, test=50)
    sources = {split: [example.pieces[0].text for example in drawn(part, split)] for split in SPLITS}
    assert [len(sources[split]) for split in SPLITS] == [400, 100, 50]
    assert len(set().union(*sources.values())) == 550


@pytest.mark.parametrize("task", TASKS)
def test_the_seed_alone_decides_what_is_drawn(task: type[Generated]) -> None:
    first, again, other = (drawn(task(size=50, valid=5, test=5, seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("task", TASKS)
def test_a_larger_training_set_keeps_the_smaller_one_and_what_is_held_out(task: type[Generated]) -> None:
    small, large = task(size=50, valid=20, test=20), task(size=90, valid=20, test=20)
    assert drawn(large)[:50] == drawn(small)
    assert drawn(large, "valid") == drawn(small, "valid")
    assert drawn(large, "test") == drawn(small, "test")


@pytest.mark.parametrize("task", TASKS)
def test_the_identity_follows_every_knob(task: type[Generated]) -> None:
    plain, other = (example.build(DataSite()).identity() for example in task.examples())
    assert plain != other
    knobs = dict(next(iter(task.examples())))
    for knob in ("size", "valid", "test", "seed"):
        assert task(**{**knobs, knob: knobs[knob] + 1}).build(DataSite()).identity() != plain
    assert task(**knobs).build(DataSite()).identity() == plain


def test_what_is_drawn_today_is_drawn_for_ever() -> None:
    assert pairs(Reverse(size=3, valid=0, test=0, seed=7)) == [
        ("dqbnjb", "bjnbqd"),
        ("albclvdf", "fdvlcbla"),
        ("ypkzbwhdd", "ddhwbzkpy"),
    ]


def test_the_targets_of_strings_are_right() -> None:
    knobs = {"size": 200, "alphabet": "zyxabc", "min_length": 2, "max_length": 6}
    assert all(target == source for source, target in pairs(Copy(**knobs)))
    assert all(target == source[::-1] for source, target in pairs(Reverse(**knobs)))
    assert all(target == "".join(sorted(source, key="zyxabc".index)) for source, target in pairs(Sort(**knobs)))


def test_strings_have_every_length_and_every_symbol() -> None:
    sources = [source for source, _ in pairs(Copy(size=2000, alphabet="abcdef", min_length=4, max_length=9))]
    assert {len(source) for source in sources} == set(range(4, 10))
    counts = {symbol: "".join(sources).count(symbol) for symbol in "abcdef"}
    assert min(counts.values()) > 0.9 * max(counts.values())


def test_strings_to_test_on_may_be_longer_than_those_to_train_on() -> None:
    part = Reverse(size=200, valid=50, test=200, min_length=2, max_length=8, test_min_length=10, test_max_length=14)
    lengths = {split: {len(source) for source, _ in pairs(part, split)} for split in SPLITS}
    assert lengths["train"] | lengths["valid"] <= set(range(2, 9))
    assert lengths["test"] == set(range(10, 15))
    assert all(target == source[::-1] for source, target in pairs(part, "test"))


def test_without_lengths_to_test_on_what_is_tested_is_what_was_always_tested() -> None:
    named = {"test_min_length": 4, "test_max_length": 12}
    assert Copy(**named).build(DataSite()).identity() == Copy().build(DataSite()).identity()


def test_a_separator_stands_between_symbols_only() -> None:
    for source, target in pairs(Reverse(size=50, separator=" ")):
        assert re.fullmatch(r"[a-z]( [a-z])*", source)
        assert target == source[::-1]


@pytest.mark.parametrize("order", ["lowest_first", "highest_first"])
def test_sums_are_right_and_numbers_have_the_lengths_asked_for(order: str) -> None:
    part = AdditionOfNumbers(size=3000, test=300, max_digits=3, test_min_digits=5, test_max_digits=8, order=order)
    lengths: dict[str, set[tuple[int, int]]] = {}
    for split in SPLITS:
        for asked, answer in pairs(part, split):
            one, other = re.fullmatch(r"(\d+)\+(\d+)=", asked).groups()
            numbers = [text if order == "highest_first" else text[::-1] for text in (one, other, answer)]
            assert int(numbers[0]) + int(numbers[1]) == int(numbers[2])
            assert all(text == str(int(text)) for text in numbers)
            lengths.setdefault(split, set()).add((len(one), len(other)))
    assert lengths["train"] == {(a, b) for a in range(1, 4) for b in range(1, 4)}
    assert lengths["test"] == {(a, b) for a in range(5, 9) for b in range(5, 9)}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"min_digits": 6}, "min_digits 6 is greater than max_digits 5"),
        ({"test_min_digits": 9}, "test_min_digits 9 is greater than test_max_digits 5; set both"),
    ],
)
def test_lengths_of_numbers_that_make_no_sense_are_refused(knobs: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdditionOfNumbers(**knobs)


def test_too_few_sources_are_refused_with_the_numbers() -> None:
    with pytest.raises(PartError, match="make 22000 different examples, and these settings allow at most 127"):
        Copy(alphabet="ab", min_length=1, max_length=7).assemble(DataSite())
    with pytest.raises(PartError, match="lower the sizes"):
        Recall(pairs=1, queries=1, distinct_keys=2, distinct_values=2, size=10).assemble(DataSite())
    half = Copy(alphabet="ab", min_length=1, max_length=7, size=107, valid=10, test=10)
    assert len({source for split in SPLITS for source, _ in pairs(half, split)}) == 127


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"alphabet": "abca"}, "alphabet holds 'a' more than once"),
        ({"alphabet": "ab ", "separator": " "}, "separator ' ' is also in the alphabet"),
        ({"min_length": 5, "max_length": 4}, "min_length 5 is greater than max_length 4"),
        ({"test_min_length": 13}, "shortest source to test on, 13, is longer than the longest, 12"),
    ],
)
def test_settings_of_strings_that_make_no_sense_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Copy(**knobs)


# --- dates ---------------------------------------------------------------------------------------------

READABLE = {"d": "%d", "dd": "%d", "m": "%m", "mm": "%m", "y": "%Y", "month": "%B", "mon": "%b"}
READABLE |= {"weekday": "%A", "wday": "%a"}


def parsed(text: str) -> date | None:
    """The date that Python's own parser reads from a written date, by whichever form fits; None if none does."""
    for form in FORMS:
        if set(re.findall(r"{(\w+)}", form)) <= READABLE.keys():
            try:
                return datetime.strptime(text, form.format_map(READABLE)).date()
            except ValueError:
                continue
    return None


def test_dates_are_what_pythons_own_parser_reads() -> None:
    found = pairs(Dates(size=1500))
    read = [(parsed(re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", source, flags=re.I)), target) for source, target in found]
    known = [(day.isoformat(), target) for day, target in read if day]
    assert len(known) > 900
    assert all(day == target for day, target in known)


def test_dates_reach_from_the_first_year_to_the_last() -> None:
    years = {int(target[:4]) for _, target in pairs(Dates(first_year=1700, last_year=1703, size=500))}
    assert years == {1700, 1701, 1702, 1703}


def test_every_form_and_case_of_dates_is_drawn() -> None:
    sources = [source for source, _ in pairs(Dates(size=3000))]
    shapes = {re.sub(r"[A-Za-z]+", "w", re.sub(r"\d+", "9", source)) for source in sources}
    assert len(shapes) > 25
    assert {source.isupper() for source in sources} == {source.islower() for source in sources} == {True, False}


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (1998, "nineteen ninety-eight"),
        (1905, "nineteen oh five"),
        (1900, "nineteen hundred"),
        (2000, "two thousand"),
        (2007, "two thousand seven"),
        (2015, "twenty fifteen"),
        (2040, "twenty forty"),
        (1066, "ten sixty-six"),
        (2100, "twenty-one hundred"),
    ],
)
def test_years_are_said_in_words(year: int, words: str) -> None:
    assert year_in_words(year) == words


def test_days_are_said_in_words() -> None:
    said = {1: "first", 12: "twelfth", 20: "twentieth", 22: "twenty-second", 30: "thirtieth", 31: "thirty-first"}
    assert {day: ordinal(day) for day in said} == said


def test_no_written_date_means_two_days() -> None:
    # In a leap year and another, over all forms: the same text must come from the same day.
    meanings: dict[str, set[date]] = {}
    for first in (date(1999, 1, 1), date(2000, 1, 1)):
        for offset in range(366):
            day = first + timedelta(offset)
            for form in FORMS:
                meanings.setdefault(form.format_map(facts(day)).lower(), set()).add(day)
    assert {len(days) for days in meanings.values()} == {1}
    # `sources` promises at least half of all combinations.
    assert len(meanings) >= len(FORMS) * 731 / 2


def test_years_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="first_year 2000 comes after last_year 1999"):
        Dates(first_year=2000, last_year=1999)


# --- recall --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "separator"), [(26, ""), (26, " "), (3000, "")])
def test_every_value_asked_for_is_the_one_shown(keys: int, separator: str) -> None:
    for example in drawn(
        Recall(size=100, pairs=6, queries=4, distinct_keys=keys, distinct_values=keys, separator=separator)
    ):
        *pieces, last = example.pieces
        assert (last.text, last.scored) == ("", False)
        assert [piece.scored for piece in pieces] == [False, True] * 4
        shown, *_ = pieces
        symbols = shown.text.replace(separator, "") if separator else shown.text
        known = dict(zip(symbols[:-1:2], symbols[1:-1:2], strict=True))
        assert len(known) == 6
        asked = [read.text.replace(separator, "")[-1] if separator else read.text[-1] for read in pieces[::2]]
        assert len(set(asked)) == 4
        assert [known[key] for key in asked] == [answer.text for answer in pieces[1::2]]


def test_with_a_separator_symbols_stand_apart_throughout() -> None:
    for example in drawn(Recall(size=20, separator=" ")):
        assert re.fullmatch(r"[A-Z] [a-z]( [A-Z] [a-z])*", "".join(piece.text for piece in example.pieces))


@pytest.mark.parametrize(("length", "separator"), [(64, ""), (41, " ")])
def test_with_a_length_queries_stand_apart_and_ask_the_same(length: int, separator: str) -> None:
    for example in drawn(Recall(size=100, pairs=6, queries=4, length=length, separator=separator)):
        symbols = "".join(piece.text for piece in example.pieces).replace(separator, "")
        assert len(symbols) == length
        known = dict(zip(symbols[:12:2], symbols[1:12:2], strict=True))
        asked = [place for place, symbol in enumerate(symbols) if place >= 12 and symbol in known]
        assert len({symbols[place] for place in asked}) == 4
        assert [piece.text for piece in example.pieces if piece.scored] == [known[symbols[place]] for place in asked]
        assert [symbols[place + 1] for place in asked] == [known[symbols[place]] for place in asked]
        assert set(symbols[12:]) <= {*known, *known.values(), "."}


def test_distances_of_queries_follow_the_power_law() -> None:
    counts = Counter[int]()
    for example in drawn(Recall(size=4000, pairs=2, queries=1, length=24)):
        counts[len(example.pieces[0].text)] += 1
    law = [(place + 1) ** -0.99 for place in range(10)]
    expected = [4000 * weight / sum(law) for weight in law]
    found = [counts[4 + 2 * place + 1] for place in range(10)]
    assert sum(found) == 4000
    assert sum((f - e) ** 2 / e for f, e in zip(found, expected, strict=True)) < 27.9  # chi-square, 9 df, p = 0.001


def test_settings_of_recall_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"length 19 has no room for 6 pairs and 4 queries .* at least 20"):
        Recall(pairs=6, queries=4, length=19)
    with pytest.raises(ValueError, match="no more queries than pairs"):
        Recall(pairs=3, queries=4)
    with pytest.raises(ValueError, match="no more pairs than distinct_keys"):
        Recall(pairs=30, queries=4, distinct_keys=26)


@pytest.mark.parametrize("length", [4, 13, 50])
def test_the_answer_of_the_adding_problem_is_the_sum_of_the_two_circled_digits(length: int) -> None:
    for example in drawn(AddingProblem(size=300, length=length)):
        shown, answer, rest = example.pieces
        circled = [place for place, symbol in enumerate(shown.text) if symbol not in "0123456789"]
        values = [int(unicodedata.numeric(shown.text[place])) for place in circled]
        assert len(shown.text) == length
        assert circled[0] < length // 4 <= circled[1] < length // 2
        assert unicodedata.numeric(answer.text) == sum(values)
        assert (shown.scored, answer.scored, rest.scored, rest.text) == (False, True, False, "")


def test_the_digits_of_the_adding_problem_are_drawn_evenly() -> None:
    counts = Counter(int(unicodedata.numeric(c)) for e in drawn(AddingProblem()) for c in e.pieces[0].text)
    expected = sum(counts.values()) / 10
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 27.9  # chi-square, 9 df, p = 0.001


@pytest.mark.parametrize("modulus", [2, 47, 97])
def test_modular_addition_deals_out_every_sum_once_and_every_sum_is_right(modulus: int) -> None:
    data = Modular(modulus=modulus, valid=0.3, test=0.1).build(DataSite())
    dealt = {split: [[piece.text for piece in example.pieces] for example in data.examples(split)] for split in SPLITS}
    number = {symbol: value for value, symbol in enumerate(SYMBOLS)}
    sums = set()
    for asked, answer, _ in chain.from_iterable(dealt.values()):
        a, b = number[asked[0]], number[asked[2]]
        assert (asked[1], asked[3:]) == ("+", "=")
        assert number[answer] == (a + b) % modulus
        sums.add((a, b))
    assert len(sums) == sum(map(len, dealt.values())) == modulus**2
    assert len(dealt["valid"]) == round(0.3 * modulus**2)
    assert len(dealt["test"]) == round(0.1 * modulus**2)


def test_modular_addition_is_dealt_by_its_seed_and_named_by_all_its_knobs() -> None:
    plain = Modular(modulus=11)
    asked = [example.pieces[0].text for example in plain.build(DataSite()).examples("train")]
    assert asked == [example.pieces[0].text for example in plain.build(DataSite()).examples("train")]
    others = [
        Modular(modulus=11, seed=1),
        Modular(modulus=13),
        Modular(modulus=11, valid=0.4),
        Modular(modulus=11, test=0.1),
    ]
    assert len({part.build(DataSite()).identity() for part in (plain, *others)}) == 5
    assert asked != [example.pieces[0].text for example in others[0].build(DataSite()).examples("train")]
