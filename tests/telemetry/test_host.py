import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.telemetry.host import Host, HostReader, Package, wrapped_increase
from bench.telemetry.processes import ProcessTree, RateLimit, Stat, descend, proportional_bytes

MIB = 2**20


def zone(folder: Path, name: str, label: str, energy_uj: int, range_uj: int = 999) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "name").write_text(f"{label}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    return path / "energy_uj"


def energy_j(reader: HostReader) -> Any:
    return reader.read(slow=False).values.get("package_energy_j")


def test_packages_are_added_and_nothing_twice(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 200)
    others = [
        zone(tmp_path, "intel-rapl:2", "psys", 300),
        zone(tmp_path, "intel-rapl:0:0", "core", 50),
        zone(tmp_path, "intel-rapl:0:1", "dram", 50),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100),
    ]
    reader = Host(name="host", powercap=str(tmp_path)).open()
    assert reader.facts == {"packages": 2}
    first.write_text("160\n")
    second.write_text("230\n")
    for other in others:
        other.write_text("900\n")
    assert energy_j(reader) == pytest.approx(90e-6)
    assert "package_energy_j" not in reader.reasons


def test_a_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 990, range_uj=999)
    reader = Host(name="host", powercap=str(tmp_path)).open()
    read = []
    for microjoules in (995, 10, 500, 100):
        counter.write_text(f"{microjoules}\n")
        read.append(energy_j(reader))
    assert read == pytest.approx([5e-6, 20e-6, 510e-6, 1110e-6])


@pytest.mark.parametrize(
    ("before", "now", "rise"), [(5, 12, 7), (990, 10, 20), (0, 0, 0), (999, 0, 1)], ids=["up", "wrap", "still", "edge"]
)
def test_wrapped_increase(before: int, now: int, rise: int) -> None:
    assert wrapped_increase(before, now, modulus=1000) == rise


def test_no_rapl(tmp_path: Path) -> None:
    reader = Host(name="host", powercap=str(tmp_path / "nowhere")).open()
    assert energy_j(reader) is None
    assert reader.reasons["package_energy_j"] == "no_rapl"


def test_rapl_that_only_root_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 100)

    def refuse(folder: Path) -> Package:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Package, "at", refuse)
    reader = Host(name="host", powercap=str(tmp_path)).open()
    assert energy_j(reader) is None
    assert reader.reasons["package_energy_j"] == "no_permission"


def test_rapl_that_breaks_ends(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 100)
    reader = Host(name="host", powercap=str(tmp_path)).open()
    counter.write_text("nonsense\n")
    assert energy_j(reader) is None
    assert reader.reasons["package_energy_j"].startswith("read_failed: invalid literal for int()")
    counter.write_text("200\n")
    assert energy_j(reader) is None, "what was used in between is not known"


@pytest.fixture
def family() -> Iterator[psutil.Process]:
    """A process that holds 64 MiB and has a child that holds 32 MiB and has used 0.3 s of CPU."""
    child = "import time; x = bytearray(b'1') * 2**25; t = time.process_time()\n"
    child += "while time.process_time() - t < 0.3: pass\n"
    child += "print('ready', flush=True); time.sleep(60)"
    parent = "import subprocess, sys; x = bytearray(b'1') * 2**26\n"
    parent += f"subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    tree = psutil.Process(process.pid)
    descendants = tree.children(recursive=True)
    yield tree
    for member in (*descendants, tree):
        member.kill()
    process.wait()
    process.stdout.close()


def test_the_tree_counts_together(family: psutil.Process) -> None:
    reader = Host(name="host").open()
    assert {name: reader.reasons[name] for name in ("rss_bytes", "pss_bytes", "cpu_s")} == {
        "rss_bytes": "not_started",
        "pss_bytes": "not_started",
        "cpu_s": "not_started",
    }
    assert not {"rss_bytes", "pss_bytes", "cpu_s"} & set(reader.read(slow=True).values)
    reader.watch(family.pid)
    values = reader.read(slow=True).values
    members = [family, *family.children(recursive=True)]
    assert values["rss_bytes"] == pytest.approx(sum(m.memory_info().rss for m in members), abs=MIB)
    assert values["pss_bytes"] == pytest.approx(sum(m.memory_full_info().pss for m in members), rel=0.1)
    assert 96 * MIB < values["pss_bytes"] <= values["rss_bytes"]
    assert 0.3 <= values["cpu_s"] < 2.0
    assert not {"rss_bytes", "pss_bytes", "cpu_s"} & set(reader.reasons)


def test_a_process_that_has_ended_has_no_memory_rather_than_none_used(family: psutil.Process) -> None:
    reader = Host(name="host").open()
    reader.watch(family.pid)
    assert reader.read(slow=True).values["rss_bytes"] > 0
    family.kill()
    time.sleep(0.2)
    assert not {"rss_bytes", "cpu_s"} & set(reader.read(slow=False).values)
    assert reader.reasons["rss_bytes"] == "process_ended"


def test_a_reading_that_took_too_long_has_no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Host(name="host").open()
    reader.watch(os.getpid())

    def slow_usage(stat: Stat) -> Any:
        time.sleep(0.12)
        return usage(stat)

    usage = Stat.usage
    with monkeypatch.context() as patched:
        patched.setattr(Stat, "usage", slow_usage)
        assert reader.read(slow=False).values == {}
        assert (reader.reasons["rss_bytes"], reader.reasons["cpu_s"]) == ("slow_reading", "slow_reading")
    assert reader.read(slow=False).values["rss_bytes"] > 0
    assert "rss_bytes" not in reader.reasons


def test_usage_agrees_with_psutil() -> None:
    stat = Stat(os.getpid())
    used = stat.usage()
    stat.close()
    times = psutil.Process().cpu_times()
    assert used is not None
    assert used.rss_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    expected_s = times.user + times.system + times.children_user + times.children_system
    assert used.cpu_s == pytest.approx(expected_s, abs=0.1)


def test_nobody_is_nowhere() -> None:
    process = subprocess.Popen(["sleep", "60"])
    stat = Stat(process.pid)
    assert stat.usage() is not None
    process.kill()
    process.wait()
    assert stat.usage() is None
    stat.close()
    with pytest.raises(FileNotFoundError):
        Stat(process.pid)
    assert proportional_bytes(process.pid) == 0
    assert descend(process.pid) == ()
    assert ProcessTree(process.pid).pids(refresh=True) == ()


def test_what_is_costly_is_done_rarely() -> None:
    limit = RateLimit()
    assert limit.due()
    limit.took(time.monotonic() - 1.0)
    assert not limit.due()
    limit.took(time.monotonic())
    time.sleep(0.05)
    assert limit.due()
