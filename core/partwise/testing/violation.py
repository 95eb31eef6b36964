"""How a check reports a violation: in plain words, and for the smallest case that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor


class ContractViolation(AssertionError):  # noqa: N818 - a violation is what it is
    """A part breaks the contract of its kind; the message says how, in plain words."""


class NotApplicableError(Exception):
    """A check does not apply to this case; the message says why. It is counted and shown as skipped."""


def require(holds: object, what: str) -> None:
    """Reports a violation unless a condition holds.

    Raises:
        ContractViolation: with `what`, unless it holds.
    """
    if not holds:
        raise ContractViolation(what)


def violated(what: str) -> NoReturn:
    """Reports a violation.

    Raises:
        ContractViolation: with `what`.
    """
    raise ContractViolation(what)


def skip(why: str) -> NoReturn:
    """Leaves a check that does not apply to the part.

    Raises:
        NotApplicableError: always; the check is counted as skipped.
    """
    raise NotApplicableError(why)


def close(one: Tensor, other: Tensor, what: str, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Reports a violation unless two tensors are equal up to rounding.

    Raises:
        ContractViolation: with `what` and by how much, unless the tensors are equal up to rounding.
    """
    require(one.shape == other.shape, f"{what}: shapes {tuple(one.shape)} and {tuple(other.shape)}")
    if not torch.allclose(one, other, rtol, atol):
        violated(f"{what}: they differ by up to {gap(one, other):.2g}")


def gap(one: Tensor, other: Tensor) -> float:
    """The largest difference; NaN if either is not a number anywhere."""
    return float((one.detach().double() - other.detach().double()).abs().max())


def close_at_positions(one: Tensor, other: Tensor, what: str, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """As `close`, for [B, T, ...]; names the first position that differs."""
    require(one.shape == other.shape, f"{what}: shapes {tuple(one.shape)} and {tuple(other.shape)}")
    alike = torch.isclose(one, other, rtol, atol).flatten(2).all(-1)
    if not alike.all():
        row, t = (~alike).nonzero()[0].tolist()
        violated(f"{what}, position {t}'s output differs by {gap(one[row, t], other[row, t]):.2g} (row {row})")


Attempt = Callable[[int, int], None]


def smallest(attempt: Attempt, rows: int, length: int) -> None:
    """Tries `attempt(rows, length)`; should it find a violation, looks for the smallest case that shows one.

    Raises:
        ContractViolation: of the fewest positions, then the fewest rows.
    """
    try:
        attempt(rows, length)
        return
    except ContractViolation as violation:
        found = violation
    for positions in range(1, length + 1):
        for count in sorted({1, 2, rows}):
            try:
                attempt(count, positions)
            except ContractViolation as violation:
                case = f"{count} row{'s' * (count > 1)} of {positions} position{'s' * (positions > 1)}"
                raise ContractViolation(f"{violation}; smallest case: {case}") from None
            except Exception:
                continue
    raise found
