"""How the suite counts, what it says, and how a part from elsewhere is checked by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from partwise import InputError, Part
from partwise.parts import NormPart
from partwise.testing import (
    ContractViolation,
    close,
    contract_of,
    contract_tests,
    counts,
    find,
    run_check,
    verify_parts,
)

from .mutants import registered
from .mutants.attention import OffByOne, attention
from .mutants.parts import Idle, Right

KNOB = "every_knob_makes_a_difference"

test_rms_norm = contract_tests("rms_norm")


def check_named(part: type[Part], name: str) -> Any:
    return next(check for check in contract_of(part) if check.name == name)


def test_a_leak_from_the_future_is_told_in_plain_words_and_its_smallest_case() -> None:
    part = type(attention(OffByOne))
    with registered(part):
        result = run_check(part, check_named(part, "the_future_is_not_seen"))
    assert result.outcome == "failed"
    assert "position 0's output changed by" in result.message
    assert "when token 1 changed: information leaks from the future" in result.message
    assert "smallest case: 1 row of 2 positions" in result.message


class Known(Idle):
    """A norm whose knob does nothing, as it says itself."""

    name = "known"
    known_failures: ClassVar[Mapping[str, str]] = {f"{KNOB}[by]": "it is only a toy"}


class Mended(Right):
    """A norm that declares a failure that is mended."""

    name = "mended"
    known_failures: ClassVar[Mapping[str, str]] = {KNOB: "it was a toy"}


class Misspelt(Right):
    """A norm that declares a failure of a check that there is not."""

    name = "misspelt"
    known_failures: ClassVar[Mapping[str, str]] = {"every_nob": "who knows"}


def outcome(part: type[Part], check: str) -> tuple[str, str]:
    with registered(part):
        result = run_check(part, check_named(part, check))
    return result.outcome, result.message


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "examples() gives None; yield settings"),
        ([3], "examples() gives 3, which is no Odd; yield `cls(...)`"),
    ],
)
def test_examples_that_are_none_are_told_of(given: Any, said: str) -> None:
    class Odd(Right):
        """A norm whose examples are no settings."""

        name = "odd"

        @classmethod
        def examples(cls) -> Any:
            return given

    assert outcome(Odd, "its_examples_cover_every_knob")[1].startswith(said)
    assert said in outcome(Odd, "each_position_is_by_itself")[1]


def test_a_part_with_knobs_that_must_be_given_needs_examples() -> None:
    class Strict(NormPart):
        """A norm that must be told by what it divides."""

        name = "strict"
        by: PositiveInt
        """What it divides by."""

    with registered(Strict):
        result = run_check(Strict, check_named(Strict, "its_examples_cover_every_knob"))
    assert result.message == "it has no examples(), and by must be given: yield settings to check"


def test_a_declared_failure_is_expected_with_its_reason() -> None:
    assert outcome(Known, KNOB) == ("expected", "it is only a toy")


def test_a_declared_failure_that_passes_is_an_error() -> None:
    kind, message = outcome(Mended, KNOB)
    assert kind == "failed"
    assert "holds now" in message


def test_a_declared_failure_is_mended_only_if_all_its_cases_were_run() -> None:
    with registered(Mended):
        check = check_named(Mended, KNOB)
        assert run_check(Mended, check, which=lambda cases: cases[:0]).outcome == "skipped"
        assert run_check(Mended, check, which=lambda cases: cases[:1]).outcome == "failed"


def test_a_declared_failure_of_no_check_is_an_error() -> None:
    kind, message = outcome(Misspelt, "declarations")
    assert kind == "failed"
    assert "'every_nob'" in message


def test_an_undeclared_failure_fails() -> None:
    assert outcome(Idle, KNOB) == ("failed", "knob by: by changes nothing that can be seen")


def test_skips_are_counted_with_their_reason() -> None:
    results = list(verify_parts([find("greedy")], jobs=1))
    assert counts(results) == {"passed": 24, "skipped": 2, "expected": 0, "failed": 0}
    assert all(one.message for one in results if one.outcome == "skipped")


def test_a_name_of_several_kinds_must_be_told_apart() -> None:
    with pytest.raises(InputError, match="say which with --kind"):
        find("linear")
    assert find("linear", "schedule").part.kind == "schedule"
    with pytest.raises(InputError, match="did you mean 'multi_head'"):
        find("multihead")


# --- a kind of a plugin's own --------------------------------------------------------------------------


class GatePart(Part):
    """Says which experts a token goes to."""

    kind = "gate"

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {"experts": 4}

    @classmethod
    def checks(cls) -> Any:
        return (shares_add_up_to_one,)

    def inputs(self, site: Any, rows: int, length: int) -> tuple[Tensor]:
        return (torch.randn(rows, length, 8, generator=torch.Generator().manual_seed(rows + length)),)


def shares_add_up_to_one(part: Part, site: Any) -> None:
    """The shares of a token add up to one."""
    (x,) = part.inputs(site, 2, 3)
    shares = part.build(site)(x)
    close(shares.sum(-1), torch.ones(2, 3), "the sum of a token's shares")


class Softmax(GatePart):
    """Routes each token by the softmax of a linear layer."""

    name = "softmax"
    sharpness: PositiveInt = 1
    """Factor of the logits."""

    @classmethod
    def examples(cls):
        return cls(), cls(sharpness=3)

    def build(self, site: Any) -> nn.Module:
        return Routes(site, self.sharpness)


class Routes(nn.Module):
    def __init__(self, experts: int, sharpness: int) -> None:
        super().__init__()
        self.linear, self.sharpness = nn.Linear(8, experts), sharpness

    def forward(self, x: Tensor) -> Tensor:
        return (self.sharpness * self.linear(x)).softmax(-1)


class Careless(Softmax):
    """Routes each token, and loses some of it."""

    name = "careless"

    def build(self, site: Any) -> nn.Module:
        return Loses(site, self.sharpness)


class Loses(Routes):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 0.9


ELSEWHERE = {"it_travels_to_a_fresh_process", "importing_it_leaves_everything_alone"}
"""What a part that is defined in a test cannot hold: nothing else can import it."""


def test_a_kind_of_a_plugins_own_is_checked_like_those_of_the_core() -> None:
    with registered(Softmax, Careless):
        checks = [one for one in contract_of(Softmax) if one.name not in ELSEWHERE]
        results = {one.name: run_check(Softmax, one) for one in checks}
        careless = [result for one in checks if (result := run_check(Careless, one)).outcome == "failed"]
    assert counts(results.values())["failed"] == 0, [one for one in results.values() if one.outcome == "failed"]
    assert results["meta_equals_direct"].outcome == "passed"
    assert results["shares_add_up_to_one"].outcome == "passed"
    assert [one.check for one in careless] == ["shares_add_up_to_one"]
    assert "the sum of a token's shares: they differ by up to 0.1" in careless[0].message


def test_a_violation_is_an_assertion_that_failed() -> None:
    assert issubclass(ContractViolation, AssertionError)
