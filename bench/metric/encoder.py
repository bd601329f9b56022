"""The encoder behind BERTScore: finds it on this machine or the hub, and loads it up to one of its layers."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from bench.content import digests
from bench.errors import InputError, first_line
from bench.hub import CHECKPOINT_FILES, cached_snapshot, local_folder, snapshot

_OTHERWISE = "or point metric.bertscore.model at a local copy."
_LONGEST_TEXT_TOKENS = 512
"""For encoders without a limit in their tokenizer or configuration."""


class NoEncoder(Exception):
    """There is no score; carries the reason for `Scores.missing` and a sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Encoder(NamedTuple):
    """The first blocks of an encoder on its device, and its tokenizer."""

    model: Any
    tokenizer: Any


def encoder_folder(source: str) -> Path:
    """The encoder's files: `source` itself if it is a folder, its copy in the hub's cache, or a download.

    Raises:
        NoEncoder: there is none, or the hub cannot be reached.
    """
    try:
        if folder := local_folder(source):
            return folder.resolve()
        return cached_snapshot(source, None, CHECKPOINT_FILES) or snapshot(source, None, CHECKPOINT_FILES, _OTHERWISE)
    except InputError as error:
        raise NoEncoder("encoder_not_available", str(error)) from error


def load_encoder(folder: Path, name: str, n_layers: int) -> Encoder:
    """The first `n_layers` blocks of the encoder in `folder`, in float32, on the GPU if there is one.

    Raises:
        NoEncoder: the files cannot be loaded, weights are missing, or the encoder has fewer layers or cannot pad.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        config, tokenizer = _configured(folder, name, n_layers)
        model, loading = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (ImportError, OSError, RuntimeError, SafetensorError, ValueError) as error:
        raise NoEncoder("encoder_not_available", f"{name} cannot be loaded ({first_line(error)})") from error
    missing = sorted(key for key in loading["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise NoEncoder("encoder_not_available", f"{name} lacks {len(missing)} weights, such as {missing[0]}")
    _limit_length(tokenizer, config)
    return Encoder(model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer)


def weights_digest(folder: Path) -> str:
    """SHA-256 over the digests of all weight files, its first 16 hex digits."""
    together = b"".join(bytes.fromhex(digest) for _, digest in digests(folder, ["*.safetensors"]))
    return hashlib.sha256(together).hexdigest()[:16]


def _configured(folder: Path, name: str, n_layers: int) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if config.is_encoder_decoder or tokenizer.pad_token_id is None:
        raise NoEncoder("encoder_not_supported", f"{name} is not an encoder with a padding token")
    if n_layers > config.num_hidden_layers:
        raise NoEncoder(
            "layer_out_of_range",
            f"metric.bertscore.num_layers: {name} has {config.num_hidden_layers} layers, got {n_layers}",
        )
    config.num_hidden_layers = n_layers
    return config, tokenizer


def _limit_length(tokenizer: Any, config: Any) -> None:
    """Set the length limit of a tokenizer that has none. transformers writes 10^30 for that, but cannot use it."""
    positions = getattr(config, "max_position_embeddings", -1)
    if positions < 0:  # XLNet writes -1 for no limit.
        positions = _LONGEST_TEXT_TOKENS
    if tokenizer.model_max_length > positions:
        # RoBERTa's positions start after the padding token's id.
        tokenizer.model_max_length = positions - tokenizer.pad_token_id - 1
