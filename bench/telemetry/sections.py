"""What telemetry adds to a cell's record. The reason for a None is in the record's `missing`, under its own path."""

from typing import Literal, final

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section of the record. Names end in units: `_s` seconds, `_w` watts, `_j` joules, `_bytes` bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class PhasePower(Section):
    """Power and energy of all the cell's GPU boards together, over one phase."""

    seconds: float
    energy_j: float | None
    """Gross energy by `energy_method`."""
    energy_method: Literal["counter", "integral"] | None
    """`counter`: the boards' own energy counters. `integral`: sampled power, each sample held until the next one."""
    energy_counter_j: float | None
    """Rise of the counters. If their readings start late or end early, by at most half a second at 10 Hz and 5 % of the
    time, that part is taken to have had the mean power of the rest; beyond that there is no figure."""
    energy_integral_j: float | None
    """Time that no sample stands for, at most 5 %, counts with the mean power of the rest."""
    residual_percent: float | None
    """How far the integral is above the counter."""
    mean_power_w: float | None
    peak_sampled_power_w: float | None
    """Largest sample of the sum over boards; peaks between two samples are not in it."""
    net_energy_j: float | None
    """Gross energy minus idle power over the same time."""
    n_samples: int
    """Samples with an answer from every board."""
    coverage: float
    """Share of the time that samples stand for, each for at most five periods."""
    worst_gap_s: float
    """Longest time without a sample."""
    lateness_s_p99: float | None
    """99 % of the readings began within this time after their deadlines."""
    missed_ticks: int
    """Deadlines that passed without a reading."""
    throttled_s: float | None
    """Time during which at least one board had lowered its clocks because of power, heat or hardware."""
    throttled_by_s: dict[str, float] | None
    """The same by reason, as the source names it; several reasons can hold at once."""


@final
class Carbon(Section):
    """Gross energy times the grid's intensity, of the boards alone, without the rest of the machine."""

    emission_g: float | None
    """Grams of CO2 equivalent."""
    intensity_g_per_kwh: float
    intensity_source: str


class DevicePower(Section):
    """One device over the whole cell."""

    name: str | None
    power_reading: Literal["instant", "usage"] | None
    """`instant`: power at the moment of the reading. `usage`: on many cards a mean over one second."""
    power_limit_w: float | None
    energy_counter_j: float | None
    energy_integral_j: float | None
    peak_sampled_power_w: float | None


@final
class Power(PhasePower):
    """Power and energy from the first phase's start to the last one's end, and by phase."""

    idle_power_w: float | None
    """Mean power right before the cell."""
    step_time_aliases: bool | None
    """Whether training steps stay in phase with the power sensor (near 100 ms, or a simple fraction or multiple of it),
    so that the error of sampled power and energy can exceed the sensor's own."""
    carbon: Carbon | None
    devices: dict[str, DevicePower]
    """By UUID."""
    phases: dict[str, PhasePower]


class PhaseMemory(Section):
    """Peaks of memory over one phase. Each of them measures something else."""

    torch_allocated_peak_bytes: int | None
    """Held by tensors, according to torch's CUDA allocator."""
    torch_reserved_peak_bytes: int | None
    """Taken from the device by torch's CUDA allocator."""
    device_peak_bytes: int | None
    """Sampled use of the cell's devices together, by any process, without what the driver reserves."""
    process_device_peak_bytes: int | None
    """Use of the devices by the cell's processes, sampled once a second, if the driver reports it."""
    rss_peak_bytes: int | None
    """Sampled sum over the cell's processes; a page that they share counts in each."""
    pss_peak_bytes: int | None
    """Sampled sum over the cell's processes, with shared pages divided among all that share them; sampled less often
    the larger the processes are."""


@final
class Memory(PhaseMemory):
    """Peaks over the whole cell, and by phase."""

    device_before_bytes: int | None
    """Use of the cell's devices right before it, which it did not cause."""
    phases: dict[str, PhaseMemory]


class PhaseHostUse(Section):
    """What one phase used of the machine."""

    cpu_s: float | None
    """CPU time of the cell's processes, all cores together, completed at the edges as `energy_counter_j` is."""
    package_energy_j: float | None
    """Energy of the machine's CPU packages by RAPL, whoever used it."""


@final
class HostUse(PhaseHostUse):
    """What the whole cell used of the machine, and by phase."""

    phases: dict[str, PhaseHostUse]


class SourceSampling(Section):
    """How reading one source went, from the start of sampling to its end."""

    status: str
    """`ok`, or why the source gave nothing, or nothing more."""
    n_readings: int
    missed_ticks: int
    cpu_s: float | None
    """CPU time that reading it took in the supervisor."""


class Sampling(Section):
    """How sampling went."""

    hz: float
    file_bytes: int | None
    """Size of telemetry.jsonl; None if samples are missing in it. The record's numbers are from all samples even so."""
    gpu: SourceSampling | None
    host: SourceSampling | None
    shared_board: dict[str, bool] = Field(default_factory=dict)
    """For each device, by UUID, whether a process that is not the cell's was seen to compute on it, so that power and
    memory are not the cell's alone. A device is absent if its driver lists no processes, and in older records."""
