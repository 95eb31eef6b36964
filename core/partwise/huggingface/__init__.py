"""Weights to and from Hugging Face's checkpoint directories, by declarative maps.

weight_map    which of their tensors make which of ours, and back
config_map    which of their settings make which choices of a recipe, and back
family        both for one `model_type`, as a JSON file beside the recipes of public families
checkpoint    such a directory on disk: config.json and safetensors files, whole or in shards
trade         a checkpoint into a run, a run into a checkpoint
"""
