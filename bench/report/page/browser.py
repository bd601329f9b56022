"""The predictions browser: what was asked, and every cell's answers side by side, as JSON for the page's script.

The script inserts every text as text, never as markup. The amount is bounded: for a larger study, the page shows
examples that are evenly spaced over each set, with every cell's answers, and says how many are left out.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from bench.report.read.predictions import Asked, Floats, Predictions
from bench.report.render import templates
from bench.report.wording import inert, printable

BUDGET_BYTES = 8_000_000
"""Total size of the texts that the page includes, over all sets."""
LARGEST_EXPONENT = 700.0
"""The exponential of a higher number is too large for a float."""
LONGEST = 10_000
"""Characters of one text that are shown."""
MOST_CRITERIA = 4
"""Scores that the page includes: the first ones, which are those that the user named first."""
TEXT_NUMBER_BYTES, SCORE_BYTES = 4, 4
"""About what one answer takes besides its text: the text's number, and each score."""

Texts = dict[str, int]
"""Each text once, with its number: answers repeat over seeds and methods, contexts over examples."""


@dataclass(frozen=True)
class Answered:
    """The answers of one cell that ended ok."""

    model: str
    method: str
    label: str
    """The setup's label: the method, and the settings in which it differs from other setups of that method."""
    seed: int
    scored: str
    """Name of the set of examples: cells with the same name answered the same examples."""
    predictions: Predictions
    criteria: Mapping[str, str]
    """Names and titles of the scores that are 1 for a right answer and 0 for a wrong one, or between."""
    asked: Asked | None
    """Parallel to `predictions`; `None` if the cell did not save what it was asked."""


def browser_html(cells: Sequence[Answered], budget_bytes: int = BUDGET_BYTES) -> Markup:
    """The controls, which the page's script shows and fills, and the data; a sentence if there are no answers."""
    criteria = _criteria(cells)
    sets = _sets(cells, criteria, budget_bytes)
    return templates.html(
        "browser.html",
        n_cells=len(cells),
        n_all=sum(each["n"] for each in sets),
        n_shown=sum(len(each["examples"]) for each in sets),
        data=json_script("predictions", {"criteria": criteria, "sets": sets}),
    )


