"""The contract suite: what every part must do, no matter who wrote it, and how to check that.

From the command line:

    partwise verify acme/sinks

From your own tests, with one test per check:

    from partwise.testing import contract_tests

    test_sinks = contract_tests("acme/sinks")

A part gives the settings to check it with (`examples()`), settings that mean the same (`equals()`), and the checks
that it is known to fail (`known_failures`). A kind gives the sites at which its parts are built (`sites()`), the inputs
of its modules (`inputs()`), and further checks of its parts (`checks()`). With these, a kind that a plugin defines is
checked like those of the core.
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
