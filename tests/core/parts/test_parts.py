from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import PositiveInt, ValidationError

from partwise import Part, PartError, Slot, use
from partwise.parts import parts_within, resolve_part
from partwise.parts.plugins import Plugin
from partwise.parts.registry import Registry, using
from partwise.wording import with_article

from ...plugged import loaded


class FruitPart(Part):
    """Grows on trees."""

    kind = "fruit"


class CitrusPart(FruitPart):
    """A fruit that is sour."""

    kind = "citrus"


class Apple(FruitPart):
    """A fruit."""

    name = "apple"
    seeds: PositiveInt = 5
    """How many."""
    sizes: tuple[int, ...] = ()
    """Of several."""

    def build(self, site: str) -> str:
        if site == "sea":
            raise PartError("apples do not grow in the sea")
        return f"apple with {self.seeds} seeds on {site}"


class Lemon(CitrusPart):
    """A sour fruit."""

    name = "lemon"

    def build(self, site: str) -> str:
        return f"lemon on {site}"


class BoxPart(Part):
    """Holds fruit."""

    kind = "box"


class Box(BoxPart):
    """A box of fruit, perhaps with a smaller one in it."""

    name = "box"
    best: Annotated[FruitPart, Slot()] = use("apple")
    """On top."""
    fruits: tuple[Annotated[FruitPart, Slot()], ...] = ()
    """Below."""
    sour: Annotated[CitrusPart, Slot()] | None = None
    """At the side."""
    inner: Annotated[BoxPart, Slot()] | None = None
    """A smaller box."""

    def build(self, site: str) -> list[Any]:
        pieces = [self.best, *self.fruits, *filter(None, (self.sour, self.inner))]
        return [piece.assemble(site) for piece in pieces]


class Leaky(BoxPart):
    """A box that hands its fruit to another place and says so."""

    name = "leaky"
    best: Annotated[FruitPart, Slot()] = use("apple")
    """In it."""

    def build(self, site: str) -> Any:
        try:
            return self.best.assemble(site)
        except PartError as error:
            raise PartError(f"leaky: {error.message}", ("elsewhere",)) from error


class Raft(BoxPart):
    """A box that keeps one fruit ashore and sends one to sea."""

    name = "raft"
    ashore: Annotated[FruitPart, Slot()] = use("apple")
    """Stays."""
    afloat: Annotated[FruitPart, Slot()] = use("apple")
    """Goes."""

    def build(self, site: str) -> list[Any]:
        return [self.ashore.assemble("a tree"), self.afloat.assemble("sea")]


@pytest.fixture(autouse=True)
def _orchard():
    orchard = Plugin("orchard", "orchard", "partwise", "1")
    with using(Registry([loaded(orchard, [Apple, Lemon, Box, Leaky, Raft])])):
        yield


def box(**knobs: Any) -> Box:
    return Box.model_validate(knobs)


def problems(value: Any, kind: type[Part] = BoxPart) -> list[tuple[tuple[Any, ...], str, str]]:
    """Places, types and messages of what is wrong with `value`."""
    with pytest.raises(ValidationError) as caught:
        resolve_part(kind, value)
    return [(error["loc"], error["type"], error["msg"]) for error in caught.value.errors()]


def test_a_slot_takes_a_name_an_object_or_a_part() -> None:
    assert box(best="apple") == box(best={"use": "apple"}) == box(best=Apple()) == box()
    assert box(best={"use": "apple", "seeds": 3}).best == Apple(seeds=3)


def test_a_part_of_a_special_kind_fits_where_the_general_one_is_asked_for() -> None:
    assert isinstance(box(best="lemon").best, Lemon)


def test_the_general_kind_does_not_fit_where_the_special_one_is_asked_for() -> None:
    for apple in ("apple", Apple()):
        assert problems({"use": "box", "sour": apple}) == [
            (("sour",), "part_of_another_kind", "'apple' is a fruit, but this place takes a citrus")
        ]


def test_dumping_writes_every_default_out_and_loading_gives_the_same() -> None:
    part = box(fruits=("lemon", {"use": "apple", "sizes": (1, 2)}), inner={"use": "box"})
    dumped = part.model_dump(mode="json")
    assert dumped == {
        "use": "box",
        "best": {"use": "apple", "seeds": 5, "sizes": []},
        "fruits": [{"use": "lemon"}, {"use": "apple", "seeds": 5, "sizes": [1, 2]}],
        "sour": None,
        "inner": {
            "use": "box",
            "best": {"use": "apple", "seeds": 5, "sizes": []},
            "fruits": [],
            "sour": None,
            "inner": None,
        },
    }
    assert resolve_part(BoxPart, dumped) == part


