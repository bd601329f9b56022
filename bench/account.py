"""The account of one cell: gathers what its process told into the record that says how it ended."""

from datetime import UTC, datetime

from bench import events
from bench.cell import Cell
from bench.record import (
    Base,
    Data,
    Environment,
    Error,
    Latency,
    Memory,
    Parameters,
    Phase,
    PhaseName,
    Power,
    Record,
    Status,
    Training,
)


class Account:
    """Hears every event of a cell, and draws up its record whenever it ends."""

    def __init__(self, cell: Cell, key: str, study: str, start_s: float) -> None:
        self.cell = cell
        self.key = key
        self.study = study
        self.start_s = start_s
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.phases: list[Phase] = []
        self.torch_peaks: dict[PhaseName, tuple[int | None, int | None]] = {}
        self.open: events.PhaseStarted | None = None
        self.last_word: events.Failed | events.Finished | None = None
        self._base: Base | None = None
        self._data: Data | None = None
        self._counted: events.ParametersCounted | None = None
        self._saved_bytes: int | None = None
        self._training: Training | None = None
        self._latency: Latency | None = None
        self._scored: events.Scored | None = None
        self._missing: dict[str, str] = {}

    def hear(self, event: events.AnyEvent) -> None:
        """Take note of `event`."""
        match event:
            case events.PhaseStarted():
                self.open = event
            case events.PhaseEnded():
                self._close(event.at_s)
                peaks = (event.torch_allocated_peak_bytes, event.torch_reserved_peak_bytes)
                self.torch_peaks[event.phase] = _larger(self.torch_peaks.get(event.phase, (None, None)), peaks)
            case events.ModelLoaded():
                self._base = event.base
            case events.DataPrepared():
                self._data = event.data
            case events.ParametersCounted():
                self._counted = event
            case events.Trained():
                self._training = event.training
            case events.Scored():
                self._scored = event
            case events.LatencyMeasured():
                self._latency = event.latency
            case events.Saved():
                self._saved_bytes = event.bytes
            case events.Missing():
                self._missing |= event.reasons
            case events.Failed() | events.Finished():
                self.last_word = event

    def record(
        self,
        status: Status,
        error: Error | None,
        end_s: float,
        environment: tuple[Environment, dict[str, str]],
        memory: tuple[Memory | None, dict[str, str]],
        power: tuple[Power | None, dict[str, str]],
    ) -> Record:
        """The record as of `end_s`; each measured part comes with the reasons for what it lacks."""
        self._close(end_s)
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
            "error": "none",
            "error.phase": "between_phases",
            "base.revision": "not_from_the_hub",
        }
        missing |= self._missing | environment[1] | memory[1] | power[1]
        return Record.draw_up(
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
            memory=memory[0],
            power=power[0],
            latency=self._latency,
            scores=self._scored.scores if self._scored else None,
            score_settings=self._scored.settings if self._scored else None,
        )

    def _parameters(self) -> Parameters | None:
        if self._counted is None:
            return None
        return Parameters(
            trainable=self._counted.trainable,
            total=self._counted.total,
            trainable_percent=100 * self._counted.trainable / self._counted.total,
            saved_bytes=self._saved_bytes,
        )

    def _close(self, at_s: float) -> None:
        if self.open is not None:
            start_s = self.open.at_s
            self.phases.append(Phase(name=self.open.phase, start_s=start_s - self.start_s, seconds=at_s - start_s))
            self.open = None


def _larger(one: tuple[int | None, int | None], other: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    first, second = ((a if b is None else b if a is None else max(a, b)) for a, b in zip(one, other, strict=True))
    return first, second
