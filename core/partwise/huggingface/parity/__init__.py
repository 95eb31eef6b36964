"""Compares the models that a family's map and recipe make with those of Hugging Face transformers.

reduced    a config.json with smaller sizes
theirs     the model of transformers: the checkpoint's, or a random one
ours       the model of the recipe, with the same weights
passes     what both are asked
pairs      which of our modules is which of theirs, by the weight map
watching   what modules read and give during a pass
judging    how far two results may be apart
locating   the first module that differs
comparing  all of it: `compare`
"""
