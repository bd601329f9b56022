"""What training leaves behind: a folder with all that it takes to use the trained model without tunebench."""

import json
import re
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import bench
from bench import store
from bench.cell import Cell
from bench.child.generate import greedy
from bench.metric import Scores
from bench.record_sections import Base, Data

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
    cell.prompt.equip(tokenizer)
    tokenizer.save_pretrained(str(folder))
    prompt = json.dumps(cell.prompt.model_dump(mode="json"), ensure_ascii=False, indent=1)
    store.write_atomically(folder / "prompt.json", prompt + "\n")
    local = cell.model.folder
    card = _ENVIRONMENT.get_template("card.md.jinja").render(
        cell=cell,
        base=base,
        data=data,
        scores=scores,
        end_ids=greedy(tokenizer, model, 1, end=cell.prompt.ending(tokenizer)[-1]).eos_token_id,
        library="peft" if (folder / "adapter_config.json").exists() else "transformers",
        source=cell.model.path if local is None else str(local.resolve()),
        quantization=_quantization(cell, base),
        versions={"tunebench": bench.__version__} | {library: version(library) for library in _LIBRARIES},
        folder=folder.parent.name,
    )
    store.write_atomically(folder / "README.md", card)
    return n_bytes


def _quantization(cell: Cell, base: Base) -> dict[str, Any] | None:
    """Arguments of `BitsAndBytesConfig`, or None for a base that is not quantised."""
    config = cell.method.quantization(getattr(torch, base.precision))
    return config and {name: value for name, value in config.to_diff_dict().items() if not name.startswith("_")}


def _escaped(value: object) -> str:
    """A value as plain text on one line of Markdown, whatever it contains; Markup stays as it is."""
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
_ENVIRONMENT.filters |= {
    "code": Markup,
    "json": partial(json.dumps, ensure_ascii=False),
    "literal": _literal,
    "yaml": lambda value: Markup(json.dumps(value)),
}
