"""The machine itself: memory and CPU time of the cell's processes from /proc, energy of the CPU packages from RAPL."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from bench.telemetry import UNDATED_S, Reader, Sample, Source, Unavailable
from bench.telemetry.processes import ProcessTree, RateLimit, Stat, proportional_bytes
from bench.telemetry.schema import Values

OF_PROCESSES = ("rss_bytes", "pss_bytes", "cpu_s")


class Host(Source):
    """The machine and the cell's processes; Linux only."""

    powercap: str = "/sys/class/powercap"
    """The folder with the kernel's RAPL counters."""

    def open(self) -> "HostReader":
        """Find out what can be read."""
        if not Path("/proc/self/statm").exists():
            raise Unavailable("no_procfs")
        return HostReader(Path(self.powercap))


class HostReader(Reader):
    """Sums over the watched process and its descendants, and over the CPU packages."""

    def __init__(self, powercap: Path) -> None:
        self._tree: ProcessTree | None = None
        self._stats: dict[int, Stat] = {}
        self._pss_limit = RateLimit()
        self.reasons = dict.fromkeys(OF_PROCESSES, "not_started")
        self._packages: list[Package] = []
        self._package_energy_j = 0.0
        try:
            self._packages = [Package.at(folder) for folder in package_folders(powercap)]
            if not self._packages:
                self.reasons["package_energy_j"] = "no_rapl"
        except (OSError, ValueError) as error:
            self.reasons["package_energy_j"] = refusal(error)
        self.facts = {"packages": len(self._packages)}

    def watch(self, pid: int) -> None:
        """Read memory and CPU time of process `pid` and its descendants."""
        self._tree = ProcessTree(pid)

    def read(self, slow: bool) -> Sample:
        """`rss_bytes` (shared pages count in every process), `pss_bytes`, `cpu_s`, `package_energy_j`."""
        pids = self._tree.pids(refresh=slow) if self._tree is not None else None
        begun_s = time.monotonic()
        values: Values = {**self._energy(), **self._usage(pids)}
        ended_s = time.monotonic()
        if ended_s - begun_s > UNDATED_S:
            self.reasons.update(dict.fromkeys(values, "slow_reading"))
            values = {}
        if pids and slow and self._pss_limit.due():
            values.update(self._pss(pids))
        return Sample((begun_s + ended_s) / 2, values)

    def close(self) -> None:
        """Close the files of the processes."""
        self._follow(())

    def _energy(self) -> Values:
        if not self._packages:
            return {}
        try:
            self._package_energy_j += sum(package.increase_j() for package in self._packages)
        except (OSError, ValueError) as error:
            self._packages = []
            self.reasons["package_energy_j"] = refusal(error)
            return {}
        self.reasons.pop("package_energy_j", None)
        return {"package_energy_j": round(self._package_energy_j, 6)}

    def _usage(self, pids: tuple[int, ...] | None) -> Values:
        if pids is None:
            return {}
        self._follow(pids)
        used = [stat.usage() if (stat := self._stats.get(pid)) else None for pid in pids]
        # A process that has ended but was not waited for yet holds no memory.
        if not used or used[0] is None or used[0].rss_bytes == 0:
            self.reasons.update(dict.fromkeys(OF_PROCESSES, "process_ended"))
            return {}
        self.reasons.pop("rss_bytes", None)
        self.reasons.pop("cpu_s", None)
        living = [use for use in used if use is not None]
        cpu_s = round(sum(use.cpu_s for use in living), 3)
        return {"rss_bytes": sum(use.rss_bytes for use in living), "cpu_s": cpu_s}

    def _follow(self, pids: tuple[int, ...]) -> None:
        for gone in self._stats.keys() - set(pids):
            self._stats.pop(gone).close()
        for new in set(pids) - self._stats.keys():
            # It may have ended since it was listed.
            with contextlib.suppress(OSError):
                self._stats[new] = Stat(new)

    def _pss(self, pids: tuple[int, ...]) -> Values:
        begun_s = time.monotonic()
        try:
            total = sum(proportional_bytes(pid) for pid in pids)
        except OSError as error:
            self.reasons["pss_bytes"] = refusal(error)
            return {}
        finally:
            self._pss_limit.took(begun_s)
        if total == 0:
            return {}
        self.reasons.pop("pss_bytes", None)
        return {"pss_bytes": total}


def refusal(error: Exception) -> str:
    """The reason for what cannot be read."""
    return "no_permission" if isinstance(error, PermissionError) else f"read_failed: {error}"


def wrapped_increase(before: int, now: int, modulus: int) -> int:
    """Rise of a counter that restarts at 0 after `modulus - 1`, if it did so at most once."""
    return (now - before) % modulus


def package_folders(powercap: Path) -> list[Path]:
    """RAPL's zones for whole CPU packages.

    `psys` contains the packages, and `intel-rapl-mmio` repeats one of them: both would count energy twice.
    """
    zones = sorted(powercap.glob("intel-rapl:*"))
    return [zone for zone in zones if (zone / "name").read_text().startswith("package-")]


@dataclass
class Package:
    """The energy counter of one CPU package, which restarts at 0 after its range."""

    counter: Path
    modulus_uj: int
    last_uj: int

    @classmethod
    def at(cls, zone: Path) -> "Package":
        """The counter of the powercap zone in folder `zone`."""
        counter = zone / "energy_uj"
        return cls(counter, int((zone / "max_energy_range_uj").read_text()) + 1, int(counter.read_text()))

    def increase_j(self) -> float:
        """Joules since the last call."""
        now_uj = int(self.counter.read_text())
        increase = wrapped_increase(self.last_uj, now_uj, self.modulus_uj)
        self.last_uj = now_uj
        return increase / 1e6
