"""The decode step of a model as one compiled graph, for long texts and many samples.

Most of a step's time on a CPU goes into Python, into starting some hundred small operations, and into reading weights
that lie in memory as training wants them. A graph has none of this. It is made once, for any number of tokens so far:
the length is a symbol in it, so that keys and values are still read up to the newest token only, and nothing is
computed for room that is not filled.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, Literal, cast
from weakref import ref

import torch
from torch import Tensor, nn

from partwise.modules.protocols import Model
from partwise.modules.states import Decoding, State

from .writing import device_of

Compiler = Literal["inductor", "eager"]
PAYS_FROM = 30_000
"""Steps from which on the time that compiling takes, some 25 seconds on two cores, is won back: a graph saves about
0.8 milliseconds a step (`make bench`, width 128, one text), and more where a model is wider."""

_Settings = Mapping[str, Any]
_CPU_KERNELS: _Settings = {
    "freezing": True,  # weights as constants, copied into the order in which a product of few rows reads them
    "max_autotune": True,
    "max_autotune_gemm_backends": "CPP",  # inductor's own products: every core for one row, where BLAS takes one
    "cpp_wrapper": True,  # no Python between the kernels
}
"""What makes inductor take half the time on a CPU. It cannot have weights that are computed in each step."""


def compile_steps(
    model: Model, compiler: Compiler = "inductor", say: Callable[[str], None] = lambda line: None
) -> None:
    """From now on the model's decode steps are one graph, made at the first of them.

    On a CPU the graph has weights of its own, as large as the model's. When the model's change, however they are
    written, or its modules begin to train, the next text has a new graph. What else is changed in its modules, such as
    a number or a hook, the graph does not see.

    A step that cannot be one graph (PyTorch's own LSTM), or for which there is no C++ compiler or no place to
    keep its files, stays as it is.

    Args:
        compiler: inductor makes kernels; eager runs PyTorch's own, to see whether there is one graph at all.
        say: is told why, if it stays as it is.
    """
    model.step = CompiledStep(model, compiler, say)  # type: ignore[method-assign]


class CompiledStep:
    """`model.step`, compiled."""

    def __init__(self, model: Model, compiler: Compiler, say: Callable[[str], None]) -> None:
        self._module = cast(nn.Module, model)
        self._plain = type(model).step.__get__(model)
        self._compiler = compiler
        self._say = say
        on_cpu = device_of(model).type == "cpu"
        self._ways: list[_Settings] = [_CPU_KERNELS, {}] if compiler == "inductor" and on_cpu else [{}]
        """Settings to compile with: the first, and the next where it fails; none is left if all have failed."""
        self._graph: Callable[..., Tensor] | None = None
        self._made_for = set[tuple[Any, ...]]()
        self._weights: tuple[Any, ...] = ()
        self._text: Callable[[], Decoding | None] = lambda: None

    def __call__(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        # 0 and 1 are no symbols, and would each have a graph of their own.
        if not self._ways or decoding.length < 2:
            return self._plain(tokens, decoding)
        if self._text() is not decoding:
            self._text = ref(decoding)
            if self._weights != (weights := _weights_of(self._module)):
                self._weights = weights
                self._begin()
        while self._ways:
            try:
                logits = self._run(tokens, decoding)
            # All of these are raised before the step has changed anything.
            except OSError as error:  # there is no place for what the compiler keeps; nor will there be
                self._ways.clear()
                self._fail(error)
            except _no_graph() as error:
                self._ways.pop(0)
                self._fail(error)
            else:
                decoding.advance()
                return logits
        return self._plain(tokens, decoding)

    def _fail(self, error: Exception) -> None:
        self._begin()
        if not self._ways:
            reason = str(error).strip().partition("\n")[0]
            if "InvalidCxxCompiler" in reason:
                reason = "there is no C++ compiler here that works, such as g++ (the variable CXX can name one)"
            self._say(f"the decode step stays as it is, for it cannot be compiled: {reason}")

    def _begin(self) -> None:
        """The next step makes a graph, which shares nothing with those that there are."""
        self._graph = None
        self._made_for = set()

    def _new_graph(self) -> Callable[..., Tensor]:
        step = CompiledStep._step
        # PyTorch keeps its graphs with the code that they are of. This code is like that of every other model's step,
        # whose weights may be constants in its graph.
        own = FunctionType(
            step.__code__.replace(), step.__globals__, step.__name__, step.__defaults__, step.__closure__
        )
        # Asking some hundred modules at each step whether they have changed takes longer than a kernel; an older
        # PyTorch cannot leave it out.
        unasked = getattr(torch.compiler, "skip_guard_on_all_nn_modules_unsafe", None)
        options = {} if unasked is None else {"guard_filter_fn": unasked}
        return torch.compile(own.__get__(self), backend=self._compiler, fullgraph=True, dynamic=True, options=options)

    def _run(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        given = (decoding.padding, decoding.positions, decoding.memory, decoding.memory_padding)
        shape = (len(tokens), decoding.room, *(None if value is None else value.shape for value in given))
        if self._graph is None:
            self._graph = self._new_graph()
        with contextlib.nullcontext() if shape in self._made_for else _making(self._ways[0]):
            logits = self._graph(tokens, decoding.length, decoding.room, decoding.states, *given)
        self._made_for.add(shape)
        return logits

    def _step(
        self,
        tokens: Tensor,
        length: int,
        room: int,
        states: list[State],
        padding: Tensor | None,
        positions: Tensor | None,
        memory: Tensor | None,
        memory_padding: Tensor | None,
    ) -> Tensor:
        return self._plain(tokens, Decoding(states, length, room, padding, positions, memory, memory_padding))


def _no_graph() -> tuple[type[Exception], ...]:
    """What is raised where no graph can be made, or one too many would have to be."""
    raised = torch._dynamo.exc
    return raised.TorchDynamoException, getattr(raised, "FailOnRecompileLimitHit", raised.TorchDynamoException)


def _weights_of(module: nn.Module) -> tuple[Any, ...]:
    """Changes when a weight does, and takes as long as reading them once.

    PyTorch counts how often a tensor was written, but not what is written to its `.data`, or by NumPy. So on a CPU,
    where a graph has weights of its own, their bits are added up, too.
    """
    tensors = (*module.parameters(), *module.buffers())
    written = [(tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors]
    memory = [tensor.untyped_storage() for tensor in tensors if tensor.device.type == "cpu"]
    sums = [_sum_of_bits(storage) for storage in {one.data_ptr(): one for one in memory}.values()]
    return written, [tensor.dtype for tensor in tensors], sums, [one.training for one in module.modules()]


def _sum_of_bits(storage: torch.UntypedStorage) -> tuple[int, int, bytes]:
    """Along rows and columns of a table, each with a factor of its own, so that exchanged weights are seen, too."""
    all_bytes = torch.empty(0, dtype=torch.uint8).set_(storage)
    whole = len(all_bytes) // (8 * _COLUMNS) * 8 * _COLUMNS
    # As whole numbers of 64 bits, which are added faster than smaller ones. Whole numbers have no NaN, nor rounding.
    table = all_bytes[:whole].view(torch.int64).view(-1, _COLUMNS)
    sums = [table.sum(axis) for axis in (1, 0)]
    rows, columns = (int((each * torch.arange(1, len(each) + 1)).sum()) for each in sums)
    return rows, columns, all_bytes[whole:].numpy().tobytes()


_COLUMNS = 1024
"""Of the table that weights are added up in."""


@contextlib.contextmanager
def _making(settings: _Settings) -> Iterator[None]:
    """Within it a graph may be made. Not all of the settings can be given to `torch.compile`, as the part of it that
    reads Python, and tells weights from other tensors, sees only those of the process."""
    inductor, dynamo = torch._inductor.config, torch._dynamo.config
    with warnings.catch_warnings(), inductor.patch(dict(settings)), dynamo.patch(specialize_float=True):
        warnings.simplefilter("ignore")  # what the compiler says of itself
        yield


__all__ = ["PAYS_FROM", "CompiledStep", "compile_steps"]
