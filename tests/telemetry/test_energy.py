"""Analytic traces: what the arithmetic must give is known exactly."""

import numpy as np
import pytest

from bench.telemetry import energy

CAP_S = 0.5


def at_10_hz(seconds: float) -> np.ndarray:
    return np.arange(0.0, seconds, 0.1)


def window(start_s: float, end_s: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([start_s]), np.array([end_s])


def integral(t_s: np.ndarray, power_w: np.ndarray, start_s: float, end_s: float) -> tuple[float, float]:
    energy_j, covered_s = energy.step_hold(t_s, power_w, *window(start_s, end_s), CAP_S)
    return energy_j[0], covered_s[0]


def test_flat_is_exact() -> None:
    # The trace that trapezoids over changed samples alone turn into 0 J.
    t_s = at_10_hz(60.0)
    energy_j, covered_s = integral(t_s, np.full_like(t_s, 300.0), 0.0, 60.0)
    assert energy_j == pytest.approx(18_000.0, rel=1e-9)
    assert covered_s == pytest.approx(60.0, rel=1e-9)


def test_flat_is_exact_at_uneven_times() -> None:
    t_s = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.45, 200))
    energy_j, covered_s = integral(t_s, np.full_like(t_s, 300.0), 5.0, 30.0)
    assert energy_j == pytest.approx(7_500.0, rel=1e-9)
    assert covered_s == pytest.approx(25.0, rel=1e-9)


def test_step_between_samples() -> None:
    t_s = at_10_hz(60.0)
    power_w = np.where(t_s < 30.05, 100.0, 300.0)
    truth_j = 100.0 * 30.05 + 300.0 * 29.95
    energy_j, _ = integral(t_s, power_w, 0.0, 60.0)
    assert energy_j == pytest.approx(truth_j, rel=0.01)
    assert energy_j == pytest.approx(100.0 * 30.1 + 300.0 * 29.9, rel=1e-9), "the step is seen at the next sample"


def test_ramp() -> None:
    t_s = at_10_hz(60.0)
    energy_j, _ = integral(t_s, 10.0 * t_s, 0.0, 60.0)
    assert energy_j == pytest.approx(18_000.0, rel=0.01)
    assert energy_j == pytest.approx(18_000.0 - 10.0 * 0.1 / 2 * 60.0, rel=1e-9), "holding lags by half a period"


def test_square_wave() -> None:
    t_s = at_10_hz(60.0) + 0.037
    power_w = np.where(t_s % 1.0 < 0.5, 500.0, 100.0)
    energy_j, _ = integral(t_s, power_w, 1.0, 59.0)
    assert energy_j == pytest.approx(300.0 * 58.0, rel=0.01)


def test_one_sample_stands_for_no_longer_than_the_cap() -> None:
    energy_j, covered_s = integral(np.array([2.0]), np.array([300.0]), 0.0, 10.0)
    assert (energy_j, covered_s) == (150.0, 0.5)


def test_a_gap_is_not_filled() -> None:
    t_s = at_10_hz(60.0)
    t_s = t_s[(t_s < 19.95) | (t_s > 29.95)]
    energy_j, covered_s = integral(t_s, np.full_like(t_s, 300.0), 0.0, 60.0)
    assert covered_s == pytest.approx(50.4), "the sample at 19.9 s holds until 20.4 s, the next one is at 30 s"
    assert energy_j == pytest.approx(300.0 * 50.4)


def test_boundaries_between_samples_clip() -> None:
    t_s, power_w = np.array([0.0, 0.5, 1.0]), np.array([100.0, 300.0, 500.0])
    energy_j, covered_s = energy.step_hold(t_s, power_w, np.array([0.25, 0.75]), np.array([0.75, 1.75]), CAP_S)
    assert energy_j.tolist() == [100.0 * 0.25 + 300.0 * 0.25, 300.0 * 0.25 + 500.0 * 0.5]
    assert covered_s.tolist() == [0.5, 0.75]


def test_neighbouring_windows_add_up() -> None:
    t_s = at_10_hz(60.0)
    power_w = 300.0 + 100.0 * np.sin(t_s)
    edges = np.array([0.0, 0.123, 17.77, 41.0, 59.99])
    parts, _ = energy.step_hold(t_s, power_w, edges[:-1], edges[1:], CAP_S)
    whole, _ = energy.step_hold(t_s, power_w, edges[:1], edges[-1:], CAP_S)
    assert parts.sum() == pytest.approx(whole[0], rel=1e-12)


def test_windows_outside_the_samples_are_empty() -> None:
    t_s = at_10_hz(10.0)
    energy_j, covered_s = energy.step_hold(
        t_s, np.full_like(t_s, 300.0), np.array([-5.0, 20.0]), np.array([-1.0, 30.0]), CAP_S
    )
    assert energy_j.tolist() == covered_s.tolist() == [0.0, 0.0]


def test_counter_is_linear_between_readings() -> None:
    t_s, counter_j = np.array([0.0, 1.0, 3.0, 4.0]), np.array([1000.0, 1100.0, 1700.0, 1800.0])
    rise_j, covered_s = energy.counter_increase(t_s, counter_j, np.array([0.5, 2.0]), np.array([2.0, 9.0]))
    assert rise_j.tolist() == [50.0 + 300.0, 300.0 + 100.0]
    assert covered_s.tolist() == [1.5, 2.0]


def test_counter_falls_where_it_was_reset() -> None:
    assert energy.counter_falls(np.array([1000.0, 1100.0, 20.0, 120.0])).tolist() == [False, True, False]


def test_counter_jump_is_judged_with_a_second_to_spare() -> None:
    t_s = np.array([0.0, 0.1, 0.2, 0.3])
    # 700 J within 0.1 s can be a late update at 700 W; 2,000 J cannot.
    assert energy.counter_jumps(t_s, np.array([0.0, 700.0, 700.0, 2700.0]), 700.0).tolist() == [False, False, True]


def test_peaks_are_of_samples_inside() -> None:
    t_s, value = np.array([0.0, 1.0, 2.0, 3.0]), np.array([9.0, 1.0, 5.0, 7.0])
    peaks = energy.peaks(t_s, value, np.array([0.5, 0.0, 1.1]), np.array([3.0, 9.0, 1.9]))
    assert peaks.tolist() == [5.0, 9.0, -np.inf]


def test_residual_and_carbon() -> None:
    assert energy.residual_percent(105.0, 100.0) == 5.0
    assert energy.carbon_g(7.2e6, 400.0) == 800.0


@pytest.mark.parametrize("step_time_s", [0.1, 0.091, 0.109, 0.05, 0.0333, 0.2, 0.31])
def test_steps_in_time_with_the_sensor(step_time_s: float) -> None:
    assert energy.aliases(step_time_s)


@pytest.mark.parametrize("step_time_s", [0.01, 0.025, 0.07, 0.13, 0.15, 0.25, 0.4, 1.0])
def test_steps_out_of_time_with_the_sensor(step_time_s: float) -> None:
    assert not energy.aliases(step_time_s)
