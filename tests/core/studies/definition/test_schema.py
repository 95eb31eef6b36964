"""The JSON Schema of studies, and the studies that ship."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from partwise.recipe import shipped, studies
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.schema import study_schema
from partwise.studies.definition.variants import variants

SHIPPED = [one.name for one in studies()]


def test_the_studies_that_were_asked_for_ship() -> None:
    asked = {
        "positions",
        "norms",
        "feedforwards",
        "recurrence",
        "mixers",
        "residuals",
        "optimizers",
        "objectives",
        "tokenizers",
        "attention-ladder",
        "replications/position-extrapolation",
        "demo",
    }
    assert asked <= {name.replace(f"{shipped.STUDIES}/", "") for name in SHIPPED}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_study_holds_and_fits_the_schema(name: str) -> None:
    loaded = load_study(name)
    assert len(variants(loaded).candidates) > 1
    assert loaded.study.about
    assert loaded.path is not None
    Draft202012Validator(study_schema()).validate(json.loads(loaded.path.read_text()))


def test_the_schema_of_studies_is_one_and_refuses_what_loading_refuses(study) -> None:
    document = study_schema()
    Draft202012Validator.check_schema(document)
    schema = Draft202012Validator(document)
    assert schema.is_valid(json.loads(study().read_text()))
    for change in ({"metrc": 1}, {"design": "x"}, {"seeds": 0}, {"run": {"use": "locl"}}, {"base": {"modl": {}}}):
        assert not schema.is_valid(json.loads(study(**change).read_text())), change
