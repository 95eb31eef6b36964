"""Weights to and from Hugging Face's checkpoint directories, by declarative maps (docs/maps.md).

weight_map      from their tensors to ours, and back
weight_entry    what one line of it can say
tensor_steps    what the line does to tensors
tensor_names    which names a line with `{i}` and `{e}` stands for
facts           what a recipe says, where a map asks
config_map      from their settings to the choices of a recipe, and back
layer_lists     the settings that have one value for each layer
arithmetic      what a setting is computed from
without_effect  settings that change no logits in any family
family          both maps for one `model_type`, in a JSON file
map_file        which files hold it
families        the maps that ship, those of plugins, and those of one's own
map_rules       checks a map as recipes are checked
same_model      whether a family's recipe and a run's make the same model
filling         a model from a checkpoint's tensors, one after the other
checkpoint      a checkpoint directory: config.json and safetensors, in one file or in shards
convert         imports a checkpoint as a run, exports a run as a checkpoint
parity          compares a checkpoint's model with that of transformers
"""
