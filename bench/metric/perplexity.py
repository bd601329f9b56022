"""Perplexity of the reference answers under the model."""

import math
from collections.abc import Sequence

from bench.metric import Answer, Language, Metric, Scores
from bench.record import ScoreInfo

_INFO = ScoreInfo(title="Perplexity", lowest=1.0, highest=None, better="lower", pooling="exp_ratio")


class Perplexity(Metric):
    """`perplexity`: exp of the mean negative log-likelihood, in nats per token, of all first references' tokens.

    The end of the sequence is one of the tokens. It is a ratio of sums over the whole set, at least 1 and without an
    upper end, and not a mean over examples. It depends on the tokenizer: compare it within one model only. Null
    (`not_finite`) if a reference's likelihood is not finite or the number is too large to be one.
    """

    def score(self, answers: Sequence[Answer], language: Language) -> Scores:
        nlls = [answer.reference_nll_nats for answer in answers if answer.reference_nll_nats is not None]
        tokens = sum(answer.reference_tokens for answer in answers)
        settings = {"perplexity": "nats per token of the first reference, end of sequence included"}
        try:
            value = math.exp(math.fsum(nlls) / tokens) if len(nlls) == len(answers) else None
        except OverflowError:
            value = None
        missing = {"perplexity": "not_finite"} if value is None else {}
        return Scores(values={"perplexity": value}, missing=missing, info={"perplexity": _INFO}, settings=settings)
