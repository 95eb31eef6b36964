"""The names of a training's figures, as trainers report them, runs keep them and trackers receive them."""

# --- of every update

LOSS = "loss"
"""Nats per token on the update's own batch, before the update."""
LR = "lr"
"""Learning rate of the update."""
GRAD_NORM = "grad_norm"
"""Norm of the gradient of all weights together, before it is clipped."""
TOKENS_PER_SECOND = "tokens_per_second"
"""Scored tokens of the update per second that it took."""
OF_EVERY_UPDATE = (LOSS, LR, GRAD_NORM, TOKENS_PER_SECOND)
"""The figures that every trainer reports after every update."""

# --- of an update, where they are known

FLOPS_UTILISATION = "flops_utilisation"
"""Share of the FLOPs that the machine can do at best."""
DATA_WAIT = "data_wait"
"""Share of the time that was spent waiting for batches."""
PEAK_MEMORY = "peak_memory"
"""Most bytes held so far."""

OF_TRAINING = frozenset({"step", *OF_EVERY_UPDATE, FLOPS_UTILISATION, DATA_WAIT, PEAK_MEMORY})
"""All of these: names that no module may give to a figure of its own."""

# --- of an evaluation on the valid split

EVALUATED = "valid_"
"""What the names of these figures begin with."""
VALID_LOSS = "valid_loss"
"""Nats per token. Lower is better, as it is of the next two."""
VALID_PERPLEXITY = "valid_perplexity"
"""exp(loss)."""
VALID_BITS_PER_BYTE = "valid_bits_per_byte"
"""Bits per byte of text; None where the tokenizer loses text, or cannot spell an unknown."""
OF_EVERY_EVALUATION = (VALID_LOSS, VALID_PERPLEXITY, VALID_BITS_PER_BYTE)
"""The figures that every trainer reports after an evaluation."""
VALID_ACCURACY = "valid_accuracy"
"""Share of scored tokens that the model holds most likely, if the data are examples. Higher is better."""

# --- of the members of a mixture, after an evaluation

EPOCHS = "epochs."
"""What is followed by a member's name: how often its texts have been seen in training."""


def of_member(name: str, figure: str) -> str:
    """The name of a member's figure on the valid split: "valid.code.loss"."""
    return f"valid.{name}.{figure}"


# --- of the recipe's evaluations: NAME.FIGURE

ERROR = ".error"
"""What the name of a figure's standard error ends with: "cloze.accuracy.error"."""


def judged(name: str) -> bool:
    """Whether this is the name of a figure of one of a recipe's evaluations, such as "cloze.accuracy"."""
    return "." in name and not name.endswith(ERROR)
