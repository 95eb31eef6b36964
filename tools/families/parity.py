"""One family beside transformers: a reduced random checkpoint goes in and out, and both sides read the same tokens.

Shapes: B texts, T positions, V vocabulary.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor, nn

import partwise_tokenizers
from partwise import workflow
from partwise.assembly import assemble, skeleton
from partwise.data import IGNORED, Batch
from partwise.huggingface.convert import export_run, import_checkpoint
from partwise.huggingface.families import families
from partwise.huggingface.family import Family
from partwise.parts import ModelSite
from partwise.recipe import LoadedRecipe, load

from .reduced import END, PAD, Reduced, V

TOKENIZER = Path(partwise_tokenizers.__file__).parent / "samples" / "small-tokenizer.json"
B, T, PROMPT, WRITTEN = 2, 24, 9, 12
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Parity:
    """How near one family is to transformers. Differences are the largest of any logit."""

    spread: float
    """Standard deviation of their logits: what a difference is to be compared with."""
    float32: float
    float64: float
    """With transformers' own steps in float32 (softmax, norms, angles) taken in float64, too."""
    padded: float
    """In float64, where the texts of a batch are of different lengths."""
    same_text: bool | None
    """Whether greedy decoding from the cache, of padded texts, gives the same tokens; None where nothing is written."""
    same_tensors: bool
    """Whether export gives back every tensor to the bit, but for those that the map calls empty of anything new."""
    same_reloaded: bool
    """Whether the export, loaded by transformers, gives the same logits to the bit."""
    off: float
    """The difference where one knob of ours is another: what shows that such things are seen."""


def compared(reduced: Reduced, place: Path) -> Parity:
    """Makes a random checkpoint in the directory, imports it, compares, exports it and compares again."""
    theirs = checkpoint(reduced, place / "in")
    run = import_checkpoint(place / "in", place / "run")
    reopened = workflow.reopen(run.directory, "cpu")
    ours: Any = reopened.model
    export_run(run.directory, place / "out", reduced.map)
    with torch.no_grad():
        plain, padded = texts(reduced, padded=False), texts(reduced, padded=True)
        expected = logits_of(theirs, reduced, plain)
        float32 = gap(ours(plain), expected)
        text = _same_text(ours, theirs, reduced, padded)
        again = one_by_one(type(theirs).from_pretrained(place / "out").eval())
        same = logits_of(again, reduced, plain).equal(expected)
        double = in_double(theirs, ours, reduced, (plain, padded))
        there = padded.padding[:, :, None] if padded.padding is not None else torch.ones(B, T, 1, dtype=torch.bool)
        return Parity(
            spread=float(expected.std()),
            float32=float32,
            float64=gap(*double[0]),
            padded=gap(*(logits * there for logits in double[1])),
            same_text=text,
            same_tensors=_same_tensors(place),
            same_reloaded=same,
            off=gap(_changed(reopened.loaded, reduced, ours)(plain), expected),
        )


def checkpoint(reduced: Reduced, place: Path) -> Any:
    """A checkpoint as transformers writes it, every weight random, with a small tokenizer; and the model it is of."""
    torch.manual_seed(0)
    theirs = model_of(reduced, config_of(reduced)).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if parameter.requires_grad:
                # Large enough that every piece matters to the logits; gains around 1.
                parameter.normal_(std=0.15).add_(1.0 if parameter.ndim == 1 and "bias" not in name else 0.0)
    theirs.save_pretrained(place)
    shutil.copy(TOKENIZER, place / "tokenizer.json")
    return theirs


def model_of(reduced: Reduced, config: Any, dtype: torch.dtype = torch.float32) -> Any:
    """A model of theirs with any weights."""
    model = model_class(reduced)._from_config(config, dtype=dtype)
    if reduced.own_head:
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.clone())
    return one_by_one(model)


def one_by_one(model: Any) -> Any:
    """A model of theirs whose experts, if it has any, are computed one after the other, in whatever precision."""
    model.config._experts_implementation = "eager"
    return model


def config_of(reduced: Reduced) -> Any:
    marks = {"bos_token_id": 0, "eos_token_id": END, "pad_token_id": PAD}
    return model_class(reduced).config_class(**{"vocab_size": V, **marks, **reduced.settings})


def model_class(reduced: Reduced) -> Any:
    return getattr(transformers, map_of(reduced).architecture)


def map_of(reduced: Reduced) -> Family:
    return families()[reduced.map]


