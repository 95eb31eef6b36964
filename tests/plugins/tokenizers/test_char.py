from __future__ import annotations

import pytest

from partwise import InputError
from partwise_tokenizers.parts import Char

from .samples import site


def test_ids_are_the_sorted_characters_then_unknown_then_end() -> None:
    tokenizer = Char().assemble(site(["banana", "bad\n"]))
    assert [tokenizer.label(token) for token in range(tokenizer.vocab_size)] == [
        *["\n", "a", "b", "d", "n"],
        *["<unk>", "<|end|>"],
    ]
    assert tokenizer.encode("nab") == [4, 1, 2]


def test_an_unknown_character_is_one_unknown_token_and_decodes_to_the_replacement_character() -> None:
    tokenizer = Char().assemble(site(["abc"]))
    assert tokenizer.encode("a🦊c") == [0, tokenizer.unknown, 2]
    assert tokenizer.decode([0, 3, 2]) == "a\ufffdc"


def test_spelling_out_an_unknown_takes_the_bits_of_one_code_point_of_unicode() -> None:
    assert 2 ** Char().assemble(site(["a"])).unknown_bits == pytest.approx(0x110000)


@pytest.mark.parametrize("characters", ["", "aba", "a\ud800", 5, ["a"]])
def test_damaged_characters_are_an_input_error(characters: object) -> None:
    with pytest.raises(InputError, match="characters"):
        Char().restore({"characters": characters})
