"""`python tools/gpu/check.py`: what partwise does on a CUDA GPU, in under eight minutes, as a table.

Each row runs in a process of its own with a limit of time, so that one that fails costs no other. What fails is told at
the end, with the last lines of its output; the exit code is then 1. `--smoke` runs tiny sizes on whatever there is, to
see that the rows work; `--row NAME` runs one, in this process.

The machine needs PyTorch and its usual companions only. What else partwise needs lies beside this file as wheels, which
`make gpu-wheels` collects on a machine with a network; they are unpacked into a directory of their own for this run.

measures.py   the rows
gpt2_124m.py  the row of GPT-2 124M, also by itself
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WHEELS = HERE / "wheels"
MOST = 460.0
"""Seconds for all rows together."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--smoke", action="store_true", help="tiny sizes, on a CPU if there is no GPU")
    options.add_argument("--row", help="run this row alone, in this process")
    options.add_argument("--page", type=Path, help="write the table into this file as well")
    given = options.parse_args()
    sys.path[:0] = [str(ROOT / part) for part in ("core", "plugins", "tools", "tools/gpu", "tools/bench")]
    if given.row:
        from measures import measured

        print(json.dumps(measured(given.row, given.smoke)))
        return
    with tempfile.TemporaryDirectory() as place:
        sys.exit(_all(given.smoke, given.page, Path(place)))


def _all(smoke: bool, page: Path | None, place: Path) -> int:
    environment = _environment(place)
    rows, failures = list[tuple[str, str, str]](), list[str]()
    begun = monotonic()
    patience = 5 if smoke else 1  # a CPU may be slow and busy
    for name, limit in _limits().items():
        left = patience * MOST - (monotonic() - begun)
        if left < 20:
            rows.append((name, "no time left", ""))
            failures.append(f"{name}: no time left")
            continue
        verdict, found, failed = _row(name, smoke, min(patience * limit, left), environment)
        rows.append((name, verdict, found))
        failures += [f"{name}: {failed}"] if failed else []
        print(f"{name}: {verdict} {found}", flush=True)
    table = _table(rows)
    print(f"\n{table}\n" + "".join(f"\n{one}\n" for one in failures))
    if page is not None:
        page.write_text(table + "\n", encoding="utf-8")
    return 1 if failures else 0


def _limits() -> dict[str, float]:
    """Rows and the seconds that each may take. Known without importing partwise, whose wheels are not unpacked yet."""
    return {
        "same numbers": 90, "float16": 60, "masked documents": 60, "memory of the loss": 40, "decoding": 90,
        "seeds at once": 60, "in shards": 60, "gpt2-124m": 200,
    }  # fmt: skip


def _row(name: str, smoke: bool, limit: float, environment: dict[str, str]) -> tuple[str, str, str]:
    """What became of it, what it found, and why it failed."""
    command = [sys.executable, __file__, "--row", name, *(["--smoke"] if smoke else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return "FAILED", "", f"not done after {limit:.0f} s"
    if done.returncode:
        return "FAILED", "", "\n".join((done.stdout + done.stderr).splitlines()[-15:])
    found = json.loads(done.stdout.splitlines()[-1])
    return ("holds" if found["holds"] else "FAILED"), found["found"], "" if found["holds"] else found["found"]


def _environment(place: Path) -> dict[str, str]:
    """With the wheels unpacked, behind what the machine has itself."""
    extra = place / "packages"
    for wheel in sorted(WHEELS.glob("*.whl")):
        with ZipFile(wheel) as file:
            file.extractall(extra)
    behind = os.environ.get("PYTHONPATH", "")
    paths = [ROOT / "core", ROOT / "plugins", ROOT / "tools", extra, *filter(None, behind.split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PARTWISE_CACHE": str(place / "cache")}


def _table(rows: list[tuple[str, str, str]]) -> str:
    import torch

    there = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if there else f"no GPU, {platform.processor() or platform.machine()}"
    lines = [f"{name}, torch {torch.__version__}", "", "| row | | found |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    main()
