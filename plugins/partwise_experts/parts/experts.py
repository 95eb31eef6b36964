"""The feed-forward layer that is a mixture of experts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import FeedForwardPart, LayerSite, RouterSite, slots

if TYPE_CHECKING:
    from partwise_experts.experts import Experts as Module

_DROPS = "beyond its capacity an expert drops tokens in training"
_CHOOSES = "with expert_choice experts choose among all positions of a row"


class Experts(FeedForwardPart):
    """Several feed-forwards, a few of which a router picks for each token (Shazeer et al. 2017, arXiv:1701.06538).

    With the defaults it is the layer of Mixtral 8x7B (Jiang et al. 2024, arXiv:2401.04088).
    """

    name = "experts"
    formulas = (r"y = \sum_{e \in \mathcal{T}(x)} w_e(x)\, f_e(x)",)

    experts: PositiveInt = 8
    """Number of experts, E."""
    router: slots.Router = use("top_k")
    """Chooses the experts of each token."""
    expert: slots.FeedForward = use("swiglu")
    """What each expert is; all have weights of their own."""
    shared: slots.FeedForward | None = None
    """A further feed-forward that every token passes, whose output is added (DeepSeekMoE, Dai et al. 2024,
    arXiv:2401.06066); null means none."""
    capacity: PositiveFloat | None = None
    """In training, an expert takes no more than this factor times its even share of a batch; what is beyond it is
    dropped, so that a token's result depends on the batch. In evaluation nothing is dropped. null means no limit."""

    known_failures = {  # noqa: RUF012 - nobody changes it
        "each_of_a_thousand_positions_is_by_itself[3]": _DROPS,
        "training_means_what_evaluation_does[3]": _DROPS,
        "each_position_is_by_itself[4]": _CHOOSES,
        "each_of_a_thousand_positions_is_by_itself[4]": _CHOOSES,
        "half_precision_holds_in_a_long_text[4]": _CHOOSES,
    }

    def build(self, site: LayerSite) -> Module:
        from partwise_experts.experts import Experts as Module
        from partwise_experts.grouping import together

        router = self.router.assemble(RouterSite(site.width, self.experts, site.layer, site.causal))
        experts = together(lambda: self._expert(site), self.experts)
        shared = None if self.shared is None else self.shared.assemble(site)
        return Module(router, experts, self.experts, shared, self.capacity)

    def _expert(self, site: LayerSite) -> Any:
        built = self.expert.assemble(site)
        if getattr(built, "reads_flow", False):
            raise PartError(
                f"an expert sees some of the tokens only, and {self.expert.name!r} reads facts of the whole pass; use "
                'another feed-forward such as "swiglu"'
            )
        return built

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        (layer,) = super().sites().values()
        return {"decoder": layer, "encoder": replace(layer, causal=False)}

    @classmethod
    def examples(cls) -> Iterable[Self]:
        small = {"use": "swiglu", "hidden": 8}
        groups = {"use": "sigmoid", "groups": 2, "kept_groups": 1, "scale": 2.5}
        return (
            cls.model_validate({"experts": 4}),
            cls.model_validate({"router": groups, "expert": {"use": "gelu", "hidden": 12}, "shared": small}),
            cls.model_validate({"experts": 3, "router": "hash", "expert": small}),
            cls.model_validate({"experts": 4, "expert": small, "capacity": 0.5}),
            cls.model_validate({"experts": 4, "router": "expert_choice", "expert": small}),
        )
