"""What was sampled of each cell over time: the trace its supervisor wrote, or one made from the readings."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.report.read.cells import StoredCell
from bench.report.read.problem import Problem
from bench.telemetry.gather import Gathered
from bench.telemetry.reading import read_file
from bench.telemetry.trace import Trace, from_json, thin
from bench.telemetry.windows import Stretch


def one_of_each_setup_first(cells: Sequence[StoredCell], n: int) -> list[StoredCell]:
    """At most `n` of the cells, in their order: one of each setup before the second of any."""
    seen: Counter[str] = Counter()
    ranks = []
    for cell in cells:
        ranks.append(seen[cell.setup])
        seen[cell.setup] += 1
    chosen = sorted(range(len(cells)), key=ranks.__getitem__)[:n]
    return [cells[at] for at in sorted(chosen)]


def read_traces(runs: Path, cells: Sequence[StoredCell]) -> tuple[dict[str, Trace], list[Problem]]:
    """The traces that have samples, by folder; and a sentence for each file that is not as it should be."""
    traces: dict[str, Trace] = {}
    problems = []
    for cell in cells:
        trace, own = _trace(runs, cell)
        problems += own
        if trace and _has_samples(trace):
            traces[cell.folder] = trace
    return traces, problems


def _trace(runs: Path, cell: StoredCell) -> tuple[Trace | None, list[Problem]]:
    phases = [Stretch(phase.name, phase.start_s, phase.seconds) for phase in cell.record.phases]
    written, readings = f"{cell.folder}/trace.json", f"{cell.folder}/telemetry.jsonl"
    problems = []
    try:
        trace = from_json((runs / written).read_bytes(), phases)
        if trace is not None:
            return trace, _without_samples(trace, readings)
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        problems.append(Problem(written, "is cut off or broken, so telemetry.jsonl was read, which takes longer."))
    trace, own = _thinned(runs, readings, phases, cell)
    return trace, problems + own


def _thinned(runs: Path, name: str, phases: Sequence[Stretch], cell: StoredCell) -> tuple[Trace | None, list[Problem]]:
    """The trace made from all readings. An hour of them takes seconds."""
    try:
        trace = thin(Gathered.of(read_file(runs / name)), phases, cell.record.telemetry.hz)
        size = (runs / name).stat().st_size
    except OSError as error:
        why = error.strerror or "it cannot be read"
        return None, [Problem(name, f"cannot be read ({why}): this cell's power and memory over time are not shown.")]
    problems = _without_samples(trace, name)
    recorded = cell.record.telemetry.file_bytes
    if not problems and recorded is not None and size != recorded:
        sentence = (
            f"has {size} bytes, and its record says {recorded}: power and memory over time are shown as far as it can "
            "be read; the tables have the record's numbers."
        )
        problems.append(Problem(name, sentence))
    return trace, problems


def _without_samples(trace: Trace | None, name: str) -> list[Problem]:
    if trace is None or _has_samples(trace):
        return []
    return [Problem(name, "has no reading of power or memory in the cell's phases, so neither is shown over time.")]


def _has_samples(trace: Trace) -> bool:
    return any((trace.power_w, trace.device_bytes, trace.rss_bytes))
