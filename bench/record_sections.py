"""The record's sections on how a cell ended and what its process measured, except telemetry and the machine."""

from typing import Annotated, Literal, final

from pydantic import Field

from bench.example import SplitName
from bench.phase import PhaseName
from bench.telemetry.sections import Section

YEAR_S = 366 * 86400.0
"""No phase of a cell takes longer. A reader allocates memory for its time, and a broken record could claim any."""


@final
class Error(Section):
    type: str
    message: str
    phase: PhaseName | None
    """The phase that was under way; None before the first one."""


@final
class Base(Section):
    """The base model as loaded."""

    weights: Literal["pretrained", "random"]
    revision: str | None
    """The commit on the hub."""
    precision: str
    """Data type of the computation and of weights that are not quantised, such as `bfloat16`."""
    device: str
    """Such as `cpu` or `cuda:0`; `cuda:0, cuda:1` for a model that is spread over two GPUs."""
    placement: dict[str, str] = Field(default_factory=dict)
    """The device of each part of a model that is spread over several GPUs, such as `{"model.layers.0": "cuda:0"}`."""
    gpus: tuple[str, ...] = ()
    """UUIDs of the GPUs that the cell's process saw, the first as `cuda:0`. Empty on a CPU and in older records."""
    context_length: int | None
    """The longest sequence, in tokens, that the model and its tokenizer accept; None if they set no limit."""


@final
class SplitCounts(Section):
    n_read: int
    n_dropped: int
    """Examples that do not fit even with an empty context."""
    n_truncated: int
    """Examples whose context was shortened to fit. Answers never are."""


@final
class LeftOut(Section):
    """What one step of preparing the data left out of a split."""

    step: str
    """What was wrong with the examples, such as `near duplicate`."""
    split: SplitName
    n_dropped: int


@final
class Overlap(Section):
    """How documents of one split were searched for in the others."""

    method: str
    n_shared_clusters: int
    n_shared_texts: int


@final
class Data(Section):
    scored_on: Literal["test", "tune", "validation"]
    """The split that was answered and scored. `validation` in records before schema version 3: one split served
    to choose and to report, and its figures are those of test here."""
    n_train: int
    """With `train.include_tune`, those of the tune split as well, which is counted as empty then."""
    n_tune: int
    n_test: int
    n_dropped: int
    n_truncated: int
    n_references_too_long: int | None
    """Scored examples whose first reference, without its end of sequence, has more tokens than
    `generation.max_new_tokens`: every answer ends before it. None in records of schema version 1, and where nothing is
    answered."""
    reference_tokens: dict[Literal["p50", "p99", "largest"], int] = Field(default_factory=dict)
    """Quantiles of the scored references' lengths, without the end of sequence. Empty in older records, and where
    nothing is answered."""
    n_shots_mean: float = 0.0
    """Demonstrations in a scored prompt, on average."""
    n_fewer_shots: int = 0
    """Scored prompts with fewer demonstrations than the method asks for, so that they fit."""
    n_clusters_tune: int
    n_clusters_test: int
    train: SplitCounts
    tune: SplitCounts
    test: SplitCounts
    left_out: tuple[LeftOut, ...] = ()
    """What was left out before the examples were encoded, by step. Empty also in older records."""
    train_fingerprint: str
    tune_fingerprint: str | None
    """None without a tune split."""
    test_fingerprint: str
    overlap: Overlap

    @property
    def counts(self) -> dict[SplitName, SplitCounts]:
        """What was read of each split."""
        return {"train": self.train, "tune": self.tune, "test": self.test}

    @property
    def n_scored(self) -> int:
        """Examples that were scored."""
        return self.n_tune if self.scored_on == "tune" else self.n_test

    @property
    def n_clusters_scored(self) -> int:
        """Documents of the scored examples."""
        return self.n_clusters_tune if self.scored_on == "tune" else self.n_clusters_test

    @property
    def scored_fingerprint(self) -> str:
        """Of the scored examples."""
        return str(self.tune_fingerprint) if self.scored_on == "tune" else self.test_fingerprint


