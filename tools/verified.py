"""`make verified`: verifies every part that comes with partwise, and writes what the catalogue shows of it.

To be run before a release, when nothing will change any more. If anything fails that is not declared, nothing is
written and the exit code is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from partwise.catalogue import VERIFIED, verified_results
from partwise.parts.registry import registry
from partwise.storage import write_json
from partwise.testing import verify_parts


def main(file: Path = VERIFIED) -> int:
    entries = [entry for entry in registry().entries() if entry.plugin.builtin]
    results = list(verify_parts(entries, 0, None))
    failed = [f"{one.kind} {one.part}: {one.check}: {one.message}" for one in results if one.outcome == "failed"]
    if failed:
        print("not written, for these checks fail:", *failed, sep="\n  ")
        return 1
    write_json(file, verified_results(results, entries))
    print(f"{len(entries)} parts, {len(results)} checks: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
