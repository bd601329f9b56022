"""A cell's trace from its run folder: the one that was written when the cell ended, else from the readings."""

from collections.abc import Sequence
from pathlib import Path

from bench.telemetry.gather import Gathered
from bench.telemetry.reading import read_file
from bench.telemetry.trace import Series, Trace, from_json, thin
from bench.telemetry.windows import Stretch

__all__ = ["Series", "Trace", "read_trace", "read_written_trace"]


def read_trace(path: Path, phases: Sequence[Stretch], hz: float) -> Trace | None:
    """The readings of a telemetry.jsonl, thinned by `thin`, which see. An hour of them takes seconds.

    Raises:
        OSError: the file cannot be read.
    """
    return thin(Gathered.of(read_file(path)), phases, hz)


def read_written_trace(path: Path, phases: Sequence[Stretch]) -> Trace | None:
    """What `read_trace` gives, from a trace.json; None where there is none of this run of the cell.

    Raises:
        OSError: the file is there and cannot be read.
        ValueError: it is not what a supervisor writes.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    return from_json(text, phases)
