"""The sampler against sources that misbehave, in real time."""

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from bench.telemetry import Reader, Sample, Source, Telemetry, Unavailable
from bench.telemetry.host import Host
from bench.telemetry.reading import Reading, read_file
from bench.telemetry.sampler import Log, Recording, Sampler

RELEASE = Event()
"""Ends the calls that hang, once a test is over."""


@pytest.fixture(autouse=True)
def _release() -> Iterator[None]:
    RELEASE.clear()
    yield
    RELEASE.set()


class Board(Reader):
    """Counts its readings and, at some of them, does what it is told."""

    def __init__(self, at: dict[int, Any]) -> None:
        self._at = at
        self._n = 0
        self._reasons = {"GPU-a.temperature_c": "not_supported"}
        self.closed = False

    @property
    def facts(self) -> dict[str, Any]:
        return {"devices": {"GPU-a": {"name": "Board", "power_reading": "instant"}}}

    @property
    def reasons(self) -> dict[str, str]:
        return self._reasons

    def watch(self, pid: int) -> None:
        self._reasons["watched"] = str(pid)

    def read(self, slow: bool) -> Sample:
        at_s = time.monotonic()
        self._n += 1
        power_w: Any = 300.0
        match self._at.get(self._n):
            case Exception() as error:
                raise error
            case float() as seconds if seconds > 0:
                RELEASE.wait(seconds)
            case "nan":
                power_w = float("nan")
        answer: Any = {"power_w": power_w, "sm_clock_mhz": self._n}
        return Sample(at_s, {"devices": {"GPU-a": answer | ({"memory_clock_mhz": 5} if slow else {})}})

    def close(self) -> None:
        if self._at.get(-1) is not None:
            RELEASE.wait(self._at[-1])


def faulty(at: dict[int, Any] | None = None, opening: Any = None) -> Telemetry:
    """Settings at 20 Hz whose GPU source does `opening` when opened and `at[n]` at its n-th reading, -1 when closed."""

    class Misbehaving(Source):
        def open(self) -> Reader:
            if isinstance(opening, Exception):
                raise opening
            if opening is not None:
                RELEASE.wait(opening)
            return Board(at or {})

    return Telemetry(name="test", hz=20.0, idle_s=0.2, hang_s=0.4, gpu=Misbehaving(name="misbehaving"))


def sampled(settings: Telemetry, path: Path, seconds: float = 0.5) -> tuple[list[Reading], float]:
    """What was read in `seconds`, and how long the sampler took to stop."""
    sampler = Sampler(settings, path)
    sampler.start()
    time.sleep(seconds)
    begun_s = time.monotonic()
    sampler.stop()
    stopping_s = time.monotonic() - begun_s
    return list(read_file(path)), stopping_s


def closing(readings: list[Reading]) -> str:
    status: str = readings[-1].facts["closed"]["status"]
    return status


def test_readings_keep_to_absolute_deadlines(tmp_path: Path) -> None:
    readings, _ = sampled(faulty(), tmp_path / "telemetry.jsonl", seconds=0.9)
    opened, *ticks, last, closed = readings
    assert opened.facts == {"devices": {"GPU-a": {"name": "Board", "power_reading": "instant"}}}
    assert opened.reasons == {"GPU-a.temperature_c": "not_supported"}
    deadlines_s = [reading.t_s - (reading.late_s or 0.0) for reading in ticks]
    expected_s = [deadlines_s[0] + 0.05 * tick for tick in range(len(ticks) + sum(r.missed for r in ticks))]
    assert len(expected_s) == pytest.approx(18, abs=2)
    assert all(any(abs(deadline - expected) < 2e-3 for expected in expected_s) for deadline in deadlines_s)
    assert [reading.values["devices"]["GPU-a"]["sm_clock_mhz"] for reading in ticks] == list(range(1, len(ticks) + 1))
    assert sum("memory_clock_mhz" in reading.values["devices"]["GPU-a"] for reading in ticks) == 1
    assert last.late_s is None
    assert "memory_clock_mhz" in last.values["devices"]["GPU-a"], "the last reading has everything"
    assert closed.facts["closed"]["status"] == "ok"
    assert 0.0 < closed.facts["closed"]["cpu_s"] < 0.2


