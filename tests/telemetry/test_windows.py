import numpy as np
import pytest

from bench.telemetry import windows as windows_module
from bench.telemetry.windows import Counter, Lateness, Signal, Stretch, Windows

STRETCHES = [
    Stretch("load", 0.0, 3.0),
    Stretch("train", 3.0, 10.0),
    Stretch("validate", 13.0, 2.5),
    Stretch("train", 15.5, 4.5),
]


def test_stretches_of_a_phase_belong_together() -> None:
    windows = Windows(STRETCHES, idle_s=2.0)
    assert {name: group.seconds for name, group in windows.phases.items()} == {
        "load": 3.0,
        "train": 14.5,
        "validate": 2.5,
    }
    assert (windows.whole.start_s, windows.whole.end_s) == (0.0, 20.0)
    assert (windows.idle.start_s, windows.idle.end_s) == (-2.0, 0.0)


@pytest.mark.parametrize("chunk", [2, 3, 7, 50])
def test_chunks_change_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    t_s = np.cumsum(rng.uniform(0.02, 0.7, 60)) - 1.0
    power_w = rng.uniform(50.0, 700.0, 60)
    counter_j = np.cumsum(rng.uniform(0.0, 50.0, 60))
    counter_j[30:] -= counter_j[29] - 3.0

    def gather() -> tuple[Signal, Counter]:
        windows = Windows(STRETCHES, idle_s=2.0)
        signal, counter = Signal(windows, cap_s=0.5), Counter(windows, max_gap_s=0.5, max_rate=1400.0)
        for at_s, power, energy in zip(t_s, power_w, counter_j, strict=True):
            signal.add(at_s, power)
            counter.add(at_s, energy)
        signal.finish()
        counter.finish()
        return signal, counter

    whole_signal, whole_counter = gather()
    monkeypatch.setattr(windows_module, "CHUNK", chunk)
    signal, counter = gather()
    for name in ("integral", "covered_s", "peak", "count", "worst_gap_s"):
        np.testing.assert_allclose(getattr(signal, name), getattr(whole_signal, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(counter.increase, whole_counter.increase, rtol=1e-9)
    np.testing.assert_allclose(counter.covered_s, whole_counter.covered_s, rtol=1e-9)
    assert counter.faults == whole_counter.faults


def test_worst_gap_counts_from_the_edges_of_the_phase() -> None:
    windows = Windows([Stretch("load", 0.0, 10.0), Stretch("train", 10.0, 10.0), Stretch("save", 20.0, 5.0)], 2.0)
    signal = Signal(windows, cap_s=0.5)
    for t_s in (1.0, 2.0, 4.5, 9.0, 13.0, 16.0):
        signal.add(t_s, 100.0)
    signal.finish()
    assert signal.worst_gap_s.tolist()[:3] == [4.5, 4.0, 5.0]
    assert signal.count.tolist()[:3] == [4, 2, 0]


def test_samples_that_go_back_in_time_are_left_out() -> None:
    signal = Signal(Windows([Stretch("train", 0.0, 10.0)], 2.0), cap_s=0.5)
    for t_s in (1.0, 1.0, 0.5, 2.0):
        signal.add(t_s, 100.0)
    signal.finish()
    assert signal.count.tolist()[0] == 2


def test_a_counter_fault_touches_the_phases_it_lies_in() -> None:
    windows = Windows([Stretch("load", 0.0, 5.0), Stretch("train", 5.0, 5.0), Stretch("save", 10.0, 5.0)], 2.0)
    counter = Counter(windows, max_gap_s=0.5, max_rate=1400.0)
    for t_s in np.arange(-1.0, 16.0, 0.25):
        counter.add(t_s, 100.0 * t_s + (0.0 if t_s < 7.0 else -5000.0))
    counter.finish()
    faults = {name: counter.fault(group) for name, group in windows.phases.items()}
    assert faults == {"load": None, "train": "counter_reset", "save": None}
    assert counter.fault(windows.whole) == "counter_reset"
    assert windows.phases["load"].sum(counter.increase) == pytest.approx(500.0)


def test_a_counter_does_not_know_on_which_side_of_a_boundary_a_gap_was_spent() -> None:
    windows = Windows([Stretch("load", 0.0, 5.0), Stretch("train", 5.0, 10.0)], 2.0)
    counter = Counter(windows, max_gap_s=0.5, max_rate=1400.0)
    for t_s in (-0.1, 0.1, 4.0, 6.0, 9.0, 15.1):
        counter.add(t_s, 300.0 * t_s)
    counter.finish()
    assert counter.fault(windows.phases["load"]) == "gap_at_boundary"
    assert counter.fault(windows.phases["train"]) == "gap_at_boundary"


def test_a_counter_bridges_a_gap_inside_a_phase() -> None:
    windows = Windows([Stretch("train", 0.0, 10.0)], 2.0)
    counter = Counter(windows, max_gap_s=0.5, max_rate=1400.0)
    for t_s in (-0.1, 0.1, 9.9, 10.1):
        counter.add(t_s, 300.0 * t_s)
    counter.finish()
    assert counter.fault(windows.whole) is None
    assert windows.whole.sum(counter.increase) == pytest.approx(3000.0)


def test_lateness_and_missed_ticks_by_phase() -> None:
    windows = Windows([Stretch("load", 0.0, 1.0), Stretch("train", 1.0, 9.0)], 2.0)
    lateness = Lateness(windows, period_s=0.1)
    # Deadlines at 0.05, 0.15, ...; those at 0.75, 0.85, 0.95, 1.05 and 1.15 s have no reading.
    late_s = 0.002
    for tick in range(100):
        deadline_s = 0.05 + 0.1 * tick
        if tick == 12:
            lateness.miss(deadline_s, 5)
        if not 7 <= tick < 12:
            lateness.add(deadline_s + late_s, late_s if tick != 50 else 0.05)
    lateness.finish()
    assert lateness.missed(windows.phases["load"]) == 3
    assert lateness.missed(windows.phases["train"]) == 2
    assert lateness.missed(windows.whole) == 5
    assert lateness.p99_s(windows.phases["load"]) == pytest.approx(0.0021)
    assert lateness.p99_s(windows.whole) == pytest.approx(0.0501), "1 of 95 readings is more than 1 %"
    assert lateness.p99_s(windows.idle) is None
