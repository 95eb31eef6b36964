"""Small networks with the same random weights, in transformers and here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from families.parity import config_of, map_of, model_of
from families.reduced import FAMILIES
from partwise.assembly import assemble
from partwise.huggingface.facts import Facts
from partwise.parts import ModelSite


def networks(name: str, vocabulary: int) -> tuple[Any, nn.Module]:
    """Theirs and ours of the family whose weight map has the name, in evaluation mode."""
    reduced = next(one for one in FAMILIES if one.map == name)
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0)
    reduced = replace(reduced, settings={**reduced.settings, "vocab_size": vocabulary, **ids})
    theirs = model_of(reduced, config_of(reduced)).eval()
    with torch.no_grad():
        for parameter_name, parameter in theirs.named_parameters():
            parameter.normal_(std=0.15).add_(1.0 if parameter.ndim == 1 and "bias" not in parameter_name else 0.0)
    family = map_of(reduced)
    recipe = family.recipe_for(theirs.config.to_dict()).recipe
    ours = assemble(recipe.model, ModelSite(vocabulary), seed=0).eval()
    tensors = family.weights.to_ours(theirs.state_dict(), ours, Facts(recipe.resolved()))
    ours.load_state_dict(tensors, strict=False)  # what is tied stands once in the map, and is checked by it
    return theirs, ours
