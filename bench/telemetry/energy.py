"""Arithmetic over sampled signals: no files, no clocks. Times are seconds on one monotonic clock, in rising order.

A window is a half-open stretch of time, `starts_s[k] <= t < ends_s[k]`. Functions that take windows take any number of
them and are additive over samples, so that a long signal can be passed in pieces that share one sample.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SENSOR_PERIOD_S = 0.1
"""How often the power sensor of an A100 or H100 looks, for about 25 ms each time (Yang, Adamek and Armour 2024,
"Part-time Power Measurements: nvidia-smi's Lack of Attention")."""
ALIASES_OF_SENSOR_PERIOD = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
"""A load that repeats with one of these multiples of the sensor's period shows it the same few moments again and again.
Shorter ones fit into the 25 ms and are averaged; longer ones are seen at many moments."""


def held_until(t_s: Floats, cap_s: float, last_s: float) -> Floats:
    """Until when each sample stands for the signal: the next one, but no longer than `cap_s`; the last for `last_s`."""
    until_s: Floats = np.minimum(t_s + cap_s, np.append(t_s[1:], t_s[-1] + last_s))
    return until_s


def integrate(t_s: Floats, until_s: Floats, rate: Floats, starts_s: Floats, ends_s: Floats) -> Floats:
    """Integral over each window of a signal that is `rate[i]` from `t_s[i]` to `until_s[i]`, and 0 in between.

    With a rate of 1 it is the time that the samples cover.
    """
    return _integral_up_to(ends_s, t_s, until_s, rate) - _integral_up_to(starts_s, t_s, until_s, rate)


def _integral_up_to(at_s: Floats, t_s: Floats, until_s: Floats, rate: Floats) -> Floats:
    before = np.concatenate(([0.0], np.cumsum(rate * (until_s - t_s))))
    current = np.searchsorted(t_s, at_s, side="right") - 1
    begun = np.maximum(current, 0)
    inside = rate[begun] * np.clip(at_s - t_s[begun], 0.0, until_s[begun] - t_s[begun])
    return np.where(current < 0, 0.0, before[begun] + inside)


def step_energy(t_s: Floats, power_w: Floats, starts_s: Floats, ends_s: Floats, cap_s: float) -> tuple[Floats, Floats]:
    """Joules per window by step-hold, each sample standing for at most `cap_s`, and the seconds that samples cover."""
    until_s = held_until(t_s, cap_s, last_s=cap_s)
    return (
        integrate(t_s, until_s, power_w, starts_s, ends_s),
        integrate(t_s, until_s, np.ones_like(t_s), starts_s, ends_s),
    )


def counter_falls(counter: Floats) -> Bools:
    """For each pair of neighbouring readings, whether the counter fell: it was reset in between."""
    return np.diff(counter) < 0


def counter_jumps(t_s: Floats, counter: Floats, max_rate: float) -> Bools:
    """For each pair of neighbouring readings, whether more was counted than `max_rate` allows.

    A second is granted on top of the time between them, because counters are updated in steps.
    """
    return np.diff(counter) > max_rate * (np.diff(t_s) + 1.0)


def counter_increase(
    t_s: Floats, counter: Floats, sound: Bools, starts_s: Floats, ends_s: Floats
) -> tuple[Floats, Floats]:
    """What a counter rose by in each window, linear between readings, and the seconds that have readings on both sides.

    Pairs of neighbouring readings that are not `sound` count as neither.
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
    """How far the integral lies above the counter, in percent of the counter."""
    return 100.0 * (integral_j - counter_j) / counter_j


def carbon_g(energy_j: float, intensity_g_per_kwh: float) -> float:
    """Grams of CO2 equivalent: 1 kWh is 3.6e6 J."""
    return energy_j / 3.6e6 * intensity_g_per_kwh


def aliases(step_time_s: float, tolerance: float = 0.1) -> bool:
    """Whether steps of this length repeat in time with the power sensor, so that sampled power is biased."""
    return any(
        abs(step_time_s - multiple * SENSOR_PERIOD_S) <= tolerance * multiple * SENSOR_PERIOD_S
        for multiple in ALIASES_OF_SENSOR_PERIOD
    )
