"""The formula that a module computes, as its part or itself says it."""

from __future__ import annotations

import inspect
import re
import textwrap

from torch import nn

from partwise.parts.part import Part, formulas_of

_CITATION = re.compile(r"\s+\((?:[^()]*\b(?:19|20)\d\d\b[^()]*)\)")
_MATHS = re.compile(r"[=^*/+]|\w\(\S")
_SPEECH = re.compile(r"\b[a-z]{3,} (?:[a-z]+ )?[a-z]{3,}\b")
_OF_TORCH = {
    nn.Linear: ("y = x W^T + b", r"y = x W^\top + b"),
    nn.Embedding: ("y = W[id]", r"y = W_{id}"),
    nn.LayerNorm: (
        "y = (x - mean(x)) / sqrt(var(x) + eps) * w + b",
        r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} \odot w + b",
    ),
    nn.RMSNorm: (
        "y = x / sqrt(mean(x^2) + eps) * w",
        r"y_i = \frac{x_i}{\sqrt{\frac{1}{C} \sum_{j=1}^{C} x_j^2 + \varepsilon}}\, w_i",
    ),
    nn.ReLU: ("y = max(0, x)", r"y = \max(0, x)"),
    nn.GELU: ("y = x Phi(x)", r"y = x\, \Phi(x)"),
    nn.SiLU: ("y = x sigmoid(x)", r"y = x\, \sigma(x)"),
    nn.Tanh: ("y = tanh(x)", r"y = \tanh(x)"),
    nn.Sigmoid: ("y = 1 / (1 + exp(-x))", r"y = \frac{1}{1 + e^{-x}}"),
    nn.Identity: ("y = x", "y = x"),
}


def formula_of(module: nn.Module, part: Part | None) -> str | None:
    """What its part's docstring sets apart as a formula or, where that has none, the module's; PyTorch's by name."""
    things = [
        thing for thing in (part, module) if thing is not None and not type(thing).__module__.startswith("torch.")
    ]
    found = next(filter(None, map(_indented, things)), None) or next(filter(None, map(_in_first_line, things)), None)
    if found:
        return found
    told = _of_torch(module)
    return told and told[0]


def equations_of(module: nn.Module, part: Part | None) -> tuple[str, ...]:
    """Its part's equations, or PyTorch's, in LaTeX; none of a module that is neither."""
    if part is not None:
        return formulas_of(type(part))
    told = _of_torch(module) if type(module).__module__.startswith("torch.") else None
    return (told[1],) if told else ()


def _of_torch(module: nn.Module) -> tuple[str, str] | None:
    """In plain text and in LaTeX."""
    if isinstance(module, nn.Linear) and getattr(module, "bias", None) is None:
        return "y = x W^T", r"y = x W^\top"
    return next((told for kind, told in _OF_TORCH.items() if isinstance(module, kind)), None)


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
