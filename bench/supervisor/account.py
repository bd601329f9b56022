"""The account of one cell: collects what its process reports, and builds the record from it."""

from datetime import UTC, datetime
from typing import TypeVar

from bench import protocol
from bench.cell import Cell
from bench.record import Environment, Error, Parameters, Phase, Record, Status
from bench.telemetry import Telemetry
from bench.telemetry.join import TelemetrySections, TorchPeaks, measure
from bench.telemetry.sampler import Recording
from bench.telemetry.trace import Trace, thin
from bench.telemetry.windows import Stretch

E = TypeVar("E", bound=protocol.Event)


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
        self._latest: dict[type[protocol.Event], protocol.Event] = {}
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
            case protocol.Missing():
                self._missing |= event.reasons
            case protocol.Failed() | protocol.Finished():
                self.outcome = event
            case _:
                self._latest[type(event)] = event

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
        loaded, prepared = self._last(protocol.ModelLoaded), self._last(protocol.DataPrepared)
        trained, timed = self._last(protocol.Trained), self._last(protocol.LatencyMeasured)
        scored = self._last(protocol.Scored)
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
            base=loaded and loaded.base,
            data=prepared and prepared.data,
            parameters=self._parameters(),
            phases=tuple(self.phases),
            training=trained and trained.training,
            memory=measured.memory,
            power=measured.power,
            host=measured.host,
            telemetry=measured.telemetry,
            latency=timed and timed.latency,
            scores=scored and scored.scores,
            score_settings=scored and scored.settings,
            score_info=scored and scored.info,
        )

    def trace(self, recording: Recording, settings: Telemetry) -> Trace | None:
        """The readings in `recording` over time, thinned, for the phases so far; None if these took no time."""
        return thin(recording.gathered, self._stretches(), settings.hz)

    def _stretches(self) -> list[Stretch]:
        return [Stretch(phase.name, phase.start_s, phase.seconds) for phase in self.phases]

    def _last(self, kind: type[E]) -> E | None:
        event = self._latest.get(kind)
        return event if isinstance(event, kind) else None

    def _parameters(self) -> Parameters | None:
        counted, saved = self._last(protocol.ParametersCounted), self._last(protocol.Saved)
        if counted is None:
            return None
        return Parameters(
            trainable=counted.trainable,
            total=counted.total,
            trainable_percent=100 * counted.trainable / counted.total,
            saved_bytes=saved and saved.bytes,
        )

    def _measured(self, recording: Recording, settings: Telemetry) -> TelemetrySections:
        loaded, trained = self._last(protocol.ModelLoaded), self._last(protocol.Trained)
        return measure(
            recording.gathered,
            self._stretches(),
            settings,
            file_bytes=recording.file_bytes,
            torch_peaks=self._torch_peaks,
            torch_missing="no_cuda" if loaded is None or loaded.base.device == "cpu" else "not_reached",
            step_time_s=trained.training.step_time_s_p50 if trained else None,
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
