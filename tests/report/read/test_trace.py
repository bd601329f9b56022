import pytest

from bench.report.read.trace import read_trace, read_written_trace
from bench.telemetry.gather import Gathered
from bench.telemetry.reading import Reading
from bench.telemetry.trace import thin, to_json
from bench.telemetry.windows import Stretch

PHASES = (Stretch("load", 2.0, 1.0), Stretch("train", 3.0, 2.0))


def readings():
    return [Reading("host", 2.05 + tick / 10, 0.0, values={"rss_bytes": 100 + tick}) for tick in range(30)]


def test_a_trace_is_thinned_from_the_readings(tmp_path):
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"".join(reading.to_line() for reading in readings()))
    trace = read_trace(path, PHASES, hz=10.0)
    assert trace.phases == (Stretch("load", 0.0, 1.0), Stretch("train", 1.0, 2.0))
    assert trace.rss_bytes.peak.tolist() == [100.0 + tick for tick in range(30)]
    with pytest.raises(FileNotFoundError):
        read_trace(tmp_path / "other.jsonl", PHASES, hz=10.0)


def test_a_trace_that_was_written_is_the_same(tmp_path):
    path = tmp_path / "trace.json"
    assert read_written_trace(path, PHASES) is None
    path.write_text(to_json(thin(Gathered.of(readings()), PHASES, hz=10.0)))
    trace = read_written_trace(path, PHASES)
    assert trace.rss_bytes.peak.tolist() == [100.0 + tick for tick in range(30)]
    assert read_written_trace(path, PHASES[:1]) is None
