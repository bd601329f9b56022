import numpy as np
import pytest

from bench.telemetry.amount import Amount
from bench.telemetry.gather import Gathered
from bench.telemetry.reading import Reading
from bench.telemetry.signals import GpuSignals
from bench.telemetry.windows import Counter, Signal, Span, Spans, Stretch

STRETCHES = [
    Stretch("load", 0.0, 3.0),
    Stretch("train", 3.0, 10.0),
    Stretch("validate", 13.0, 2.5),
    Stretch("train", 15.5, 4.5),
]


def unexplained(span: Span) -> None:
    """The source says nothing about what is missing."""


def signal(times_s: list[float]) -> Signal:
    return Signal(np.array(times_s), np.full(len(times_s), 100.0), 0.5, unexplained)


def counter(times_s: list[float] | np.ndarray, values: list[float] | np.ndarray) -> Counter:
    return Counter(np.array(times_s), np.array(values, dtype=float), 0.5, lambda _: "low", max_rate=1400.0)


def test_stretches_of_a_phase_belong_together() -> None:
    spans = Spans.of(STRETCHES, idle_s=2.0)
    assert {name: span.seconds for name, span in spans.phases.items()} == {"load": 3.0, "train": 14.5, "validate": 2.5}
    assert (spans.whole.start_s, spans.whole.end_s) == (0.0, 20.0)
    assert (spans.idle.start_s, spans.idle.end_s) == (-2.0, 0.0)


def test_worst_gap_counts_from_the_edges_of_the_phase() -> None:
    spans = Spans.of([Stretch("load", 0.0, 10.0), Stretch("train", 10.0, 10.0), Stretch("save", 20.0, 5.0)], 2.0)
    sampled = signal([1.0, 2.0, 4.5, 9.0, 13.0, 16.0])
    assert [sampled.worst_gap_s(span) for span in spans.phases.values()] == [4.5, 4.0, 5.0]
    assert [span.count(sampled.t_s) for span in spans.phases.values()] == [4, 2, 0]
    assert [sampled.peak(span).value for span in spans.phases.values()] == [100.0, 100.0, None]


def test_a_signal_without_samples_covers_nothing() -> None:
    nothing, span = signal([]), Span([(0.0, 10.0)])
    assert (nothing.coverage(span), span.count(nothing.t_s), nothing.peak(span)) == (0.0, 0, Amount(None, "no_samples"))
    assert nothing.worst_gap_s(span) == 10.0
    assert nothing.integral(span) == Amount(None, "no_samples")


def test_a_sample_that_holds_from_before_a_phase_is_no_peak_of_it() -> None:
    held, span = Signal(np.array([-0.5]), np.array([300.0]), 5.0, unexplained), Span([(0.0, 3.0)])
    assert (held.integral(span), held.peak(span)) == (Amount(900.0), Amount(None, "no_samples"))


def test_a_counter_fault_touches_the_phases_it_lies_in() -> None:
    spans = Spans.of([Stretch("load", 0.0, 5.0), Stretch("train", 5.0, 5.0), Stretch("save", 10.0, 5.0)], 2.0)
    times_s = np.arange(-1.0, 16.0, 0.25)
    counted = counter(times_s, 100.0 * times_s + np.where(times_s < 7.0, 0.0, -5000.0))
    assert {name: counted.increase(span) for name, span in spans.phases.items()} == {
        "load": (pytest.approx(500.0), ""),
        "train": (None, "counter_reset"),
        "save": (pytest.approx(500.0), ""),
    }
    assert counted.increase(spans.whole) == (None, "counter_reset")


def test_a_counter_does_not_know_on_which_side_of_a_boundary_a_gap_was_spent() -> None:
    times_s = np.array([-0.1, 0.1, 4.0, 6.0, 9.0, 15.1])
    counted = counter(times_s, 300.0 * times_s)
    for span in Spans.of([Stretch("load", 0.0, 5.0), Stretch("train", 5.0, 10.0)], 2.0).phases.values():
        assert counted.increase(span) == (None, "gap_at_boundary")


def test_a_counter_bridges_a_gap_inside_a_phase() -> None:
    times_s = np.array([-0.1, 0.1, 9.9, 10.1])
    assert counter(times_s, 300.0 * times_s).increase(Span([(0.0, 10.0)])) == (pytest.approx(3000.0), "")


@pytest.mark.parametrize(
    ("first_s", "last_s", "amount"),
    [
        (0.0, 100.0, (pytest.approx(30_000.0), "")),
        (0.3, 99.8, (pytest.approx(30_000.0), "")),
        (0.4, 99.8, (None, "low")),
        (3.0, 100.0, (None, "low")),
    ],
)
def test_a_counter_that_starts_late_or_ends_early_is_extended_by_half_a_second_and_no_more(
    first_s: float, last_s: float, amount: tuple[float | None, str]
) -> None:
    times_s = np.append(np.arange(first_s, last_s, 0.1), last_s)
    assert counter(times_s, 300.0 * times_s).increase(Span([(0.0, 100.0)])) == amount


def test_lateness_and_missed_ticks_by_phase() -> None:
    spans = Spans.of([Stretch("load", 0.0, 1.0), Stretch("train", 1.0, 9.0)], 2.0)
    gathered = Gathered()
    # Deadlines at 0.05, 0.15, ...; those at 0.75, 0.85, 0.95, 1.05 and 1.15 s have no reading.
    for tick in range(100):
        if not 7 <= tick < 12:
            late_s = 0.05 if tick == 50 else 0.002
            gathered.add(Reading("gpu", 0.05 + 0.1 * tick + late_s, late_s, missed=5 if tick == 12 else 0))
    gpu = GpuSignals(gathered.gpu, hz=10.0)
    assert gpu.missed_ticks(spans.phases["load"]) == 3
    assert gpu.missed_ticks(spans.phases["train"]) == 2
    assert gpu.missed_ticks(spans.whole) == 5
    assert gpu.lateness_s_p99(spans.phases["load"]) == Amount(0.002)
    assert gpu.lateness_s_p99(spans.whole) == Amount(0.05), "1 of 95 readings is more than 1 %"
    assert gpu.lateness_s_p99(spans.idle) == Amount(None, "no_samples")
