"""What training leaves behind: a folder with all that it takes to use the trained model without tunebench."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import bench
from bench import store
from bench.child.generate import greedy
from bench.model import checkpoint_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from bench.cell import Cell
    from bench.metric import Scores
    from bench.record import Base, Data

_LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes")


def save_adapter(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    cell: Cell,
    base: Base,
    data: Data,
    scores: Scores,
) -> int:
    """Write the changed weights, the tokenizer, prompt.json and a model card; returns the weights' size in bytes."""
    n_bytes = cell.method.save(model, folder)
    tokenizer.save_pretrained(str(folder))
    prompt = json.dumps(cell.prompt.model_dump(mode="json"), ensure_ascii=False, indent=1)
    store.write_atomically(folder / "prompt.json", prompt + "\n")
    ends = greedy(tokenizer, model, cell.generation.max_new_tokens).eos_token_id
    store.write_atomically(folder / "README.md", _card(folder, cell, ends, base, data, scores))
    return n_bytes


def _card(folder: Path, cell: Cell, ends: list[int], base: Base, data: Data, scores: Scores) -> str:
    """The model card; `ends` are the token ids that end an answer."""
    versions = {"tunebench": bench.__version__} | {library: version(library) for library in _LIBRARIES}
    return _ENVIRONMENT.get_template("card.md.jinja").render(
        cell=cell,
        base=base,
        data=data,
        scores=scores,
        ends=ends,
        library="peft" if (folder / "adapter_config.json").exists() else "transformers",
        source=_source(cell.model.path),
        loading=_loading(cell, base),
        quantization=_quantization(cell, base),
        versions=versions,
        origin=_origin(folder, cell, base, data) | {"Versions": ", ".join(map(" ".join, versions.items()))},
        settings={
            f"{part}.{name}": json.dumps(value, ensure_ascii=False)
            for part in ("method", "train", "prompt", "generation")
            for name, value in getattr(cell, part).model_dump(mode="json").items()
            if name != "_target_"
        },
    )


def _source(path: str) -> str:
    folder = checkpoint_folder(path)
    return path if folder is None else str(folder.resolve())


def _loading(cell: Cell, base: Base) -> dict[str, Any]:
    """Arguments of `from_pretrained` that load the base as the cell did."""
    arguments = {"dtype": base.precision, "attn_implementation": cell.model.attention, "device_map": "auto"}
    pinned = {} if base.revision is None else {"revision": base.revision}
    return pinned | arguments | ({"trust_remote_code": True} if cell.model.trust_remote_code else {})


def _quantization(cell: Cell, base: Base) -> dict[str, Any] | None:
    """Arguments of `BitsAndBytesConfig`, or None for a base that is not quantised."""
    import torch

    config = cell.method.quantization(getattr(torch, base.precision))
    return config and {name: value for name, value in config.to_diff_dict().items() if not name.startswith("_")}


def _origin(folder: Path, cell: Cell, base: Base, data: Data) -> dict[str, str]:
    return {
        "Base model": _source(cell.model.path) + (f" at revision {base.revision}" if base.revision else ""),
        "Base weights": f"{base.weights}, {base.precision}",
        "Data set": cell.dataset.name,
        "Training examples": f"{data.n_train}, SHA-256 {data.train_fingerprint}",
        "Validation examples": f"{data.n_validation}, SHA-256 {data.validation_fingerprint}",
        "Seed": str(cell.seed),
        "Cell": f"{folder.parent.name}; its record is record.json, in the folder above this one",
    }


def _escaped(value: object) -> str:
    """A value as plain text on one line of Markdown, whatever it contains; markup stays as it is."""
    if isinstance(value, Markup):
        return value
    printable = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(value))
    return re.sub(r"([\\`*_\[\]<>|#&~$])", r"\\\1", printable)


def _literal(value: object) -> Markup:
    """A value as a literal of Python, in ASCII and without a backtick, which would end the card's block of code."""
    return Markup(ascii(value).replace("`", r"\x60"))


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    finalize=_escaped,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {"literal": _literal, "yaml": lambda value: Markup(json.dumps(value)), "code": Markup}
