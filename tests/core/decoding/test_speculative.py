"""Writing with a draft, against writing without one."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

from partwise import InputError, PartError, WorkError
from partwise.data import Batch
from partwise.decoding import (
    Draft,
    Wanted,
    Writing,
    generate_many,
    generate_text,
    generate_texts,
    left_padded,
)
from partwise.decoding.speculative import judged
from partwise.modules import Decoding, Model
from partwise.parts.registry import registry

from .test_many import MIXERS, model_of, pair_model, sampler_of
from .writing import END, ByteTokenizer, Summing, V

PENALTY = {"use": "repetition_penalty", "penalty": 4.0}
RESTLESS = {"use": "chain", "samplers": [PENALTY, {"use": "top_k", "k": 1}]}
"""The likeliest token after a penalty for those in the text: without chance, and yet never in a loop."""
CHAIN = {"use": "chain", "samplers": ["repetition_penalty", {"use": "top_k", "k": 5}, {"use": "top_p", "p": 0.9}]}


def written(model: Model, choice: Any, draft: Draft | None, limit: int = 20, seed: int = 0, **how: Any) -> str:
    writing = Writing(sampler_of(choice), limit, draft=draft, **how)
    return "".join(generate_text(model, ByteTokenizer(), "abb", writing, seed))


def unending(model: Model) -> Model:
    """A model that never ends a text."""

    def never(module: nn.Module, given: Any, logits: Tensor) -> Tensor:
        return logits.index_fill(-1, torch.tensor([END]), -torch.inf)

    cast(Any, model).head.register_forward_hook(never)
    return model


def like(model: Model, off: float = 0.15) -> Model:
    """The same model with other weights, so that it agrees with that one sometimes."""
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for weight in model.parameters():
            weight += off * torch.randn(weight.shape, generator=generator)
    return model


def of(mixer: str) -> Model:
    return unending(model_of(MIXERS[mixer], "rope" if "attention" in mixer or "window" in mixer else "none"))


# --- the same text


@pytest.mark.parametrize("mixer", MIXERS)
def test_without_chance_the_text_is_the_same_token_by_token(mixer: str) -> None:
    """Beyond the context too, where the window begins anew. Some states are cut, and some are copied."""
    target, small, tried = of(mixer), like(of(mixer)), list[Draft]()
    for choice, some in (("greedy", [4]), (RESTLESS, [1, 4, 30])):
        plain = written(target, choice, None, 45)
        for k in some:
            tried.append(Draft(small, k))
            assert written(target, choice, tried[-1], 45) == plain
    assert 0 < sum(one.accepted for one in tried) < sum(one.proposed for one in tried), "some were taken back"


EXAMPLES = [
    pytest.param({"use": part.name, **part.model_dump(mode="json")}, id=f"{part.name}-{number}")
    for entry in registry().entries()
    if entry.part.kind in ("mixer", "attention")
    for number, part in enumerate(entry.part.examples())
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("choice", EXAMPLES)
def test_every_mixer_takes_back_what_was_not_accepted(choice: dict[str, Any]) -> None:
    try:
        target, small = unending(model_of(choice, "none")), like(unending(model_of(choice, "none")))
    except PartError:
        return  # it belongs into an encoder, or between an encoder and a decoder
    draft = Draft(small, 5)
    assert written(target, RESTLESS, draft, 45) == written(target, RESTLESS, None, 45)
    assert draft.accepted < draft.proposed


def test_the_draft_may_be_of_another_kind() -> None:
    for mixer in ("gru", "hyena"):
        draft = Draft(of(mixer))
        assert written(of("attention"), RESTLESS, draft, 60) == written(of("attention"), RESTLESS, None, 60)
        assert 0 < draft.accepted < draft.proposed


@pytest.mark.parametrize("choice", ["greedy", "temperature", {"use": "top_k", "k": 3}, CHAIN])
@pytest.mark.parametrize("mixer", ["attention", "mamba2"])
def test_a_draft_that_is_the_model_itself_is_always_right(mixer: str, choice: Any) -> None:
    draft = Draft(of(mixer))
    written(of(mixer), choice, draft, 50)
    assert draft.accepted == draft.proposed > 20


def test_the_same_seed_writes_the_same_text_and_another_seed_another() -> None:
    texts = [written(of("attention"), "temperature", Draft(like(of("attention"))), 40, seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_a_text_ends_at_its_end_token_and_before_a_stop_string_wherever_these_stand_among_accepted_tokens() -> None:
    model = model_of(MIXERS["attention"])
    cast(Any, model).head.register_forward_hook(
        lambda module, given, logits: logits + torch.tensor([1.5] + [0.0] * (V - 1))
    )
    draft = Draft(model_of(MIXERS["attention"]), 6)
    for how in ({"stop": ["ab", "c"]}, {"ends": [2]}, {}):
        lengths, accepted = list[int](), draft.accepted
        for prompt in ("a", "b", "ab", "ba", "aab", "bba", "abab", "bbbb"):
            texts = []
            for one in (None, draft):
                writing = Writing(sampler_of(RESTLESS), 20, draft=one, **how)
                texts.append("".join(generate_text(model, ByteTokenizer(), prompt, writing)))
            assert texts[0] == texts[1]
            lengths.append(len(texts[0]))
        assert len(set(lengths)) > 2
        assert min(lengths) < 10, how
        assert draft.accepted > accepted


def test_no_more_is_written_than_was_asked_for() -> None:
    for limit in (1, 2, 5, 6, 7):
        writing = Writing(sampler_of("greedy"), limit, draft=Draft(of("attention"), 4))
        prompt = left_padded([[1, 2]], END)
        assert len(list(generate_texts(of("attention"), ByteTokenizer(), prompt, writing))) == limit


def test_the_draft_writes_without_dropout_and_has_it_again_afterwards() -> None:
    small = of("attention")
    small.train()
    draft = Draft(small)
    written(of("attention"), "greedy", draft, 30)
    assert draft.accepted == draft.proposed
    assert cast(nn.Module, small).training


def test_a_pass_of_the_model_gives_several_tokens() -> None:
    model, passes = of("attention"), []
    for name in ("step", "extend"):
        plain = getattr(model, name)
        setattr(model, name, lambda *given, plain=plain: passes.append(1) or plain(*given))
    written(model, "greedy", Draft(of("attention"), 4), 21)
    assert len(passes) == 4, "one for five tokens, beside the first"


# --- the same distribution


class Turning(nn.Module):
    """The next token depends on the last two of the text; of these its state keeps one, so that it cannot be cut."""

    context = 5
    vocabulary = V

    def __init__(self, seed: int, off: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        table = 1.5 * torch.randn(V, V, V, generator=generator)
        table += off * torch.randn(V, V, V, generator=generator)
        table[..., 4:] = -torch.inf  # few texts, so that each is written often
        self.table = nn.Parameter(table)

    def begin(self, prompt: Batch, room: int) -> tuple[Tensor, Decoding]:
        text = prompt.tokens
        first = text[:, -2] if text.shape[1] > 1 else text[:, -1]
        return self.table[first, text[:, -1]], Decoding([{"last": text[:, -1].clone()}], text.shape[1], room)

    def step(self, tokens: Tensor, decoding: Decoding) -> Tensor:
        return self.extend(tokens[:, None], decoding)[:, -1]

    def extend(self, tokens: Tensor, decoding: Decoding, scored: int = 1) -> Tensor:
        assert decoding.length + tokens.shape[1] <= decoding.room
        last = decoding.states[0]["last"]
        before = torch.cat((last[:, None], tokens[:, :-1]), 1)
        last.copy_(tokens[:, -1])
        decoding.advance(tokens.shape[1])
        return self.table[before, tokens][:, -scored:]

    def empty_states(self, batch: int, length: int, memory_length: int = 0) -> list[dict[str, Tensor]]:
        return [{"last": torch.zeros(batch, dtype=torch.int64)}]


LENGTH = 3


def probabilities(model: Turning, choice: Any) -> dict[tuple[int, ...], float]:
    """Of every text after "a", token by token from the definition."""
    sampler, found = sampler_of(choice), dict[tuple[int, ...], float]()

    def go_on(text: tuple[int, ...], so_far: float) -> None:
        if len(text) == LENGTH + 1 or text[-1] == END:
            found[text[1:]] = so_far
            return
        logits = model.table.detach()[text[max(0, len(text) - 2)], text[-1]][None]
        left = (
            sampler.filter(logits) if hasattr(sampler, "filter") else sampler.filter_after(logits, torch.tensor([text]))
        )
        for token, share in enumerate(left.double().softmax(-1)[0].tolist()):
            if share:
                go_on((*text, token), so_far * share)

    go_on((1,), 1.0)
    return found


PENALISED = {"use": "chain", "samplers": [{"use": "repetition_penalty", "penalty": 1.8}, {"use": "min_p", "p": 0.1}]}
"""What it leaves depends on the text, proposals included."""


@pytest.mark.parametrize(
    "choice",
    ["temperature", {"use": "top_k", "k": 3}, PENALISED],
    ids=["temperature", "top_k", "after the text"],
)
def test_texts_come_as_often_as_from_the_model_alone(choice: Any) -> None:
    """A chi-square test with fixed seeds, against the probability of each text."""
    model, prompt, tokenizer = Turning(1), left_padded([[1]], END), ByteTokenizer()
    draft = Draft(cast(Model, Turning(1, 1.0)), 2)
    expected, count, found = probabilities(model, choice), 2500, Counter[tuple[int, ...]]()
    writing, texts = Writing(sampler_of(choice), LENGTH, draft=draft), list[int]()
    token_bytes = tokenizer.token_bytes
    tokenizer.token_bytes = lambda token: texts.append(token) or token_bytes(token)  # type: ignore[method-assign,func-returns-value]
    for seed in range(count):
        texts.clear()
        list(generate_texts(cast(Model, model), tokenizer, prompt, writing, seed))
        found[tuple(texts) if len(texts) == LENGTH else (*texts, END)] += 1
    assert 0.2 < draft.accepted / draft.proposed < 0.9
    assert fits(found, expected, count)
    assert not fits(found, probabilities(Turning(1, 1.0), choice), count), "it can tell the draft's distribution"


def fits(found: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float], count: int) -> bool:
    """Texts of less than five in the mean are taken together."""
    if not found.keys() <= expected.keys():
        return False
    often = [text for text in expected if count * expected[text] >= 5]
    seen, wanted = [found[text] for text in often], [count * expected[text] for text in often]
    seen, wanted = [*seen, count - sum(seen)], [*wanted, count - sum(wanted)]
    if wanted[-1] < 5:
        seen, wanted = [*seen[:-2], seen[-2] + seen[-1]], [*wanted[:-2], wanted[-2] + wanted[-1]]
    return bool(chisquare(seen, wanted).pvalue > 1e-3)


def test_what_is_accepted_or_replaced_has_the_distribution_of_the_model() -> None:
    """Also where the two exclude each other's tokens, as filters have it."""
    p = torch.tensor([[0.5, 0.3, 0.0, 0.2], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    q = torch.tensor([[0.1, 0.3, 0.6, 0.0]], dtype=torch.float64)
    generator, count = torch.Generator().manual_seed(0), 6000
    tokens, accepted, following = Counter[int](), 0, Counter[int]()
    for proposed in q[0].multinomial(count, replacement=True, generator=generator).split(1):
        right, after = judged(proposed, p, q, generator)
        accepted += right
        tokens[int(proposed if right else after)] += 1
        if right:
            following[int(after)] += 1
    assert chisquare([tokens[token] for token in (0, 1, 3)], [count * share for share in (0.5, 0.3, 0.2)]).pvalue > 1e-3
    assert tokens[2] == 0
    assert accepted == pytest.approx(0.4 * count, abs=5 * (0.24 * count) ** 0.5), "the sum of min(p, q)"
    assert chisquare([following[token] for token in range(4)]).pvalue > 1e-3


def test_where_rounding_leaves_no_excess_a_token_is_drawn_all_the_same() -> None:
    q = torch.tensor([[0.25, 0.75]], dtype=torch.float64)
    p = torch.tensor([[0.0, 0.75], [0.5, 0.5]], dtype=torch.float64)
    assert [int(one) for one in judged(torch.tensor([0]), p, q, torch.Generator().manual_seed(0))] == [0, 1]


# --- what is refused, before anything is written


def refused(match: str, model: Any, draft: Draft, choice: Any = "greedy", prompt: Batch | None = None) -> None:
    prompt = left_padded([[1]], END) if prompt is None else prompt
    with pytest.raises(InputError, match=match):
        generate_texts(model, ByteTokenizer(), prompt, Writing(sampler_of(choice), 5, draft=draft))


def test_what_a_draft_cannot_do_is_told_at_once() -> None:
    model, draft = of("attention"), Draft(of("attention"))
    refused("BeamSearch does not choose token by token", model, draft, {"use": "beam", "width": 2})
    refused("one text at a time, not 2", model, draft, prompt=left_padded([[1], [2, 1]], END))
    refused("one token at once or more, not 0", model, Draft(of("attention"), 0))
    refused("the draft has a context of 8 tokens, and the model one of 24", model, Draft(model_of("gru", "none", 8)))
    refused("the model cannot read several tokens at once", Summing(), draft)
    refused("the draft cannot read several tokens at once", model, Draft(cast(Model, Summing())))
    other = model_of(MIXERS["attention"])
    cast(Any, other).vocabulary = 9
    refused("the draft has 9 tokens, and the model 7", model, Draft(other))
    with pytest.raises(InputError, match="one text at a time, and not many"):
        generate_many(model, ByteTokenizer(), [Wanted("a")], Writing(sampler_of("greedy"), 5, draft=draft))
    with pytest.raises(InputError, match="answers a source"):
        generate_text(pair_model(), ByteTokenizer(), "a", Writing(sampler_of("greedy"), 5, pairs=True, draft=draft))


def test_of_no_tokens_none_is_written() -> None:
    for draft in (None, Draft(of("attention"))):
        assert written(of("attention"), "greedy", draft, 0) == ""


@pytest.mark.parametrize("choice", ["greedy", "temperature", PENALTY])
def test_weights_that_are_no_numbers_are_told_with_whose_they_are(choice: Any) -> None:
    broken = of("attention")
    with torch.no_grad():
        next(iter(broken.parameters())).fill_(torch.nan)
    with pytest.raises(WorkError, match=r"^the model's logits are no numbers"):
        written(broken, choice, Draft(of("attention")))
    with pytest.raises(WorkError, match=r"^the draft: the model's logits are no numbers"):
        written(of("attention"), choice, Draft(broken))
