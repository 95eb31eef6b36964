"""A program that trains a recipe, alone or with others, and stops as Ctrl-C does after some step.

python together.py RECIPE OUT STEP
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from partwise.recipe import load
from partwise.training import Progress, one_error_message
from partwise.workflow import train


def main() -> None:
    recipe, out, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

    def report(progress: Progress) -> None:
        if progress.step == last - 1:  # the signal is heeded after the update that follows
            os.kill(os.getpid(), signal.SIGINT)

    try:
        with one_error_message():
            train(load(recipe), out, device="cpu", report=report)
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