def test_ticks_that_pass_during_a_slow_reading_are_missed_not_made_up(tmp_path: Path) -> None:
    readings, _ = sampled(faulty({4: 0.12}), tmp_path / "telemetry.jsonl", seconds=0.6)
    ticks = [reading for reading in readings if reading.late_s is not None]
    slots = [round((reading.t_s - (reading.late_s or 0.0) - ticks[0].t_s) / 0.05) for reading in ticks]
    assert len(slots) == len(set(slots))
    after = ticks[4]
    assert after.missed >= 1
    assert slots[4] - slots[3] == after.missed + 1
    assert sum(reading.missed for reading in ticks) == slots[-1] + 1 - len(slots)


def test_times_count_from_the_origin(tmp_path: Path) -> None:
    sampler = Sampler(faulty(), tmp_path / "telemetry.jsonl", origin_s=time.monotonic() + 100.0)
    sampler.start()
    time.sleep(0.1)
    sampler.stop()
    readings = list(read_file(tmp_path / "telemetry.jsonl"))
    assert all(-100.0 <= reading.t_s < -99.0 for reading in readings)


def test_an_error_in_the_middle_is_told_and_survived(tmp_path: Path) -> None:
    readings, _ = sampled(faulty({3: RuntimeError("boom")}), tmp_path / "telemetry.jsonl")
    told = [reading.reasons for reading in readings if reading.reasons]
    assert told == [{"GPU-a.temperature_c": "not_supported"}, {"": "read_failed: RuntimeError: boom"}, {"": None}]
    assert [bool(reading.values) for reading in readings[1:6]] == [True, True, False, True, True]
    assert closing(readings) == "ok"


def test_a_number_that_is_none_is_implausible_and_takes_no_other_along(tmp_path: Path) -> None:
    readings, _ = sampled(faulty({2: "nan"}), tmp_path / "telemetry.jsonl")
    assert readings[2].values == {"devices": {"GPU-a": {"sm_clock_mhz": 2}}}
    assert readings[2].reasons == {"GPU-a.power_w": "implausible"}
    assert readings[3].reasons == {"GPU-a.power_w": None}
    assert closing(readings) == "ok"


def test_a_source_that_is_gone_ends_its_readings(tmp_path: Path) -> None:
    readings, stopping_s = sampled(faulty({3: Unavailable("gpu_lost")}), tmp_path / "telemetry.jsonl")
    assert [bool(reading.values) for reading in readings] == [False, True, True, False, False]
    assert (closing(readings), readings[-1].reasons) == ("gpu_lost", {"": "gpu_lost"})
    assert stopping_s < 0.2


@pytest.mark.parametrize(
    ("opening", "status"),
    [
        (Unavailable("no_nvml"), "no_nvml"),
        (OSError("broken"), "failed: OSError: broken"),
    ],
)
def test_a_source_that_does_not_open(opening: Exception, status: str, tmp_path: Path) -> None:
    sampler = Sampler(faulty(opening=opening), tmp_path / "telemetry.jsonl")
    sampler.start()
    begun_s = time.monotonic()
    sampler.wait_idle()
    assert time.monotonic() - begun_s < 0.15, "there is nothing to wait for"
    sampler.stop()
    readings = list(read_file(tmp_path / "telemetry.jsonl"))
    assert [(reading.reasons, closing([reading])) for reading in readings] == [({"": status}, status)]


@pytest.mark.parametrize("where", ["opening", "reading", "closing"])
def test_a_call_that_hangs_is_left_behind(where: str, tmp_path: Path) -> None:
    settings = {
        "opening": faulty(opening=30.0),
        "reading": faulty({3: 30.0}),
        "closing": faulty({-1: 30.0}),
    }[where]
    path = tmp_path / "telemetry.jsonl"
    readings, stopping_s = sampled(settings, path, seconds=0.6)
    assert stopping_s == pytest.approx(0.0 if where != "closing" else 0.4, abs=0.15)
    assert closing(readings) == "hung"
    assert readings[-1].reasons == {"": "hung"}
    assert readings[-1].t_s == pytest.approx({"opening": 0.0, "reading": 0.1, "closing": 0.6}[where], abs=0.1)
    size = path.stat().st_size
    RELEASE.set()
    time.sleep(0.2)
    assert path.stat().st_size == size, "whoever was left behind has no say any more"


def test_a_call_that_hangs_for_a_while_leaves_a_gap(tmp_path: Path) -> None:
    readings, _ = sampled(faulty({3: 0.45}), tmp_path / "telemetry.jsonl", seconds=0.9)
    assert closing(readings) == "ok"
    assert max(reading.missed for reading in readings) in (7, 8, 9)


