"""The contract suite: what every part must hold, whoever wrote it, and the means to check it.

From the command line:

    partwise verify acme/sinks

From your own tests, a test for each line of the contract:

    from partwise.testing import contract_tests

    test_sinks = contract_tests("acme/sinks")

A part says under which settings it wants to be checked (`examples()`), which of them mean the same (`equals()`),
and what it is known not to hold (`known_failures`). A kind says at which sites its parts are built (`sites()`), what
its modules are called with (`inputs()`), and what else must hold of its parts (`checks()`): with these a kind that a
plugin defines is checked like those of the core.
"""

from __future__ import annotations

from .cases import find
from .contract import all_checks, checks_of
from .parallel import contract_of, verify_parts
from .probes import build, numbers, shaken
from .pytesting import contract_tests
from .registering import EVERY, MODULE, Check, check
from .verifying import Result, counts, run_check, verify
from .violation import ContractViolation, close, require, skip, smallest, violated

__all__ = [
    "EVERY",
    "MODULE",
    "Check",
    "ContractViolation",
    "Result",
    "all_checks",
    "build",
    "check",
    "checks_of",
    "close",
    "contract_of",
    "contract_tests",
    "counts",
    "find",
    "numbers",
    "require",
    "run_check",
    "shaken",
    "skip",
    "smallest",
    "verify",
    "verify_parts",
    "violated",
]
