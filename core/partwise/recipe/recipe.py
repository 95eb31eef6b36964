"""`Recipe`: all the choices that make a language model, validated."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from partwise.data.row_layout import RowLayout
from partwise.documented import Documented
from partwise.parts import slots
from partwise.parts.slot import use
from partwise.runs.identity import ADDED, fingerprint

VERSION = 1
"""The version of the recipe format that this partwise reads and writes."""
_PLAIN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


def _a_number(value: Any) -> Any:
    return str(value) if isinstance(value, bool) else value  # True == 1, but it is no version


def _a_slug(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError(f"expected letters, digits, '.', '_' and '-', the first a letter or digit, got {value!r}")
    return value


Version = Annotated[Literal[1], BeforeValidator(_a_number)]
"""The version of the format of a recipe or a study."""
Name = Annotated[str, Field(max_length=100, json_schema_extra={"pattern": _NAME}), AfterValidator(_a_slug)]
"""The name of a recipe or a study; it can be the name of a file."""


_TAKEN = {
    "valid": "figures of the valid split are called valid_loss and, of the members of a mixture, valid.MEMBER.loss",
    "epochs": "how often the members of a mixture were seen is called epochs.MEMBER",
}


def _named(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if not re.fullmatch(_PLAIN, name):
            raise ValueError(
                f"{name!r} cannot name an evaluation: use letters, digits, '_' and '-', the first a letter or digit; "
                "its figures are then called NAME.FIGURE"
            )
        if name in _TAKEN:
            raise ValueError(
                f"{name!r} cannot name an evaluation: {_TAKEN[name]}; its figures, called NAME.FIGURE, would be taken "
                "for those"
            )
    return value


Evaluations = Annotated[
    dict[str, slots.Evaluation], Field(json_schema_extra={"propertyNames": {"pattern": _PLAIN}}), AfterValidator(_named)
]
"""Evaluations by name."""

_SETTINGS = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Start(Documented):
    """The weights that training begins with, instead of first ones that are drawn."""

    model_config = _SETTINGS

    run: Annotated[str, Field(min_length=1)]
    """Directory of a run, or of an imported checkpoint, relative to this file or to the current directory. Its
    tokenizer is taken, too; a model, tokenizer or objective that the recipe leaves out is the run's."""
    weights: Literal["last", "best"] = "last"
    """Which of its weights: the final ones, or those with the lowest validation loss, which a run may have before it is
    finished. Where it keeps an average of its weights, it is that average."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hash of the file of these weights. It is looked up where it is not written; where it is, no others are taken."""


class Recipe(Documented):
    """A recipe: one JSON file that says which data, tokenizer, model and trainer make a language model."""

    model_config = _SETTINGS

    partwise: Version
    """Version of the recipe format."""
    name: Name
    """Short name; runs are filed under it. Letters, digits, ".", "_" and "-"."""
    about: str = ""
    """What the recipe is, for people."""
    data: slots.Data
    """Where the texts come from."""
    rows: RowLayout = RowLayout()
    """How they are laid out in the rows that the model reads."""
    tokenizer: slots.Tokenizer
    """How text becomes tokens."""
    model: slots.Model
    """The network."""
    objective: slots.Objective = use("next_token")
    """What it learns to predict, and how that is scored in training."""
    trainer: slots.Trainer
    """How it is trained."""
    start: Start | None = None
    """The run whose weights training begins with: fine-tuning, other data, another rate. null: first weights are
    drawn."""
    trainable: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] | None = None
    """The modules and parameters that learn, by the names that `partwise inspect` shows: "blocks.*.mixer", "head". A
    name holds for whatever has it in its path, and for all that is within. null: everything learns; with an adapter,
    the adapter alone."""
    adapter: slots.Adapter | None = None
    """What learns beside the layers of a model whose own weights stay as they are. null: nothing."""
    sampler: slots.Sampler = use("temperature")
    """How it generates text, unless the command says otherwise."""
    trackers: tuple[slots.Tracker, ...] = ()
    """What records the progress of training, besides the run's own files."""
    evaluations: Evaluations = {}
    """What else the trained model is judged by, beside its loss: name -> evaluation."""
    seed: NonNegativeInt = 0
    """Seed of everything random; two runs that differ only in it are repetitions of one experiment."""

    @model_serializer(mode="wrap")
    def _without_null(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What was added to recipes later is left out where it is not used, so that older recipes keep their names."""
        return {key: value for key, value in handler(self).items() if value is not None or key not in ADDED}

    def resolved(self) -> dict[str, Any]:
        """The recipe as JSON values with every default written out; loading it gives an equal recipe."""
        return self.model_dump(mode="json")

    def fingerprint(self) -> str:
        """Ten hexadecimal digits that change whenever what is trained changes.

        A hash of data, rows, tokenizer, model, objective and trainer with every default written out, so neither the
        order of keys nor whether a default is spelt out matters; and, where there are any, of the adapter, of what
        learns, and of the weights that training starts from (of these, wherever they are kept). Name and about are left
        out because they are labels; the sampler and the evaluations because they act on the trained model and leave
        training alone; the trackers because they only watch it; the seed because runs that differ only in it are
        repetitions of one experiment, and a study finds them by their common fingerprint.
        """
        return fingerprint(self.resolved())
