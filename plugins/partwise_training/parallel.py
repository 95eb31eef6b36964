"""How one process, or several, hold a model and compute its loss; the trainer's loop is the same for all.

Alone        this process holds all of it
Replicated   each process holds all of it, and gradients are summed over them (DDP, Li et al. 2020)
Sharded      each process holds a share of every weight, and gathers a layer's while it computes it
             (FSDP2; Zhao et al. 2023)

Weights and optimizer state leave as whole tensors and come as such: files do not tell how many processes wrote
them, and any number reads them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from partwise.data import Batch
from partwise.modules import Model, TrainingLoss, layers_of, recompute
from partwise.parts import OptimizerSite
from partwise.runs import OptimizerState, fill_model, fill_optimizer, model_tensors, optimizer_state
from partwise.training import Processes

from .joined import Averaged, evaluated, training

if TYPE_CHECKING:
    from .parts.trainer import Standard


Figures = dict[str, Tensor]
Loss = Callable[[Batch], Tensor]
LossAndFigures = Callable[[Batch], tuple[Tensor, Figures]]
MakeOptimizer = Callable[[nn.Module], Optimizer]
Compiler = Literal["inductor", "eager"]


class Parallel(Protocol):
    """A model and its optimizer, held by one process or by several."""

    optimizer: Optimizer

    @property
    def loss(self) -> LossAndFigures:
        """Of this process's share of a batch, for training: see `TrainingLoss`."""
        ...

    @property
    def plain_loss(self) -> Loss:
        """The same, not compiled: to evaluate, and to look for what went wrong."""
        ...

    def evaluating(self) -> AbstractContextManager[Any]:
        """Within it the model has the weights that are to be evaluated and kept, if those are others."""
        ...

    def whole_passes(self) -> AbstractContextManager[Any]:
        """As `evaluating`; besides, the model itself can be called within it, whatever of it, by all processes at
        once."""
        ...

    def accumulating(self) -> AbstractContextManager[Any]:
        """Within it gradients stay in this process: for a batch that is not the last of its update."""
        ...

    def whole(self) -> tuple[Mapping[str, Tensor], OptimizerState]:
        """Weights and optimizer state with nothing sharded; to be called by all processes at once."""
        ...

    def fill(self, weights: Mapping[str, Tensor], state: OptimizerState, source: Path) -> None:
        """Takes up what `whole` gave; no process waits for another.

        Raises:
            WorkError: they are those of another model.
        """
        ...