def test_the_place_of_a_mistake_is_its_path_in_the_json() -> None:
    value = {
        "use": "box",
        "fruits": [{"use": "apple"}, {"use": "apple", "seeds": 0}],
        "inner": {"use": "box", "best": {"use": "aple"}, "colour": "red"},
    }
    found = {(place, kind) for place, kind, _ in problems(value)}
    assert found == {
        (("fruits", 1, "seeds"), "greater_than"),
        (("inner", "best"), "part_unknown"),
        (("inner", "colour"), "extra_forbidden"),
    }


def test_what_is_no_part_is_refused_in_plain_words() -> None:
    with pytest.raises(Exception, match="expected a fruit"):
        resolve_part(FruitPart, 7)
    with pytest.raises(Exception, match='this fruit needs "use": the name of the part'):
        resolve_part(FruitPart, {"seeds": 3})
    with pytest.raises(Exception, match="unknown fruit 7"):
        resolve_part(FruitPart, {"use": 7})
    with pytest.raises(Exception, match="'box' is a box, but this place takes a fruit"):
        resolve_part(FruitPart, "box")


def test_numbers_are_not_texts_and_texts_are_not_numbers() -> None:
    assert problems({"use": "apple", "seeds": "5"}, FruitPart)[0][1] == "int_type"
    assert problems({"use": "apple", "seeds": True}, FruitPart)[0][1] == "int_type"
    assert problems({"use": "apple", "seeds": 5.0}, FruitPart)[0][1] == "int_type"


def test_parts_within_come_parents_first_with_their_paths() -> None:
    part = box(fruits=("lemon",), inner={"use": "box", "sour": "lemon"})
    assert [(path, type(inner).__name__) for path, inner in parts_within(part)] == [
        (("best",), "Apple"),
        (("fruits", 0), "Lemon"),
        (("inner",), "Box"),
        (("inner", "best"), "Apple"),
        (("inner", "sour"), "Lemon"),
    ]


def test_assembling_goes_through_build() -> None:
    assert box(fruits=("lemon",)).assemble("a tree") == ["apple with 5 seeds on a tree", "lemon on a tree"]


def test_a_failure_to_build_names_the_place_of_the_part() -> None:
    part = box(best="lemon", fruits=("lemon", "lemon"), inner={"use": "box", "best": "lemon", "fruits": ("apple",)})
    with pytest.raises(PartError) as caught:
        part.assemble("sea")
    assert caught.value.path == ("inner", "fruits", 0)
    assert str(caught.value) == "at inner.fruits.0: apples do not grow in the sea"


def test_equal_parts_at_two_places_are_told_apart() -> None:
    raft = Raft()
    assert raft.ashore == raft.afloat
    with pytest.raises(PartError) as caught:
        raft.assemble("sea")
    assert caught.value.path == ("afloat",)


def test_a_path_that_is_given_is_kept() -> None:
    with pytest.raises(PartError) as caught:
        Leaky().assemble("sea")
    assert caught.value.path == ("elsewhere",)


def test_a_part_that_is_built_alone_has_no_place() -> None:
    with pytest.raises(PartError) as caught:
        Apple().assemble("sea")
    assert caught.value.path == ()
    assert str(caught.value) == "apples do not grow in the sea"
    with pytest.raises(PartError) as after:  # nothing is left over from the failure before
        box(best="apple").assemble("sea")
    assert after.value.path == ("best",)


def test_a_part_without_build_says_so() -> None:
    class Nothing(FruitPart):
        """No fruit."""

        name = "nothing"

    with pytest.raises(PartError, match=r"nothing \(Nothing\) does not say how it is built"):
        Nothing().assemble("a tree")


def test_the_schema_of_a_part_with_slots_stands_alone() -> None:
    properties = Box.model_json_schema()["properties"]
    assert set(properties) == {"best", "fruits", "sour", "inner"}
    assert "a fruit" in properties["best"]["description"] or "On top." in properties["best"]["description"]


def test_articles() -> None:
    assert [with_article(noun) for noun in ("mixer", "attention", "optimizer")] == [
        "a mixer",
        "an attention",
        "an optimizer",
    ]
