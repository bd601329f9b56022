"""What the splits of a data set consist of: examples, documents, copies, empty contexts, short answers."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.example import Example

FEW = 20
"""Up to so many different answers are listed as possible labels."""


@dataclass(frozen=True)
class Composition:
    """Counts over the examples of one split."""

    n_examples: int
    n_documents: int
    largest_document_share: float
    """Of the examples, the share that comes from the document with most of them."""
    n_copies: int
    """Examples that repeat an earlier one: conversation, question, context and first answer."""
    n_conflicting: int
    """Examples that repeat an earlier one with another first answer."""
    n_without_context: int
    n_without_answer: int
    labels: tuple[str, ...]
    """All different first answers, the most frequent first, if there are few and each is frequent; otherwise empty."""
    chinese_share: float
    """Of the letters in questions and answers, the share of Chinese characters."""


def composition(examples: Sequence[Example]) -> Composition:
    """The composition of a split with at least one example."""
    documents = Counter(example.cluster for example in examples)
    asked = {(example.messages, example.question, example.context) for example in examples}
    whole = {(example.messages, example.question, example.context, example.references[0]) for example in examples}
    return Composition(
        n_examples=len(examples),
        n_documents=len(documents),
        largest_document_share=max(documents.values()) / len(examples),
        n_copies=len(examples) - len(whole),
        n_conflicting=len(whole) - len(asked),
        n_without_context=sum(not example.context.strip() for example in examples),
        n_without_answer=sum(not example.references[0].strip() for example in examples),
        labels=_labels(examples),
        chinese_share=_chinese_share(examples),
    )


def _labels(examples: Sequence[Example]) -> tuple[str, ...]:
    answers = Counter(example.references[0].strip() for example in examples)
    are_few = len(answers) <= FEW and len(examples) >= 10 * len(answers)
    return tuple(answer for answer, _ in answers.most_common()) if are_few else ()


def _chinese_share(examples: Sequence[Example]) -> float:
    beginnings = "".join(example.question[:200] + example.references[0][:200] for example in examples[:200])
    letters = [character for character in beginnings if character.isalpha()]
    chinese = sum(unicodedata.name(letter, "").startswith("CJK") for letter in letters)
    return chinese / len(letters) if letters else 0.0
