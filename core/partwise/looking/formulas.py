"""The formula that a module computes, as its part or itself says it."""

from __future__ import annotations

import inspect
import re
import textwrap

from torch import nn

from partwise.parts.part import Part

_CITATION = re.compile(r"\s+\((?:[^()]*\b(?:19|20)\d\d\b[^()]*)\)")
_MATHS = re.compile(r"[=^*/+]|\w\(\S")
_SPEECH = re.compile(r"\b[a-z]{3,} (?:[a-z]+ )?[a-z]{3,}\b")
_OF_TORCH = {
    nn.Linear: "y = x W^T + b",
    nn.Embedding: "y = W[id]",
    nn.LayerNorm: "y = (x - mean(x)) / sqrt(var(x) + eps) * w + b",
    nn.RMSNorm: "y = x / sqrt(mean(x^2) + eps) * w",
    nn.ReLU: "y = max(0, x)",
    nn.GELU: "y = x Phi(x)",
    nn.SiLU: "y = x sigmoid(x)",
    nn.Tanh: "y = tanh(x)",
    nn.Sigmoid: "y = 1 / (1 + exp(-x))",
    nn.Identity: "y = x",
}


def formula_of(module: nn.Module, part: Part | None) -> str | None:
    """What its part's docstring sets apart as a formula or, where that has none, the module's; PyTorch's by name."""
    things = [
        thing for thing in (part, module) if thing is not None and not type(thing).__module__.startswith("torch.")
    ]
    found = next(filter(None, map(_indented, things)), None) or next(filter(None, map(_in_first_line, things)), None)
    if found:
        return found
    if isinstance(module, nn.Linear) and getattr(module, "bias", None) is None:
        return "y = x W^T"
    return next((text for kind, text in _OF_TORCH.items() if isinstance(module, kind)), None)


def _indented(thing: object) -> str | None:
    """The first block of indented lines that is not a list of arguments or errors."""
    block: list[str] = []
    before = ""
    for line in _docstring(thing):
        if line.startswith("    ") and not before.endswith(":"):
            block.append(line)
        elif block and line.strip():
            break
        before = line if line.strip() and not line.startswith("    ") else "" if not line.strip() else before
    return textwrap.dedent("\n".join(block)).strip("\n") or None


def _in_first_line(thing: object) -> str | None:
    """What stands behind the colon, if that is a formula: "Gated by a SiLU: (silu(x Wg) * x Wu) Wd (Shazeer 2020)."."""
    first = _CITATION.sub("", " ".join(" ".join(_docstring(thing)).partition("  ")[0].split())).partition(". ")[0]
    head, colon, tail = first.rstrip(".").partition(": ")
    for told in (re.split(r" for |: ", one)[0] for one in (tail if colon else "", head)):
        if _MATHS.search(told) and not _SPEECH.search(told):
            return told.strip()
    return None


def _docstring(thing: object) -> list[str]:
    """Of its own class, not of what that inherits."""
    return inspect.cleandoc(vars(type(thing)).get("__doc__") or "").split("\n")
