"""Words by their vectors: which token a word has, what is no word, and what is said of those that have none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from partwise import InputError
from partwise.assembly import assemble
from partwise.looking import WordTable, analogy, embedding_table, neighbours
from partwise.parts import ModelPart, ModelSite, resolve_part
from partwise_tokenizers.word import WordTokenizer

WORDS = ["king", "queen", "man", "woman", "throne", "apple"]
TOKENIZER = WordTokenizer(WORDS, lowercase=True, newlines=False)
TABLE = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))


def table() -> WordTable:
    return WordTable(TABLE, TOKENIZER)


class Pieces:
    """A tokenizer with a space before some words, as byte pairs have, and a word in two pieces."""

    tokens = ("king", " king", "th", "rone", " a", "a", "")
    vocab_size, end, unknown = 7, 6, None

    def encode(self, text: str) -> list[int]:
        found = []
        while text:
            best = max((one for one in self.tokens if one and text.startswith(one)), key=len, default=text[0])
            found.append(self.tokens.index(best) if best in self.tokens else 99)
            text = text[len(best) :]
        return found

    def token_bytes(self, token: int) -> bytes:
        return self.tokens[token].encode()

    def label(self, token: int) -> str:
        return self.tokens[token]


def test_neighbours_and_analogies_are_those_of_the_table_by_word_and_special_tokens_are_no_words() -> None:
    words = table()
    assert words.ids == list(range(6)), "neither <unk>, nor the end token, nor a row beyond the vocabulary"
    found = words.neighbours("king", 20)
    assert found == [(WORDS[row], cosine) for row, cosine in neighbours(TABLE[:6], 0, 20)]
    assert words.analogy("king", "man", "woman", 2) == [
        (WORDS[row], cosine) for row, cosine in analogy(TABLE[:6], 2, 0, 3, 2)
    ]


def test_many_analogies_at_once_are_the_best_of_each() -> None:
    words = table()
    questions = [(a, b, c) for a in range(6) for b in range(6) for c in range(6) if len({a, b, c}) == 3]
    assert words.completions(questions) == [analogy(TABLE[:6], *one, count=1)[0][0] for one in questions]


def test_in_chunks_the_answers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [(0, 1, 2), (3, 4, 5), (5, 2, 0), (1, 0, 4)]
    whole = table().completions(questions)
    monkeypatch.setattr("partwise.looking.words.AT_ONCE", 7)
    assert table().completions(questions) == whole


def test_cosines_of_pairs_are_those_of_a_plain_loop() -> None:
    pairs = [(0, 1), (2, 2), (5, 3)]
    expected = [torch.cosine_similarity(TABLE[a], TABLE[b], dim=0).item() for a, b in pairs]
    assert table().cosines(pairs).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_word_is_the_token_that_stands_after_a_space_if_there_is_one() -> None:
    words = WordTable(TABLE[:7], Pieces())  # type: ignore[arg-type]
    assert words.token("king") == 1
    assert words.token("a") == 4
    assert words.token("th") == 2
    assert table().token("KING") == 0, "as the tokenizer reads it"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("quen", "'quen' is not among the 6 words of this vocabulary, did you mean 'queen'?"),
        ("zebra", "'zebra' is not among the 6 words of this vocabulary"),
        ("king queen", r"'king queen' is 2 tokens here \('king', 'queen'\), and only single tokens have a vector"),
        ("", "an empty word has no vector"),
        ("  ", "an empty word has no vector"),
        ("<unk>", "'<unk>' is not among the 6 words"),
    ],
)
def test_a_word_without_a_vector_is_told_and_the_nearest_named(word: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        table().neighbours(word, 3)


def test_a_word_in_pieces_is_shown_with_them() -> None:
    words = WordTable(TABLE[:7], Pieces())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"'throne' is 2 tokens here \('th', 'rone'\)"):
        words.analogy("king", "throne", "a", 1)


LAYER = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
STACK: Any = {"use": "language_model", "width": 8, "context": 8, "blocks": [LAYER]}


@pytest.mark.parametrize(
    "model",
    [
        {**STACK, "position": "learned"},
        {**STACK, "embedding": {"use": "dense", "width": 4}, "tie": False},
        {"use": "word_vectors", "width": 8},
        {"use": "seq2seq", "width": 8, "context": 8, "encoder": [LAYER],
         "decoder": [{**LAYER, "cross": LAYER["mixer"]}], "share_embedding": False},
    ],
    ids=["gpt", "narrow", "vectors", "pairs"],
)  # fmt: skip
def test_every_model_with_an_embedding_has_a_table(model: Any) -> None:
    part: Any = resolve_part(ModelPart, model)
    network: Any = assemble(part, ModelSite(9), seed=1)
    table = embedding_table(network)
    name, first = next((name, one) for name, one in network.named_modules() if isinstance(one, nn.Embedding))
    assert table is first.weight, name
    assert table.shape == (9, 4 if "embedding" in model else 8)


def test_one_hot_tokens_have_no_vectors() -> None:
    part: Any = resolve_part(ModelPart, {**STACK, "embedding": "one_hot", "tie": False})
    with pytest.raises(InputError, match=r"no table with a vector for each token.*\"embedding\": \"dense\""):
        WordTable.of(assemble(part, ModelSite(9), seed=1), TOKENIZER)


def test_a_vocabulary_of_one_word_has_no_neighbours() -> None:
    words = WordTable(TABLE[:3], WordTokenizer(["sun"], lowercase=True, newlines=False))
    assert words.neighbours("sun", 5) == []
    assert words.completions([(0, 0, 0)]) == [0]
