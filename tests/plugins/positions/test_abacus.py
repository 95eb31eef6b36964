"""Places of digits, against counting on the fingers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import partwise
from partwise import PartError, RecipeError
from partwise.assembly import assemble
from partwise.data import IGNORED, Batch
from partwise.modules import Flow, batch_flow, causal_flow
from partwise.parts import ModelPart, ModelSite, PositionSite, resolve_part
from partwise.testing.checks import models
from partwise_positions.abacus import DigitPlaces
from partwise_positions.parts import Abacus

LETTERS = "0123456789+=;"
"""The token ids of these tests are places in this text."""
SITE = PositionSite(
    width=4, context=16, vocabulary=len(LETTERS), token_bytes=lambda token: LETTERS[token : token + 1].encode()
)
MODEL_SITE = ModelSite(len(LETTERS), token_bytes=SITE.token_bytes)
SUM = "321+54=861;0=00"
PLACES = [1, 2, 3, 0, 1, 2, 0, 1, 2, 3, 0, 1, 0, 1, 2]


def ids(*texts: str) -> Tensor:
    return torch.tensor([[LETTERS.index(letter) for letter in text] for text in texts])


def flow(tokens: Tensor, **facts: Any) -> Flow:
    return replace(causal_flow(tokens.shape[1]), tokens=tokens, **facts)


def counted(text: str, ends: tuple[int, ...] = ()) -> list[int]:
    """One character after the other; `ends` are where documents end."""
    places, place = [], 0
    for index, letter in enumerate(text):
        place = 0 if not letter.isdigit() else 1 if index in ends else place + 1
        places.append(place)
    return places


def encoder(**knobs: Any) -> DigitPlaces:
    return Abacus(**knobs).assemble(SITE).eval()


def model(**knobs: Any) -> Any:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    position = {"use": "abacus", "max_offset": 5}
    settings = {"use": "language_model", "width": 8, "context": 16, "blocks": [layer], "depth": 2, "position": position}
    return resolve_part(ModelPart, settings | knobs)


def test_a_digit_has_its_place_in_its_number_and_what_is_no_digit_has_none() -> None:
    assert encoder().places(flow(ids(SUM))).tolist() == [PLACES]
    assert counted(SUM) == PLACES


@given(st.lists(st.text(LETTERS, min_size=9, max_size=9), min_size=1, max_size=3), st.sets(st.integers(1, 8)))
def test_places_are_those_counted_one_by_one(texts: list[str], ends: set[int]) -> None:
    documents = torch.tensor([sum(end <= index for end in ends) for index in range(9)]).expand(len(texts), 9)
    found = encoder().places(flow(ids(*texts), documents=documents))
    assert found.tolist() == [counted(text, tuple(ends)) for text in texts]


def test_each_place_has_a_vector_of_its_own_and_equal_places_have_the_same() -> None:
    abacus, x = encoder(), torch.randn(1, len(SUM), 4)
    added = abacus.embed(x, abacus.places(flow(ids(SUM)))) - x
    torch.testing.assert_close(added[0], abacus.weight[PLACES])


def test_in_training_all_places_of_a_text_are_moved_by_one_number_up_to_the_largest() -> None:
    abacus, tokens = encoder(max_offset=3).train(), ids(SUM, SUM[::-1])
    still = abacus.eval().places(flow(tokens))
    moved = [row for _ in range(60) for row in abacus.train().places(flow(tokens)) - still]
    texts = [still[index % 2] > 0 for index in range(len(moved))]
    assert all(
        not offset[~digit].any() and offset[digit].unique().numel() == 1
        for offset, digit in zip(moved, texts, strict=True)
    )
    drawn = [int(offset.max()) for offset in moved]
    assert set(drawn) == {0, 1, 2, 3}
    assert drawn[::2] != drawn[1::2]
    torch.manual_seed(5)
    once = abacus.places(flow(tokens))
    torch.manual_seed(5)
    assert abacus.places(flow(tokens)).equal(once)


def test_the_longest_number_of_a_context_has_a_place_in_training_and_a_longer_one_is_refused() -> None:
    abacus = encoder(max_offset=3).train()
    assert abacus.max_positions == 16 + 3 + 1
    for _ in range(20):
        places = abacus.places(flow(ids("7" * 16)))
        assert places.max() < abacus.max_positions
        abacus.embed(torch.zeros(1, 16, 4), places)
    with pytest.raises(ValueError, match="a number of 20 digits is longer than the 19 places"):
        abacus.embed(torch.zeros(1, 20, 4), abacus.eval().places(flow(ids("7" * 20))))
    long = ids("12+" * 40)
    assert abacus.embed(torch.zeros(1, 120, 4), abacus.places(flow(long))).shape == (1, 120, 4)


def test_other_digits_may_be_chosen() -> None:
    assert encoder(digits="10").places(flow(ids("1029+11"))).tolist() == [[1, 2, 0, 0, 0, 1, 2]]


@pytest.mark.parametrize(
    "check",
    [
        models.cached_decoding_equals_one_pass,
        models.padded_prompts_continue_as_they_do_alone,
        models.packed_texts_are_apart,
        models.logits_do_not_see_the_future,
        models.padding_on_the_right_costs_nothing,
        models.it_can_learn_a_batch_by_heart,
    ],
)
def test_a_model_with_it_keeps_the_contract_of_models(check: Any) -> None:
    check(model(), MODEL_SITE)
    if check is models.cached_decoding_equals_one_pass:
        check(
            model(blocks=[{"use": "recurrent", "mixer": "gru"}], position={"use": "abacus", "max_offset": 0}),
            MODEL_SITE,
        )


def test_a_text_longer_than_the_table_is_read_as_long_as_its_numbers_are_short() -> None:
    network = assemble(model(position={"use": "abacus", "max_offset": 0}), MODEL_SITE, seed=0).eval()
    tokens = ids("12+345=" * 6)
    batch = Batch(tokens, torch.full_like(tokens, IGNORED))
    assert network(batch).shape == (1, 42, len(LETTERS))


def test_the_state_of_a_row_goes_with_it() -> None:
    network: Any = assemble(model(), MODEL_SITE, seed=0).eval()
    prompts = ids("12+3", "1234")
    _, decoding = network.begin(Batch(prompts, torch.full_like(prompts, IGNORED)), 8)
    decoding.reorder(torch.tensor([1, 0, 1]))
    assert decoding.states[-1]["place"].tolist() == [4, 1, 4]


def test_a_recipe_with_it_is_inspected_before_there_is_a_tokenizer() -> None:
    plain, recipe = (
        partwise.change("gpt", {"model.depth": 1, "model.position": position})
        for position in ("learned", {"use": "abacus", "max_offset": 7})
    )
    found, other = partwise.inspect(recipe), partwise.inspect(plain)
    assert found.parameters - other.parameters == 8 * 192
    assert found.flops_per_token == other.flops_per_token
    assert found.state_bytes_per_token == other.state_bytes_per_token
    assert found.state_bytes_fixed == 8  # one whole number, the place of the last digit


def test_in_a_recipe_a_tokenizer_that_joins_digits_is_an_error_at_the_model() -> None:
    recipe = partwise.change(
        "gpt", {"data": {"use": "addition", "size": 99, "valid": 9, "test": 9}, "model.position": "abacus"}
    )
    with pytest.raises(RecipeError, match=r"(?s)the tokenizer writes '\d\d+' as one token.*at model"):
        partwise.train(recipe)


def test_it_is_traced_as_one_graph() -> None:
    abacus = encoder()
    compiled = torch.compile(
        lambda tokens: abacus.places(batch_flow(Batch(tokens, tokens))), backend="eager", fullgraph=True
    )
    assert compiled(ids(SUM)).tolist() == [PLACES]


@pytest.mark.parametrize("known", [True, False])
def test_what_it_needs_to_know_is_asked_for(known: bool) -> None:
    abacus = encoder() if known else Abacus().assemble(replace(SITE, token_bytes=None))
    what = "the ids of the tokens" if known else "which tokens are digits"
    with pytest.raises(ValueError, match=what):
        abacus.places(causal_flow(3) if known else flow(ids("123")))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (["1", "12", "+"], "writes '12' as one token"),
        ([" 1", "+"], "writes ' 1' as one token"),
        (["a", "b"], "no token"),
    ],
)
def test_a_tokenizer_whose_digits_are_not_tokens_is_refused(written: list[str], said: str) -> None:
    with pytest.raises(PartError, match=said):
        Abacus().assemble(replace(SITE, vocabulary=len(written), token_bytes=lambda token: written[token].encode()))


def test_a_digit_given_twice_is_refused_where_it_stands() -> None:
    with pytest.raises(RecipeError, match=r"digits holds '1' more than once"):
        partwise.change("gpt", {"model.position": {"use": "abacus", "digits": "1011"}})


def test_in_an_attention_it_has_nothing_to_do() -> None:
    layer = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2, "position": "abacus"}}
    with pytest.raises(ValueError, match="abacus"):
        model(blocks=[layer], position="none")
