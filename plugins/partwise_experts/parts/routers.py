"""The built-in routers: which experts a token goes to.

In the formulas x is what the layer reads at a position, W a matrix of one column per expert.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import Ge, Lt
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from partwise import PartError
from partwise.parts import RouterPart, RouterSite

if TYPE_CHECKING:
    from partwise_experts.expert_choice import ExpertChoiceRouter
    from partwise_experts.hashed import HashRouter
    from partwise_experts.sigmoid import SigmoidRouter
    from partwise_experts.top_k import TopKRouter


_AT_ONCE = "noise is drawn for all tokens of a batch at once"
_OTHERS = "with noise other experts are chosen, which is what it is for"


class TopK(RouterPart):
    """The k experts with the highest x W, weighed by a softmax (Shazeer et al. 2017, arXiv:1701.06538)."""

    name = "top_k"
    formulas = (
        r"h = x W",
        r"w_e = \frac{\exp(h_e)}{\sum_{i \in \mathcal{T}} \exp(h_i)}",
        r"\mathcal{T} = \operatorname{top}_k(h)",
    )

    k: PositiveInt = 2
    """Experts per token."""
    softmax: Literal["before", "after"] = "after"
    """Over what weights add up to one. after: over the chosen experts (Shazeer et al.; Mixtral). before: over all
    of them, so that a single expert's weight can be learned (Switch, Fedus et al. 2022, arXiv:2101.03961)."""
    bias: bool = False
    """Whether the scores have a learned bias, x W + b (gpt-oss)."""
    balance: NonNegativeFloat = 0.01
    """Weight of the loss that balances the experts, which is 1 if all are chosen equally often (Fedus et al. 2022)."""
    z_loss: NonNegativeFloat = 0.0
    """Weight of the mean of log(sum(exp(x W)))^2, which keeps scores small; ST-MoE has 0.001 (Zoph et al. 2022,
    arXiv:2202.08906)."""
    jitter: Annotated[float, Ge(0), Lt(1)] = 0.0
    """In training, each feature that the router reads is multiplied by a number drawn from 1 - jitter to 1 + jitter;
    Switch has 0.01 (Fedus et al. 2021, arXiv:2101.03961)."""
    noise: bool = False
    """In training, add normal noise to the scores, of a spread that is learned (noisy top-k, Shazeer et al. 2017)."""

    known_failures = {  # noqa: RUF012 - nobody changes it
        "it_routes_each_position_by_itself[3]": _AT_ONCE,
        "it_routes_each_position_by_itself[4]": _AT_ONCE,
        "training_means_what_evaluation_does[3]": _OTHERS,
        "training_means_what_evaluation_does[4]": _OTHERS,
    }

    def build(self, site: RouterSite) -> TopKRouter:
        from partwise_experts.noise import NoisyScores
        from partwise_experts.scores import Scores
        from partwise_experts.top_k import TopKRouter

        _refuse_too_many(self.k, site)
        if self.k == 1 and self.softmax == "after" and site.experts > 1:
            raise PartError(
                "with k 1 a softmax over the chosen expert is always 1, and the choice is never learned; set "
                '"softmax": "before", or k 2'
            )
        noisy = self.jitter > 0 or self.noise
        shape = (site.width, site.experts, self.bias)
        scores = NoisyScores(*shape, self.jitter, self.noise) if noisy else Scores(*shape)
        return TopKRouter(scores, self.k, self.softmax, self.balance, self.z_loss)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        single = cls(k=1, softmax="before", balance=0.1)
        return (
            cls(),
            single,
            cls(k=3, softmax="before", bias=True, z_loss=0.1, balance=0.0),
            cls(jitter=0.1),
            cls(noise=True),
        )


