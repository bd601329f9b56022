"""Warnings about a data set: what will go wrong or mean little, with its figures and what to do about it."""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from bench import context
from bench.chat import Chat
from bench.data.amounts import many, share
from bench.data.composition import Composition
from bench.data.inspection import Inspection, Reading
from bench.data.lengths import SplitLengths
from bench.example import SPLIT_WORDS
from bench.metric.classification import Classification
from bench.report.wording import listed

ENOUGH_DOCUMENTS = 100
"""Of test documents. A share of one half is then known to about 10 percentage points."""
ENOUGH_STEPS = 30
"""Optimiser steps below which a training run is called short."""
MIXED = 0.3
"""The share of Chinese characters above which texts are taken for Chinese."""
LARGE_DOCUMENT = 0.2
"""The share of a split above which a document is called large, if it also has twice its even share."""


def warnings(inspection: Inspection) -> list[str]:
    """Every warning about the data set, one or two sentences each."""
    return [sentence for check in CHECKS for sentence in check(inspection)]


def half_width_points(n_documents: int) -> float:
    """Half the width of a 95 % interval, in percentage points, for a share of one half among independent documents.

    The normal approximation of a binomial share, 1.96 sqrt(p (1 - p) / n), at its widest.
    """
    return min(50.0, 100 * 1.96 * 0.5 / math.sqrt(n_documents))


def _documents(inspection: Inspection) -> Iterator[str]:
    part = inspection.test
    if part.n_documents == 1:
        yield (
            f"All {many(part.n_examples, 'test example')} come from one document, so that no interval can be "
            f"computed and nothing is known about other documents. {_more_documents(inspection)}"
        )
    elif part.n_documents < ENOUGH_DOCUMENTS:
        yield f"Test has only {part.n_documents} documents: {_unknown(inspection)} {_more_documents(inspection)}"
    if part.n_documents > 1 and part.largest_document_share > max(LARGE_DOCUMENT, 2 / part.n_documents):
        yield (
            f"One document has {share(part.largest_document_share)} of the test examples, and the scores depend "
            "on it. Check that the documents are told apart as they should be."
        )


def _unknown(inspection: Inspection) -> str:
    if not inspection.cell.prompt.asks:
        return f"intervals will be wide, and methods hard to tell apart; {ENOUGH_DOCUMENTS} are a good beginning."
    return (
        "the 95 % interval of a score of 50 % would be about "
        f"±{half_width_points(inspection.test.n_documents):.0f} percentage points, and methods must differ by as much "
        "to be told apart; 100 documents give ±10, 400 give ±5."
    )


def _more_documents(inspection: Inspection) -> str:
    settings = inspection.cell.dataset.model_dump()
    if settings["test_limit"] is not None:
        return "Raise dataset.test_limit."
    if settings["test"] is None and "test_fraction" in settings:
        return f"Raise dataset.test_fraction (now {settings['test_fraction']}), or add data."
    return "Add data."


def _steps(inspection: Inspection) -> Iterator[str]:
    recipe, n_examples = inspection.cell.train, inspection.train.n_examples
    if inspection.reading is not None:
        lengths = inspection.reading.train
        n_examples = round(n_examples * lengths.n_sequences / lengths.n_measured)
    n_steps = recipe.max_steps or math.ceil(math.ceil(n_examples / recipe.effective_batch) * recipe.epochs)
    if 0 < n_steps < ENOUGH_STEPS:
        yield (
            f"Training on {many(n_examples, 'sequence')} takes {many(n_steps, 'step')} of {recipe.effective_batch}, "
            "which changes a model little. Add data, or raise train.epochs or lower train.effective_batch."
        )


def _answers_too_long(inspection: Inspection) -> Iterator[str]:
    reading, limit = inspection.reading, inspection.cell.generation.max_new_tokens
    if reading is None or not reading.test.n_answers_too_long:
        return
    needed, lengths = reading.test.answer.p99, reading.test
    remedy = f"Set it to {needed} to cover 99 % of them."
    if reading.context_length is not None and needed >= reading.context_length:
        remedy = (
            f"99 % of them have up to {needed:,} tokens, and {inspection.cell.model.name} takes "
            f"{reading.context_length:,} in all. {_shorter(inspection)}"
        )
    yield (
        f"{share(lengths.n_answers_too_long, lengths.n_measured)} of the test answers are longer than "
        f"generation.max_new_tokens={limit}, so that the model can never give them in full. {remedy}"
    )


def _shorter(inspection: Inspection) -> str:
    other = "Use a model with a longer context"
    quality = "quality" in type(inspection.cell.dataset).model_fields
    return f"{other}, or leave long ones out with dataset.quality.longest_answer." if quality else f"{other}."


def _examples_too_long(inspection: Inspection) -> Iterator[str]:
    if inspection.reading is None:
        return
    for name, lengths in inspection.reading.splits.items():
        changed = [
            f"{share(count, lengths.n_measured)} {happens}"
            for count, happens in (
                (lengths.n_shortened, "are shortened"),
                (lengths.n_dropped, "are left out"),
            )
            if count
        ]
        if changed:
            yield (
                f"Of the {SPLIT_WORDS[name]} examples, {' and '.join(changed)}, because prompt and answer do not fit "
                f"into {inspection.reading.longest:,} tokens. {_longer(inspection, inspection.reading, lengths)}"
            )


