"""What came out of the replications, kept row by row in runs/replications/rows; and the page that shows them."""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from textwrap import wrap

from .result import RUNS, Replication

ROWS = RUNS / "rows"
PARTS = {
    "bigram": "one_hot",
    "nanogpt-cpu": "learned, multi_head, gelu",
    "nanogpt-own-text": "learned, multi_head, gelu",
    "position-extrapolation": "alibi, rope, sinusoidal",
    "layer-or-rms-norm": "layer_norm, rms_norm",
    "induction": "multi_head",
    "adding-problem": "rnn, gru, lstm",
    "grokking": "adamw",
    "attention-on-reversal": "additive, last_state",
    "norm-gradients": "pre_norm, post_norm",
    "chomsky-parity": "rnn, lstm, multi_head",
    "chomsky-even-pairs": "rnn, lstm, multi_head",
    "chomsky-cycle-navigation": "rnn, lstm, multi_head",
    "chomsky-modular-arithmetic": "rnn, lstm, multi_head",
    "parity-and-eigenvalues": "delta_net",
    "state-tracking": "lstm, multi_head, mamba",
    "recall-and-width": "multi_head, delta_net, mamba2",
    "copying": "hard_alibi, alibi, rope, lstm, mamba2",
    "learning-rate-transfer": "mup, standard",
}
"""The parts that each is about."""
PAGE = """# Published results, replicated

Results that others have published, or that follow from a formula, obtained with partwise's parts on two CPU cores, from
the recipes and studies in `recipes/replications`. `make replicate` runs them all; this page is written by
`python tools/replicate.py --page docs/replications.md`. What is claimed is said before the figures are seen, and a
result that is not obtained stands here as such.

"""


@dataclass(frozen=True)
class Row:
    """What a replication came to."""

    figures: str
    holds: bool
    cpu: float
    """Seconds of CPU time that it took, of all processes."""

    def line(self, name: str, replication: Replication) -> str:
        """A row of the table that is printed."""
        told = ("yes" if self.holds else "NO", f"{self.cpu / 60:.1f}")
        return f"| {' | '.join((name, replication.source, replication.expected, self.figures, *told))} |"


def table_head() -> str:
    """The first two lines of the table that is printed."""
    return "| replication | source | expected | obtained | holds | CPU minutes |\n|---|---|---|---|---|--:|"


def cpu_seconds() -> float:
    """Of this process and all that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def kept(name: str, row: Row) -> Row:
    """Writes a row to be shown on the page. One that only read what an earlier one had trained has its cost."""
    path = ROWS / f"{name}.json"
    if path.exists():
        earlier = Row(**json.loads(path.read_text()))
        row = Row(row.figures, row.holds, max(row.cpu, earlier.cpu) if row.figures == earlier.figures else row.cpu)
    ROWS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**asdict(row), "holds": bool(row.holds)}))
    return row


def page(replications: Mapping[str, Replication]) -> str:
    """All rows that there are, in Markdown, and what is known of why a result was not obtained."""
    lines = [
        "| source | parts | replication | expected | obtained | holds | CPU minutes |",
        "|---|---|---|---|---|---|--:|",
    ]
    notes = []
    for name, replication in replications.items():
        path = ROWS / f"{name}.json"
        if path.exists():
            row = Row(**json.loads(path.read_text()))
            parts = ", ".join(f"`{part}`" for part in PARTS.get(name, "").split(", ") if part)
            holds, minutes = "yes" if row.holds else "**no**", f"{row.cpu / 60:.1f}"
            cells = (replication.source, parts, f"`{name}`", replication.expected, row.figures, holds, minutes)
            lines.append(f"| {' | '.join(cells)} |")
            if replication.note and not row.holds:
                notes += ["", *wrap(f"`{name}`: {replication.note}", 120)]
    missing = [f"`{name}`" for name in replications if not (ROWS / f"{name}.json").exists()]
    lines += notes
    lines += ["", f"Not run for this page: {', '.join(missing)}."] if missing else []
    return PAGE + "\n".join(lines) + "\n"