@final
class Parameters(Section):
    trainable: int
    total: int
    """All parameters of the model as trained, adapters included, tied weights once, at their unpacked sizes."""
    trainable_percent: float
    saved_bytes: int | None
    """Size on disk of what training changed: the adapter, or the changed weights."""


class Phase(Section):
    name: PhaseName
    start_s: Annotated[float, Field(ge=0, le=YEAR_S, allow_inf_nan=False)]
    """After the cell's start, on the monotonic clock."""
    seconds: Annotated[float, Field(ge=0, le=YEAR_S, allow_inf_nan=False)]


class Evaluation(Section):
    step: int
    epoch: float
    loss: float | None
    """Mean cross-entropy in nats per completion token over the tune examples; None if not finite. Before schema version
    3, over the examples that were scored."""


@final
class Training(Section):
    steps: int
    epochs: float
    tokens: int
    """Tokens of the sequences trained on, without padding, over all steps including those before a resume."""
    completion_tokens: int
    """Tokens that the loss is computed on."""
    first_loss: float | None
    last_loss: float | None
    step_time_s_p50: float | None
    step_time_s_p95: float | None
    n_steps_timed: int
    """Steps that step times and `tokens_per_s` are measured over: those of this run, without the warm-up steps."""
    tokens_per_s: float | None
    micro_batch: int
    effective_batch: int
    micro_batches_tried: tuple[int, ...]
    """All but the last ran out of memory. The train phase's time, energy and peaks include those attempts; step times
    and `tokens_per_s` do not."""
    resumed_from_step: int
    """0 for a run that was not interrupted; otherwise times and memory are those of the steps after it."""
    stopped_early: bool
    best_step: int | None
    """The step whose weights were kept, if `train.best_checkpoint` asked for the best."""
    evaluations: tuple[Evaluation, ...]


class LatencyAtBatch(Section):
    batch: int
    n_runs: int
    n_output_tokens: int
    """Tokens that each run generates for each prompt of its batch."""
    time_to_first_token_s_p50: float
    time_to_first_token_s_p95: float
    time_per_output_token_s_p50: float
    time_per_output_token_s_p95: float
    tokens_per_s_p50: float
    tokens_per_s_p95: float


@final
class Latency(Section):
    single: LatencyAtBatch
    batched: LatencyAtBatch


@final
class ScoreInfo(Section):
    """How to read a score. Its metric declares this, the record carries it, and the report reads it here."""

    title: str
    """Column heading, such as `Token F1`."""
    lowest: float | None
    """Smallest possible value; None if there is none or it is not known."""
    highest: float | None
    """Largest possible value; None if there is none or it is not known."""
    better: Literal["higher", "lower"] | None
    """Which direction is better; None if it is not known, and then the score ranks nothing."""
    pooling: Literal["mean", "macro_f1", "corpus_bleu", "corpus_chrf", "exp_ratio"] | None
    """How the score follows from its examples, for its error. `mean`: the mean of one number per example.
    `macro_f1`: from (predicted, true) classes, or (true,) where no class was predicted. `corpus_bleu`, `corpus_chrf`:
    from n-gram counts. `exp_ratio`: exp of a sum over a sum.
    None: what each example contributes was not kept."""


@final
class Tuning(Section):
    """How a search chose the method's settings, for a cell that was run with `tuned=`."""

    study: str
    """The name of the search; its trials are cells of the study with `-tune` after it."""
    search: dict[str, str]
    """The settings that were searched, with what they were drawn from, such as `log(1e-05, 0.01)`."""
    n_trials: int
    """Trials of this method, those without a score included."""
    n_failed: int
    """Trials without a score."""
    metric: str
    """The score that chose, such as `token_f1`."""
    better: Literal["higher", "lower"]
    score: float
    """The chosen trial's score on the tune split: the best of several, so better than a new run would score."""
    score_error: float | None = None
    """Its standard error, as if it had not been chosen; None if it is not known."""
    tune_fingerprint: str
    """Of the examples that chose."""
    trial_key: str
    """Key of the chosen trial's cell."""
    overridden: tuple[str, ...] = ()
    """Settings that were searched, but typed for this cell."""