def _longer(inspection: Inspection, reading: Reading, lengths: SplitLengths) -> str:
    needed, takes = lengths.both.p99 + 1, reading.context_length
    if takes is None or needed <= takes:
        return f"prompt.max_length={needed} would hold 99 % of them."
    return (
        f"To hold 99 % of them, use a model that takes {needed:,} tokens; {inspection.cell.model.name} takes {takes:,}."
    )


def _shots(inspection: Inspection) -> Iterator[str]:
    if inspection.reading and (lengths := inspection.reading.test).n_fewer_shots:
        remedy = context.remedy(inspection.cell, inspection.reading.context_length)
        yield (
            f"{share(lengths.n_fewer_shots, lengths.n_measured)} of the test prompts have room for fewer solved "
            f"examples than method.shots. {remedy[0].upper()}{remedy[1:]}, or lower method.shots."
        )


def _context(inspection: Inspection) -> Iterator[str]:
    if inspection.reading and (shortened := context.warning(inspection.cell, inspection.reading.context_length)):
        yield f"{shortened}."


def _chat(inspection: Inspection) -> Iterator[str]:
    if inspection.reading and inspection.reading.prompt_warning:
        yield f"{inspection.reading.prompt_warning}."
    if inspection.reading and inspection.reading.has_chat_template and not isinstance(inspection.cell.prompt, Chat):
        yield (
            f"{inspection.cell.model.name} has a chat template, so it was probably tuned on chats, and "
            f"prompt={inspection.cell.prompt.name} does not use it. Compare with prompt=chat."
        )


def _language(inspection: Inspection) -> Iterator[str]:
    language, chinese = inspection.cell.dataset.language, inspection.test.chinese_share
    if language == "en" and chinese > MIXED:
        yield (
            f"{share(chinese)} of the letters are Chinese characters, but dataset.language=en splits words at spaces, "
            "so that word scores mean little. Set dataset.language=zh."
        )
    if language == "zh" and chinese < MIXED:
        yield (
            f"Only {share(chinese)} of the letters are Chinese characters, but dataset.language=zh is set. "
            "For English, set dataset.language=en."
        )


def _labels(inspection: Inspection) -> Iterator[str]:
    labels = inspection.train.labels
    if labels and not any(isinstance(metric, Classification) for metric in inspection.cell.metric.values()):
        shown = listed([repr(label) for label in labels[:5]] + ([f"{len(labels) - 5} more"] if len(labels) > 5 else []))
        yield (
            f"Every answer is one of {many(len(labels), 'text')} ({shown}), so this is a classification. Add "
            f"{labels_metric(labels)}."
        )


def labels_metric(labels: Sequence[str]) -> str:
    """The settings that let accuracy lead, quoted for a shell."""
    typed = ", ".join(label if label.isalnum() else f'"{label}"' for label in labels)
    return f"metric=[classification] {shlex.quote(f'metric.classification.labels=[{typed}]')}"


def _copies(inspection: Inspection) -> Iterator[str]:
    if copies := _by_split(inspection, attrgetter("n_copies")):
        quality = "quality" in type(inspection.cell.dataset).model_fields
        remedy = "dataset.quality.duplicates=drop leaves them out." if quality else "Remove them."
        yield f"Copies of other examples, word for word: {copies}. {remedy}"
    if conflicting := _by_split(inspection, attrgetter("n_conflicting")):
        yield f"Questions that are asked again and have another answer then: {conflicting}. No model can give both."


def _by_split(inspection: Inspection, count: Callable[[Composition], int]) -> str:
    """Such as `39 in training and 9 in test`; empty if there are none."""
    counts = {SPLIT_WORDS[name]: count(part) for name, part in inspection.parts.items()}
    return " and ".join(f"{number:,} in {name}" for name, number in counts.items() if number)


def _empty(inspection: Inspection) -> Iterator[str]:
    for split, part in inspection.parts.items():
        name = SPLIT_WORDS[split]
        if part.n_without_answer:
            drop = "empty_output" in type(inspection.cell.dataset).model_fields
            how = " with dataset.empty_output=drop" if drop else ""
            yield (
                f"{share(part.n_without_answer, part.n_examples)} of the {name} answers are empty: the model learns to "
                f"give no answer. Leave them out{how} unless that is what you want."
            )
        if 0 < part.n_without_context < part.n_examples:
            yield (
                f"{share(part.n_without_context, part.n_examples)} of the {name} examples have no context; they are "
                "asked with prompt.template_without_context."
            )


CHECKS: tuple[Callable[[Inspection], Iterator[str]], ...] = (
    _documents,
    _steps,
    _answers_too_long,
    _examples_too_long,
    _shots,
    _context,
    _chat,
    _language,
    _labels,
    _copies,
    _empty,
)
