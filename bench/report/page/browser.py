"""The predictions browser's part of the page: what was asked, and every cell's answers side by side, as JSON.

The page's script inserts all of it as text. The amount is bounded: of a study that is larger, examples that lie evenly
over each validation set are shown with every cell's answers, and the page says how many are left out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.read.predictions import Asked, Floats, Predictions
from bench.report.words import counted, inert, printable

BUDGET_BYTES = 8_000_000
"""How much of texts the page takes in, over all validation sets."""
LONGEST = 10_000
"""Characters of one text that are shown."""
NUMBER_BYTES = 12
"""About what one answer takes beside its text: the text's number, and two scores."""

Texts = dict[str, int]
"""Every text once, with its number: answers repeat over seeds and methods, contexts over examples."""


@dataclass(frozen=True)
class Answered:
    """The answers of one cell that ended ok."""

    model: str
    method: str
    label: str
    """The setup's: the method, and what tells it from others of the same method."""
    seed: int
    validation: str
    """Name of the validation set: cells that share it answered the same examples."""
    predictions: Predictions
    asked: Asked | None
    """Parallel to `predictions`; null where the cell did not write it down."""


def browser_html(cells: Sequence[Answered], budget_bytes: int = BUDGET_BYTES) -> str:
    """The controls, which the page's script shows and fills, and the data; a sentence where there is none."""
    if not cells:
        return "<p>No cell of this study has answers that can be read.</p>"
    sets = _sets(cells, budget_bytes)
    return f"{_sentence(sets)}\n{_CONTROLS}\n{json_script('predictions', {'sets': sets})}"


def json_script(name: str, content: Any) -> str:
    """`content` as a data block with that id, which no browser runs and nothing in it can end."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Inside strings only, where they can stand as escapes: `</script`, `<!--` and `]]>` have no meaning then
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def evenly(n_all: int, n_shown: int) -> list[int]:
    """`n_shown` of the places 0 to `n_all` - 1, as evenly spaced as they can be, from the first on."""
    return [place * n_all // n_shown for place in range(n_shown)]


def _sets(cells: Sequence[Answered], budget_bytes: int) -> list[dict[str, Any]]:
    together: dict[str, list[Answered]] = {}
    for cell in cells:
        together.setdefault(cell.validation, []).append(cell)
    sizes = {name: _sizes(same) for name, same in together.items()}
    whole = sum(map(sum, sizes.values()))
    return [
        _set(name, same, sizes[name], budget_bytes * sum(sizes[name]) / (whole or 1)) for name, same in together.items()
    ]


def _set(name: str, cells: Sequence[Answered], sizes: Sequence[int], room_bytes: float) -> dict[str, Any]:
    n_all = n_shown = len(sizes)
    while n_shown and sum(sizes[place] for place in evenly(n_all, n_shown)) > room_bytes:
        n_shown = n_shown * 9 // 10
    ids, asked = cells[0].predictions.ids, _asked(cells)
    places = evenly(n_all, n_shown) if n_shown else []
    texts: Texts = {}
    return {
        "name": printable(name),
        "n": n_all,
        "examples": [_example(ids[place], asked, place, texts) for place in places],
        "cells": [_cell(cell, [ids[place] for place in places], texts) for cell in cells],
        "texts": list(texts),
    }


def _sizes(cells: Sequence[Answered]) -> list[int]:
    """About how many bytes each example takes, in the order of the first cell."""
    ids, asked = cells[0].predictions.ids, _asked(cells)
    own = [set(_texts(asked, place)) for place in range(len(ids))]
    at = {name: place for place, name in enumerate(ids)}
    for cell in cells:
        for name, answer in zip(cell.predictions.ids, cell.predictions.answers, strict=True):
            if name in at:
                own[at[name]].add(answer[:LONGEST])
    return [sum(len(text.encode(errors="replace")) for text in texts) + NUMBER_BYTES * len(cells) for texts in own]


def _asked(cells: Sequence[Answered]) -> Asked | None:
    """What the examples of the first cell ask, by whichever cell of the same examples says it."""
    ids = cells[0].predictions.ids
    return next((cell.asked for cell in cells if cell.asked and cell.predictions.ids == ids), None)


def _texts(asked: Asked | None, place: int) -> list[str]:
    if asked is None:
        return []
    return [asked.questions[place], asked.contexts[place], *asked.references[place]]


def _example(name: str, asked: Asked | None, place: int, texts: Texts) -> dict[str, Any]:
    if asked is None:
        return {"id": inert(name)}
    question, context, *references = (_number(text, texts) for text in _texts(asked, place))
    return {"id": inert(name), "question": question, "context": context, "references": references}


def _cell(cell: Answered, ids: Sequence[str], texts: Texts) -> dict[str, Any]:
    at = {name: place for place, name in enumerate(cell.predictions.ids)}
    places = [at.get(name) for name in ids]
    return {
        "model": printable(cell.model),
        "method": printable(cell.method),
        "label": printable(cell.label),
        "seed": cell.seed,
        "answers": [None if place is None else _number(cell.predictions.answers[place], texts) for place in places],
        "exact": _numbers(cell.predictions.scores, "exact_match", places),
        "f1": _numbers(cell.predictions.scores, "token_f1", places),
    }


def _numbers(scores: Mapping[str, Floats], name: str, places: Sequence[int | None]) -> list[float | None] | None:
    """The scores at those places, null for those that the cell has not; null for a score that it has none of."""
    if name not in scores:
        return None
    found = [None if place is None else float(scores[name][place]) for place in places]
    return [None if score is None or not math.isfinite(score) else round(score, 3) for score in found]


def _number(text: str, texts: Texts) -> int:
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
    return texts.setdefault(inert(cut), len(texts))


def _sentence(sets: Sequence[Mapping[str, Any]]) -> str:
    """What is shown, and what is left out."""
    n_all, n_shown = sum(each["n"] for each in sets), sum(len(each["examples"]) for each in sets)
    n_cells = sum(len(each["cells"]) for each in sets)
    told = f"{counted(n_all, 'example')}, answered by {counted(n_cells, 'cell')}."
    if n_shown < n_all:
        told += (
            f" To keep this page small it shows {n_shown:,} of them, evenly spaced over the validation set, each with "
            f"every answer; {n_all - n_shown:,} are left out, and stand in each cell's predictions.jsonl."
        )
    return f"<p>{told}</p>"


_CONTROLS = """
<div id="browser" hidden>
<form class="controls" role="search">
<label class="set">Validation set <select name="set"></select></label>
<label>Search <input type="search" name="text" placeholder="in questions, contexts, answers" autocomplete="off"></label>
<label>Show <select name="verdict">
<option value="">all examples</option>
<option value="some-wrong">answered wrong by any</option>
<option value="all-wrong">answered wrong by all</option>
<option value="mixed">right by some, wrong by others</option>
<option value="all-right">answered right by all</option>
</select></label>
<label>Right means <select name="criterion">
<option value="exact">exact match</option>
<option value="f1">token F1 of at least</option>
</select></label>
<label class="threshold" hidden><span class="hidden">Least token F1</span>
<input type="number" name="threshold" min="0" max="1" step="0.05" value="0.5"></label>
</form>
<p id="browser-count" role="status"></p>
<div id="examples"></div>
<p class="pager"><button type="button" name="previous">Previous</button> <span></span>
<button type="button" name="next">Next</button></p>
</div>
<noscript>
<p>The predictions browser needs JavaScript. Each cell's answers stand in its predictions.jsonl.</p>
</noscript>
""".strip()
