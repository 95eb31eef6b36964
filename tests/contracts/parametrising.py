"""From the catalogue to pytest: parameters with readable names, and those that are known to fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from . import catalogue


def every_example(kind: str | None = None, failing: Mapping[str, str] | None = None) -> pytest.MarkDecorator:
    """Parametrises a test over the examples of a kind, as `part`.

    `failing` names examples that are known to fail, with the reason; should one pass, that is an error.
    """
    known = failing or {}
    named = {
        f"{catalogue.identity(entry)}[{index}]": part
        for entry in catalogue.entries(kind)
        for index, part in enumerate(catalogue.examples(entry.part))
    }
    return pytest.mark.parametrize("part", params(named, known))


def params(values: Mapping[str, Any], failing: Mapping[str, str]) -> list[Any]:
    """Parameters by name, of which some are known to fail; one of those that passes, or is not there, is an error."""
    unknown = failing.keys() - values.keys()
    assert not unknown, f"known to fail, but not there: {sorted(unknown)}"
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            id=name,
            marks=pytest.mark.xfail(reason=failing[name], strict=True, raises=AssertionError)
            if name in failing
            else (),
        )
        for name, value in values.items()
    ]


def _known(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)
