"""What several blocks declare in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge, Lt

Probability = Annotated[float, Ge(0), Lt(1)]
MULTI_HEAD = {"use": "multi_head", "heads": 2}
"""The attention in examples."""


def fails_around_recurrence(example: str = "") -> Mapping[str, str]:
    """What a block does not hold around one of PyTorch's recurrent networks: in one `example`, or in all."""
    return {
        f"it_compiles_to_one_graph{example}": "its mixer is a recurrent network of PyTorch's, which is not traced",
        f"it_can_be_exported{example}": "its mixer is a recurrent network of PyTorch's, exported for one length only",
        f"it_can_be_mapped_over_parameters{example}": "PyTorch's recurrent networks have no batching rule for vmap",
    }
