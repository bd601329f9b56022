"""The record: one JSON file that says how a cell ended and what it measured. A cell without one has not ended."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Self, final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.phase import PhaseName
from bench.record_history import from_version_1
from bench.telemetry.sections import HostUse, Memory, Power, Sampling

SCHEMA_VERSION = 2
LIFTS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: from_version_1}
"""Schema version to the function that turns the content of such a record into that of the next version.

Raising `SCHEMA_VERSION` means adding the step from the version before, so that every reader reads both.
"""
UNEXPLAINED = "unexplained"
"""The reason for a null that no code gave a reason for: a fault of tunebench's own."""

Status = Literal["ok", "oom", "failed", "timeout", "killed", "interrupted"]


class Entry(BaseModel):
    """A section of the record. Units stand in the names: `_s` seconds, `_w` watts, `_j` joules, `_bytes` bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


@final
class Error(Entry):
    type: str
    message: str
    phase: PhaseName | None
    """The phase that was under way; null before the first one."""


@final
class Gpu(Entry):
    name: str
    uuid: str
    memory_bytes: int | None


@final
class Environment(Entry):
    """Where and with what the numbers came about."""

    git_commit: str | None
    git_dirty: bool | None
    python: str
    packages: dict[str, str]
    """Distribution name to version, of those that can change a number."""
    gpu: tuple[Gpu, ...] | None
    driver: str | None
    cuda: str | None
    host: str
    platform: str
    cpu: str
    cpu_count: int
    memory_bytes: int


@final
class Base(Entry):
    """The base model as it was loaded."""

    weights: Literal["pretrained", "random"]
    revision: str | None
    """The commit that the hub gave."""
    precision: str
    """Of weights that are not quantised, and of what is computed."""
    device: str
    context_length: int
    """The longest sequence in tokens that the model and its tokenizer take."""


@final
class SplitCounts(Entry):
    n_read: int
    n_dropped: int
    """Examples that do not fit even with an empty context."""
    n_truncated: int
    """Examples whose context was shortened to fit; an answer never is."""


@final
class Overlap(Entry):
    """How it was checked that no validation document occurs in training."""

    method: str
    n_shared_clusters: int
    n_shared_texts: int


@final
class Data(Entry):
    n_train: int
    n_validation: int
    n_dropped: int
    n_truncated: int
    n_references_too_long: int | None
    """Validation examples whose first reference, without its end of sequence, has more tokens than
    `generation.max_new_tokens`: every answer ends before it. None in records of schema version 1."""
    n_clusters_validation: int
    train: SplitCounts
    validation: SplitCounts
    train_fingerprint: str
    validation_fingerprint: str
    overlap: Overlap


@final
class Parameters(Entry):
    trainable: int
    total: int
    """All parameters of the model as trained, adapters included, tied weights once, at their unpacked sizes."""
    trainable_percent: float
    saved_bytes: int | None
    """Size on disk of what training changed: the adapter, or the changed weights."""


class Phase(Entry):
    name: PhaseName
    start_s: float
    """Since the cell's start, on the monotonic clock."""
    seconds: float


class Evaluation(Entry):
    step: int
    epoch: float
    loss: float | None
    """Mean cross-entropy in nats per completion token over the validation examples; null if not finite."""


@final
class Training(Entry):
    steps: int
    epochs: float
    tokens: int
    """Tokens of the sequences trained on, padding left out, over all steps including those before a resume."""
    completion_tokens: int
    """Tokens that the loss was taken over."""
    first_loss: float | None
    last_loss: float | None
    step_time_s_p50: float | None
    step_time_s_p95: float | None
    n_steps_timed: int
    """Steps behind the step times and `tokens_per_s`: those of this run of the cell, without the warm-up steps."""
    tokens_per_s: float | None
    micro_batch: int
    effective_batch: int
    micro_batches_tried: tuple[int, ...]
    """All but the last ran out of memory. The train phase's time, energy and peaks include those attempts; step times
    and `tokens_per_s` do not."""
    resumed_from_step: int
    """0 for a run that was not interrupted; otherwise times and memory are of the steps since."""
    stopped_early: bool
    best_step: int | None
    """The step whose weights were kept, if `train.best_checkpoint` asked for the best."""
    evaluations: tuple[Evaluation, ...]


