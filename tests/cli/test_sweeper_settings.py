"""Whether the cells of a sweep can have the score that decides."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.cli import sweep
from bench.cli.compose import job_of
from bench.cli.sweeper_settings import require_score
from bench.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

Compose = Callable[..., "DictConfig"]

METRICS = "metric=[token_f1,bleu]"


@pytest.mark.parametrize("sweeper", ["decide", "tune"])
def test_a_score_that_no_cell_can_have_is_refused_before_the_first(
    compose: Compose, tmp_path: Path, sweeper: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep, "planned", [])
    typed = (f"hydra/sweeper={sweeper}", METRICS, "hydra.sweeper.metric=f1", f"runs={tmp_path}")
    with pytest.raises(SystemExit) as refused:
        sweep.plan([compose(*typed)])
    assert refused.value.code == 2
    assert capsys.readouterr().err == (
        f"{sweeper}.metric: must be a score that the metrics give for dataset=events (token_f1, bleu, corpus_bleu), "
        "got 'f1'\nNothing was started.\n"
    )


@pytest.mark.parametrize(
    "typed",
    [
        ("metric=[token_f1,evaluate]", "metric.evaluate.metrics=[rouge]", "hydra.sweeper.metric=rouge_rouge1"),
        (METRICS, "hydra.sweeper.metric=corpus_bleu"),
        (METRICS,),
    ],
)
def test_a_score_that_may_come_is_not_refused(compose: Compose, typed: tuple[str, ...]) -> None:
    config = compose("hydra/sweeper=decide", *typed)
    require_score(config, job_of(config).cell)


def test_plain_text_has_the_scores_of_what_reads_no_answers(compose: Compose, tmp_path: Path) -> None:
    plain = ("dataset=text", f"dataset.train={tmp_path}", "prompt=plain", "metric=[token_f1,perplexity]")
    config = compose("hydra/sweeper=decide", *plain, "hydra.sweeper.metric=token_f1")
    with pytest.raises(InputError, match=r"for dataset=text \(perplexity\), got 'token_f1'"):
        require_score(config, job_of(config).cell)
