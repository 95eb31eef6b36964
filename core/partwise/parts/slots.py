"""Annotations for fields that hold a part: `norm: slots.Norm = use("layer_norm")`.

Each accepts every part of its kind, from any plugin.
"""

from __future__ import annotations

from typing import Annotated

from . import kinds
from .adapter import AdapterPart
from .evaluation import EvaluationPart
from .slot import Slot

Tokenizer = Annotated[kinds.TokenizerPart, Slot()]
Embedding = Annotated[kinds.EmbeddingPart, Slot()]
Position = Annotated[kinds.PositionPart, Slot()]
Score = Annotated[kinds.ScorePart, Slot()]
Mixer = Annotated[kinds.MixerPart, Slot()]
Attention = Annotated[kinds.AttentionPart, Slot()]
FeedForward = Annotated[kinds.FeedForwardPart, Slot()]
Router = Annotated[kinds.RouterPart, Slot()]
Norm = Annotated[kinds.NormPart, Slot()]
Residual = Annotated[kinds.ResidualPart, Slot()]
Parametrisation = Annotated[kinds.ParametrisationPart, Slot()]
Block = Annotated[kinds.BlockPart, Slot()]
Initializer = Annotated[kinds.InitializerPart, Slot()]
Model = Annotated[kinds.ModelPart, Slot()]
Objective = Annotated[kinds.ObjectivePart, Slot()]
Data = Annotated[kinds.DataPart, Slot()]
Optimizer = Annotated[kinds.OptimizerPart, Slot()]
Schedule = Annotated[kinds.SchedulePart, Slot()]
Trainer = Annotated[kinds.TrainerPart, Slot()]
Sampler = Annotated[kinds.SamplerPart, Slot()]
Adapter = Annotated[AdapterPart, Slot()]
Evaluation = Annotated[EvaluationPart, Slot()]
Tracker = Annotated[kinds.TrackerPart, Slot()]
