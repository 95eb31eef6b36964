"""Initializers of linear and embedding layers. Other modules keep what their own `reset_parameters` drew."""

from __future__ import annotations

from torch import nn


class NormalInitializer:
    """Weights from N(0, std) and biases of 0, as in GPT-2 (Radford et al. 2019).

    The weights of a linear layer with the attribute `ends_residual_branch` are scaled by 1 / sqrt(branches), so that
    the sum over all layers keeps its size.
    """

    def __init__(self, std: float, branches: int) -> None:
        self.std = std
        self.branches = branches

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            ends = getattr(module, "ends_residual_branch", False)
            nn.init.normal_(module.weight, std=self.std * (self.branches**-0.5 if ends else 1.0))
            _zero_bias(module)


class XavierInitializer:
    """Linear weights uniform by fan-in and fan-out (Glorot & Bengio 2010); embeddings of deviation width^-1/2."""

    def __call__(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            # Layers that are stacked into one matrix each have their own fan-out.
            for rows in module.weight.split(getattr(module, "stacked", [module.out_features])):
                nn.init.xavier_uniform_(rows)
            _zero_bias(module)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)


def _zero_bias(module: nn.Module) -> None:
    bias = getattr(module, "bias", None)
    if bias is not None:
        nn.init.zeros_(bias)
