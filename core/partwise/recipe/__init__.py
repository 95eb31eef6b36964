"""The recipe language: reading, extending, changing, validating, comparing and describing recipes.

Imports neither torch nor any plugin. Most callers need `load`, which returns a valid recipe or raises one
`RecipeError` that shows everything that is wrong with it, and `locate`, which does the same for a part that
fails while it is built.
"""

from .difference import ABSENT, Difference, differences
from .files import find, read
from .listing import Shipped, recipes, studies
from .load import LoadedRecipe, load, locate
from .merge import merge
from .overrides import override_all
from .reader.parser import parse
from .reader.problems import Problem, RejectedError, render
from .reader.source import Mark, Node, Source
from .recipe import Recipe
from .schema import json_schema
from .validation import validate

__all__ = [
    "ABSENT",
    "Difference",
    "LoadedRecipe",
    "Mark",
    "Node",
    "Problem",
    "Recipe",
    "RejectedError",
    "Shipped",
    "Source",
    "differences",
    "find",
    "json_schema",
    "load",
    "locate",
    "merge",
    "override_all",
    "parse",
    "read",
    "recipes",
    "render",
    "studies",
    "validate",
]
