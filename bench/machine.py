"""Where and with what a cell's numbers were measured: the machine, the software, and the job of a batch system."""

from typing import final

from bench.telemetry.sections import Section


@final
class Gpu(Section):
    name: str
    uuid: str
    memory_bytes: int | None


@final
class Scheduler(Section):
    """The job of a batch system that a cell ran in."""

    name: str
    job_id: str
    node: str
    restarts: int
    """How often the system had started the job before, such as after a preemption."""


@final
class Environment(Section):
    """The machine and the software that the numbers were measured with."""

    git_commit: str | None
    git_dirty: bool | None
    python: str
    packages: dict[str, str]
    """Distribution name to version, for those that can change a number."""
    gpu: tuple[Gpu, ...] | None
    driver: str | None
    cuda: str | None
    host: str
    platform: str
    cpu: str
    cpu_count: int
    memory_bytes: int
    scheduler: Scheduler | None = None
    """None for a cell that no batch system ran, and in records from before this was noted."""
