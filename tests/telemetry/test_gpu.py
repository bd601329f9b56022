"""The real card, where there is one. The figures go to the log: `pytest -m gpu -s`."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.telemetry import Telemetry, Unavailable
from bench.telemetry.host import Host
from bench.telemetry.join import TelemetrySections, measure
from bench.telemetry.nvml import Nvml
from bench.telemetry.nvml.reader import NvmlReader
from bench.telemetry.sampler import Sampler
from bench.telemetry.windows import Stretch

pytestmark = pytest.mark.gpu

LOAD = """
    import sys, time, torch
    x = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    torch.cuda.synchronize()
    print(torch.cuda.max_memory_allocated(), flush=True)
    end_s = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end_s:
        for _ in range(20):
            y = x @ x
        torch.cuda.synchronize()
    print("done", flush=True)
"""


@pytest.fixture
def reader() -> Iterator[NvmlReader]:
    try:
        reader = Nvml(name="nvml").open()
    except Unavailable as reason:
        pytest.skip(f"no NVIDIA GPU: {reason}")
    yield reader
    reader.close()


def test_the_card_answers(reader: NvmlReader) -> None:
    values = reader.read(slow=True).values["devices"]
    print(reader.facts, reader.reasons, values, sep="\n")
    for uuid, facts in reader.facts["devices"].items():
        assert facts["name"]
        assert values[uuid]["memory_used_bytes"] + values[uuid]["memory_free_bytes"] <= facts["memory_total_bytes"]
        if not facts["shared"]:
            assert 1.0 < values[uuid]["power_w"] < 1.5 * facts["power_limit_w"]
    refused = set(reader.reasons.values())
    assert refused <= {"not_supported", "no_permission", "mig_shared"}


def test_reading_is_cheap(reader: NvmlReader) -> None:
    took_s = []
    for _ in range(100):
        begun_s = time.monotonic()
        reader.read(slow=False)
        took_s.append(time.monotonic() - begun_s)
        time.sleep(0.01)
    took_s.sort()
    print(f"fast reading: p50 {took_s[50] * 1e3:.2f} ms, p99 {took_s[98] * 1e3:.2f} ms")
    assert took_s[98] < 0.02 * len(reader.facts["devices"])


def test_the_counter_counts(reader: NvmlReader) -> None:
    uuid, facts = next(iter(reader.facts["devices"].items()))
    if f"{uuid}.energy_j" in reader.reasons:
        pytest.skip(f"no energy counter: {reader.reasons[f'{uuid}.energy_j']}")
    first: dict[str, Any] = {}
    changes = []
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < 3.0:
        at_s, values = reader.read(slow=False)
        counter_j = values["devices"][uuid]["energy_j"]
        first = first or {"at_s": at_s, "energy_j": counter_j, "last_j": counter_j}
        if counter_j != first["last_j"]:
            changes.append(at_s)
            first["last_j"] = counter_j
    periods_s = sorted(after - before for before, after in pairwise(changes))
    watts = (first["last_j"] - first["energy_j"]) / (changes[-1] - first["at_s"])
    print(f"counter: an update every {periods_s[len(periods_s) // 2] * 1e3:.0f} ms (p50), {watts:.1f} W on average")
    assert periods_s[len(periods_s) // 2] < 0.25
    assert 1.0 < watts < 1.2 * facts["power_limit_w"]


def test_a_load_is_seen(reader: NvmlReader, tmp_path: Path) -> None:
    settings = Telemetry(name="test", gpu=Nvml(name="nvml"), host=Host(name="host"))
    measured, allocated = loaded(settings, tmp_path, seconds=15.0)
    power, memory = measured.power, measured.memory
    print(measured.power, measured.telemetry, measured.missing, sep="\n")
    assert memory is not None
    assert memory.device_peak_bytes is not None
    assert memory.device_peak_bytes >= allocated
    if power is None:
        assert measured.missing["power"] in ("mig_shared", "not_supported")
        return
    train = power.phases["train"]
    assert train.energy_j is not None
    assert train.peak_sampled_power_w is not None
    assert train.mean_power_w is not None
    assert train.coverage > 0.99
    assert train.missed_ticks <= 2
    assert train.peak_sampled_power_w > train.mean_power_w > (power.idle_power_w or 0.0) + 20.0
    if train.energy_counter_j is not None:
        assert train.residual_percent == pytest.approx(0.0, abs=10.0)


def loaded(settings: Telemetry, folder: Path, seconds: float) -> tuple[TelemetrySections, int]:
    """What is measured while the card multiplies matrices, and how much memory torch says that it took."""
    origin_s = time.monotonic()
    sampler = Sampler(settings, folder / "telemetry.jsonl", origin_s)
    sampler.start()
    sampler.wait_idle()
    loading_s = time.monotonic() - origin_s
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOAD), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    sampler.watch(process.pid)
    assert process.stdout is not None
    allocated = int(process.stdout.readline())
    training_s = time.monotonic() - origin_s
    assert process.stdout.readline() == "done\n"
    ended_s = time.monotonic() - origin_s
    recording = sampler.stop()
    process.communicate()
    phases = [
        Stretch("load", loading_s, training_s - loading_s),
        Stretch("train", training_s, ended_s - training_s),
    ]
    measured = measure(
        recording.gathered,
        phases,
        settings,
        file_bytes=recording.file_bytes,
        torch_peaks={},
        torch_missing="not_reported",
        step_time_s=None,
    )
    return measured, allocated
