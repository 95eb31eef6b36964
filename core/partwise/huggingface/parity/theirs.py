"""The model of transformers: with a checkpoint's weights, or a reduced one with random weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, PartwiseError
from partwise.huggingface.checkpoint import CONFIG, INDEX, WEIGHTS, read_weights
from partwise.huggingface.family import Family

from .reduced import reductions

if TYPE_CHECKING:
    from torch import Tensor, nn

EMBEDDINGS = 0.02
"""Standard deviation of random embeddings."""


@dataclass(frozen=True)
class Theirs:
    """A model of transformers in float32 and evaluation mode."""

    model: Any
    config: Mapping[str, Any]
    """Its config.json."""
    reduced: bool
    tensors: Mapping[str, Tensor]
    """What its checkpoint holds."""


def library() -> Any:
    """The module `transformers`.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module("transformers")
    except ImportError as error:
        raise InputError(
            "transformers is not installed, and there is nothing to compare with; install it: pip install transformers"
        ) from error


def has_weights(directory: Path) -> bool:
    return (directory / WEIGHTS).is_file() or (directory / INDEX).is_file()


def made(
    family: Family,
    config: Mapping[str, Any],
    directory: Path,
    reduce: bool,
    seed: int,
    accept: Callable[[Mapping[str, Any]], None],
) -> Theirs:
    """Their model of a directory: of its weights, or a random one of reduced sizes.

    Args:
        accept: raises an InputError for reduced settings that ours cannot have; then larger ones are tried.

    Raises:
        InputError: transformers does not have the family, or cannot make a model of these settings and weights.
    """
    transformers = library()
    kind = getattr(transformers, family.architecture, None)
    if kind is None or not hasattr(kind, "config_class"):
        raise InputError(
            f"the transformers installed here ({transformers.__version__}) has no {family.architecture}, which "
            f'{family.place} names as "architecture"'
        )
    if reduce:
        return _random(kind, config, directory, seed, accept)
    return Theirs(_loaded(kind, directory), config, False, _weights(directory))


def _loaded(kind: Any, directory: Path) -> nn.Module:
    import torch

    try:
        model, loading = kind.from_pretrained(
            str(directory),
            dtype=torch.float32,
            attn_implementation="eager",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise InputError(f"transformers cannot load {directory}: {told(error)}") from error
    _by_one(model)
    if loading["missing_keys"]:
        raise InputError(
            f"{directory} lacks {', '.join(sorted(loading['missing_keys'])[:3])}, which transformers needs"
        )
    return model.eval()


def _weights(directory: Path) -> Mapping[str, Tensor]:
    try:
        return read_weights(directory)
    except PartwiseError as error:
        raise InputError(str(error)) from error


def _random(
    kind: Any, config: Mapping[str, Any], directory: Path, seed: int, accept: Callable[[Mapping[str, Any]], None]
) -> Theirs:
    try:
        full = _config(kind, config).to_dict()
    except Exception as error:
        raise InputError(f"transformers refuses {directory / CONFIG}: {told(error)}") from error
    refused: InputError | None = None
    for sizes in reductions(config, full):
        written = _with_sizes(kind, config, sizes, full)
        try:
            accept(written)
            model = _made(kind, written, directory)
        except InputError as error:
            refused = refused or error
            continue
        _randomise(model, seed)
        with tempfile.TemporaryDirectory() as place:
            model.save_pretrained(place)
            tensors = {name: tensor.clone() for name, tensor in read_weights(Path(place)).items()}
        return Theirs(model.float().eval(), written, True, tensors)
    assert refused is not None
    raise refused


def _by_one(model: Any) -> Any:
    """With experts, if there are any, computed one after the other, which is possible in float64, too."""
    model.config._experts_implementation = "eager"
    return model


def _made(kind: Any, config: Mapping[str, Any], directory: Path) -> Any:
    try:
        return _by_one(kind._from_config(_config(kind, config), attn_implementation="eager"))
    except Exception as error:
        raise InputError(f"transformers cannot make a model of {directory / CONFIG}: {told(error)}") from error


def _config(kind: Any, config: Mapping[str, Any]) -> Any:
    """As transformers reads it from a file."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / CONFIG).write_text(json.dumps(dict(config)))
        return kind.config_class.from_pretrained(place, local_files_only=True)


def _with_sizes(kind: Any, config: Mapping[str, Any], sizes: Mapping[str, Any], full: Mapping[str, Any]) -> Any:
    """The settings with reduced sizes. One that config.json leaves out is written only if its default is a constant:
    what the class computes from others it may go on computing, and the map too."""
    given = {key: value for key, value in sizes.items() if key in config}
    written = {**config, **given}
    try:
        again = _config(kind, written).to_dict()
    except Exception:
        again = full
    return {**written, **{key: value for key, value in sizes.items() if again.get(key) == full.get(key)}}


def _randomise(model: nn.Module, seed: int) -> None:
    """Weights with which every piece matters to the logits: matrices that keep the size of what they are given, gains
    around 1, biases of any sign; and embeddings as small as trained ones, so that the eps of a norm can be seen."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    embeddings = {id(one.weight) for one in model.modules() if isinstance(one, torch.nn.Embedding)}
    learned = [(name, one) for name, one in model.named_parameters() if one.requires_grad]  # not sinusoidal positions
    biases = [(name, one) for name, one in model.named_buffers() if name.endswith("bias") and one.ndim == 1]
    with torch.no_grad():
        for name, tensor in [*learned, *biases]:
            spread = 0.15 if tensor.ndim < 2 else tensor.shape[-1] ** -0.5
            tensor.normal_(0.0, EMBEDDINGS if id(tensor) in embeddings else spread, generator=generator)
            if tensor.ndim == 1 and "bias" not in name:
                tensor.add_(1.0)


def told(error: Exception | None) -> str:
    """What transformers says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:4])}"[:600]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bars and advice."""
    logging = library().logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
