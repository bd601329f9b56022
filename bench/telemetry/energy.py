"""Arithmetic over sampled signals: no files, no clocks. Times are seconds on one monotonic clock, in rising order.

A window is a half-open stretch of time, `starts_s[k] <= t < ends_s[k]`. Results are arrays with one number per window.
"""

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
    if not len(t_s):
        return np.zeros(len(starts_s)), np.zeros(len(starts_s))
    until_s = np.minimum(t_s + hold_s, np.append(t_s[1:], np.inf))
    knots_s = np.stack((t_s, until_s), axis=1).ravel()

    def integral(rate: Floats) -> Floats:
        up_to_knots = np.cumsum(np.stack((np.zeros_like(t_s), rate * (until_s - t_s)), axis=1).ravel())
        return np.interp(ends_s, knots_s, up_to_knots) - np.interp(starts_s, knots_s, up_to_knots)

    return integral(value), integral(np.ones_like(t_s))


def counter_falls(counter: Floats) -> Bools:
    """For each pair of neighbouring readings, whether the counter fell: it was reset in between."""
    return np.diff(counter) < 0


def counter_jumps(t_s: Floats, counter: Floats, max_rate: float) -> Bools:
    """For each pair of neighbouring readings, whether more was counted than `max_rate` allows.

    A second is added to the time between them, because counters are updated in steps.
    """
    return np.diff(counter) > max_rate * (np.diff(t_s) + 1.0)


def counter_increase(t_s: Floats, counter: Floats, starts_s: Floats, ends_s: Floats) -> tuple[Floats, Floats]:
    """Rise of a counter in each window, linear between readings, and the seconds between the first and last reading."""
    starts_s, ends_s = np.clip((starts_s, ends_s), t_s[0], t_s[-1])
    return np.interp(ends_s, t_s, counter) - np.interp(starts_s, t_s, counter), ends_s - starts_s


def peaks(t_s: Floats, value: Floats, starts_s: Floats, ends_s: Floats) -> Floats:
    """Largest sample inside each window; minus infinity where there is none."""
    windows = zip(np.searchsorted(t_s, starts_s), np.searchsorted(t_s, ends_s), strict=True)
    return np.array([value[first:last].max(initial=-np.inf) for first, last in windows])


def residual_percent(integral_j: float, counter_j: float) -> float:
    """How far the integral is above the counter, in percent of the counter."""
    return 100.0 * (integral_j - counter_j) / counter_j


def carbon_g(energy_j: float, intensity_g_per_kwh: float) -> float:
    """Grams of CO2 equivalent: 1 kWh is 3.6e6 J."""
    return energy_j / 3.6e6 * intensity_g_per_kwh


def aliases(step_time_s: float, tolerance: float = 0.1) -> bool:
    """Whether steps of this length stay in phase with the power sensor, so that sampled power is biased."""
    periods = step_time_s / SENSOR_PERIOD_S
    return any(abs(periods - multiple) <= tolerance * multiple for multiple in ALIASES_OF_SENSOR_PERIOD)
