"""Small models by a few words, and batches for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from partwise.assembly.build import assemble
from partwise.data import IGNORED, Batch
from partwise.parts import ModelPart, ModelSite, resolve_part

V, C, T = 11, 16, 12
ATTENTION = {"use": "multi_head", "heads": 2}
LAYER = {"use": "pre_norm", "mixer": ATTENTION}
RECURRENCE = {"use": "recurrent", "mixer": "lstm"}


def language_model(**knobs: Any) -> Any:
    """The part; one layer of attention without positions unless said otherwise."""
    return resolve_part(ModelPart, {"use": "language_model", "width": C, "context": T, "blocks": [LAYER]} | knobs)


def seq2seq(**knobs: Any) -> Any:
    """The part; an attention layer each in encoder and decoder unless said otherwise."""
    settings = {
        "use": "seq2seq",
        "width": C,
        "context": T,
        "encoder": [LAYER],
        "decoder": [LAYER | {"cross": ATTENTION}],
    }
    return resolve_part(ModelPart, settings | knobs)


def built(part: Any, seed: int = 0, vocabulary: int = V) -> Any:
    """The network, in evaluation mode."""
    return assemble(part, ModelSite(vocabulary), seed).eval()


def shaken(part: Any) -> Any:
    """The network, with weights large enough that everything matters."""
    network = built(part)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
    return network


def batch(tokens: Tensor, **facts: Any) -> Batch:
    """Token ids without targets."""
    return Batch(tokens, torch.full_like(tokens, IGNORED), **facts)
