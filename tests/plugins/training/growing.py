"""A program that trains two recipes, alone or with others, and prints by how many MiB the second has it grow at most.

The first is a small model of the same kind: after it, all code is there that takes as much memory whatever the model.

python growing.py SMALL LARGE OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from partwise.recipe import load
from partwise.training import process_group
from partwise.workflow.training import Watching, train_together


def memory(name: str) -> float:
    """MiB: VmRSS, what the process has now, or VmHWM, the most that it had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def main() -> None:
    small, large, out = map(Path, sys.argv[1:])
    device = torch.device("cpu")
    with process_group(device) as processes:
        train_together(load(small), out / "small", processes, Watching(device))
        Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM is measured anew
        before = memory("VmRSS")
        train_together(load(large), out / "large", processes, Watching(device))
        print(memory("VmHWM") - before)


if __name__ == "__main__":
    main()