class Alone:
    """This process holds all of it."""

    def __init__(self, model: Model, make_optimizer: MakeOptimizer, compiler: Compiler | None) -> None:
        self.model = cast(nn.Module, model)
        self.optimizer = make_optimizer(self.model)
        plain = TrainingLoss(model)
        self.plain_loss: Loss = lambda batch: plain(batch)[0]
        self.loss: LossAndFigures = _compiled(plain, compiler) if compiler else plain

    def evaluating(self) -> AbstractContextManager[Any]:
        return evaluated(self.optimizer)

    def whole_passes(self) -> AbstractContextManager[Any]:
        return self.evaluating()

    def accumulating(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def whole(self) -> tuple[Mapping[str, Tensor], OptimizerState]:
        return model_tensors(self.model), optimizer_state(self.model, self.optimizer)

    def fill(self, weights: Mapping[str, Tensor], state: OptimizerState, source: Path) -> None:
        fill_model(self.model, weights, source)
        fill_optimizer(self.model, self.optimizer, state, source)
        training(self.optimizer)


class Replicated(Alone):
    """Each process holds all of it; DDP gives every one the mean of their gradients."""

    def __init__(self, model: Model, make_optimizer: MakeOptimizer, compiler: Compiler | None) -> None:
        from torch.nn.parallel import DistributedDataParallel

        super().__init__(model, make_optimizer, None)
        with warnings.catch_warnings():
            # The newer name of `broadcast_buffers` is not there in all versions we support.
            warnings.simplefilter("ignore", FutureWarning)
            self.ddp = DistributedDataParallel(
                TrainingLoss(model), broadcast_buffers=False, gradient_as_bucket_view=True
            )
        self.loss = _compiled(self.ddp, compiler) if compiler else self.ddp

    def accumulating(self) -> AbstractContextManager[Any]:
        return self.ddp.no_sync()


class Sharded:
    """Each process holds a share of every weight, split along its first dimension.

    `model` may be on the CPU, as a whole one may be too large for the device; the shares go to `device`.
    """

    def __init__(
        self, model: Model, make_optimizer: MakeOptimizer, compiler: Compiler | None, count: int, device: torch.device
    ) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self.model = cast(nn.Module, model)
        mesh = init_device_mesh(device.type, (count,))
        for layer in layers_of(self.model, apart=True):
            if compiler:
                with _quiet():
                    layer.compile(backend=compiler)
            fully_shard(layer, mesh=mesh)
        self.fsdp: Any = fully_shard(TrainingLoss(model), mesh=mesh)
        self.optimizer = make_optimizer(self.model)
        self.loss: LossAndFigures = lambda batch: self.fsdp(batch)
        self.plain_loss: Loss = lambda batch: self.fsdp(batch)[0]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        with evaluated(self.optimizer):
            self._share_again()
            yield
        self._share_again()

    @contextmanager
    def whole_passes(self) -> Iterator[None]:
        with self.evaluating():
            self.fsdp.unshard()  # what belongs to no layer, such as the head; layers gather their own
            yield

    def _share_again(self) -> None:
        """Lets go of gathered weights: an evaluation leaves the outermost ones gathered, and these may be old."""
        for module in self.fsdp.modules():
            if hasattr(module, "reshard"):
                module.reshard()

    @contextmanager
    def accumulating(self) -> Iterator[None]:
        self.fsdp.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.fsdp.set_requires_gradient_sync(True)

    def whole(self) -> tuple[Mapping[str, Tensor], OptimizerState]:
        self._share_again()
        state = optimizer_state(self.model, self.optimizer)
        return _gathered(model_tensors(self.model)), OptimizerState(_gathered(state.tensors), state.numbers)

    def fill(self, weights: Mapping[str, Tensor], state: OptimizerState, source: Path) -> None:
        own = model_tensors(self.model)
        fill_model(self.model, {name: _share(tensor, own.get(name)) for name, tensor in weights.items()}, source)
        shares = {name: _share(tensor, own.get(name.rpartition("/")[0])) for name, tensor in state.tensors.items()}
        fill_optimizer(self.model, self.optimizer, OptimizerState(shares, state.numbers), source)
        training(self.optimizer)


def held(model: Model, settings: Standard, processes: Processes, device: torch.device) -> Parallel:
    """The model as the processes that there are hold it, with its optimizer."""

    def make_optimizer(module: nn.Module) -> Optimizer:
        optimizer = settings.optimizer.assemble(OptimizerSite(module))
        return optimizer if settings.average is None else Averaged(optimizer, settings.average)

    if settings.recompute is not None:
        for layer in list(layers_of(cast(nn.Module, model)))[:: settings.recompute]:
            recompute(layer)
    if processes.count > 1 and settings.parallel == "fsdp":
        return Sharded(model, make_optimizer, settings.compile, processes.count, device)
    cast(nn.Module, model).to(device)
    return (Alone if processes.count == 1 else Replicated)(model, make_optimizer, settings.compile)


def _compiled(module: nn.Module, compiler: Compiler) -> LossAndFigures:
    """Compiled twice at most, but for what it breaks into: once for the first length of a batch, and at another
    length, such as batches of examples have, once more for all lengths."""
    torch.compiler.reset()  # models that this process has trained before do not count against the limit
    with _quiet():
        compiled: LossAndFigures = torch.compile(module, backend=compiler)

    def loss(batch: Batch) -> tuple[Tensor, Figures]:
        with _quiet():
            return compiled(batch)

    return loss


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the compiler warns of about itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    from torch.distributed.tensor import DTensor

    # One after the other to the CPU: a device that holds a share may not hold the whole.
    return {name: one.full_tensor().cpu() if isinstance(one, DTensor) else one for name, one in tensors.items()}


def _share(whole: Tensor, own: Tensor | None) -> Tensor:
    """This process's share of a tensor, split as `own` is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(own, DTensor) or own.shape != whole.shape:
        return whole
    # Every process has the whole: none need be sent anything.
    return distribute_tensor(whole.to(own.device), own.device_mesh, own.placements, src_data_rank=None)
