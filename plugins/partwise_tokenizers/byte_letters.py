"""How a `tokenizer.json` writes the 256 bytes: as printable characters (Radford et al. 2019)."""

from __future__ import annotations


def byte_letters() -> list[str]:
    """How each byte is written: those that are printable stand for themselves, the others for the code points from 256
    on, in order."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]
