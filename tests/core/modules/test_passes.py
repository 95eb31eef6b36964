"""What a model needs for its passes: each fact against a plain loop over rows and tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from partwise.data import Batch
from partwise.modules import Decoding, Flow, batch_flow, decode_step_flow, start_decoding, token_positions


def mask(rows: list[str]) -> Tensor:
    """Padding for rows written as "..xx"."""
    return torch.tensor([[char == "x" for char in row] for row in rows])


def packed(rows: list[str]) -> Tensor:
    """Documents for rows written as "aabb"."""
    return torch.tensor([[ord(char) for char in row] for row in rows])


def counted(padding: list[str], documents: list[str]) -> list[list[int]]:
    """Positions by a loop: each token is as far in its text as there were tokens of the same text before it."""
    found = []
    for marks, letters in zip(padding, documents, strict=True):
        row: list[int] = []
        count = 0
        for index, mark in enumerate(marks):
            if index and letters[index] != letters[index - 1]:
                count = 0
            row.append(count if mark == "x" else -1)
            count += mark == "x"
        found.append(row)
    return found


@pytest.mark.parametrize(
    ("padding", "documents"),
    [
        (["xxxxx", "xxxxx"], None),
        (["..xxx", "xxxxx"], None),
        (["xxx..", "x...."], None),
        (None, ["aaabb", "abbca"]),
        (["xxxxx..", "xxxxxxx"], ["aaabbbb", "abbbbcc"]),
        (["..xxxxx", ".xxxxxx"], ["aaaabbb", "aaabbbc"]),
    ],
)
def test_positions_count_the_tokens_of_each_text_as_a_loop_does(
    padding: list[str] | None, documents: list[str] | None
) -> None:
    rows = padding or documents
    assert rows is not None
    tokens = torch.zeros(len(rows), len(rows[0]), dtype=torch.int64)
    found = token_positions(
        tokens, None if padding is None else mask(padding), None if documents is None else packed(documents)
    )
    expected = counted(padding or ["x" * len(row) for row in rows], documents or ["a" * len(row) for row in rows])
    assert found.dtype == torch.int64
    for row, wanted in zip(found.tolist(), expected, strict=True):
        assert all(position == right for position, right in zip(row, wanted, strict=True) if right >= 0)
        assert min(row) >= 0, "padding, too, has a position that an encoder knows"


def test_positions_without_padding_or_documents_are_the_same_for_all_rows() -> None:
    assert token_positions(torch.zeros(3, 4, dtype=torch.int64)).tolist() == [0, 1, 2, 3]


def test_a_batch_is_read_from_its_beginning_with_all_its_facts() -> None:
    tokens, memory = torch.zeros(2, 5, dtype=torch.int64), torch.randn(2, 3, 4)
    padding, documents, source_padding = mask(["..xxx", "xxxxx"]), packed(["aaabb", "abbbb"]), mask(["xx.", "xxx"])
    flow = batch_flow(Batch(tokens, tokens, padding, documents, tokens[:, :3], source_padding), memory)
    assert (flow.start, flow.length, flow.end) == (0, 5, 5)
    assert flow.positions.equal(token_positions(tokens, padding, documents))
    assert flow.padding is padding
    assert flow.documents is documents
    assert flow.memory is memory
    assert flow.memory_padding is source_padding


PROMPTS = {"equal": ["xxx", "xxx"], "left-padded": ["..x", "xxx"]}


def decoded(prompt: Batch, room: int, steps: int) -> tuple[Decoding, list[Flow]]:
    """A decoding after so many steps, and the flow of each."""
    decoding, flows = start_decoding(prompt, [], room), []
    for _ in range(steps):
        flows.append(decode_step_flow(decoding, torch.tensor([5])))
        decoding.advance()
    return decoding, flows


@pytest.mark.parametrize("name", PROMPTS)
def test_decode_steps_have_the_facts_of_a_text_read_at_once(name: str) -> None:
    rows, steps = PROMPTS[name], 4
    padding = None if name == "equal" else mask(rows)
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    decoding, flows = decoded(Batch(tokens, tokens, padding), 9, steps)
    assert decoding.length == 3 + steps
    for step, flow in enumerate(flows):
        whole = [row + "x" * (step + 1) for row in rows]
        assert (flow.start, flow.length, flow.end) == (3 + step, 1, 4 + step)
        last = [row[-1] for row in counted(whole, ["a" * len(row) for row in whole])]
        assert flow.positions.expand(2, 1)[:, 0].tolist() == last
        assert (flow.padding is None) == (name == "equal")
        assert flow.padding is None or flow.padding.equal(mask(whole))


def test_decode_steps_see_the_memory_of_the_prompt() -> None:
    tokens, memory, source_padding = torch.zeros(2, 1, dtype=torch.int64), torch.randn(2, 3, 4), mask(["xx.", "xxx"])
    prompt = Batch(tokens, tokens, source=tokens.expand(2, 3), source_padding=source_padding)
    flow = decode_step_flow(start_decoding(prompt, [], 4, memory), torch.tensor([5]))
    assert flow.memory is memory
    assert flow.memory_padding is source_padding


def test_a_flow_keeps_its_positions_when_the_decoding_advances() -> None:
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    _, flows = decoded(Batch(tokens, tokens, mask(["..x", "xxx"])), 9, 3)
    assert [flow.positions[:, 0].tolist() for flow in flows] == [[1, 3], [2, 4], [3, 5]]


def test_a_reordered_decoding_goes_on_with_the_facts_of_the_other_rows() -> None:
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    state = {"mixer": {"keys": torch.tensor([[1.0], [2.0]])}}
    prompt = Batch(tokens, tokens, mask(["..x", "xxx"]), source=tokens, source_padding=mask(["xx.", "xxx"]))
    decoding = start_decoding(prompt, [state], 4, torch.tensor([[[1.0]], [[2.0]]]))
    decoding.reorder(torch.tensor([1, 0, 1]))
    assert decoding.states[0]["mixer"]["keys"].tolist() == [[2.0], [1.0], [2.0]]
    flow = decode_step_flow(decoding, torch.tensor([5]))
    assert flow.positions.tolist() == [[3], [1], [3]]
    assert flow.padding is not None
    assert flow.padding.equal(mask(["xxxx", "..xx", "xxxx"]))
    assert flow.memory is not None
    assert flow.memory.flatten().tolist() == [2.0, 1.0, 2.0]
    assert flow.memory_padding is not None
    assert flow.memory_padding.equal(mask(["xxx", "xx.", "xxx"]))