class Sigmoid(RouterPart):
    """The k experts of the highest sigmoid(x W) + b, where b balances them (DeepSeek-V3 2024, arXiv:2412.19437)."""

    name = "sigmoid"
    formulas = (
        r"s = \sigma(x W)",
        r"w_e = c\, \frac{s_e}{\sum_{i \in \mathcal{T}} s_i}",
        r"\mathcal{T} = \operatorname{top}_k(s + b)",
    )

    k: PositiveInt = 2
    """Experts per token."""
    groups: PositiveInt = 1
    """Groups of equally many neighbouring experts; a group's two best scores say how good it is."""
    kept_groups: PositiveInt = 1
    """Groups that the experts of one token may be in."""
    normalised: bool = True
    """Whether the weights of the chosen experts are divided by their sum."""
    scale: PositiveFloat = 1.0
    """Factor of the weights after that; DeepSeek-V3 has 2.5."""
    bias_step: NonNegativeFloat = 0.001
    """How far each update moves an expert's bias towards balance; 0 leaves it as it is."""
    balance: NonNegativeFloat = 0.0
    """Weight of a loss that balances the experts within each row; DeepSeek-V3 has 0.0001 beside the bias."""

    def build(self, site: RouterSite) -> SigmoidRouter:
        from partwise_experts.sigmoid import SigmoidRouter

        _refuse_too_many(self.k, site)
        self._refuse_unfit_groups(site.experts)
        if self.k == 1 and self.normalised and site.experts > 1:
            raise PartError(
                "with k 1 a weight divided by the sum of the chosen is always 1, and the choice is never learned; set "
                '"normalised": false, or k 2'
            )
        return SigmoidRouter(
            site.width, site.experts, self.k, self.groups, self.kept_groups, self.normalised, self.scale,
            self.bias_step, self.balance,
        )  # fmt: skip

    def _refuse_unfit_groups(self, experts: int) -> None:
        if experts % self.groups:
            fitting = [count for count in range(1, experts + 1) if experts % count == 0]
            raise PartError(f"groups {self.groups} does not divide {experts} experts; {_listed(fitting)} do")
        if self.kept_groups > self.groups:
            raise PartError(f"kept_groups {self.kept_groups} is more than there are groups, {self.groups}")
        within = self.kept_groups * experts // self.groups
        if self.k > within:
            raise PartError(
                f"k {self.k} is more than the {within} experts in {self.kept_groups} of {self.groups} groups; "
                "raise kept_groups, or lower k"
            )

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return (
            cls(),
            cls(k=3, groups=3, kept_groups=2, scale=2.5, bias_step=0.01, balance=0.1),
            cls(k=1, groups=2, normalised=False),
        )


class ExpertChoice(RouterPart):
    """Every expert chooses equally many tokens; for stacks that see both ways (Zhou et al. 2022, arXiv:2202.09368).

    An expert chooses among all tokens of a row, so that each token's result depends on those after it.
    """

    name = "expert_choice"
    formulas = (
        r"S = \operatorname{softmax}(x W)",
        r"\mathcal{T}_e = \operatorname{top}_m(S_{\cdot e})",
        r"m = \left\lceil \frac{n c}{E} \right\rceil",
    )

    capacity: PositiveFloat = 2.0
    """Experts per token on average; each of E experts takes capacity / E of the tokens."""
    z_loss: NonNegativeFloat = 0.0
    """Weight of the mean of log(sum(exp(x W)))^2, which keeps scores small."""

    known_failures = {  # noqa: RUF012 - nobody changes it
        "it_routes_each_position_by_itself": "experts choose among all positions of a row",
    }

    def build(self, site: RouterSite) -> ExpertChoiceRouter:
        from partwise_experts.expert_choice import ExpertChoiceRouter

        if site.causal:
            raise PartError(
                "expert_choice lets a token's experts depend on later tokens, which a causal model must not see; "
                'use it in an encoder, or another router such as "top_k"'
            )
        if self.capacity > site.experts:
            raise PartError(f"capacity {self.capacity:g} is more than there are experts, {site.experts}")
        return ExpertChoiceRouter(site.width, site.experts, self.capacity, self.z_loss)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(z_loss=0.1), cls(capacity=3.0)


class Hash(RouterPart):
    """One expert per token id, drawn at random and never learned (Roller et al. 2021, arXiv:2106.04426)."""

    name = "hash"
    formulas = (r"e(t) = \operatorname{hash}(w_t) \bmod E",)

    draw: NonNegativeInt = 0
    """Which draw; every layer has another one in any case."""

    def build(self, site: RouterSite) -> HashRouter:
        from partwise_experts.hashed import HashRouter

        return HashRouter(site.experts, (self.draw * 1_000 + site.layer) * 1_000_003)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(draw=3)


def _refuse_too_many(k: int, site: RouterSite) -> None:
    if k > site.experts:
        raise PartError(f"k {k} is more than there are experts, {site.experts}; lower k, or raise `experts`")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
