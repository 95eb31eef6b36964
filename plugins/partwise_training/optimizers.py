"""What all optimizers share: which parameters decay, and when torch's fused kernels apply."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from partwise import PartError

_FUSED_ON = {"cpu", "cuda"}


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trained parameters as two groups: matrices (embeddings among them), which decay, and vectors, which do not.

    Biases, norm gains and the like are few and set a scale or an offset; pulling them to zero only hurts.

    Raises:
        PartError: the model has nothing to train.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise PartError("this model has no parameters to train")
    matrices = [parameter for parameter in trained if parameter.ndim >= 2]
    vectors = [parameter for parameter in trained if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def fused(parameters: Iterable[nn.Parameter]) -> bool | None:
    """Whether to ask for torch's fused update; None leaves the choice to torch.

    One pass over memory instead of one per operation: on a CPU 3 times as fast for Adam.
    """
    able = all(parameter.device.type in _FUSED_ON and parameter.is_floating_point() for parameter in parameters)
    return True if able else None