def json_script(name: str, content: Any) -> Markup:
    """`content` as a data block with that id: browsers do not run it, and no text in it can end it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # These occur inside JSON strings only; written as escapes, `</script`, `<!--` and `]]>` mean nothing to a browser
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{name}">{text}</script>')


def evenly(n_all: int, n_shown: int) -> list[int]:
    """`n_shown` of the indices 0 to `n_all` - 1, as evenly spaced as possible, starting with 0."""
    return [index * n_all // n_shown for index in range(n_shown)]


def _criteria(cells: Sequence[Answered]) -> dict[str, dict[str, Any]]:
    """The scores by which answers can be judged: their titles, and whether every answer is either right or wrong."""
    titles = {name: title for cell in cells for name, title in cell.criteria.items() if name in cell.predictions.scores}
    return {
        name: {"title": printable(title), "is_binary": all(_is_binary(cell.predictions.scores, name) for cell in cells)}
        for name, title in list(titles.items())[:MOST_CRITERIA]
    }


def _is_binary(scores: Mapping[str, Floats], name: str) -> bool:
    return all(value in (0.0, 1.0) or math.isnan(value) for value in scores.get(name, []))


def _sets(cells: Sequence[Answered], criteria: Collection[str], budget_bytes: int) -> list[dict[str, Any]]:
    """The sets of examples, each with its examples and cells; the budget is shared in proportion to their sizes."""
    by_name: dict[str, list[Answered]] = {}
    for cell in cells:
        by_name.setdefault(cell.scored, []).append(cell)
    numbers_bytes = TEXT_NUMBER_BYTES + SCORE_BYTES * len(criteria)
    sizes = {name: _sizes(own, numbers_bytes) for name, own in by_name.items()}
    total = sum(map(sum, sizes.values())) or 1
    return [
        _set(name, own, criteria, sizes[name], budget_bytes * sum(sizes[name]) / total) for name, own in by_name.items()
    ]


def _set(
    name: str, cells: Sequence[Answered], criteria: Collection[str], sizes: Sequence[int], room_bytes: float
) -> dict[str, Any]:
    n_all = n_shown = len(sizes)
    while n_shown and sum(sizes[index] for index in evenly(n_all, n_shown)) > room_bytes:
        n_shown = n_shown * 9 // 10
    asked = _asked(cells)
    indices = evenly(n_all, n_shown)
    ids = [cells[0].predictions.ids[index] for index in indices]
    texts: Texts = {}
    examples = [_example(name, asked, index, texts) for name, index in zip(ids, indices, strict=True)]
    answers = [_cell(cell, criteria, ids, texts) for cell in cells]
    if asked and asked.are_texts:
        for own, cell in zip(answers, cells, strict=True):
            own["perplexities"] = _perplexities(cell.predictions, ids)
    return {
        "name": printable(name),
        "n": n_all,
        "examples": examples,
        "cells": answers,
        "texts": list(texts),
    }


def _sizes(cells: Sequence[Answered], numbers_bytes: int) -> list[int]:
    """About how many bytes each example takes, in the order of the first cell; `numbers_bytes` for each answer."""
    ids, asked = cells[0].predictions.ids, _asked(cells)
    texts = {example: set(_texts(asked, index)) for index, example in enumerate(ids)}
    for cell in cells:
        for example, answer in zip(cell.predictions.ids, cell.predictions.answers, strict=True):
            if example in texts:
                texts[example].add(answer[:LONGEST])
    fixed_bytes = numbers_bytes * len(cells)
    return [sum(len(text.encode(errors="replace")) for text in texts[example]) + fixed_bytes for example in ids]


def _asked(cells: Sequence[Answered]) -> Asked | None:
    """What the examples of the first cell ask, from the first cell with the same examples that saved it."""
    ids = cells[0].predictions.ids
    return next((cell.asked for cell in cells if cell.asked and cell.predictions.ids == ids), None)


def _texts(asked: Asked | None, index: int) -> list[str]:
    if asked is None:
        return []
    said = [content for _, content in _messages(asked, index)]
    return [asked.questions[index], asked.contexts[index], *asked.references[index], *said]


def _messages(asked: Asked, index: int) -> Sequence[tuple[str, str]]:
    return asked.messages[index] if asked.messages else ()


def _example(name: str, asked: Asked | None, index: int, texts: Texts) -> dict[str, Any]:
    if asked is None:
        return {"id": inert(name)}
    question, context, *references = (
        _number(text, texts) for text in (asked.questions[index], asked.contexts[index], *asked.references[index])
    )
    messages = [[role, _number(content, texts)] for role, content in _messages(asked, index)]
    example = {"id": inert(name), "question": question, "context": context, "references": references}
    return example | ({"messages": messages} if messages else {})


def _cell(cell: Answered, criteria: Collection[str], ids: Sequence[str], texts: Texts) -> dict[str, Any]:
    at = {example: index for index, example in enumerate(cell.predictions.ids)}
    indices = [at.get(example) for example in ids]
    answers = cell.predictions.answers
    return {
        "model": printable(cell.model),
        "method": printable(cell.method),
        "label": printable(cell.label),
        "seed": cell.seed,
        "answers": [None if index is None else _number(answers[index], texts) for index in indices],
        "scores": {name: _scores(cell.predictions.scores, name, indices) for name in criteria},
    }


def _perplexities(predictions: Predictions, ids: Sequence[str]) -> list[float | None]:
    """The perplexity of each text: the only result for a text that asks nothing. `None` if it is not known."""
    known = dict(zip(predictions.ids, predictions.likelihoods, strict=True))
    pairs = [known.get(example, (None, 0)) for example in ids]
    return [None if nats is None or not n else _perplexity(nats / n) for nats, n in pairs]


def _perplexity(nats_per_token: float) -> float | None:
    return float(f"{math.exp(nats_per_token):.4g}") if nats_per_token < LARGEST_EXPONENT else None


def _scores(scores: Mapping[str, Floats], name: str, indices: Sequence[int | None]) -> list[float | None] | None:
    """The scores at these indices, `None` for an example that the cell does not have, or for a score it never had."""
    if name not in scores:
        return None
    values = [math.nan if index is None else float(scores[name][index]) for index in indices]
    return [round(value, 3) if math.isfinite(value) else None for value in values]


def _number(text: str, texts: Texts) -> int:
    """The text's number among `texts`, to which it is added."""
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
    return texts.setdefault(inert(cut), len(texts))
