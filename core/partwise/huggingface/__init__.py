"""Weights to and from Hugging Face's checkpoint directories, by declarative maps.

weight_map    from their tensors to ours, and back
config_map    from their settings to the choices of a recipe, and back
family        both maps for one `model_type`, in a JSON file beside the recipes of public families
checkpoint    a checkpoint directory: config.json and safetensors, in one file or in shards
convert       imports a checkpoint as a run, exports a run as a checkpoint
"""
