"""Docstrings below fields, read from the source when they are asked for, are those that pydantic reads at once."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from partwise.documented import Documented, field_docs


class _ByPydantic(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    width: int = 3
    """How wide.

    Over several lines, indented.
        More so here.
    """
    named: Annotated[int, Field(description="said here")] = 1
    """Not this."""
    silent: int = 0
    text: str = ""
    "Single quotes do as well."


class _ByUs(Documented):
    width: int = 3
    """How wide.

    Over several lines, indented.
        More so here.
    """
    named: Annotated[int, Field(description="said here")] = 1
    """Not this."""
    silent: int = 0
    text: str = ""
    "Single quotes do as well."


class _Heir(_ByUs):
    depth: int = 1
    """How deep."""
    width: int = 4
    """How wide the heir is."""
    named: int = 2


def test_descriptions_are_those_of_pydantic() -> None:
    theirs = {name: field.description or "" for name, field in _ByPydantic.model_fields.items()}
    assert field_docs(_ByUs) == theirs


def test_the_schema_is_that_of_pydantic() -> None:
    assert _ByUs.model_json_schema()["properties"] == _ByPydantic.model_json_schema()["properties"]


def test_an_heir_has_its_own_words_and_those_that_it_inherits() -> None:
    assert field_docs(_Heir)["width"] == "How wide the heir is."
    assert field_docs(_Heir)["text"] == "Single quotes do as well."
    assert field_docs(_Heir)["depth"] == "How deep."
    assert field_docs(_Heir)["named"] == "", "declared anew, without a word"


def test_a_class_within_a_function_has_its_words() -> None:
    class Local(Documented):
        width: int = 1
        """Local."""

    assert field_docs(Local) == {"width": "Local."}


def test_a_class_without_source_has_none() -> None:
    made: dict[str, type[Documented]] = {}
    exec("class Made(Documented):\n    width: int = 1\n", {"Documented": Documented, "__name__": "nowhere"}, made)
    assert field_docs(made["Made"]) == {"width": ""}
