"""Scores the answers of a cell with all of its metrics, and writes predictions.jsonl."""

import json
import traceback
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from bench import store
from bench.cell import Cell
from bench.child.device import is_out_of_memory
from bench.child.generate import ReferenceLikelihood, finite
from bench.encode import Encoded
from bench.errors import first_line
from bench.metric import Answer, Language, Metric, Scores, together, unscored


def answered(
    scored: Sequence[Encoded], texts: Sequence[str], likelihoods: Sequence[ReferenceLikelihood]
) -> list[Answer]:
    """The answer to every example, in order. The likelihood of a text that is in pieces is that of all its pieces."""
    answers = []
    for _, group in groupby(zip(scored, texts, likelihoods, strict=True), key=lambda piece: piece[0].example.id):
        (item, text, _), *_ = pieces = list(group)
        nll_nats = sum(likelihood.nll_nats for _, _, likelihood in pieces)
        tokens = sum(likelihood.tokens for _, _, likelihood in pieces)
        content = dict(item.example)
        answers.append(Answer(**content, prediction=text, reference_nll_nats=finite(nll_nats), reference_tokens=tokens))
    return answers


def score(cell: Cell, answers: Sequence[Answer], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Scores:
    """The scores of all metrics of the cell.

    Answers of a model with random weights are scored as well, so that scoring costs the same, but the values are
    replaced by None.
    """
    language = cell.dataset.language
    scores = together((metric.name, _scores(metric, answers, language, model, tokenizer)) for metric in cell.scored_by)
    if cell.model.weights == "pretrained":
        return scores
    names = dict.fromkeys(scores.values)
    missing = dict.fromkeys(names, "random_weights")
    return scores.model_copy(update={"values": names, "examples": {}, "parts": {}, "errors": {}, "missing": missing})


def _scores(
    metric: Metric,
    answers: Sequence[Answer],
    language: Language,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> Scores:
    """A metric's scores. If it fails, or even exits, only its own score is None: training may have taken days."""
    try:
        return metric.score_model(model, tokenizer, answers, language)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        reason = "out_of_memory" if is_out_of_memory(error) else "metric_failed"
        return unscored(metric.name, reason, f"{metric.name} failed ({first_line(error)})")


def persist(path: Path, answers: Sequence[Answer], scores: Scores) -> None:
    """Write one JSON line per answer, with its contribution to every score, so that their errors can be computed."""
    lines = []
    for at, answer in enumerate(answers):
        own = {name: values[at] for name, values in scores.examples.items()}
        parts = {name: values[at] for name, values in scores.parts.items()}
        lines.append(json.dumps(answer.model_dump() | {"scores": own, "parts": parts}, ensure_ascii=False))
    store.write_atomically(path, "\n".join(lines) + "\n")
