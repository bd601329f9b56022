"""What a cell's process reports to its supervisor: typed events, one JSON object each, over a pipe."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bench.phase import PhaseName
from bench.record_sections import Base, Data, Evaluation, Latency, Parameters, ScoreInfo, Training


class Event(BaseModel):
    """Something that happened in the cell. Times are seconds on the machine's monotonic clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class PhaseStarted(Event):
    kind: Literal["phase_started"] = "phase_started"
    phase: PhaseName
    at_s: float


class PhaseEnded(Event):
    """The device was synchronised before the clock was read. A phase that was paused for another one ends twice."""

    kind: Literal["phase_ended"] = "phase_ended"
    phase: PhaseName
    at_s: float
    torch_allocated_peak_bytes: int | None
    torch_reserved_peak_bytes: int | None


class SectionsReady(Event):
    """An event whose fields are sections of the record, by the same names."""


class ModelLoaded(SectionsReady):
    kind: Literal["model_loaded"] = "model_loaded"
    base: Base
    parameters: Parameters


class DataPrepared(SectionsReady):
    kind: Literal["data_prepared"] = "data_prepared"
    data: Data


class Step(Event):
    """An optimiser step."""

    kind: Literal["step"] = "step"
    at_s: float
    step: int
    n_steps: int
    epoch: float
    loss: float | None
    """Mean cross-entropy in nats per completion token; None if not finite."""
    learning_rate: float
    grad_norm: float | None
    """Before clipping; None if not finite."""
    seconds: float
    tokens: int


class Evaluated(Event):
    kind: Literal["evaluated"] = "evaluated"
    at_s: float
    evaluation: Evaluation


class Resumed(Event):
    kind: Literal["resumed"] = "resumed"
    step: int


class MicroBatchHalved(Event):
    """Memory ran out, and training starts again with a smaller micro batch (`train.fit_micro_batch`)."""

    kind: Literal["micro_batch_halved"] = "micro_batch_halved"
    micro_batch: int


class Trained(SectionsReady):
    kind: Literal["trained"] = "trained"
    training: Training


class Answering(Event):
    kind: Literal["answering"] = "answering"
    answered: int
    n_examples: int


class Scored(SectionsReady):
    kind: Literal["scored"] = "scored"
    scores: dict[str, float | None]
    score_settings: dict[str, str]
    score_info: dict[str, ScoreInfo]
    score_errors: dict[str, float] = {}


class LatencyMeasured(SectionsReady):
    kind: Literal["latency_measured"] = "latency_measured"
    latency: Latency


class Saved(Event):
    kind: Literal["saved"] = "saved"
    bytes: int


class Missing(Event):
    """Why values of the record are None: dotted path in the record to the reason."""

    kind: Literal["missing"] = "missing"
    reasons: dict[str, str]


class Warned(Event):
    """One sentence for the user about something that does not end the cell."""

    kind: Literal["warned"] = "warned"
    message: str


class Failed(Event):
    """The last event of a cell that failed or was stopped, if its process could still send one."""

    kind: Literal["failed"] = "failed"
    status: Literal["oom", "failed", "interrupted"]
    type: str
    message: str
    phase: PhaseName | None


class Finished(Event):
    """The last event of a cell that completed every phase before any request to stop reached it."""

    kind: Literal["finished"] = "finished"


AnyEvent = Annotated[
    PhaseStarted
    | PhaseEnded
    | ModelLoaded
    | DataPrepared
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
    | Warned
    | Failed
    | Finished,
    Field(discriminator="kind"),
]
_ANY: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


def parse(line: str | bytes) -> AnyEvent:
    """The event that `model_dump_json` gave. Raises pydantic's ValidationError for anything else."""
    return _ANY.validate_json(line)
