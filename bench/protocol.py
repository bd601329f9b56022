"""What a cell's process tells its supervisor: typed events, one JSON object each, over a pipe."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bench import record


class Event(BaseModel):
    """Something that happened in the cell. Times are seconds on the machine's monotonic clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class PhaseStarted(Event):
    kind: Literal["phase_started"] = "phase_started"
    phase: record.PhaseName
    at_s: float


class PhaseEnded(Event):
    """The device was synchronised before the clock was read. A phase that is left and taken up again ends twice."""

    kind: Literal["phase_ended"] = "phase_ended"
    phase: record.PhaseName
    at_s: float
    torch_allocated_peak_bytes: int | None
    torch_reserved_peak_bytes: int | None


class ModelLoaded(Event):
    kind: Literal["model_loaded"] = "model_loaded"
    base: record.Base


class DataPrepared(Event):
    kind: Literal["data_prepared"] = "data_prepared"
    data: record.Data


class ParametersCounted(Event):
    kind: Literal["parameters_counted"] = "parameters_counted"
    trainable: int
    total: int


class Step(Event):
    """An optimiser step."""

    kind: Literal["step"] = "step"
    at_s: float
    step: int
    n_steps: int
    epoch: float
    loss: float | None
    """Mean cross-entropy in nats per completion token; null if not finite."""
    learning_rate: float
    grad_norm: float | None
    """Before clipping; null if not finite."""
    seconds: float
    tokens: int


class Evaluated(Event):
    kind: Literal["evaluated"] = "evaluated"
    at_s: float
    evaluation: record.Evaluation


class Resumed(Event):
    kind: Literal["resumed"] = "resumed"
    step: int


class MicroBatchHalved(Event):
    """Memory ran out, and `train.fit_micro_batch` asked to go on with less at a time."""

    kind: Literal["micro_batch_halved"] = "micro_batch_halved"
    micro_batch: int


class Trained(Event):
    kind: Literal["trained"] = "trained"
    training: record.Training


class Answering(Event):
    kind: Literal["answering"] = "answering"
    answered: int
    n_examples: int


class Scored(Event):
    kind: Literal["scored"] = "scored"
    scores: dict[str, float | None]
    settings: dict[str, str]
    info: dict[str, record.ScoreInfo]


class LatencyMeasured(Event):
    kind: Literal["latency_measured"] = "latency_measured"
    latency: record.Latency


class Saved(Event):
    kind: Literal["saved"] = "saved"
    bytes: int


class Missing(Event):
    """Why something will not be measured: dotted path in the record to the reason."""

    kind: Literal["missing"] = "missing"
    reasons: dict[str, str]


class Failed(Event):
    """The cell's last word where it did not end well and could still say so."""

    kind: Literal["failed"] = "failed"
    status: Literal["oom", "failed", "interrupted"]
    type: str
    message: str
    phase: record.PhaseName | None


class Finished(Event):
    """The cell's last word where all went well."""

    kind: Literal["finished"] = "finished"


AnyEvent = Annotated[
    PhaseStarted
    | PhaseEnded
    | ModelLoaded
    | DataPrepared
    | ParametersCounted
    | Step
    | Evaluated
    | Resumed
    | MicroBatchHalved
    | Trained
    | Answering
    | Scored
    | LatencyMeasured
    | Saved
    | Missing
    | Failed
    | Finished,
    Field(discriminator="kind"),
]
_ANY: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def parse(line: str | bytes) -> AnyEvent:
    """The event that `model_dump_json` wrote. Raises pydantic's ValidationError for anything else."""
    return _ANY.validate_json(line)