class LatencyAtBatch(Entry):
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
class Latency(Entry):
    single: LatencyAtBatch
    batched: LatencyAtBatch


@final
class ScoreInfo(Entry):
    """How to read a score. Its metric declares this, the record carries it, and the report reads it here."""

    title: str
    """Column heading, such as `Token F1`."""
    lowest: float | None
    """Smallest possible value; None if there is none or it is not known."""
    highest: float | None
    """Largest possible value; None if there is none or it is not known."""
    better: Literal["higher", "lower"] | None
    """Which direction is better; None if it is not known, and then the score ranks nothing."""
    pooling: Literal["mean", "macro_f1", "corpus_bleu", "exp_ratio"] | None
    """How the score follows from its examples, so that it can be resampled. `mean`: the mean of one number per example.
    `macro_f1`: from (predicted, true) classes. `corpus_bleu`: from n-gram counts. `exp_ratio`: exp of a sum over a sum.
    None: what each example contributes was not kept."""


class Record(Entry):
    """How one cell ended and what it measured.

    Every null of a measured section has its reason in `missing`, under the null's own dotted path or a parent's.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION)
    key: str
    study: str
    started_at: str
    """Wall-clock time of the cell's start, ISO 8601 in UTC."""
    seconds: float
    status: Status
    error: Error | None
    cell: dict[str, Any]
    environment: Environment
    base: Base | None
    data: Data | None
    parameters: Parameters | None
    phases: tuple[Phase, ...]
    training: Training | None
    memory: Memory | None
    power: Power | None
    host: HostUse | None
    telemetry: Sampling
    latency: Latency | None
    scores: dict[str, float | None] | None
    score_settings: dict[str, str] | None
    score_info: dict[str, ScoreInfo] | None
    """Score name to how it is read, for every name in `scores`."""
    missing: dict[str, str]

    @classmethod
    def build(cls, reasons: dict[str, str], **sections: Any) -> Self:
        """The record of `sections`, with those of the `reasons` that a null among them needs."""
        nulls = cls.model_construct(**sections, missing={})._nulls()
        closest = {
            null: max((path for path in reasons if _covers(path, null)), key=len, default=None) for null in nulls
        }
        # A reason that nobody thought of must not cost the record of a long run.
        missing = {path or null: reasons[path] if path else UNEXPLAINED for null, path in closest.items()}
        return cls(**sections, missing=missing)

    def _nulls(self) -> list[str]:
        # What a metric leaves open about its scores is not a missing measurement.
        content = self.model_dump(exclude={"cell", "missing"})
        content["score_info"] = None if self.score_info is None else {}
        return list(null_paths(content))

    @model_validator(mode="before")
    @classmethod
    def _is_lifted(cls, content: Any) -> Any:
        return lifted(content, LIFTS) if isinstance(content, dict) else content

    @model_validator(mode="after")
    def _every_null_has_a_reason(self) -> Self:
        silent = [path for path in self._nulls() if not any(_covers(given, path) for given in self.missing)]
        if silent:
            raise ValueError(f"null without a reason in `missing`: {', '.join(silent)}")
        return self


def lifted(content: dict[str, Any], lifts: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]) -> dict[str, Any]:
    """A record's content as of the newest schema version that `lifts` lead to from its own."""
    version = content.get("schema_version")
    while isinstance(version, int) and version in lifts:
        content = lifts[version](content)
        version += 1
        content |= {"schema_version": version}
    return content


def schema_version_of(text: str | bytes) -> int | None:
    """The schema version that a record's text claims, or None if it is no record at all."""
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, int) else None


def null_paths(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of every null inside nested mappings; lists are numbered from 0."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from null_paths(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from null_paths(item, f"{path}.{index}")


def _covers(given: str, path: str) -> bool:
    return path == given or path.startswith(f"{given}.")
