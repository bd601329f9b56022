"""Which base model is fine-tuned. `bench.child.load` loads it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bench import tiny
from bench.content import digests
from bench.hub import CHECKPOINT_FILES, folder_or_hub_name, local_folder
from bench.settings import Part

EMBEDDED = "embedded"
"""The path that names the model which comes with tunebench."""


class Model(Part):
    """Which model is fine-tuned, and in what precision it is held."""

    path: str = Field(min_length=1)
    """A hub name, a local folder, or `embedded` for the tiny model that comes with tunebench."""
    revision: str | None
    """The commit on the hub; None for the newest, which pins nothing."""
    weights: Literal["pretrained", "random"]
    """`random` builds `architecture` with random weights: its cells measure resources, never quality."""
    architecture: dict[str, Any] | None
    """The fields of the model's `config.json`. Needed for random weights only."""
    tokenizer: str | None
    """A folder or hub name; None for the checkpoint's own, or the embedded one if the weights are random."""
    precision: Literal["auto", "float32", "bfloat16"]
    """`auto` is bfloat16 on a GPU that computes in it, otherwise float32."""
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    trust_remote_code: bool
    """Run code that the checkpoint brings along. Leave it off unless you have read that code."""

    @property
    def files(self) -> tuple[str, ...]:
        """Glob patterns of the files of a checkpoint that are read: its code only if it is trusted."""
        return (*CHECKPOINT_FILES, "*.py") if self.trust_remote_code else CHECKPOINT_FILES

    def identity(self) -> dict[str, Any]:
        """The settings, with local checkpoints by the content of their files."""
        # With random weights, the checkpoint is not read and may be missing.
        read = self.weights == "pretrained" or checkpoint_folder(self.path) is not None
        return super().identity() | {
            "path": self._content(self.path) if read else self.path,
            "tokenizer": None if self.tokenizer is None else self._content(self.tokenizer),
        }

    def _content(self, path: str) -> Any:
        folder = tiny.FOLDER if path == EMBEDDED else folder_or_hub_name(path)
        return path if folder is None else digests(folder, self.files)


def checkpoint_folder(path: str) -> Path | None:
    """The folder of the embedded model or of a local checkpoint; None for a hub name."""
    return tiny.FOLDER if path == EMBEDDED else local_folder(path)
