"""The contracts, one file per kind or family of kinds. Importing this registers all of them."""

from . import (
    blocks,
    compiled,
    data,
    importing,
    knobs,
    mixers,
    models,
    modules,
    optimizers,
    parts,
    pointwise,
    positions,
    samplers,
    schedules,
    tokenizers,
    trainers,
)

__all__ = [
    "blocks",
    "compiled",
    "data",
    "importing",
    "knobs",
    "mixers",
    "models",
    "modules",
    "optimizers",
    "parts",
    "pointwise",
    "positions",
    "samplers",
    "schedules",
    "tokenizers",
    "trainers",
]
