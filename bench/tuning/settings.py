"""The settings of a search, as `tune.KEY=VALUE`."""

from pydantic import Field, PositiveFloat, PositiveInt

from bench.settings import Settings


class Tune(Settings):
    """How settings are searched. All methods of a search get the same."""

    trials: PositiveInt
    """Trials per model, method and data set; those that fail count."""
    seed: int = Field(ge=0)
    """Another seed draws other trials."""
    train_seed: int = Field(ge=0, lt=2**32)
    """The seed that every trial is trained with."""
    metric: str | None
    """Name of the score that decides, such as `token_f1`; None for the first that ranks."""
    train_limit: PositiveInt | None
    """Train every trial on at most this many examples; None for `dataset.train_limit`."""
    epochs: PositiveFloat | None
    """Train every trial for so many epochs; None for `train.epochs`."""
