"""Arithmetic over sampled signals: no files, no clocks. Times are seconds on one monotonic clock, in rising order.

A window is a half-open stretch of time, `starts_s[k] <= t < ends_s[k]`. Results are arrays with one number per window.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SENSOR_PERIOD_S = 0.1
"""The power sensor of an A100 or H100 measures this often, for about 25 ms each time (Yang, Adamek and Armour 2024,
"Part-time Power Measurements: nvidia-smi's Lack of Attention")."""
ALIASES_OF_SENSOR_PERIOD = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
"""With a load that repeats at one of these multiples of its period, the sensor measures the same few moments again and
again. Shorter loads fit into the 25 ms and are averaged; longer ones are measured at many moments."""


def step_hold(t_s: Floats, value: Floats, starts_s: Floats, ends_s: Floats, hold_s: float) -> tuple[Floats, Floats]:
    """Integral per window of a signal whose samples hold until the next one, but for at most `hold_s`.

    Returns:
        The integrals, and the seconds of each window that samples stand for.
    """
    until_s = np.minimum(t_s + hold_s, np.append(t_s[1:], np.inf)) if len(t_s) else t_s
    return (
        integrate(t_s, until_s, value, starts_s, ends_s),
        integrate(t_s, until_s, np.ones_like(t_s), starts_s, ends_s),
    )


def integrate(t_s: Floats, until_s: Floats, rate: Floats, starts_s: Floats, ends_s: Floats) -> Floats:
    """Integral over each window of a signal that is `rate[i]` from `t_s[i]` to `until_s[i]`, and 0 in between.

    With a rate of 1 it is the time that the samples cover.
    """
    up_to_starts, up_to_ends = _integral_up_to(np.stack((starts_s, ends_s)), t_s, until_s, rate)
    return up_to_ends - up_to_starts


def _integral_up_to(at_s: Floats, t_s: Floats, until_s: Floats, rate: Floats) -> Floats:
    if not len(t_s):
        return np.zeros(at_s.shape)
    before = np.concatenate(([0.0], np.cumsum(rate * (until_s - t_s))))
    current = np.searchsorted(t_s, at_s, side="right") - 1
    begun = np.maximum(current, 0)
    inside = rate[begun] * np.clip(at_s - t_s[begun], 0.0, until_s[begun] - t_s[begun])
    return np.where(current < 0, 0.0, before[begun] + inside)


def counter_falls(counter: Floats) -> Bools:
    """For each pair of neighbouring readings, whether the counter fell: it was reset in between."""
    return np.diff(counter) < 0


def counter_jumps(t_s: Floats, counter: Floats, max_rate: float) -> Bools:
    """For each pair of neighbouring readings, whether more was counted than `max_rate` allows.

    A second is added to the time between them, because counters are updated in steps.
    """
    return np.diff(counter) > max_rate * (np.diff(t_s) + 1.0)


def counter_increase(
    t_s: Floats, counter: Floats, sound: Bools, starts_s: Floats, ends_s: Floats
) -> tuple[Floats, Floats]:
    """Rise of a counter in each window, linear between readings, and the seconds that have readings on both sides.

    The time between two neighbouring readings that are not `sound` counts in neither.
    """
    rate = np.where(sound, np.diff(counter) / np.diff(t_s), 0.0)
    return (
        integrate(t_s[:-1], t_s[1:], rate, starts_s, ends_s),
        integrate(t_s[:-1], t_s[1:], sound.astype(np.float64), starts_s, ends_s),
    )


def peaks(t_s: Floats, value: Floats, starts_s: Floats, ends_s: Floats) -> Floats:
    """Largest sample inside each window; minus infinity where there is none."""
    first, last = np.searchsorted(t_s, starts_s), np.searchsorted(t_s, ends_s)
    result = np.full(len(starts_s), -np.inf)
    for window in np.nonzero(last > first)[0]:
        result[window] = value[first[window] : last[window]].max()
    return result


def total_of(parts: Sequence[float | None]) -> float | None:
    """The sum over devices, or None unless every one is known: a sum without a part would pass for the whole."""
    known = [part for part in parts if part is not None]
    return math.fsum(known) if known and len(known) == len(parts) else None


def residual_percent(integral_j: float, counter_j: float) -> float:
    """How far the integral is above the counter, in percent of the counter."""
    return 100.0 * (integral_j - counter_j) / counter_j


def carbon_g(energy_j: float, intensity_g_per_kwh: float) -> float:
    """Grams of CO2 equivalent: 1 kWh is 3.6e6 J."""
    return energy_j / 3.6e6 * intensity_g_per_kwh


def aliases(step_time_s: float, tolerance: float = 0.1) -> bool:
    """Whether steps of this length stay in phase with the power sensor, so that sampled power is biased."""
    return any(
        abs(step_time_s - multiple * SENSOR_PERIOD_S) <= tolerance * multiple * SENSOR_PERIOD_S
        for multiple in ALIASES_OF_SENSOR_PERIOD
    )
