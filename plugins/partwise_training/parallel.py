"""How one process, or several, hold a model and compute its loss; the trainer's loop is the same for all.

Alone        this process holds all of it
Replicated   each process holds all of it, and gradients are summed over them (DDP, Li et al. 2020)
Sharded      each process holds a share of every weight, and gathers a layer's while it computes it
             (FSDP2; Zhao et al. 2023)

Weights and optimizer state come as whole tensors, of which each process takes what it holds. They leave whole or,
where nobody has all of them, in shares. Either way the files are the same (`checkpoints`): they do not tell how many
processes wrote them, and any number reads them.
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
from partwise.machine import give_freed_back
from partwise.modules import Model, TrainingLoss, layers_of, recompute
from partwise.parts import OptimizerSite
from partwise.runs import OptimizerState, fill_model, fill_optimizer, model_tensors, optimizer_state
from partwise.training import Processes, Training

from .joined import Averaged, evaluated, switches, training

if TYPE_CHECKING:
    from partwise.runs import Saving

    from .parts.trainer import Standard


Figures = dict[str, Tensor]
Loss = Callable[[Batch], Tensor]
LossAndFigures = Callable[[Batch], tuple[Tensor, Figures]]
MakeOptimizer = Callable[[nn.Module], Optimizer]
FirstWeights = Callable[[nn.Module], None]
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

    def state(self) -> tuple[Mapping[str, Tensor], OptimizerState]:
        """Weights and optimizer state; where each process holds a share, as DTensors."""
        ...

    def about_to_change(self) -> None:
        """Called before an update changes weights and optimizer state."""
        ...

    def fill(self, weights: Mapping[str, Tensor], state: OptimizerState, source: Path) -> None:
        """Takes up what `state` gave, as whole tensors, which may be read as they are asked for; no process waits for
        another.

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

    def state(self) -> tuple[Mapping[str, Tensor], OptimizerState]:
        return model_tensors(self.model), optimizer_state(self.model, self.optimizer)

    def about_to_change(self) -> None:
        """Nobody else is about to read them."""

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
    """Each process holds a share of every weight, split along its first dimension, and never the whole.

    `model` comes without memory. A layer after the other is filled with its first weights, of which each process keeps
    its share on `device`.
    """

    def __init__(
        self,
        model: Model,
        make_optimizer: MakeOptimizer,
        compiler: Compiler | None,
        count: int,
        device: torch.device,
        first_weights: FirstWeights,
    ) -> None:
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        give_freed_back()
        self.model = cast(nn.Module, model)
        self.saving: Saving | None = None
        self.savers = dist.new_group(backend="gloo")
        """The processes, connected for what they write beside the training."""
        mesh = init_device_mesh(device.type, (count,))
        for layer in [*layers_of(self.model, apart=True)]:
            first_weights(layer)
            if compiler:
                with _quiet():
                    layer.compile(backend=compiler)
            fully_shard(layer, mesh=mesh)
        first_weights(self.model)
        self.fsdp: Any = fully_shard(TrainingLoss(model), mesh=mesh)
        self.optimizer = make_optimizer(self.model)
        self.loss: LossAndFigures = lambda batch: self.fsdp(batch)
        self.plain_loss: Loss = lambda batch: self.fsdp(batch)[0]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        if switches(self.optimizer):
            self.about_to_change()
        with evaluated(self.optimizer):
            self._share_again()
            yield
            if switches(self.optimizer):
                self.about_to_change()
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

    def state(self) -> tuple[Mapping[str, Tensor], OptimizerState]:
        from torch.distributed.tensor import DTensor

        self._share_again()
        # Buffers, which all have, may change at any pass, and the rest by an update only.
        own = {
            name: one if isinstance(one, DTensor) else one.clone() for name, one in model_tensors(self.model).items()
        }
        return own, optimizer_state(self.model, self.optimizer)

    def about_to_change(self) -> None:
        if self.saving is not None:
            self.saving.wait_to_change()

    def fill(self, weights: Mapping[str, Tensor], state: OptimizerState, source: Path) -> None:
        from partwise.runs import SharesOf

        own = model_tensors(self.model)
        fill_model(self.model, SharesOf(weights, own.get), source)
        shares = SharesOf(state.tensors, lambda name: own.get(name.rpartition("/")[0]))
        fill_optimizer(self.model, self.optimizer, OptimizerState(shares, state.numbers), source)
        training(self.optimizer)


def held(training: Training, settings: Standard, processes: Processes) -> Parallel:
    """The model as the processes that there are hold it, with its optimizer."""
    model, device = training.model, training.device

    def make_optimizer(module: nn.Module) -> Optimizer:
        optimizer = settings.optimizer.assemble(OptimizerSite(module))
        return optimizer if settings.average is None else Averaged(optimizer, settings.average)

    if settings.recompute is not None:
        for layer in list(layers_of(cast(nn.Module, model)))[:: settings.recompute]:
            recompute(layer)
    if training.first_weights is not None:
        return Sharded(model, make_optimizer, settings.compile, processes.count, device, training.first_weights)
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
