"""`make demo`: what partwise does, on this machine's own Python library, with the commands one would type.

Checks every shipped recipe, looks at the GPT, trains it on real text and lets it write; then changes one
word of the recipe, trains again, and puts both figures side by side; and as one run against one says little, ends
with a study of several seeds and its report. All is kept in runs/demo.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from partwise.metric_names import VALID_BITS_PER_BYTE, VALID_LOSS

RUNS = Path("runs/demo")
STUDY = RUNS / "study"
CHANGE = "model.position=rope"


def main() -> None:
    """Runs the demo from the top of the checkout."""
    shutil.rmtree(RUNS, ignore_errors=True)
    recipes = [recipe["name"] for recipe in json.loads(_output("recipes", "--json"))]
    recipes.remove("replications/nanogpt-cpu")  # it reads a file of the user's
    _show("Every shipped recipe is checked and assembled (without allocating any weights).", "check", *recipes)
    _show("What the GPT is made of.", "inspect", "gpt")
    _show("It learns the source of Python's standard library.", "train", "gpt", "--out", str(RUNS / "learned"))
    _show("It writes.", "generate", str(RUNS / "learned"), "--prompt", "def ", "--tokens", "120")
    _show("One word changes: learned positions become rotary ones.", "diff", "gpt", "gpt", "--set", CHANGE)
    _show("And it learns again.", "train", "gpt", "--set", CHANGE, "--out", str(RUNS / "rope"))
    _compare({"learned": RUNS / "learned", "rope": RUNS / "rope"})
    _show(
        "Which parts does it take? A study answers, with five seeds each: here, what looking something up takes.",
        "ablate",
        "demo",
        "--out",
        str(STUDY),
    )
    print(f"\nOpen it in a browser: {(STUDY / 'report.html').resolve().as_uri()}")


def _command(*words: str) -> list[str]:
    return [str(Path(sys.executable).parent / "partwise"), *words]


def _output(*words: str) -> str:
    return subprocess.run(_command(*words), check=True, capture_output=True, text=True).stdout


def _show(title: str, *words: str) -> None:
    shown = [f"'{word}'" if " " in word else word for word in words]
    if len(shown) > 8:
        shown = [*shown[:3], "..."]
    print(f"\n\033[1m{title}\033[0m\n$ partwise {' '.join(shown)}\n", flush=True)
    done = subprocess.run(_command(*words), check=False)
    if done.returncode not in (0, 1 if words[0] == "diff" else 0):
        sys.exit(done.returncode)


def _compare(runs: dict[str, Path]) -> None:
    """A line per run: its figures before and after training."""
    print("\n\033[1mSide by side, on text that neither has seen\033[0m")
    print(f"{'position':<10} {'loss before':>12} {'loss after':>11} {'bits per byte before':>21} {'after':>7}")
    for name, place in runs.items():
        rows = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        evaluated = [row for row in rows if VALID_LOSS in row]
        before, after = evaluated[0], evaluated[-1]
        print(
            f"{name:<10} {before[VALID_LOSS]:>12.3f} {after[VALID_LOSS]:>11.3f} "
            f"{before[VALID_BITS_PER_BYTE]:>21.3f} {after[VALID_BITS_PER_BYTE]:>7.3f}"
        )
    print("\nOne seed each: enough to see that both learn, not to say which is better.")


if __name__ == "__main__":
    main()
