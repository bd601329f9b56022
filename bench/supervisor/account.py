"""The account of one cell: collects what its process reports, and builds the record from it."""

from datetime import UTC, datetime

from bench import protocol
from bench.cell import Cell
from bench.record import (
    Base,
    Data,
    Environment,
    Error,
    Latency,
    Parameters,
    Phase,
    Record,
    Status,
    Training,
)
from bench.telemetry import Telemetry
from bench.telemetry.join import TelemetrySections, TorchPeaks, measure
from bench.telemetry.sampler import Recording
from bench.telemetry.trace import Trace, thin
from bench.telemetry.windows import Stretch


class Account:
    """Takes every event of a cell, and can build its record at any moment: a process may die between any two."""

    def __init__(self, cell: Cell, key: str, study: str, start_s: float) -> None:
        self.cell = cell
        self.key = key
        self.study = study
        self.start_s = start_s
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.phases: list[Phase] = []
        self._torch_peaks: dict[str, TorchPeaks] = {}
        self.open: protocol.PhaseStarted | None = None
        """The phase that is under way."""
        self.outcome: protocol.Failed | protocol.Finished | None = None
        """What the process said of its own end."""
        self._base: Base | None = None
        self._data: Data | None = None
        self._counted: protocol.ParametersCounted | None = None
        self._saved_bytes: int | None = None
        self._training: Training | None = None
        self._latency: Latency | None = None
        self._scored: protocol.Scored | None = None
        self._missing: dict[str, str] = {}

    @property
    def started(self) -> bool:
        """Whether a phase has begun; before that the process has not opened its log yet."""
        return bool(self.phases or self.open)

    def handle(self, event: protocol.AnyEvent) -> None:
        """Keep what `event` reports."""
        match event:
            case protocol.PhaseStarted():
                self.open = event
            case protocol.PhaseEnded():
                self._close(event.at_s)
                self._keep_peaks(event)
            case protocol.ModelLoaded():
                self._base = event.base
            case protocol.DataPrepared():
                self._data = event.data
            case protocol.ParametersCounted():
                self._counted = event
            case protocol.Trained():
                self._training = event.training
            case protocol.Scored():
                self._scored = event
            case protocol.LatencyMeasured():
                self._latency = event.latency
            case protocol.Saved():
                self._saved_bytes = event.bytes
            case protocol.Missing():
                self._missing |= event.reasons
            case protocol.Failed() | protocol.Finished():
                self.outcome = event

    def record(
        self,
        status: Status,
        error: Error | None,
        end_s: float,
        environment: tuple[Environment, dict[str, str]],
        recording: Recording,
        settings: Telemetry,
    ) -> Record:
        """Build the record of a cell that ended at `end_s`.

        Args:
            status: how it ended.
            error: None only if `status` is `ok`.
            end_s: on the monotonic clock.
            environment: the machine, and the reasons for what is not known of it.
            recording: the telemetry.
            settings: how the telemetry was sampled.
        """
        self._close(end_s)
        measured = self._measured(recording, settings)
        trains = self.cell.method.trains
        missing = {
            "base": "not_reached",
            "data": "not_reached",
            "parameters": "not_reached",
            "parameters.saved_bytes": "not_reached" if trains else "nothing_trained",
            "training": "not_reached" if trains else "nothing_trained",
            "latency": "not_reached",
            "scores": "not_reached",
            "score_settings": "not_reached",
            "score_info": "not_reached",
            "error": "none",
            "error.phase": "between_phases",
            "base.revision": "not_from_the_hub",
        }
        missing |= environment[1] | self._missing | measured.missing
        return Record.build(
            missing,
            key=self.key,
            study=self.study,
            started_at=self.started_at,
            seconds=end_s - self.start_s,
            status=status,
            error=error,
            cell=self.cell.model_dump(mode="json"),
            environment=environment[0],
            base=self._base,
            data=self._data,
            parameters=self._parameters(),
            phases=tuple(self.phases),
            training=self._training,
            memory=measured.memory,
            power=measured.power,
            host=measured.host,
            telemetry=measured.telemetry,
            latency=self._latency,
            scores=self._scored.scores if self._scored else None,
            score_settings=self._scored.settings if self._scored else None,
            score_info=self._scored.info if self._scored else None,
        )

    def trace(self, recording: Recording, settings: Telemetry) -> Trace | None:
        """The readings in `recording` over time, thinned, for the phases so far; None if these took no time."""
        return thin(recording.gathered, self._stretches(), settings.hz)

    def _stretches(self) -> list[Stretch]:
        return [Stretch(phase.name, phase.start_s, phase.seconds) for phase in self.phases]

    def _parameters(self) -> Parameters | None:
        if self._counted is None:
            return None
        return Parameters(
            trainable=self._counted.trainable,
            total=self._counted.total,
            trainable_percent=100 * self._counted.trainable / self._counted.total,
            saved_bytes=self._saved_bytes,
        )

    def _measured(self, recording: Recording, settings: Telemetry) -> TelemetrySections:
        return measure(
            recording.gathered,
            self._stretches(),
            settings,
            file_bytes=recording.file_bytes,
            torch_peaks=self._torch_peaks,
            torch_missing="no_cuda" if self._base is None or self._base.device == "cpu" else "not_reached",
            step_time_s=self._training.step_time_s_p50 if self._training else None,
        )

    def _keep_peaks(self, event: protocol.PhaseEnded) -> None:
        # Training is interrupted by validation: the peak of a phase is the largest of its stretches.
        allocated, reserved = self._torch_peaks.get(event.phase, (None, None))
        self._torch_peaks[event.phase] = TorchPeaks(
            _larger(allocated, event.torch_allocated_peak_bytes), _larger(reserved, event.torch_reserved_peak_bytes)
        )

    def _close(self, at_s: float) -> None:
        if self.open is not None:
            start_s = self.open.at_s
            self.phases.append(Phase(name=self.open.phase, start_s=start_s - self.start_s, seconds=at_s - start_s))
            self.open = None


def _larger(a: int | None, b: int | None) -> int | None:
    return max((peak for peak in (a, b) if peak is not None), default=None)
