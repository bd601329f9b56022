"""What holds for every metric that is shipped."""

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from bench.configuration import choices
from bench.metric import Answer, Language, Metric
from tests.shipped import shipped

Answered = Callable[..., list[Answer]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", choices("metric"))
def test_it_says_how_each_of_its_scores_is_read_and_why_one_is_missing(
    name: str, language: Language, answered: Answered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    metric = Metric.model_validate(shipped("metric", name))
    scores = metric.score(answered(("red fox", "red"), ("", "")), language)
    assert set(scores.info) == set(scores.values)
    assert metric.score_info() in (None, scores.info)
    assert set(scores.missing) == {score for score, value in scores.values.items() if value is None}
    assert set(scores.examples) <= set(scores.values)
    assert set(scores.parts) <= set(scores.values)
