"""Token ids that others have made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from partwise.parts import DataPart, DataSite, slots

from .shared import SAMPLES

if TYPE_CHECKING:
    from partwise_data.shard_files import ShardFiles

FileNames = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Shards(DataPart):
    """Token ids in files that others have made, used as they are (Karpathy 2022, nanoGPT's train.bin and val.bin).

    .npy is NumPy's format; everything else is ids one after the other, as nanoGPT writes them, or after the header of
    llm.c, which says their type. The tokenizer must be the one that made them: its end token ends their documents.
    """

    name = "shards"
    files: FileNames
    """Files to train on: names or globs, relative to the recipe's directory. No window crosses from file to file."""
    valid_files: FileNames
    """Files to validate on."""
    test_files: tuple[str, ...] = ()
    """Files to test on."""
    dtype: Literal["uint16", "uint32"] = "uint16"
    """Type of the ids in files that do not say it themselves."""
    texts: slots.Data | None = None
    """Texts that the tokenizer is trained on, where it is trained at all: the texts that the ids were made from. null:
    the tokenizer is read from a file of its own."""

    def build(self, site: DataSite) -> ShardFiles:
        from partwise_data.files import find_files
        from partwise_data.shard_files import ShardFiles, open_shard

        named = {"train": self.files, "valid": self.valid_files, "test": self.test_files}
        found = {split: find_files(names, site.directory) for split, names in named.items()}
        shards: Any = {split: [open_shard(path, self.dtype) for path in paths] for split, paths in found.items()}
        return ShardFiles(shards, None if self.texts is None else self.texts.assemble(site))

    @classmethod
    def examples(cls) -> Iterable[Self]:
        fables, proverbs, plurals = (str(SAMPLES / name) for name in ("fables.bin", "proverbs.npy", "plurals.npy"))
        text: Any = {"use": "text", "files": [str(SAMPLES / "fables.txt")], "valid": 0, "test": 0}
        yield cls(files=(fables,), valid_files=(proverbs,), test_files=(plurals,))
        yield cls(files=(plurals,), valid_files=(fables,), test_files=(proverbs,), dtype="uint32", texts=text)


__all__ = ["Shards"]
