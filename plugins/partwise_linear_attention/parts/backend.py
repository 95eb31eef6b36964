"""What computes a memory of matrices in training: PyTorch, or the kernels of another package."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from types import MappingProxyType
from typing import Literal, Self

from partwise import PartError

from .heads import MatrixMemory


class WithKernels(MatrixMemory):
    """Base of those for which fla-core has kernels."""

    known_failures = MappingProxyType(
        {"every_knob_makes_a_difference[backend]": "on a CPU, where checks run, auto takes what torch takes"}
    )

    backend: Literal["torch", "auto", "fla"] = "torch"
    """What computes texts of more than one token: torch, matrix products of PyTorch; fla, the Triton kernels of
    fla-core (pip install fla-core), on a GPU only, for the delta rules in bfloat16; auto, these where they can."""

    def _refuse_backend(self) -> None:
        """
        Raises:
            PartError: kernels are asked for that this machine does not have, or cannot run.
        """
        if self.backend != "fla":
            return
        mend = 'or use backend "auto", which takes the kernels where it can'
        if find_spec("fla") is None:
            raise PartError(f"backend 'fla' needs the package fla-core: pip install fla-core, {mend}", ("backend",))
        import torch

        if not torch.cuda.is_available():
            raise PartError(
                f"backend 'fla' needs a GPU, and PyTorch sees none here; train on a machine with one, {mend}",
                ("backend",),
            )

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        yield cls(heads=1), cls(heads=1, backend="auto")
