"""A plugin whose one part does to its process what befalls processes; installed where the tests put it on the path."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from partwise import Part, WorkError, hook
from partwise.parts import NormPart, WidthSite

if TYPE_CHECKING:
    from torch import nn


class Mishap(NormPart):
    """Leaves its input as it is, until it strikes in the first forward pass."""

    name = "mishap"

    what: Literal["hang", "memory", "raise", "refuse", "kill", "exit", "chatter", "child"]
    """What happens."""

    def build(self, site: WidthSite) -> nn.Module:
        from torch.nn import Identity

        class Striking(Identity):
            def forward(self, x: Any) -> Any:
                if x.device.type != "meta":
                    STRIKE[what]()
                return x

        what = self.what
        return Striking()


def hang() -> None:
    """For ever, and without letting any other thread of the process run."""
    ctypes.PyDLL(None).sleep(3600)


def exhaust_memory() -> None:
    import torch

    hoard = [torch.ones(1 << 24) for _ in range(60)]  # 4 GB
    raise RuntimeError(f"there was room for {len(hoard)}")


def throw() -> None:
    raise ZeroDivisionError("so it goes\nwith a second line")


def refuse() -> None:
    raise WorkError("this cannot work")


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    print("the last thing it said", flush=True)
    os._exit(3)


def chatter() -> None:
    for number in range(1000):
        print("line", number)
    raise ZeroDivisionError


def bear_a_child() -> None:
    """A process that outlives this one, unless somebody ends it."""
    import subprocess

    subprocess.Popen(["sleep", "3599"])
    raise ZeroDivisionError


STRIKE = {
    "hang": hang,
    "memory": exhaust_memory,
    "raise": throw,
    "refuse": refuse,
    "kill": be_killed,
    "exit": leave,
    "chatter": chatter,
    "child": bear_a_child,
}


@hook
def partwise_parts() -> Iterable[type[Part]]:
    return [Mishap]
