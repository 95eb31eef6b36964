"""Statistics of a study: pure functions of its `Results`.

`analyse` is the whole; the others are what planning asks before anything has run. They load numpy and scipy only when
they are called, so that the command line starts fast.

contrasts       every variant against the baseline, at the look that has been reached: `pairs`, `verdicts`
grid_effects    main effects and interactions as figures per seed; `effects` is what is found in them
statistics      the tests themselves, over arrays; `power` is what a number of seeds can detect
pooled_model    the second opinion: all variants in one model
summaries       what each variant did by itself
sentences       verdicts in words, `grid_sentences` those of a grid; `notes` is what a reader must know beside them
findings        what all of them return
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
