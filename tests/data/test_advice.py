import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.cli.compose import job_of
from bench.data.advice import half_width_points, labels_metric, warnings
from bench.data.inspection import Inspection
from bench.data.lengths import Distribution
from bench.data.request import composed
from bench.metric.classification import Classification

Make = Callable[..., Inspection]
LONG = {"both": Distribution(11, 22, 600, 700, 800)}

MISTAKES: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "one document": (
        {"cell": {"dataset": "alpaca"}, "test": {"n_documents": 1, "largest_document_share": 1.0}},
        "All 1,000 test examples come from one document, so that no interval can be computed and nothing is "
        "known about other documents. Raise dataset.test_fraction (now 0.1), or add data.",
    ),
    "few documents": (
        {"test": {"n_documents": 16}},
        "Test has only 16 documents: the 95 % interval of a score of 50 % would be about ±24 percentage points, and "
        "methods must differ by as much to be told apart; 100 documents give ±10, 400 give ±5. Add data.",
    ),
    "few documents, none larger than others": (
        {"test": {"n_documents": 3, "largest_document_share": 0.34}},
        "Test has only 3 documents: the 95 % interval of a score of 50 % would be about ±50 percentage points, and "
        "methods must differ by as much to be told apart; 100 documents give ±10, 400 give ±5. Add data.",
    ),
    "few documents are used": (
        {"cell": {"dataset.test_limit": 16}, "test": {"n_documents": 16}},
        "Test has only 16 documents: the 95 % interval of a score of 50 % would be about ±24 percentage points, and "
        "methods must differ by as much to be told apart; 100 documents give ±10, 400 give ±5. Raise "
        "dataset.test_limit.",
    ),
    "a large document": (
        {"test": {"largest_document_share": 0.4}},
        "One document has 40 % of the test examples, and the scores depend on it. Check that the documents are "
        "told apart as they should be.",
    ),
    "few steps": (
        {"train": {"n_examples": 33}},
        "Training on 33 sequences takes 9 steps of 16, which changes a model little. Add data, or raise train.epochs "
        "or lower train.effective_batch.",
    ),
    "long answers": (
        {"asked": {"answer": Distribution(1, 2, 3, 61, 80), "n_answers_too_long": 14}},
        "7 % of the test answers are longer than generation.max_new_tokens=32, so that the model can never give "
        "them in full. Set it to 61 to cover 99 % of them.",
    ),
    "answers longer than the model takes": (
        {
            "asked": {"answer": Distribution(1, 2, 3, 1024, 4000), "n_answers_too_long": 14},
            "cell": {"dataset": "records"},
        },
        "7 % of the test answers are longer than generation.max_new_tokens=32, so that the model can never give "
        "them in full. 99 % of them have up to 1,024 tokens, and tiny takes 1,024 in all. Use a model with a longer "
        "context, or leave long ones out with dataset.quality.longest_answer.",
    ),
    "long examples": (
        {"trained": LONG | {"n_shortened": 30, "n_dropped": 1}},
        "Of the training examples, 15 % are shortened and 0.5 % are left out, because prompt and answer do not fit "
        "into 512 tokens. prompt.max_length=701 would hold 99 % of them.",
    ),
    "few shots": (
        {"asked": {"n_fewer_shots": 50}},
        "25 % of the test prompts have room for fewer solved examples than method.shots. Raise "
        "prompt.max_length, or lower method.shots.",
    ),
    "few shots for the model": (
        {"asked": {"n_fewer_shots": 50}, "reading": {"context_length": 512}},
        "25 % of the test prompts have room for fewer solved examples than method.shots. Choose a model with a "
        "longer context (tiny takes 512 tokens), or lower method.shots.",
    ),
    "longer than the model takes": (
        {"asked": LONG | {"n_dropped": 2}, "reading": {"context_length": 600}},
        "Of the test examples, 1 % are left out, because prompt and answer do not fit into 512 tokens. To hold "
        "99 % of them, use a model that takes 701 tokens; tiny takes 600.",
    ),
    "a small model": (
        {"reading": {"context_length": 256}},
        "tiny takes 256 tokens: examples are shortened to 256 tokens, not to prompt.max_length=512.",
    ),
    "a model that thinks": (
        {"reading": {"prompt_warning": "the chat template puts thoughts before an answer"}},
        "the chat template puts thoughts before an answer.",
    ),
    "a chat model": (
        {"reading": {"has_chat_template": True}},
        "tiny has a chat template, so it was probably tuned on chats, and prompt=squad does not use it. Compare with "
        "prompt=chat.",
    ),
    "Chinese": (
        {"test": {"chinese_share": 0.62}},
        "62 % of the letters are Chinese characters, but dataset.language=en splits words at spaces, so that word "
        "scores mean little. Set dataset.language=zh.",
    ),
    "not Chinese": (
        {"cell": {"dataset.language": "zh"}},
        "Only 0 % of the letters are Chinese characters, but dataset.language=zh is set. For English, set "
        "dataset.language=en.",
    ),
    "labels": (
        {"train": {"labels": ("yes", "not yet")}},
        "Every answer is one of 2 texts ('yes' and 'not yet'), so this is a classification. Add "
        "metric=[classification] 'metric.classification.labels=[yes, \"not yet\"]'.",
    ),
    "copies": (
        {"train": {"n_copies": 1200}, "test": {"n_copies": 1}},
        "Copies of other examples, word for word: 1,200 in training and 1 in test. Remove them.",
    ),
    "copies in a table": (
        {"train": {"n_copies": 2}, "cell": {"dataset": "records"}},
        "Copies of other examples, word for word: 2 in training. dataset.quality.duplicates=drop leaves them out.",
    ),
    "contradictions": (
        {"test": {"n_conflicting": 1}},
        "Questions that are asked again and have another answer then: 1 in test. No model can give both.",
    ),
    "no answers": (
        {"train": {"n_without_answer": 250}},
        "25 % of the training answers are empty: the model learns to give no answer. Leave them out unless that is "
        "what you want.",
    ),
    "no answers in a table": (
        {"train": {"n_without_answer": 250}, "cell": {"dataset": "records"}},
        "25 % of the training answers are empty: the model learns to give no answer. Leave them out with "
        "dataset.empty_output=drop unless that is what you want.",
    ),
    "few texts": (
        {"test": {"n_documents": 16}, "cell": {"dataset": "text", "prompt": "plain"}},
        "Test has only 16 documents: intervals will be wide, and methods hard to tell apart; 100 are a good "
        "beginning. Raise dataset.test_fraction (now 0.1), or add data.",
    ),
    "some contexts": (
        {"test": {"n_without_context": 1}},
        "0.1 % of the test examples have no context; they are asked with prompt.template_without_context.",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_each_weakness_has_its_warning(inspection: Make, changes: dict[str, Any], sentence: str) -> None:
    assert warnings(inspection(**changes)) == [sentence]


def test_a_large_data_set_without_a_weakness_has_none(inspection: Make) -> None:
    assert warnings(inspection()) == []
    assert warnings(inspection(test={"n_without_context": 1000}, train={"n_without_context": 1000})) == []
    assert warnings(inspection(test={"n_documents": 100})) == []


def test_a_chat_prompt_is_what_a_chat_model_wants(inspection: Make) -> None:
    assert warnings(inspection(cell={"prompt": "chat"}, reading={"has_chat_template": True})) == []


def test_without_tokens_nothing_is_said_about_lengths(inspection: Make) -> None:
    assert warnings(replace(inspection(asked={"n_answers_too_long": 14}, trained={"n_dropped": 3}), reading=None)) == []


def test_steps_are_of_what_fits_and_of_pieces(inspection: Make) -> None:
    # 480 sequences are 30 batches of 16, three times; a third of the examples would be 10 batches.
    few = {"train": {"n_examples": 160}, "cell": {"train.epochs": 1}}
    (sentence,) = warnings(inspection(**few))
    assert sentence.startswith("Training on 160 sequences takes 10 steps of 16, ")
    assert warnings(inspection(**few, trained={"n_sequences": 600})) == []
    (sentence,) = warnings(inspection(**few, trained={"n_sequences": 20}))
    assert sentence.startswith("Training on 16 sequences takes 1 step of 16, ")


def test_the_labels_are_typed_as_the_metric_takes_them() -> None:
    labels = ("yes", "not yet", "1", "a,b", "it's")
    metric = job_of(composed(shlex.split(labels_metric(labels)))).cell.metric["classification"]
    assert isinstance(metric, Classification)
    assert metric.labels == labels


def test_many_labels_are_not_all_listed(inspection: Make) -> None:
    (sentence,) = warnings(inspection(train={"labels": tuple("abcdefg")}))
    assert "one of 7 texts ('a', 'b', 'c', 'd', 'e' and 2 more), so" in sentence


def test_the_interval_is_that_of_a_binomial_share() -> None:
    # 1.96 * sqrt(0.5 * 0.5 / 100) = 0.098
    assert half_width_points(100) == pytest.approx(9.8)
    assert half_width_points(400) == pytest.approx(4.9)
    assert half_width_points(2) == 50
