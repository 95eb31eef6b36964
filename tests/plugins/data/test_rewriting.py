"""Texts that are changed: fill_in_the_middle, span_corruption, shuffled."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partwise import RecipeError
from partwise.data import Data, Example, Piece, Split
from partwise.parts import DataPart, DataSite, resolve_part
from partwise.recipe import load
from partwise.workflow import check, generate, prepare, reopen, train, writing_of
from partwise_data.drawing import Draw
from partwise_data.infilling import Infilling
from partwise_data.rewriting import Plan, Rewritten, around, cut_after, stretches
from partwise_data.shuffling import Shuffling
from partwise_data.spans import SpanCorruption

FIM = Infilling(rate=1.0, spm=0.5, prefix="<P>", suffix="<S>", middle="<M>")
TEXTS = st.text(max_size=60)


class Given:
    """Texts, the same in every split; each is a list of portions."""

    form: Literal["stream", "examples"] = "stream"

    def __init__(self, *texts: list[str]) -> None:
        self.texts = texts

    def examples(self, split: Split) -> Iterator[Example]:
        for portions in self.texts:
            for number, portion in enumerate(portions, start=1):
                yield Example((Piece(portion),), ends=number == len(portions))

    def identity(self) -> str:
        return json.dumps(self.texts)


def marked(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


@given(TEXTS.filter(lambda text: not set(text) & set("<>")), st.integers())
def test_a_rearranged_text_can_be_put_together_again(text: str, seed: int) -> None:
    prefix_first = Infilling(1.0, 0.0, "<P>", "<S>", "<M>").rewrite(text, Draw(seed))
    assert prefix_first is not None
    prefix, suffix, middle = re.fullmatch("<P>(.*)<S>(.*)<M>(.*)", marked(prefix_first), re.DOTALL).groups()  # type: ignore[union-attr]
    assert prefix + middle + suffix == text
    suffix_first = Infilling(1.0, 1.0, "<P>", "<S>", "<M>").rewrite(text, Draw(seed))
    assert suffix_first is not None
    assert marked(suffix_first) == f"<P><S>{suffix}<M>{prefix}{middle}"


def test_the_places_of_the_division_are_uniform_and_the_rates_hold() -> None:
    text, first, plain = "abcdefghi", Counter[int](), 0
    half = Infilling(0.5, 0.0, "<P>", "<S>", "<M>")
    for seed in range(4000):
        pieces = half.rewrite(text, Draw(seed))
        if pieces is None:
            plain += 1
        else:
            first[marked(pieces).removeprefix("<P>").index("<S>")] += 1
    assert plain / 4000 == pytest.approx(0.5, abs=0.04)
    # Of two places among ten, the first is k in (2 (9 - k) + 1) of a hundred cases.
    for place in range(10):
        assert first[place] / first.total() == pytest.approx((2 * (9 - place) + 1) / 100, abs=0.03)


@given(TEXTS.filter(bool), st.sampled_from(["word", "character"]), st.floats(0.05, 0.9), st.floats(1, 6), st.integers())
def test_spans_in_their_places_give_the_text(text: str, unit: Any, density: float, mean: float, seed: int) -> None:
    pieces = SpanCorruption(density, mean, unit, "\0{}\0").rewrite(text, Draw(seed))
    source = [piece for piece in pieces if not piece.scored]
    target = [piece for piece in pieces if piece.scored]
    assert pieces == (*source, *target)
    spans: dict[str, str] = {}
    for piece in target:
        if piece.special:
            last = piece.text
            spans[last] = ""
        else:
            spans[last] += piece.text
    assert list(spans)[-1] == f"\0{len(spans) - 1}\0"
    assert all(list(spans.values())[:-1])
    assert "".join(spans[piece.text] if piece.special else piece.text for piece in source) == text


def test_the_share_and_the_mean_length_of_spans_are_those_asked_for() -> None:
    text = " ".join(f"w{number}" for number in range(100))
    corruption = SpanCorruption(0.15, 3.0, "word", "<{}>")
    starts = Counter[str]()
    for seed in range(300):
        pieces = corruption.rewrite(text, Draw(seed))
        left_out = [piece.text for piece in pieces if piece.scored and not piece.special]
        assert len(left_out) == 5
        assert sum(len(span.split()) for span in left_out) == 15
        starts[pieces[0].text[:2]] += 1
    assert len(starts) > 1  # a span may stand at the beginning


@given(TEXTS, st.integers(2, 9), st.integers(1, 3), st.integers())
def test_shuffled_words_stay_within_their_window_and_space_stays(text: str, window: int, ngram: int, seed: int) -> None:
    (piece,) = Shuffling("word", window, ngram).rewrite(text, Draw(seed))
    before, after = text.split(), piece.text.split()
    for start in range(0, len(before), window):
        assert sorted(before[start : start + window]) == sorted(after[start : start + window])
    assert [word.isspace() for word in text].count(True) == [word.isspace() for word in piece.text].count(True)


def test_n_grams_stay_together() -> None:
    text = "a b c d e f g h i j k l"
    (piece,) = Shuffling("word", None, 3).rewrite(text, Draw(1))
    grams = piece.text.split()
    assert [grams[place : place + 3] for place in range(0, 12, 3)] != [
        list("abc"),
        list("def"),
        list("ghi"),
        list("jkl"),
    ]
    assert sorted("".join(grams[place : place + 3]) for place in range(0, 12, 3)) == ["abc", "def", "ghi", "jkl"]


@given(
    st.lists(st.lists(TEXTS, min_size=1, max_size=4), max_size=4),
    st.integers(2, 20),
    st.sampled_from(["word", "character"]),
)
def test_stretches_are_no_longer_than_asked_for_and_join_to_the_texts(
    texts: list[list[str]], most: int, unit: Any
) -> None:
    found = list(stretches(Given(*texts).examples("train"), cut_after(most, unit)))
    whole = [""]
    for text, last in found:
        length = len(text) if unit == "character" else len(text.split())
        assert length <= most
        whole[-1] += text
        whole += [""] * last
    assert whole[:-1] == ["".join(portions) for portions in texts]


def test_a_document_is_changed_alike_wherever_it_stands_and_otherwise_in_each_copy() -> None:
    def changed(data: Data, copies: int) -> list[str]:
        plan = Plan(seed=0, copies=copies)
        return [marked(example.pieces) for example in Rewritten(data, FIM, plan, "stream").examples("train")]

    alone = changed(Given(["some text of a document"]), 3)
    among = changed(Given(["another one"], ["some text of a document"]), 3)
    assert among[1::2] == alone
    assert len(set(alone)) == 3


def test_plain_stretches_of_a_document_stay_together_and_changed_ones_are_texts_of_their_own() -> None:
    text = "".join(random.Random(0).choices("abcdefgh ", k=4000))
    some = Infilling(0.5, 0.5, "<P>", "<S>", "<M>")
    plan = Plan(0, cut=cut_after(100, "character"))
    found = list(Rewritten(Given([text[:1500], text[1500:]], ["last"]), some, plan, "stream").examples("train"))
    special = [any(piece.special for piece in example.pieces) for example in found]
    for example, is_changed, next_is in zip(found, special, [*special[1:], True], strict=True):
        if is_changed or next_is:
            assert example.ends
    assert not all(example.ends for example in found)
    assert sum(example.ends for example in found if example is found[-1]) == 1


def part(**knobs: Any) -> Any:
    return resolve_part(DataPart, knobs)


def test_around_a_mixture_every_member_is_changed_and_keeps_its_weight(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two three\n" * 50)
    text = {"use": "text", "files": ["a.txt"], "valid": 0.1}
    mixture = {"use": "mixture", "members": {"a": text, "b": text}, "weights": {"b": 3}}
    built = part(use="span_corruption", data=mixture).assemble(DataSite(tmp_path))
    assert {name: member.weight for name, member in built.members.items()} == {"a": 1.0, "b": 3.0}
    assert built.form == "examples"


def test_an_array_of_ids_has_no_text_to_change() -> None:
    class Ids(Given):
        def ids(self, split: Split) -> list[Any]:
            return []

    with pytest.raises(Exception, match="token ids that others have made"):
        around("shuffled", Ids(), lambda data: data)


@pytest.fixture
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTWISE_CACHE", str(tmp_path / "cache"))


SMALL = ["model.width=24", "model.depth=1", "trainer.steps=3", "trainer.batch_size=4", "trainer.schedule=constant"]


def recipe(directory: Path, data: dict[str, Any], *overrides: str, tokenizer: Any = "char") -> Any:
    (directory / "a.txt").write_text("the cat sat on the mat and the dog lay on the log\n" * 80)
    text = {"use": "text", "files": ["a.txt"], "valid": 0.1, "test": 0.1}
    content = {"extends": "gpt", "name": "changed", "data": {"data": text, **data}, "tokenizer": tokenizer}
    (directory / "r.json").write_text(json.dumps(content))
    return load(directory / "r.json", [*SMALL, "model.context=32", *overrides])


@pytest.mark.usefixtures("_cache")
def test_a_model_that_fills_in_can_be_trained_reopened_and_prompted(tmp_path: Path) -> None:
    run = train(
        recipe(tmp_path, {"use": "fill_in_the_middle", "longest": 60, "rate": 1.0}), tmp_path / "run", device="cpu"
    )
    again = reopen(run.directory, "cpu")
    prompt = "<|fim_prefix|>the c<|fim_suffix|>on the mat<|fim_middle|>"
    written = "".join(generate(again, prompt, writing_of(again, 5, special=True)))
    assert len(written) <= 5
    tokenizer: Any = again.tokenizer
    assert tokenizer.encode_special("<|fim_middle|>") == [tokenizer.vocab_size - 1]
    assert run.rows()[-1]["valid_bits_per_byte"] > 0


@pytest.mark.usefixtures("_cache")
def test_the_tokenizer_is_the_same_with_special_tokens_as_without(tmp_path: Path) -> None:
    plain = prepare(recipe(tmp_path, {"use": "shuffled"})).tokenizer
    changed = prepare(recipe(tmp_path, {"use": "fill_in_the_middle"})).tokenizer
    assert changed.to_json()["tokenizer"] == plain.to_json()


@pytest.mark.usefixtures("_cache")
def test_span_corruption_trains_an_encoder_with_a_decoder_and_a_language_model(tmp_path: Path) -> None:
    data = {"use": "span_corruption", "unit": "character", "longest": 20}
    train(recipe(tmp_path, data), tmp_path / "sequence", device="cpu")
    whole = recipe(tmp_path, data)
    pairs = load("transformer", [f"data={json.dumps(whole.recipe.data.model_dump(mode='json'))}", "trainer.steps=2",
                                 "trainer.schedule=constant", "model.width=16", "trainer.batch_size=4"])  # fmt: skip
    pairs = pairs.with_data_in(tmp_path)
    last = train(pairs, tmp_path / "pairs", device="cpu").rows()[-1]
    assert last["valid_loss"] > 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"use": "shuffled", "data": "dates"}, "'shuffled' changes running text, and these data give examples"),
        (
            {"use": "shuffled", "data": {"use": "fill_in_the_middle", "data": "library"}},
            "these data have special tokens",
        ),
        ({"use": "fill_in_the_middle", "prefix": "<x>", "suffix": "<x>"}, "must differ"),
        ({"use": "span_corruption", "sentinel": "<x>"}, "expected a name with {}"),
        ({"use": "span_corruption", "sentinel": "<{}{0}>"}, "expected a name with {}"),
        ({"use": "span_corruption", "density": 1.0}, "must be greater than 0 and less than 1"),
        ({"use": "shuffled", "window": 1}, "at least 2"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_read(
    tmp_path: Path, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(recipe(tmp_path, data))
    assert message in str(caught.value)


@pytest.mark.usefixtures("_cache")
def test_an_end_token_is_no_mark(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="begins or ends texts"):
        prepare(recipe(tmp_path, {"use": "fill_in_the_middle", "prefix": "<|end|>"}))
