"""`python tools/bench/looking.py`: how long `partwise look` takes on GPT-2 124M with first weights, for 200 tokens.

Loading (the tokenizer, first weights) is timed apart from looking and from writing the page.
"""

from __future__ import annotations

import sys
from time import perf_counter

from partwise.looking import inside
from partwise.looking.subject import reading, subject

TOKENS = 200


def main(recipe: str = "families/gpt2-small") -> None:
    """Prints seconds, and the page's size."""
    begun = perf_counter()
    one = subject(recipe, "cpu", say=print)
    loaded = perf_counter() - begun
    text = reading(one, None, None, None, TOKENS).text * TOKENS
    prompt = one.tokenizer.decode(one.tokenizer.encode(text)[: TOKENS - 1])
    begun = perf_counter()
    found = inside.seen(one, reading(one, prompt, None, None, TOKENS))
    looked = perf_counter() - begun
    page = found.page()
    written = perf_counter() - begun - looked
    parameters, tokens = found.facts.parameters, len(found.facts.text_tokens)
    print(f"{parameters:,} parameters, {tokens} tokens: loaded in {loaded:.1f} s, looked at in {looked:.1f} s,")
    print(f"page written in {written:.1f} s: {len(page.encode()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