def test_ticks_that_pass_while_the_cell_ends_are_missed(tmp_path: Path) -> None:
    readings, _ = sampled(faulty({3: 0.3}), tmp_path / "telemetry.jsonl", seconds=0.25)
    *ticks, last, _ = readings
    assert [reading.missed for reading in ticks] == [0, 0, 0, 0]
    assert (last.late_s, last.missed) == (None, pytest.approx(6, abs=1)), "from 0.15 to 0.4 s"


def test_one_source_that_hangs_does_not_take_the_other_along(tmp_path: Path) -> None:
    settings = faulty({3: 30.0}).model_copy(update={"host": Host(name="host")})
    readings, _ = sampled(settings, tmp_path / "telemetry.jsonl", seconds=0.8)
    status = {r.role: r.facts["closed"]["status"] for r in readings if "closed" in r.facts}
    assert status == {"gpu": "hung", "host": "ok"}
    assert max(reading.t_s for reading in readings if reading.role == "host" and reading.late_s is not None) > 0.7


def test_idle_power_is_waited_for_where_there_is_a_board(tmp_path: Path) -> None:
    sampler = Sampler(faulty(), tmp_path / "telemetry.jsonl")
    sampler.start()
    begun_s = time.monotonic()
    sampler.wait_idle()
    assert time.monotonic() - begun_s == pytest.approx(0.2, abs=0.1)
    sampler.stop()


def test_the_process_is_watched_even_if_the_source_opens_later(tmp_path: Path) -> None:
    sampler = Sampler(faulty(opening=0.2), tmp_path / "telemetry.jsonl")
    sampler.start()
    sampler.watch(42)
    time.sleep(0.4)
    sampler.stop()
    readings = list(read_file(tmp_path / "telemetry.jsonl"))
    assert {"watched": "42"} in [reading.reasons for reading in readings]


def test_drain_gives_every_reading_once(tmp_path: Path) -> None:
    sampler = Sampler(faulty(), tmp_path / "telemetry.jsonl")
    sampler.start()
    drained = []
    for _ in range(3):
        time.sleep(0.1)
        drained += sampler.drain()
    sampler.stop()
    drained += sampler.drain()
    written = read_file(tmp_path / "telemetry.jsonl")
    assert [reading.to_line() for reading in drained] == [reading.to_line() for reading in written]


def numbers(recording: Recording) -> list[float]:
    """What is in memory of a counter that `Log` was given."""
    return list(recording.gathered.gpu.columns["GPU-a", "power_w"].value)


@pytest.mark.parametrize("path", ["/dev/full", "/nowhere/telemetry.jsonl"])
def test_a_file_that_cannot_be_written_costs_the_record_nothing(path: str) -> None:
    sampler = Sampler(faulty(), Path(path))
    sampler.start()
    time.sleep(0.3)
    drained = sampler.drain()
    recording = sampler.stop()
    assert recording.file_bytes is None
    assert len(numbers(recording)) >= len([reading for reading in drained if reading.values]) >= 4
    assert recording.gathered.gpu.status == "ok"


def test_a_disk_that_fills_up_in_the_middle_of_a_line(tmp_path: Path) -> None:
    # The limit on a file's size stands in for the disk: the write that reaches it is cut off, as on a full disk.
    script = """
        import json, resource, sys
        from pathlib import Path
        from bench.telemetry.reading import Reading
        from bench.telemetry.sampler import Log
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        log = Log(Path(sys.argv[1]), recent=10)
        for n in range(100):
            log.write(Reading("gpu", float(n), values={"devices": {"GPU-a": {"power_w": n}}}))
        recording = log.close()
        print(json.dumps([recording.file_bytes, list(recording.gathered.gpu.columns["GPU-a", "power_w"].value)]))
    """
    path = tmp_path / "telemetry.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [None, list(range(100))]
    assert path.stat().st_size == 1000
    assert not path.read_bytes().endswith(b"\n")
    written = [reading.values["devices"]["GPU-a"]["power_w"] for reading in read_file(path)]
    assert written == list(range(len(path.read_bytes().splitlines()) - 1))


def test_the_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(Reading("gpu", 99.0).to_line())
    log = Log(path, recent=10)
    log.write(Reading("host", 1.0))
    recording = log.close()
    assert [reading.role for reading in read_file(path)] == ["host"]
    assert recording.file_bytes == path.stat().st_size


def test_stop_before_start(tmp_path: Path) -> None:
    recording = Sampler(faulty(), tmp_path / "telemetry.jsonl").stop()
    assert (recording.gathered.gpu.n_readings, recording.file_bytes) == (0, 0)
