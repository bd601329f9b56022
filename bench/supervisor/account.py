"""The account of one cell: collects what its process reports, and builds the record from it."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from bench import protocol
from bench.cell import Cell
from bench.machine import Environment
from bench.record import Record, Status
from bench.record_sections import Error, Phase, Tuning
from bench.telemetry import Telemetry
from bench.telemetry.gather import Gathered
from bench.telemetry.join import TelemetrySections, TorchPeaks, measure
from bench.telemetry.sampler import Recording
from bench.telemetry.trace import Trace, thin
from bench.telemetry.windows import Stretch


class Account:
    """Takes every event of a cell, and can build its record at any moment: a process may die between any two."""

    def __init__(
        self,
        cell: Cell,
        key: str,
        study: str,
        start_s: float,
        gpus: Collection[str] = (),
        tuning: Tuning | None = None,
    ) -> None:
        self.cell = cell
        self.gpus = gpus
        """UUIDs of those that were locked for the cell."""
        self.key = key
        self.study = study
        self.start_s = start_s
        self.tuning = tuning
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.phases: list[Phase] = []
        self._torch_peaks: dict[str, TorchPeaks] = {}
        self.open: protocol.PhaseStarted | None = None
        """The phase that is under way."""
        self.outcome: protocol.Failed | protocol.Finished | None = None
        """What the process said of its own end."""
        self._sections: dict[str, Any] = {}
        """Sections of the record as the process sent them."""
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
            case protocol.SectionsReady():
                self._sections |= {name: getattr(event, name) for name in type(event).model_fields if name != "kind"}
            case protocol.Saved():
                saved = {"saved_bytes": event.bytes}
                self._sections["parameters"] = self._sections["parameters"].model_copy(update=saved)
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
        """Build the record of a cell that ended at `end_s` on the monotonic clock.

        `error` is None only if `status` is `ok`; `environment` comes with the reasons for what is unknown.
        """
        self._close(end_s)
        measured = self._measured(recording, settings)
        trained = "not_reached" if self.cell.method.trains else "nothing_trained"
        names = ("base", "parameters", "data", "training", "latency", "scores", "score_settings", "score_info")
        missing = dict.fromkeys(names, "not_reached") | {
            "parameters.saved_bytes": trained,
            "training": trained,
            "error": "none",
            "error.phase": "between_phases",
            "base.revision": "not_from_the_hub",
        }
        return Record.build(
            missing | environment[1] | self._missing | measured.missing,
            key=self.key,
            study=self.study,
            started_at=self.started_at,
            seconds=end_s - self.start_s,
            status=status,
            error=error,
            cell=self.cell.model_dump(mode="json"),
            environment=environment[0],
            phases=tuple(self.phases),
            memory=measured.memory,
            power=measured.power,
            host=measured.host,
            telemetry=measured.telemetry,
            tuning=self.tuning,
            **dict.fromkeys(names) | self._sections,
        )

    def trace(self, recording: Recording, settings: Telemetry) -> Trace | None:
        """The readings in `recording` over time, thinned, for the phases so far; None if these took no time."""
        return thin(self._gathered(recording), self._stretches(), settings.hz)

    def _gathered(self, recording: Recording) -> Gathered:
        """What was read, without what belongs to a GPU that the cell did not run on."""
        base, gathered = self._sections.get("base"), recording.gathered
        # CUDA may give a part of a divided GPU the UUID of the whole.
        read = {uuid for uuid, facts in gathered.gpu.devices.items() if not facts.get("shared")}
        if self.gpus and base is not None and read and read != set(base.gpus):
            return gathered.without_gpu("other_device")
        return gathered

    def _stretches(self) -> list[Stretch]:
        return [Stretch(phase.name, phase.start_s, phase.seconds) for phase in self.phases]

    def _measured(self, recording: Recording, settings: Telemetry) -> TelemetrySections:
        base, training = self._sections.get("base"), self._sections.get("training")
        return measure(
            self._gathered(recording),
            self._stretches(),
            settings,
            file_bytes=recording.file_bytes,
            torch_peaks=self._torch_peaks,
            torch_missing="no_cuda" if base is None or base.device == "cpu" else "not_reached",
            step_time_s=training and training.step_time_s_p50,
        )

    def _keep_peaks(self, event: protocol.PhaseEnded) -> None:
        # Training is interrupted by evaluation: the peak of a phase is the largest of its stretches.
        before = self._torch_peaks.get(event.phase, (None, None))
        now = event.torch_allocated_peak_bytes, event.torch_reserved_peak_bytes
        self._torch_peaks[event.phase] = TorchPeaks(*map(_larger, before, now))

    def _close(self, at_s: float) -> None:
        if self.open is not None:
            start_s = self.open.at_s
            self.phases.append(Phase(name=self.open.phase, start_s=start_s - self.start_s, seconds=at_s - start_s))
            self.open = None


def _larger(a: int | None, b: int | None) -> int | None:
    return max((peak for peak in (a, b) if peak is not None), default=None)
