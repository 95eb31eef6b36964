"""What is looked at: a run with its weights, or a recipe with its first ones; and the text that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from partwise import assembly
from partwise.data.batch import IGNORED, Batch
from partwise.data.marks import marks_of
from partwise.data.protocols import Tokenizer
from partwise.decoding.decoder import Decoder
from partwise.decoding.prompts import source_prompt, text_prompt
from partwise.errors import InputError, PartwiseError, WorkError
from partwise.machine import torch_device
from partwise.modules.protocols import Model
from partwise.parts.part import Part, recorded_assembly
from partwise.recipe import LoadedRecipe, Recipe, load
from partwise.wording import many
from partwise.workflow import Reopened, Weights, preparation, reopen, sites

Say = Callable[[str], None]
LONGEST_ANSWER = 200
HIDDEN = (
    "This model was trained to fill in tokens that are hidden, from both sides; those that its objective hides of this "
    "text are hidden here, too."
)
UNTOUCHED = "This model was not trained to continue a text: its predictions are of other tokens than the next."


@dataclass(frozen=True)
class Subject:
    """A model in memory, with all that is known of it."""

    name: str
    weights: str
    """Which weights these are, in words."""
    trained: bool
    loaded: LoadedRecipe
    tokenizer: Tokenizer
    model: Model
    device: torch.device
    reopened: Reopened | None = None

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe

    @property
    def module(self) -> nn.Module:
        return cast(nn.Module, self.model)

    @property
    def reads_pairs(self) -> bool:
        return self.recipe.model.reads == "pair"

    def parts(self) -> dict[str, tuple[Part, Any]]:
        """Path of a module -> the part that has built it, and the site; no weights are made for that."""
        with recorded_assembly() as record:
            skeleton = preparation.skeleton(self.loaded, sites.model_site(self.loaded, self.tokenizer))
        built = {id(made): (part, site) for part, site, made in record}
        modules = cast(nn.Module, skeleton).named_modules()
        return {path: built[id(module)] for path, module in modules if path and id(module) in built}

    def at_first(self) -> Model:
        """The same model with the weights that its training began with, unless it began with those of another run."""
        skeleton = preparation.skeleton(self.loaded, sites.model_site(self.loaded, self.tokenizer))
        return cast(Model, cast(nn.Module, assembly.materialise(skeleton, self.recipe.seed, self.device)).eval())


def subject(
    source: Reopened | LoadedRecipe | Mapping[str, Any] | str | Path,
    device: str = "auto",
    weights: Weights = "last",
    data: Path | None = None,
    say: Say = lambda line: None,
) -> Subject:
    """What a run, or a recipe, holds.

    Raises:
        PartwiseError: there is no such run or recipe, or it cannot be opened.
    """
    if isinstance(source, str | Path) and (Path(source) / "recipe.json").is_file():
        source = reopen(Path(source), device, weights, data)
    if isinstance(source, Reopened):
        which = "best weights" if weights == "best" else "last weights"
        told = f"{which} of {source.run.directory}"
        return Subject(
            source.recipe.name, told, True, source.loaded, source.tokenizer, source.model, source.device, source
        )
    loaded = (source if isinstance(source, LoadedRecipe) else load(source)).with_data_in(data)
    if loaded.recipe.start is not None:
        raise InputError(
            f"the recipe {loaded.recipe.name!r} begins with the weights of another run; look at that run, or train this"
            " one and look at its run"
        )
    tokenizer = preparation.tokenizer_of(loaded, preparation.data_of(loaded), say)
    place = torch_device(device)
    skeleton = preparation.skeleton(loaded, sites.model_site(loaded, tokenizer))
    model = cast(Model, cast(nn.Module, assembly.materialise(skeleton, loaded.recipe.seed, place)).eval())
    return Subject(loaded.recipe.name, "first weights, untrained", False, loaded, tokenizer, model, place)


@dataclass(frozen=True)
class Reading:
    """What a model reads, and what would come next where that is known."""

    text: str
    source: str | None
    batch: Batch
    notes: tuple[str, ...]


def reading(one: Subject, prompt: str | None, source: str | None, target: str | None, most: int) -> Reading:
    """The text as this model reads it, of at most `most` tokens.

    Raises:
        InputError: it is not what this model reads, or there is nothing to read.
    """
    if one.reads_pairs:
        if prompt is not None:
            raise InputError(
                "this model answers a source, so it has no prompt: give the source with --source TEXT, and what it is "
                "to answer with --target TEXT (by default, its own answer)"
            )
        return _pair(one, source, target, most)
    if source is not None or target is not None:
        given = "--source" if source is not None else "--target"
        raise InputError(f"{given} is for models of pairs, and this one reads a text: give it with --prompt TEXT")
    return _text(one, prompt, most)


def _text(one: Subject, prompt: str | None, most: int) -> Reading:
    notes: list[str] = []
    if prompt is None:
        prompt = _beginning(one, min(most, one.model.context))
        notes.append("No prompt was given: this text begins the validation split of its data.")
    tokens = text_prompt(one.tokenizer, [prompt]).tokens
    if not prompt:
        notes.append("The prompt is empty, so the model reads only the token that begins a text.")
    tokens = _no_longer(tokens, min(most, one.model.context), one.model.context, notes)
    objective: Any = getattr(one.model, "objective", None)
    if objective is not None and not one.recipe.objective.causal:
        posed = objective.pose(Batch(tokens, torch.full_like(tokens, IGNORED)), None)
        notes.append(UNTOUCHED if torch.equal(posed.tokens, tokens) else HIDDEN)
        return Reading(prompt, None, posed, tuple(notes))
    targets = torch.full_like(tokens, IGNORED)
    targets[:, :-1] = tokens[:, 1:]
    return Reading(prompt, None, Batch(tokens, targets), tuple(notes))


def _beginning(one: Subject, most: int) -> str:
    """Of a text of its data, as much as the model reads, with the marks that texts begin with."""
    text = _example(one)[0]
    marks = text_prompt(one.tokenizer, [text]).tokens.shape[1] - len(one.tokenizer.encode(text))
    return one.tokenizer.decode(one.tokenizer.encode(text)[: max(1, most - marks)])


def _no_longer(tokens: torch.Tensor, most: int, context: int, notes: list[str]) -> torch.Tensor:
    length = tokens.shape[1]
    if length <= most:
        return tokens
    why = f"the model reads {context} at most" if most == context else "more would not fit into a page"
    notes.append(f"The text has {many(length, 'token')}, and {why}: these are the last {most}.")
    return tokens[:, -most:]


def _pair(one: Subject, source: str | None, target: str | None, most: int) -> Reading:
    notes: list[str] = []
    if source is None:
        source, expected = _example(one)
        target = expected if target is None else target
        notes.append("No source was given: this is the first example of the validation split of its data.")
    prompt = source_prompt(one.tokenizer, [source])
    assert prompt.source is not None
    if prompt.source.shape[1] > most:
        raise InputError(
            f"the source has {many(prompt.source.shape[1], 'token')}, and a page shows at most {most}; shorten it"
        )
    ids = one.tokenizer.encode(target) if target is not None else _answer(one, prompt, notes)
    room = min(most, one.model.context) - 1
    if len(ids) > room:
        notes.append(f"The answer has {many(len(ids), 'token')}: these are the first {room}.")
        ids = ids[:room]
    written = torch.tensor([[int(prompt.tokens[0, 0]), *ids]])
    targets = torch.tensor([[*ids, marks_of(one.tokenizer).ends[0]]])
    batch = replace(prompt, tokens=written, targets=targets)
    return Reading(one.tokenizer.decode(ids), source, batch, tuple(notes))


def _answer(one: Subject, prompt: Batch, notes: list[str]) -> list[int]:
    """What the model writes, without what ends it."""
    marks, context = marks_of(one.tokenizer), one.model.context
    ids: list[int] = []
    try:
        decoder = Decoder(one.model, prompt.to(one.device), one.tokenizer.end, context, marks.ends)
    except WorkError as error:  # it diverged, which is what is looked at
        notes.append(f"The model has no answer: {error}.")
        return ids
    notes.append("The text is the model's own answer, always the likeliest token.")
    while len(ids) < min(context - 1, LONGEST_ANSWER):
        token = decoder.logits.argmax(-1)
        if bool(decoder.ended(token).all()):
            break
        ids.append(int(token))
        decoder.advance(token)
    return ids


def _example(one: Subject) -> tuple[str, str]:
    """The beginning of a text, or a source and its target, from the validation split."""
    asked = "--source TEXT" if one.reads_pairs else "--prompt TEXT"
    try:
        data = one.reopened.data() if one.reopened is not None else preparation.data_of(one.loaded)
        example = next(iter(data.examples("valid")), None)
    except PartwiseError as error:
        raise InputError(f"give the text to look at with {asked}; its data cannot be asked for one: {error}") from error
    if example is None:
        raise InputError(f"give the text to look at with {asked}; the validation split of its data is empty")
    pieces = [piece.text for piece in example.pieces]
    if one.reads_pairs:
        return pieces[0], "".join(pieces[1:])
    return "".join(pieces)[:120], ""
