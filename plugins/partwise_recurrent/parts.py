"""The built-in recurrences: mixers that read one position after another and keep a vector as their memory.

They compute exactly what torch.nn computes. In the equations x_t is what a layer reads at t and h_t what it
returns; sigma is the logistic function, and * multiplies feature by feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Ge, Lt
from pydantic import FiniteFloat, PositiveInt

from partwise import PartError
from partwise.parts import LayerSite, MixerPart

if TYPE_CHECKING:
    from torch import nn

    from .bidirectional import Bidirectional
    from .lstm import BiasedLSTM
    from .recurrence import Network, Recurrence


class _Recurrent(MixerPart):
    """Base of all recurrences."""

    layers: PositiveInt = 1
    """Recurrent layers on top of each other, within this one mixer."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Probability that a feature is dropped between two of these layers in training."""
    bidirectional: bool = False
    """Read in both directions, each with half of the width (Schuster & Paliwal 1997); for stacks that may look ahead,
    such as an encoder."""

    known_failures: ClassVar[Mapping[str, str]] = {
        "it_compiles_to_one_graph": "torch.compile does not trace PyTorch's recurrent networks by default",
        "it_can_be_exported": "PyTorch exports its recurrent networks for one length, step by step",
        "it_can_be_mapped_over_parameters": "PyTorch's recurrent networks have no batching rule for vmap",
    }

    def build(self, site: LayerSite) -> Recurrence | Bidirectional:
        if site.reads_memory:
            raise PartError("a recurrence cannot read an encoder's states; put an attention here")
        if self.dropout and self.layers == 1:
            raise PartError(
                f"dropout {self.dropout:g} acts between layers, and there is only 1: raise layers, or "
                "use the dropout of the block instead"
            )
        return self._bidirectional(site) if self.bidirectional else self._one_way(site)

    def _one_way(self, site: LayerSite) -> Recurrence:
        from .recurrence import Recurrence

        return Recurrence(self._network(site.width, site.width, self.layers, self.dropout))

    def _bidirectional(self, site: LayerSite) -> Bidirectional:
        from .bidirectional import Bidirectional

        if site.causal:
            raise PartError("bidirectional reads what comes after, which this stack may not see; leave it out")
        if site.width % 2:
            raise PartError(f"bidirectional halves the width, and {site.width} is odd; choose an even width")

        def network() -> Network:
            return self._network(site.width, site.width // 2, layers=1, dropout=0.0)

        return Bidirectional([(network(), network()) for _ in range(self.layers)], self.dropout)

    def _network(self, width: int, features: int, layers: int, dropout: float) -> Network:
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(layers=2, dropout=0.2), cls(bidirectional=True)


class Rnn(_Recurrent):
    """Plain recurrence: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh) (Elman 1990)."""

    name = "rnn"
    formulas = (r"h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})",)

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """Function applied to the sum; relu leaves the state unbounded."""

    def _network(self, width: int, features: int, layers: int, dropout: float) -> nn.RNN:
        from torch import nn

        return nn.RNN(width, features, layers, nonlinearity=self.nonlinearity, batch_first=True, dropout=dropout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return *super().examples(), cls(nonlinearity="relu")


class Gru(_Recurrent):
    """Gated recurrent unit: gates choose what stays of the old state and what the new one sees of it (Cho et al. 2014).

        r_t = sigma(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = sigma(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = tanh(W_in x_t + b_in + r_t * (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) * n_t + z_t * h_{t-1}

    Here z gates the *old* state, as in Cho et al.; in Chung et al. (2014) and many textbooks it gates the new
    one, h_t = (1 - z_t) * h_{t-1} + z_t * n_t, which is the same with the sign of z's weights reversed. And r
    applies *after* the matrix W_hn, as in cuDNN; both papers apply it before, W_hn (r_t * h_{t-1}), which is
    not the same.
    """

    name = "gru"
    formulas = (
        r"r_t = \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr})",
        r"z_t = \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz})",
        r"n_t = \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn}))",
        r"h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}",
    )

    def _network(self, width: int, features: int, layers: int, dropout: float) -> nn.GRU:
        from torch import nn

        return nn.GRU(width, features, layers, batch_first=True, dropout=dropout)


class Lstm(_Recurrent):
    """Long short-term memory, with a cell c beside the state (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

        i_t = sigma(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = sigma(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = sigma(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    There are no peepholes: no gate reads c.
    """

    name = "lstm"
    formulas = (
        r"i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})",
        r"f_t = \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf})",
        r"g_t = \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg})",
        r"o_t = \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho})",
        r"c_t = f_t \odot c_{t-1} + i_t \odot g_t",
        r"h_t = o_t \odot \tanh(c_t)",
    )

    forget_bias: FiniteFloat = 1.0
    """First value of b_if + b_hf; above 0 the cell begins by remembering (Jozefowicz et al. 2015)."""

    def _network(self, width: int, features: int, layers: int, dropout: float) -> BiasedLSTM:
        from .lstm import BiasedLSTM

        return BiasedLSTM(width, features, layers, dropout, self.forget_bias)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return *super().examples(), cls(forget_bias=0.0)


PARTS = (Rnn, Gru, Lstm)
