"""What telemetry adds to a cell's record. A null has its reason in the record's `missing`, under its own path."""

from typing import Literal, final

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the record. Units stand in the names: `_s` seconds, `_w` watts, `_j` joules, `_bytes` bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class PhasePower(Section):
    """Power and energy of all the cell's GPU boards together, over one phase."""

    seconds: float
    energy_j: float | None
    """Gross energy by `energy_method`: the headline."""
    energy_method: Literal["counter", "integral"] | None
    """`counter`: NVML's own energy counter. `integral`: sampled power, each sample held until the next one."""
    energy_counter_j: float | None
    energy_integral_j: float | None
    residual_percent: float | None
    """How far the integral lies above the counter."""
    mean_power_w: float | None
    peak_sampled_power_w: float | None
    """Largest sample of the sum over boards; what the sensor did not see between samples is not in it."""
    net_energy_j: float | None
    """Gross energy less idle power over the same time."""
    n_samples: int
    """Samples in which all boards answered."""
    coverage: float
    """Share of the time that samples stand for, each for at most five periods."""
    worst_gap_s: float
    """Longest time without a sample."""
    lateness_s_p99: float | None
    """How long after their deadlines 99 % of the readings had begun."""
    missed_ticks: int
    """Deadlines that passed without a reading."""
    throttled_s: float | None
    """Time during which at least one board had lowered its clocks for power, heat or hardware."""
    throttled_by_s: dict[str, float] | None
    """The same by reason, those that occurred; several may hold at once."""


@final
class Carbon(Section):
    """Gross energy times the grid's intensity. The boards alone: not the rest of the machine, not its making."""

    emission_g: float | None
    """Grams of CO2 equivalent."""
    intensity_g_per_kwh: float
    intensity_source: str


class DevicePower(Section):
    """One device over the whole cell."""

    name: str | None
    power_reading: Literal["instant", "usage"] | None
    """`instant`: a reading of the moment. `usage`: NVML's power usage, on many cards a mean over one second."""
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
    """Whether training steps repeat in time with the power sensor (near 100 ms, a simple fraction or multiple of it),
    so that sampled power and energy may be off by more than the sensor's own error."""
    carbon: Carbon | None
    devices: dict[str, DevicePower]
    """By UUID."""
    phases: dict[str, PhasePower]


class PhaseMemory(Section):
    """Peaks of memory over one phase. No two of them measure the same thing."""

    torch_allocated_peak_bytes: int | None
    """Of tensors, by torch's CUDA allocator."""
    torch_reserved_peak_bytes: int | None
    """Of what torch's CUDA allocator took from the device."""
    device_peak_bytes: int | None
    """Sampled use of the cell's devices together, by whomever, without what the driver reserves (NVML, version 2)."""
    process_device_peak_bytes: int | None
    """Sampled use of the devices by the cell's processes, once a second, where the driver tells."""
    rss_peak_bytes: int | None
    """Sampled sum over the cell's processes; pages that they share count in each."""
    pss_peak_bytes: int | None
    """Sampled sum over the cell's processes, shared pages divided among all that share them; the larger, the rarer."""


@final
class Memory(PhaseMemory):
    """Peaks over the whole cell, and by phase."""

    device_before_bytes: int | None
    """Use of the cell's devices right before it: what it did not cause."""
    phases: dict[str, PhaseMemory]


class PhaseHostUse(Section):
    """What one phase took of the machine."""

    cpu_s: float | None
    """CPU time of the cell's processes, all cores together."""
    package_energy_j: float | None
    """Energy of the machine's CPU packages by RAPL, by whomever used."""


@final
class HostUse(PhaseHostUse):
    """What the whole cell took of the machine, and by phase."""

    phases: dict[str, PhaseHostUse]


class SourceSampling(Section):
    """How reading one source went, from the sampler's start to its stop."""

    status: str
    """`ok`, or why the source gave nothing or no more."""
    n_readings: int
    missed_ticks: int
    cpu_s: float | None
    """CPU time that reading took in the supervisor."""


class Sampling(Section):
    """How telemetry itself went."""

    hz: float
    file_bytes: int | None
    """Size of telemetry.jsonl; null where the disk took only a part of the samples. The numbers above had them all."""
    gpu: SourceSampling | None
    host: SourceSampling | None
