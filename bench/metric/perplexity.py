"""Perplexity of the reference answers under the model."""

import math
from collections.abc import Sequence

from bench.metric import Answer, Language, Metric, Scores
from bench.record_sections import ScoreInfo

_INFO = {"perplexity": ScoreInfo(title="Perplexity", lowest=1.0, highest=None, better="lower", pooling="exp_ratio")}


class Perplexity(Metric):
    """`perplexity`: exp of the mean negative log-likelihood in nats per token, over the tokens of all first references.

    The end-of-sequence token counts. The mean is over tokens, not examples. The score is at least 1, has no upper
    bound, and depends on the tokenizer: compare it within one model only. None (`not_finite`) if a reference's
    likelihood is not finite or the score is too large for a float.
    """

    reads_answers = False

    def score_info(self) -> dict[str, ScoreInfo]:
        return _INFO

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        nlls = [answer.reference_nll_nats for answer in answers if answer.reference_nll_nats is not None]
        tokens = sum(answer.reference_tokens for answer in answers)
        settings = {"perplexity": "nats per token of the first reference, end of sequence included"}
        try:
            value = math.exp(math.fsum(nlls) / tokens) if len(nlls) == len(answers) else None
        except OverflowError:
            value = None
        missing = {"perplexity": "not_finite"} if value is None else {}
        return Scores(values={"perplexity": value}, missing=missing, info=_INFO, settings=settings)
