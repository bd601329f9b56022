"""The untrained model with solved examples in its prompt (Brown et al. 2020)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pydantic import PositiveInt

from bench.errors import InputError
from bench.example import Example
from bench.method.baseline import Baseline


class FewShot(Baseline):
    """Train nothing, and show the same training examples with their answers before every question.

    The seed decides which ones, and their order. A prompt that would be too long has fewer of them.
    """

    shots: PositiveInt
    """Examples before each question."""

    @property
    def depends_on_seed(self) -> bool:
        return True

    def demonstrations(self, training: Sequence[Example], seed: int) -> tuple[Example, ...]:
        if len(training) < self.shots:
            raise InputError(
                f"method.shots: must be at most {len(training)}, the number of training examples, got {self.shots}"
            )
        return tuple(random.Random(seed).sample(training, self.shots))