def texts(reduced: Reduced, padded: bool) -> Batch:
    """Random tokens; padded, the first text is shorter: on the left, where text is written, and else on the right."""
    generator = torch.Generator().manual_seed(1)
    tokens, source = (torch.randint(3, END, (B, T), generator=generator) for _ in range(2))
    there = torch.ones(B, T, dtype=torch.bool)
    if padded:
        there[0, : T // 3] = False
    backwards = there.flip(1)
    targets = torch.full_like(tokens, IGNORED)
    if reduced.form == "pair":
        filled = source.masked_fill(~backwards, PAD)
        return Batch(tokens, targets, source=filled, source_padding=backwards if padded else None)
    shown = backwards if reduced.form == "masked" else there
    return Batch(tokens.masked_fill(~shown, PAD), targets, shown if padded else None)


def logits_of(theirs: Any, reduced: Reduced, batch: Batch) -> Tensor:
    """Their logits [B, T, V]."""
    mask = batch.source_padding if reduced.form == "pair" else batch.padding
    told = {} if mask is None else {"attention_mask": mask.long()}
    if reduced.form == "pair":
        logits: Tensor = theirs(batch.source, decoder_input_ids=batch.tokens, **told).logits
        return logits
    if mask is not None and reduced.form == "causal" and reduced.takes_positions:
        told["position_ids"] = (mask.long().cumsum(1) - 1).clamp_min(0)
    return theirs(batch.tokens, **told).logits  # type: ignore[no-any-return]


def in_double(theirs: Any, ours: Any, reduced: Reduced, batches: tuple[Batch, ...]) -> list[tuple[Tensor, Tensor]]:
    """Our logits and theirs of each batch, with the same weights in float64."""
    with all_double():
        double = model_of(reduced, copy.deepcopy(theirs.config), torch.float64)
        double.load_state_dict(theirs.state_dict())
        double.double().eval()
        again = copy.deepcopy(ours).double()
        return [(again(batch), logits_of(double, reduced, batch)) for batch in batches]


@contextmanager
def all_double() -> Iterator[None]:
    """What is computed in float32 whatever the weights are, such as angles and norms, is computed in float64."""
    with (
        patch.object(torch, "float32", torch.float64),
        patch.object(torch, "float", torch.float64),
        patch.object(Tensor, "float", Tensor.double),
    ):
        yield


def gap(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max())


def greedy(model: Any, prompt: Batch, steps: int) -> Tensor:
    """Token ids [B, steps] that the model writes when it always takes the likeliest, through its cache."""
    logits, decoding = model.begin(prompt, prompt.tokens.shape[1] + steps)
    written = [logits.argmax(-1)]
    while len(written) < steps:
        written.append(model.step(written[-1], decoding).argmax(-1))
    return torch.stack(written, 1)


def _same_text(ours: Any, theirs: Any, reduced: Reduced, padded: Batch) -> bool | None:
    if reduced.form == "masked":
        return None
    plain = transformers.GenerationConfig(
        max_new_tokens=WRITTEN, do_sample=False, eos_token_id=None, pad_token_id=PAD, decoder_start_token_id=0
    )
    if reduced.form == "pair":
        mask = padded.source_padding
        assert mask is not None
        start = torch.zeros(B, 1, dtype=torch.int64)
        prompt = Batch(start, start, source=padded.source, source_padding=mask)
        theirs.generation_config = plain
        found = theirs.generate(padded.source, attention_mask=mask.long(), generation_config=plain)[:, 1:]
        return greedy(ours, prompt, WRITTEN).equal(found)
    assert padded.padding is not None
    prompt = Batch(padded.tokens[:, : PROMPT + T // 3], padded.tokens, padded.padding[:, : PROMPT + T // 3])
    theirs.generation_config = plain
    length = prompt.tokens.shape[1]
    assert prompt.padding is not None
    found = theirs.generate(prompt.tokens, attention_mask=prompt.padding.long(), generation_config=plain)[:, length:]
    return greedy(ours, prompt, WRITTEN).equal(found)


def _changed(loaded: LoadedRecipe, reduced: Reduced, ours: Any) -> Any:
    """Our model with one knob of the recipe changed, and the same weights."""
    recipe = load(loaded.recipe.resolved(), [reduced.off]).recipe
    changed: Any = assemble(recipe.model, ModelSite(V, objective=recipe.objective), seed=0)
    changed.load_state_dict(ours.state_dict())
    return changed.eval()


def _same_tensors(place: Path) -> bool:
    before, after = (load_file(place / which / WEIGHTS) for which in ("in", "out"))
    return all(tensor.equal(before[name]) for name, tensor in after.items())


def parameters(recipe: str) -> int:
    """Parameters of a full-size recipe, without memory for any."""
    loaded = load(f"families/{recipe}").recipe
    model: Any = skeleton(loaded.model, ModelSite(loaded.tokenizer.planned_vocabulary() or 0))
    module: nn.Module = model
    return sum(parameter.numel() for parameter in module.parameters())
