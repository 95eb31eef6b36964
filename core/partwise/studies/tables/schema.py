"""JSON Schema of results.json, for those who read it without partwise."""

from __future__ import annotations

from typing import Any

from partwise.recipe.schema import DIALECT
from partwise.studies.results import Results


def results_schema() -> dict[str, Any]:
    """The schema of what a study's directory holds as results.json, with what each field means."""
    return {"$schema": DIALECT, **Results.model_json_schema(), "title": "partwise results"}


__all__ = ["results_schema"]
