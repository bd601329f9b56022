"""Which base model is fine-tuned. `bench.child.load` loads it."""

from typing import Any, Literal

from pydantic import Field

from bench.settings import Part

EMBEDDED = "embedded"
"""The path that names the model which comes with tunebench."""


class Model(Part):
    """Which model is fine-tuned, and in what precision it is held."""

    path: str = Field(min_length=1)
    """A hub name, a local folder, or `embedded` for the tiny model that comes with tunebench."""
    revision: str | None
    """The commit on the hub; null for the newest, which pins nothing."""
    weights: Literal["pretrained", "random"]
    """`random` builds `architecture` with random weights: its cells measure resources, never quality."""
    architecture: dict[str, Any] | None
    """The model's `config.json`, needed for random weights only."""
    tokenizer: str | None
    """A folder or hub name; null for the checkpoint's own, or the embedded one where weights are random."""
    precision: Literal["auto", "float32", "bfloat16"]
    """`auto` is bfloat16 on a GPU that computes in it, otherwise float32."""
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    trust_remote_code: bool
    """Run code that the checkpoint brings along. Off unless you have read that code."""
