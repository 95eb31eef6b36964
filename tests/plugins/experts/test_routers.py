"""The routers, beside loops written from the papers' equations."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
import torch

from partwise.testing import numbers

from .tried import WIDTH, flow, router

B, T, E = 3, 7, 6


def test_top_k_is_a_softmax_over_the_chosen_or_over_all() -> None:
    x = numbers(B, T, WIDTH)
    for softmax in ("after", "before"):
        module = router(use="top_k", k=2, softmax=softmax, bias=True)
        torch.nn.init.normal_(module.scores.bias)
        shares = module(x, flow(T)).shares(B * T, E)
        for token, logits in enumerate((x.flatten(0, 1) @ module.scores.weight.T + module.scores.bias).tolist()):
            chosen = sorted(range(E), key=lambda index: -logits[index])[:2]
            over = chosen if softmax == "after" else range(E)
            total = sum(torch.tensor(logits[index]).exp() for index in over)
            for index in range(E):
                expected = torch.tensor(logits[index]).exp() / total if index in chosen else torch.tensor(0.0)
                torch.testing.assert_close(shares[token, index], expected)


@torch.no_grad()
def test_noise_is_drawn_in_training_only_and_as_the_papers_say() -> None:
    x, many = numbers(1, 1, WIDTH), 20_000
    for knobs in ({"jitter": 0.2}, {"noise": True}):
        module = router(use="top_k", k=2, **knobs).scores
        plain = x[0, 0] @ module.weight.T
        torch.testing.assert_close(module.eval()(x)[0, 0], plain)
        drawn = module.train()(x.expand(1, many, WIDTH))[0].double()
        if "jitter" in knobs:  # a uniform number in 1 - e to 1 + e has the variance e^2 / 3
            variance = ((x[0, 0] * module.weight) ** 2).sum(-1) * 0.2**2 / 3
        else:
            variance = torch.log1p((x[0, 0] @ module.spread.weight.T).exp()) ** 2
        # The mean has variance / n, and the variance itself, of normal numbers, 2 variance^2 / n: five of their roots.
        assert ((drawn.mean(0) - plain).abs() < 5 * (variance / many) ** 0.5).all()
        assert ((drawn.var(0) / variance - 1).abs() < 5 * (2 / many) ** 0.5).all()


def test_a_seed_draws_the_same_noise_again_and_the_spread_is_learned() -> None:
    module, x = router(use="top_k", k=2, jitter=0.1, noise=True).train(), numbers(B, T, WIDTH)
    runs = []
    for _ in range(2):
        torch.manual_seed(4)
        runs.append(module(x, flow(T)).weights)
    assert runs[0].equal(runs[1])
    assert not module(x, flow(T)).weights.equal(runs[0])
    runs[0].square().sum().backward()
    assert module.scores.spread.weight.grad.abs().sum() > 0


def test_the_balance_is_one_where_experts_are_chosen_equally_often_and_grows_to_their_number() -> None:
    module = router(E, use="top_k", k=1, softmax="before", balance=1.0).train()
    with torch.no_grad():
        module.scores.weight.copy_(50 * torch.eye(E, WIDTH))
    for x, expected in ((torch.eye(E, WIDTH)[None], 1.0), (torch.eye(E, WIDTH)[[2] * E][None], E)):
        told = flow(E)
        module(x, told)
        assert float(told.carried.figures()["expert_balance"]) == pytest.approx(expected, rel=1e-3)


def test_terms_are_those_of_the_papers_and_padding_has_none() -> None:
    x, there = numbers(B, T, WIDTH), torch.ones(B, T, dtype=torch.bool)
    there[0, 4:] = there[2, 1:] = False
    module = router(use="top_k", k=2, balance=0.1, z_loss=0.01).train()
    told = flow(T, padding=there)
    experts = module(x, told).experts.view(B, T, 2)[there]
    logits = (x @ module.scores.weight.T)[there].detach()
    means, fractions = logits.softmax(-1).mean(0), experts.flatten().bincount(minlength=E) / experts.numel()
    figures = told.carried.figures()
    assert figures["expert_balance"] == pytest.approx(float(E * (means * fractions).sum()), rel=1e-5)
    assert figures["router_z"] == pytest.approx(float(logits.logsumexp(-1).square().mean()), rel=1e-5)
    weighted = 0.1 * figures["expert_balance"] + 0.01 * figures["router_z"]
    torch.testing.assert_close(told.carried.weighted(), weighted)
    silent = flow(T, padding=there)
    module.eval()(x, silent)
    assert silent.carried.weighted() is None


def test_sigmoid_balances_within_each_row() -> None:
    x, told = numbers(B, T, WIDTH), flow(T)
    module = router(use="sigmoid", k=2, balance=0.1).train()
    experts = module(x, told).experts.view(B, T, 2)
    scores = (x @ module.scores.weight.T).sigmoid().detach()
    total = 0.0
    for row in range(B):  # eq. 17 to 20
        f = [E / (2 * T) * int((experts[row] == expert).sum()) for expert in range(E)]
        p = (scores[row] / scores[row].sum(-1, keepdim=True)).mean(0)
        total += float(sum(f[expert] * p[expert] for expert in range(E)))
    assert told.carried.figures()["expert_balance"] == pytest.approx(total / B, rel=1e-5)


def test_the_bias_chooses_and_does_not_weigh() -> None:
    module, x = router(use="sigmoid", k=1, normalised=False), numbers(B, T, WIDTH)
    module.bias[3] = 100.0
    routing = module(x, flow(T))
    assert (routing.experts == 3).all()
    scores = (x.flatten(0, 1) @ module.scores.weight.T).sigmoid()
    torch.testing.assert_close(routing.weights[:, 0], scores[:, 3])


def test_the_bias_moves_against_the_load_of_all_passes_since_the_last_update() -> None:
    module, x = router(use="sigmoid", k=2, bias_step=0.01).train(), numbers(B, T, WIDTH)
    before = module.bias.clone()
    load = torch.zeros(E)
    for scale in (1, 2):
        load += module(scale * x, flow(T)).experts.flatten().bincount(minlength=E)
    module.eval()(x, flow(T))  # evaluation does not count
    assert module.bias.equal(before), "a pass moves nothing"
    module.after_update(lambda tensor: 2 * tensor)
    torch.testing.assert_close(module.bias - before, 0.01 * torch.sign(load.mean() - load))
    module.after_update(lambda tensor: tensor)
    torch.testing.assert_close(module.bias - before, 0.01 * torch.sign(load.mean() - load), msg="no load, no move")


def test_experts_choose_the_tokens_of_a_row_with_the_highest_shares() -> None:
    module, x = router(causal=False, use="expert_choice", capacity=2.0), numbers(B, T, WIDTH)
    there = torch.ones(B, T, dtype=torch.bool)
    there[1, :3] = False  # padding on the left
    shares = module(x, flow(T, padding=there)).shares(B * T, E).view(B, T, E)
    for row in range(B):
        own = x[row][there[row]]
        scores = (own @ module.scores.weight.T).softmax(-1)
        most = ceil(len(own) * 2.0 / E)
        expected = torch.zeros_like(scores)
        for expert in range(E):
            best = scores[:, expert].topk(most).indices
            expected[best, expert] = scores[best, expert]
        torch.testing.assert_close(shares[row][there[row]], expected)
        assert not shares[row][~there[row]].any()


def test_a_hash_looks_at_the_token_alone_and_spreads_tokens_over_experts() -> None:
    module, ids = router(E, use="hash"), torch.arange(6000)[None]
    experts = module(numbers(1, 6000, WIDTH), flow(6000, ids)).experts[:, 0]
    assert experts.equal(module(numbers(1, 6000, WIDTH, seed=5), flow(6000, ids)).experts[:, 0])
    counts = experts.bincount(minlength=E)
    assert (counts - 1000).abs().max() < 5 * (6000 * (1 / E) * (1 - 1 / E)) ** 0.5  # five deviations of a fair draw
    pairs = (experts[:-1] * E + experts[1:]).bincount(minlength=E * E)
    assert (pairs - 6000 / E**2).abs().max() < 5 * (6000 / E**2) ** 0.5, "neighbouring ids are drawn independently"
    other = router(E, use="hash", draw=1)(numbers(1, 6000, WIDTH), flow(6000, ids)).experts[:, 0]
    assert int((other == experts).sum()) == pytest.approx(1000, abs=150)


def test_a_hash_without_tokens_says_so() -> None:
    with pytest.raises(ValueError, match="this pass does not say them"):
        router(use="hash")(numbers(1, 2, WIDTH), replace(flow(2), tokens=None))
