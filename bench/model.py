"""Which base model is fine-tuned. `bench.checkpoint` finds its files, `bench.child.load` loads it."""

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bench import tiny
from bench.content import digests
from bench.errors import InputError
from bench.hub import CHECKPOINT_FILES, folder_or_hub_name, is_hub_name, local_folder
from bench.settings import LONGEST_NAME, Part

EMBEDDED = "embedded"
"""The path that names the model which comes with tunebench."""


class Model(Part):
    """Which model is fine-tuned, and in what precision it is held. Without a name, it has the last part of its path."""

    path: str = Field(min_length=1)
    """A hub name, a local folder, or `embedded` for the tiny model that comes with tunebench."""
    revision: str | None
    """The commit on the hub; None for the newest, which pins nothing."""
    weights: Literal["pretrained", "random"]
    """With `random`, cells measure resources, never quality."""
    architecture: dict[str, Any] | None
    """The fields of a `config.json` that random weights are drawn for; None for the checkpoint's own."""
    tokenizer: str | None
    """A folder or hub name; None for the checkpoint's own, or the embedded one if random weights come without one."""
    precision: Literal["auto", "float32", "bfloat16"]
    """`auto` is bfloat16 on a GPU that computes in it, otherwise float32."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"]
    """`auto` is sdpa for a model that supports it, otherwise eager."""
    trust_remote_code: bool
    """Run code that the checkpoint brings along. Leave it off unless you have read that code."""

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_path(cls, settings: Any) -> Any:
        if not isinstance(settings, dict) or settings.get("name") is not None:
            return settings
        path = settings.get("path")
        if path is None:
            raise ValueError("which one? Give model.path=OWNER/NAME, a name on the hub, or model.path=FOLDER")
        if not (name := name_of(str(path))):
            raise ValueError(f"{path} cannot be made into a name; give one with model.name=NAME")
        return settings | {"name": name}

    @property
    def files(self) -> tuple[str, ...]:
        """Glob patterns of the files of a checkpoint that are read: its code only if it is trusted."""
        return (*CHECKPOINT_FILES, "*.py") if self.trust_remote_code else CHECKPOINT_FILES

    @property
    def folder(self) -> Path | None:
        """The folder of the embedded model or of a local checkpoint; None for a hub name."""
        return checkpoint_folder(self.path)

    @property
    def reads_checkpoint(self) -> bool:
        """Whether anything of the checkpoint is needed; random weights of a given architecture need nothing."""
        return self.weights == "pretrained" or self.architecture is None

    def identity(self) -> dict[str, Any]:
        """The settings, with local checkpoints by the content of their files."""
        folder = self.folder
        if folder is None and self.reads_checkpoint:
            folder_or_hub_name(self.path)
        return super().identity() | {
            "path": self._content(self.path, folder),
            "tokenizer": self.tokenizer and self._content(self.tokenizer, _folder(self.tokenizer)),
        }

    def _content(self, path: str, folder: Path | None) -> Any:
        return path if folder is None else digests(folder, self.files)


class HubModel(Model):
    """A model on the Hugging Face hub, even if there is a folder of the same name."""

    @field_validator("path")
    @classmethod
    def _is_hub_name(cls, path: str) -> str:
        if not is_hub_name(path):
            raise ValueError(
                f"must be a name on the hub, such as Qwen/Qwen3-0.6B, got {path!r}; for a folder choose model=local"
            )
        return path

    @property
    def folder(self) -> None:
        return None


class LocalModel(Model):
    """A checkpoint in a folder of this machine, never one on the hub."""

    @property
    def folder(self) -> Path:
        """The folder. Raises InputError if there is none."""
        folder = local_folder(self.path)
        if folder is None:
            raise InputError(
                f"model.path: there is no folder {self.path}; name one with a config.json and safetensors weights, "
                "or choose model=hub for a name on the hub"
            )
        return folder


def name_of(path: str) -> str:
    """A name as the last part of `path`, shortened and with `_` for what a name cannot have; empty if nothing is left.

    >>> name_of("Qwen/Qwen3-0.6B"), name_of("./my model/"), name_of(EMBEDDED)
    ('Qwen3-0.6B', 'my_model', 'tiny')
    """
    if path == EMBEDDED:
        return "tiny"
    last = os.path.basename(os.path.abspath(os.path.expanduser(path)))
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", last).strip("_.-")[:LONGEST_NAME].rstrip("_.-")


def checkpoint_folder(path: str) -> Path | None:
    """The folder of the embedded model or of a local checkpoint; None for a hub name."""
    return tiny.FOLDER if path == EMBEDDED else local_folder(path)


def _folder(path: str) -> Path | None:
    """As `checkpoint_folder`, but raises InputError for what cannot be a hub name either."""
    return tiny.FOLDER if path == EMBEDDED else folder_or_hub_name(path)
