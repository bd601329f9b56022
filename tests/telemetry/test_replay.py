import time
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.telemetry import Telemetry, Unavailable
from bench.telemetry.reading import Reading, read_file
from bench.telemetry.replay import Replay
from bench.telemetry.sampler import Sampler

FACTS = {"devices": {"GPU-a": {"name": "Board", "power_limit_w": 700.0, "power_reading": "instant"}}}


def recorded(path: Path, seconds: float) -> Path:
    readings = [Reading("gpu", -2.0, facts=FACTS, reasons={"GPU-a.temperature_c": "not_supported"})]
    for tick in range(int(20 * seconds)):
        readings.append(Reading("host", -2.0 + tick / 20, 0.001, values={"rss_bytes": tick}))
        values = {"devices": {"GPU-a": {"power_w": 100.0 + tick}}}
        readings.append(Reading("gpu", -2.0 + tick / 20, 0.001, values=values))
    path.write_bytes(b"".join(reading.to_line() for reading in readings))
    return path


def test_a_recording_stands_in_for_hardware(tmp_path: Path) -> None:
    source = Replay(name="replay", path=str(recorded(tmp_path / "old.jsonl", 30.0)), role="gpu")
    sampler = Sampler(Telemetry(name="test", hz=20.0, gpu=source), tmp_path / "new.jsonl")
    sampler.start()
    time.sleep(0.6)
    sampler.stop()
    opened, *readings, closed = read_file(tmp_path / "new.jsonl")
    assert (opened.facts, opened.reasons) == (FACTS, {"GPU-a.temperature_c": "not_supported"})
    watts = [r.values["devices"]["GPU-a"]["power_w"] for r in readings if r.values]
    assert watts == sorted(set(watts))
    assert len(watts) == pytest.approx(12, abs=3)
    assert watts[-1] == pytest.approx(112.0, abs=2.0)
    assert closed.facts["closed"]["status"] == "ok"


def test_a_recording_ends(tmp_path: Path) -> None:
    source = Replay(name="replay", path=str(recorded(tmp_path / "old.jsonl", 0.2)), role="gpu")
    sampler = Sampler(Telemetry(name="test", hz=20.0, gpu=source), tmp_path / "new.jsonl")
    sampler.start()
    time.sleep(0.5)
    sampler.stop()
    assert list(read_file(tmp_path / "new.jsonl"))[-1].reasons == {"": "replay_ended"}


def test_an_empty_recording(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.touch()
    with pytest.raises(Unavailable, match=r"^replay_empty$"):
        Replay(name="replay", path=str(path), role="gpu").open()


def test_a_recording_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"no such file: nowhere\.jsonl; give a telemetry\.jsonl of an earlier run$"):
        Replay(name="replay", path="nowhere.jsonl", role="gpu").open()
